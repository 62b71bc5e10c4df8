#!/usr/bin/env python
"""Text of what a small English model can do besides English: ``python scripts/capabilities.py CORPORA FOLDER``

Python and C++ from the packages that are installed beside this project (PyTorch has both), and sums that are made up
here; English and chat from ``train.parquet`` (``text``, ``lang``) and ``emoticons.parquet`` (``text``) in CORPORA.
And what is near to these and only to be measured: prose about software from the descriptions of packages, and numbers
that are counted and not added. ``benchmarks/smollm.yaml`` reads what is written: ``train.parquet`` and, of other
documents, ``eval.parquet`` in FOLDER, columns ``text`` and ``domain``. Equal packages and corpora give equal files.
"""

import argparse
import ast
import email
import random
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch
import transformers

SHORTEST, LONGEST = 200, 4000  # characters of a document
CHARACTERS = 2_500_000  # of a domain, at most
EVERY = 12  # of so many documents one is for evaluation


def english_text(corpora: Path) -> Iterator[str]:
    """Novels, news and sentences, shuffled."""
    table = pd.read_parquet(corpora / "train.parquet", columns=["text", "lang"])
    yield from table[table["lang"] == "en"]["text"].sample(frac=1, random_state=0)


def chat_text(corpora: Path) -> Iterator[str]:
    """Messages in their order, several of them a document."""
    messages = pd.read_parquet(corpora / "emoticons.parquet", columns=["text"])["text"].tolist()
    for start in range(0, len(messages), 12):
        yield "\n".join(messages[start : start + 12])


def python_text() -> Iterator[str]:
    """Functions and classes of transformers, each with its decorators and docstring."""
    for path in _shuffled(Path(transformers.__file__).parent, "*.py"):
        source = path.read_text(encoding="utf-8")
        lines = source.splitlines(keepends=True)
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                yield "".join(lines[first - 1 : node.end_lineno])


def cpp_text() -> Iterator[str]:
    """Headers of PyTorch without the comment that many begin with, cut at blank lines."""
    for path in _shuffled(Path(torch.__file__).parent / "include", "*.h"):
        text = path.read_text(encoding="utf-8", errors="ignore")
        document = ""
        for paragraph in re.sub(r"^\s*/\*.*?\*/", "", text, flags=re.DOTALL).split("\n\n"):
            document += paragraph + "\n\n"
            if len(document) > LONGEST // 4:
                yield document
                document = ""


def docs_text() -> Iterator[str]:
    """Paragraphs of prose in the descriptions of installed packages: no code, no tables, no links alone."""
    for own in sorted(metadata.distributions(), key=lambda own: (own.metadata["Name"].lower(), own.version)):
        description = email.message_from_string(own.read_text("METADATA") or "").get_payload()
        prose = re.sub(r"```.*?```", "", str(description), flags=re.DOTALL)
        for paragraph in prose.split("\n\n"):
            words = paragraph.split()
            if len(words) > 30 and sum(word.isalpha() for word in words) > 0.7 * len(words):
                yield " ".join(words)


def arithmetic_text() -> Iterator[str]:
    """A few sums a document, of one of several forms, with numbers below a hundred."""
    rng = random.Random(0)
    signs = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    words = {"+": "plus", "-": "minus", "*": "times"}
    while True:
        form, lines = rng.randrange(4), []
        for _ in range(rng.randint(8, 16)):
            sign = rng.choice("++-*")
            a, b = (rng.randint(2, 12), rng.randint(2, 12)) if sign == "*" else (rng.randint(1, 99), rng.randint(1, 99))
            if sign == "-":
                a, b = max(a, b), min(a, b)
            is_ = signs[sign](a, b)
            lines.append(
                (f"{a} {sign} {b} = {is_}", f"What is {a} {words[sign]} {b}? The answer is {is_}.",
                 f"{a} {words[sign]} {b} equals {is_}.", f"Q: {a}{sign}{b}\nA: {is_}")[form]
            )  # fmt: skip
        yield "\n".join(lines)


def counting_text() -> Iterator[str]:
    """Numbers with nothing to work out: by steps, up or down, in figures or named by what is counted."""
    rng = random.Random(1)
    things = ("page", "chapter", "step", "house number", "line", "day")
    while True:
        first, step, thing = rng.randint(1, 60), rng.choice((1, 1, 1, 2, 5, 10)), rng.choice(things)
        numbers = [first + step * i for i in range(rng.randint(20, 40))]
        if rng.random() < 0.3:
            numbers.reverse()
        yield rng.choice((", ".join(map(str, numbers)), ", ".join(f"{thing} {number}" for number in numbers)))


def _shuffled(folder: Path, pattern: str) -> list[Path]:
    paths = sorted(folder.rglob(pattern))
    random.Random(0).shuffle(paths)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    both = {
        "en": english_text(asked.corpora), "python": python_text(), "cpp": cpp_text(),
        "arithmetic": arithmetic_text(), "chat": chat_text(asked.corpora),
    }  # fmt: skip
    rows: dict[str, list[dict[str, str]]] = {"train": [], "eval": []}
    for domain, texts in both.items():
        documents = list(_some(texts, CHARACTERS))
        for i, text in enumerate(documents):
            rows["eval" if i % EVERY == 0 else "train"].append({"text": text, "domain": domain})
    for domain, texts in {"docs": docs_text(), "counting": counting_text()}.items():
        rows["eval"] += [{"text": text, "domain": domain} for text in _some(texts, CHARACTERS // EVERY)]
    asked.folder.mkdir(parents=True, exist_ok=True)
    for split, own in rows.items():
        table = pd.DataFrame(own)
        table.to_parquet(asked.folder / f"{split}.parquet", index=False)
        print(f"{split}.parquet: {table.groupby('domain').size().to_dict()} documents", file=sys.stderr)


def _some(texts: Iterator[str], most: int) -> Iterator[str]:
    """Of ``texts`` those that are not too short, cut where they are too long, until there are ``most`` characters."""
    characters = 0
    for text in texts:
        if len(text) >= SHORTEST and not text.isspace():
            yield text[:LONGEST]
            characters += min(len(text), LONGEST)
        if characters > most:
            break


if __name__ == "__main__":
    main()
