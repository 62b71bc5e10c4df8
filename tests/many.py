"""A made-up run of many subcomponents: what the report's page must still be fast with."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from prefactor.files.artifacts import write_part
from tests import fake_data

WORDS = ("the", "und", "nicht", "Haus", "maison", "acqua", "libro", "window", "Straße", "voir", "perché", "mañana")
NAMES = {"de": "German", "en": "English", "fr": "French", "es": "Spanish", "it": "Italian"}
WINDOWS = 4  # of each subcomponent
WIDTH = 41  # tokens of a window


def make_many(root: Path, count: int) -> None:
    """The run of ``fake_data`` under ``root``, with ``count`` alive subcomponents."""
    fake_data.build(root)
    draw = random.Random(0)
    vocabulary = [f" {word}{ending}" for word in WORDS for ending in ("", "s", "e", "n", "er", "ing")]
    named = fake_data.chosen("contrast-16") + fake_data.chosen("random")
    names = named + [f"layers.{i // 1000}.mlp.up_proj:{1000 + i % 1000}" for i in range(count - len(named))]
    domains = list(fake_data.BASE_CE)
    harvested, windows, labels, effects, scores = [], [], [], [], []
    for name in names:
        main = draw.choice(domains)
        importance = {domain: draw.random() ** (2 if domain == main else 6) for domain in domains}
        harvested.append(_harvested(name, importance, draw, vocabulary, names))
        windows += [_window(name, rank, main, draw, vocabulary) for rank in range(WINDOWS)]
        label = f"{NAMES[main]} text: {draw.choice(WORDS)} {draw.choice(WORDS)}"
        labels.append(fake_data.label_row(name, label) | {"score": draw.random()})
        effects.append(fake_data.effects_row(name, {domain: 0.1 * draw.gauss(0, 1) for domain in domains}))
        scores.append(fake_data.score_row(name, 0.0) | {"detection": draw.random(), "agreement": draw.random()})
    data = root / "data"
    write_part(data / "harvest", "subcomponents", pa.Table.from_pylist(harvested), fake_data.ABOUT)
    write_part(data / "harvest", "examples", pa.Table.from_pylist(windows))
    write_part(data / "label", "labels", pa.Table.from_pylist(labels))
    write_part(data / "effects", "effects", pa.Table.from_pylist(effects))
    write_part(data / "score", "scores", pa.Table.from_pylist(scores, schema=fake_data.SCORES))


def _harvested(
    name: str, importance: dict[str, float], draw: random.Random, vocabulary: list[str], names: list[str]
) -> dict[str, Any]:
    def entries() -> list[dict[str, Any]]:
        found = draw.sample(vocabulary, 10)
        return [{"token": token, "value": draw.random(), "count": draw.randrange(5, 2000)} for token in found]

    row = fake_data.subcomponent_row(name, importance)
    row |= {"density": draw.random() ** 4, "mean_activation": draw.gauss(0, 1), "norm": draw.random()}
    row |= {f"{side}_{kind}": entries() for side in ("input", "output") for kind in ("recall", "pmi")}
    others = [draw.choice(names) for _ in range(10)]
    row["together"] = [
        {"subcomponent": other, "value": draw.random(), "count": draw.randrange(5, 999)} for other in others
    ]
    return row


def _window(name: str, rank: int, domain: str, draw: random.Random, vocabulary: list[str]) -> dict[str, Any]:
    importance = [draw.random() if draw.random() < 0.2 else 0.0 for _ in range(WIDTH)]
    return {
        "subcomponent": name, "rank": rank, "domain": domain, "position": WIDTH // 2,
        "tokens": draw.choices(vocabulary, k=WIDTH), "importance": importance,
        "activation": [draw.gauss(0, 1) for _ in range(WIDTH)],
    }  # fmt: skip
