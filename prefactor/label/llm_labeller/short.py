"""The prompt for small models: a few lines of evidence, after examples of the same form; some 600 tokens in all."""

from collections import Counter
from collections.abc import Mapping

from prefactor.corpus.languages import one_word
from prefactor.label.evidence import Evidence, Window
from prefactor.label.llm_labeller.answer import ShortAnswer, short_answer
from prefactor.label.llm_labeller.degenerate import Instructions
from prefactor.llm.prompt import as_data

AROUND = 32  # characters shown on either side of a firing
LONGEST = 24  # characters of a token
DOMAINS, TOKENS = 6, 5  # listed, of those that it fires in and on most


def shown(evidence: Evidence, windows: int) -> Mapping[str, str]:
    """What stands in the template. Each text is JSON on a line: none can end the evidence or begin an answer."""
    ranked = sorted(evidence.share.items(), key=lambda item: -item[1])[:DOMAINS]
    return {
        "domains": ", ".join(f"{one_word(domain)} {share:.0%}" for domain, share in ranked),
        "tokens": ", ".join(f"{as_data(token)} {count}" for token, count in _firing(evidence)),
        "lines": "\n".join(_line(window) for window in evidence.windows[:windows]),
    }


def answer(evidence: Evidence, instructions: Instructions) -> type[ShortAnswer]:
    return short_answer(evidence.domains, instructions, (token for token, _ in _firing(evidence)))


def told(evidence: Evidence) -> str:
    """What a label rests on, in place of a reasoning: a small model's leads nowhere and may not end."""
    parts = shown(evidence, 0)
    return f"Shown: {parts['domains']} of the firings; {parts['tokens']} of {len(evidence.windows)} examples."


def _firing(evidence: Evidence) -> list[tuple[str, int]]:
    tokens = (window.tokens[window.position].strip()[:LONGEST] for window in evidence.windows)
    return Counter(token for token in tokens if token).most_common(TOKENS)


def _line(window: Window) -> str:
    """Its text, with the firing token between « and », the space before it outside."""
    before = "".join(window.tokens[: window.position])[-AROUND:]
    after = "".join(window.tokens[window.position + 1 :])[:AROUND]
    token = window.tokens[window.position]
    space = token[: len(token) - len(token.lstrip())] if token.strip() else ""
    return as_data(f"{before}{space}«{token[len(space) :][:LONGEST]}»{after}")
