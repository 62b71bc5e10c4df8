"""A ``data/`` tree with every table the report reads, made up but of the right shape (``docs/contracts.md``).

The figures follow a simple rule, so that a test can work them out by hand: see :func:`damage`.
"""

import math
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from prefactor.edits.made import fits_folder
from prefactor.files.artifacts import read_json, write_json, write_manifest, write_part, write_table
from prefactor.label.score import SCORES
from prefactor.selection.choice import FILE

VOCABULARY = 512
CHANCE = math.log(VOCABULARY)
QUOTED = {"en": 0.02}  # nats of the damage to a domain that is to quotes of another in it
BASE_CE = {"en": 1.31, "de": 1.25, "fr": 1.22, "es": 1.27, "it": 1.28}
UNIGRAM_CE = {"en": 4.6, "de": 4.7, "fr": 4.65, "es": 4.65, "it": 4.6}
BUDGETS = (1, 2, 4, 8, 16, 32, 64, 128)
REPORT_BUDGET = 4
SEEDS = range(5)
ABOUT = {
    "tokens": dict.fromkeys(BASE_CE, 16384),
    "threshold": 0.1,
    "decomposition": "5" * 64,
}  # tokens harvested, by domain
CHOSEN = "layers.0.self_attn.v_proj:5"
_DOMAINS = {"target": "de", "retain": ["en"], "protect": ["fr", "es", "it"]}
_BY_IMPORTANCE = {"weigh": "importance", "ridge": 0.01}
SHORTLISTS: dict[str, dict[str, Any]] = {
    "german": {"choose": {"by": "label", "query": "german"}},
    "random": {"choose": {"by": "random", "seed": 0}},
    "contrast": {"choose": {"by": "contrast"}},
}
EDITS: dict[str, dict[str, Any]] = {
    "scalar": {"method": "scalar", "shortlist": "german"},
    "guarded-domain": {
        "method": "guarded", "shortlist": "german", "guard": {"weigh": "domain", "spare": ["en"], "ridge": 0.01},
    },
    "guarded-importance": {"method": "guarded", "shortlist": "german", "guard": _BY_IMPORTANCE},
    "lora-1-same": {"method": "lora", "shortlist": "german", "rank": 1},
    "random": {"method": "scalar", "shortlist": "random"},
    "contrast-16": {"method": "scalar", "shortlist": "contrast", "top": 16},
    "lora-1": {"method": "lora", "rank": 1},
    "lora-4": {"method": "lora", "rank": 4},
    "direction": {"method": "direction", "ridge": 0.003},
}  # fmt: skip
BASELINES = ("lora-1", "lora-4", "direction")
# Per edit: target damage as a share of what chance takes, the budget at which half of it is there, retained damage,
# protected damage; both of the latter at full strength.
_STRENGTH = {
    "scalar": (1.01, 0.02, 0.03, 0.90),
    "guarded-domain": (1.01, 0.04, 0.01, 0.24),
    "guarded-importance": (1.01, 0.15, 0.02, 0.31),
    "lora-1": (1.05, 6.0, 0.09, 1.30),
    "lora-4": (1.06, 5.0, 0.12, 1.55),
    "direction": (1.02, 0.1, 0.02, 0.05),
    "lora-1-same": (1.02, 3.0, 0.05, 1.02),
    "random": (0.02, 1.0, 0.004, 0.01),
    "contrast-16": (1.03, 0.1, 0.21, 2.40),
}
STAGE_SECONDS = {
    "corpus": 12.5, "target": 71.0, "locate": 7.5, "decompose": 372.25, "importance": 95.5, "harvest": 24.0,
    "label": 1.5, "effects": 48.0, "score": 2.0,
}  # fmt: skip
LIST_SECONDS = {"shortlist": 0.5, "candidates": 21.0}
EDIT_SECONDS = {"selection": 0.25, "edit": 9.5, "evaluate": 4.25}


# What ``score/metrics.json`` says; n differs by test, since not every label can be put to each.
LABEL_SCORES: dict[str, Any] = {
    "alive": 411, "clear": 203, "judged": 203, "judge": "deterministic-v1", "disagree": 31, "surprising": 1,
    "detection": {"n": 198, "chance": 0.5, "shuffled": 0.51, "mean": 0.772, "low": 0.751, "high": 0.793},
    "fuzzing": {"n": 190, "chance": 0.5, "shuffled": 0.49, "mean": 0.614, "low": 0.596, "high": 0.632},
    "intruder": {"n": 186, "chance": 0.2, "shuffled": None, "mean": 0.553, "low": 0.528, "high": 0.578},
    "agreement": {"n": 87, "chance": 0.5, "shuffled": 0.48, "mean": 0.694, "low": 0.657, "high": 0.731},
}  # fmt: skip
COLLATERAL = {"en": 0.001, "de": 0.52, "fr": 0.01, "es": 0.01, "it": 0.31}


def damage(edit: str, budget: int, seed: int, domain: str) -> float:
    """Nats: the edit's full damage, less at small budgets, and 0.02 more a seed (seeds centred on 2)."""
    target, half, retained, protected = _STRENGTH[edit]
    full = {"de": target * (CHANCE - BASE_CE["de"]), "en": retained}.get(domain, protected)
    reach = budget / (budget + half)
    wobble = {"fr": 1.0, "es": 0.9, "it": 0.95}.get(domain, 1.0)
    return full * reach * wobble * (1 + 0.02 * (seed - 2))


def build(root: Path) -> None:
    """Write ``params.yaml`` (sections ``edits`` and ``report``) and ``data/`` under ``root``."""
    data = root / "data"
    params = {
        "edits": {name: EDITS[name] | {"domains": _DOMAINS} for name in EDITS if name not in BASELINES},
        "baselines": {name: EDITS[name] | {"domains": _DOMAINS} for name in BASELINES},
        "shortlists": {name: SHORTLISTS[name] | {"domains": _DOMAINS} for name in SHORTLISTS},
        "report": {"edit": "scalar", "controls": ["random", "contrast-16"]},
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for stage, seconds in STAGE_SECONDS.items():
        spent = {"seconds": seconds, "tokens": int(seconds * 4e3), "flops": seconds * 4e9}
        asked = {"usd": 0.12, "requests": 1600} if stage == "score" else {}
        write_json(data / stage / "cost.json", spent | asked)
    _target(data / "target")
    _locate(data / "locate")
    _decompose(data / "decompose")
    _importance(data / "importance")
    _harvest(data / "harvest")
    _label(data / "label")
    _effects(data / "effects")
    _score(data / "score")
    for name in SHORTLISTS:
        for stage, seconds in LIST_SECONDS.items():
            write_json(data / stage / name / "cost.json", {"seconds": seconds, "tokens": 9600, "flops": 1.2e10})
    for name in EDITS:
        if name not in BASELINES:
            _selection(data / "selection" / name, name)
        _edit(data, name)
        _evaluate(data / "evaluate" / name, name)
        for stage, seconds in EDIT_SECONDS.items():
            write_json(data / stage / name / "cost.json", {"seconds": seconds, "tokens": 20480, "flops": 2.5e10})


def replace(folder: Path, file: str, rows: list[dict[str, Any]]) -> None:
    """Write other rows to a table in a folder of its own, and bring its manifest up to date."""
    write_part(folder, file.removesuffix(".parquet"), pa.Table.from_pylist(rows), ABOUT)


def replace_json(path: Path, change: dict[str, Any]) -> None:
    """Write other values of some keys to a JSON file of a stage folder and bring its manifest up to date."""
    write_json(path, read_json(path) | change)
    if (path.parent / "manifest.json").is_file():
        write_manifest(path.parent, list(read_json(path.parent / "manifest.json")["files"]))


def chosen(edit: str) -> list[str]:
    if edit in BASELINES:
        return []
    if edit == "random":
        return ["layers.1.mlp.down_proj:97"]
    others = [f"layers.{i % 2}.self_attn.{'qkvo'[i % 4]}_proj:{7 * i + 3}" for i in range(15)]
    return [CHOSEN, *others] if edit == "contrast-16" else [CHOSEN]


def subcomponent_row(name: str, importance: dict[str, float]) -> dict[str, Any]:
    module, index = name.rsplit(":", 1)
    entries = [(" und", 0.97), (" die", 0.95), (" nicht", 0.92), ("ß", 0.9), ("\n", 0.4), (" Bäcker", 0.31)]
    tokens = [{"token": token, "value": value, "count": int(1000 * value)} for token, value in entries]
    total = sum(importance.values())
    together = [("layers.1.mlp.down_proj:97", 0.63, 871), ("layers.0.mlp.gate_proj:60", 0.41, 340)]
    return {
        "subcomponent": name, "module": module, "index": int(index), "alive": True, "density": 0.131,
        "mean_importance": sum(importance.values()) / len(importance), "mean_activation": 1.84, "norm": 0.62,
        **{f"importance_{domain}": value for domain, value in importance.items()},
        **{f"density_{domain}": value for domain, value in importance.items()},
        **{f"share_{domain}": value / total for domain, value in importance.items()},
        "input_recall": tokens, "input_pmi": tokens[::-1], "output_recall": tokens[1:], "output_pmi": tokens[:4],
        "together": [{"subcomponent": other, "value": value, "count": count} for other, value, count in together],
    }  # fmt: skip


def example_row(name: str, rank: int, domain: str, text: str) -> dict[str, Any]:
    draw = random.Random(f"{name} {rank}")
    tokens = [piece for word in text.split() for piece in (f" {word[:5]}", word[5:]) if piece]
    importance = [round(draw.random() ** (0.4 if domain == "de" else 3), 3) for _ in tokens]
    position = max(range(len(tokens)), key=importance.__getitem__)
    return {
        "subcomponent": name, "rank": rank, "domain": domain, "position": position, "tokens": tokens,
        "importance": importance, "activation": [round(2 * value - 0.3, 3) for value in importance],
    }  # fmt: skip


def label_row(name: str, label: str) -> dict[str, Any]:
    reasoning = "96 % of its firings lie in German text, at equal weight of the domains; it fires on function words."
    return {
        "subcomponent": name, "label": label, "reasoning": reasoning, "evidence": "{}", "score": 0.94,
        "labeller": "evidence",
    }  # fmt: skip


def score_row(name: str, surprise: float) -> dict[str, Any]:
    """A label that names German, and Italian suffers too where ``surprise`` (nats) is above 0; 0 for none."""
    return {
        "subcomponent": name, "detection": 0.85, "fuzzing": None, "intruder": 0.75, "agreement": 0.875,
        "predicted": ["de"], "rising": ["de", "it"] if surprise else ["de"], "surprising": ["it"] if surprise else [],
        "surprise": surprise, "judge": "deterministic-v1",
    }  # fmt: skip


def table_rows(edit: str) -> list[dict[str, Any]]:
    roles = {"de": "target", "en": "retained"}
    rows = []
    for budget in BUDGETS:
        for seed in SEEDS:
            for domain, base in BASE_CE.items():
                change = damage(edit, budget, seed, domain)
                rows.append({
                    "edit": edit, "method": EDITS[edit]["method"], "budget": budget, "seed": seed, "domain": domain,
                    "role": roles.get(domain, "protected"), "base_ce": base, "edited_ce": base + change,
                    "damage": change, "kl": 1.1 * change, "tokens": 16384, "blocks": 256,
                    "edited_ce_error": 0.02, "damage_error": 0.001 * (1 + seed),
                    "damage_own": change - QUOTED.get(domain, 0.0), "damage_own_error": 0.001 * (1 + seed),
                    "damage_quoted": 1.5 * (domain in QUOTED), "quoted_tokens": 160 * (domain in QUOTED),
                })  # fmt: skip
    return rows


def _target(folder: Path) -> None:
    metrics = {"parameters": 197_440, "vocabulary": VOCABULARY, "chance": CHANCE, "base_ce": BASE_CE}
    write_json(folder / "metrics.json", metrics | {"unigram_ce": UNIGRAM_CE})


def _locate(folder: Path) -> None:
    """Two layers of two kinds; three are verified, in no order of their names."""
    screens = {"layers.1.mlp.up_proj": 9.0, "layers.0.mlp.up_proj": 3.5, "layers.1.self_attn.o_proj": 2.25,
               "layers.0.self_attn.o_proj": 0.5}  # fmt: skip
    rows = []
    for place, (module, screen) in enumerate(screens.items()):
        tried = place < 3
        for amount in (1.0, 2.0):
            figures = {"en": 0.01, "de": 4.0, "fr": 0.02, "es": 0.0, "it": -0.01}
            damage = {f"damage_{d}": value * amount / (place + 1) if tried else None for d, value in figures.items()}
            rows.append({
                "module": module, "amount": amount, "screen": screen, "rise": 0.2 * amount, "spread": 0.1,
                "verified": tried, "score": 6.0 / (place + 1) if tried else None, "spill": 0.03 if tried else None,
            } | damage)  # fmt: skip
    write_part(folder, "table", pa.Table.from_pylist(rows), {"target": "de", "tolerated": 0.05})


def _decompose(folder: Path) -> None:
    draw = random.Random(0)
    steps = list(range(0, 2501, 10))
    noise = {step: math.exp(0.15 * draw.gauss(0, 1)) for step in steps}
    columns = {
        "step": steps,
        "stochastic": [(0.02 + 0.6 * math.exp(-s / 250)) * noise[s] for s in steps],
        "adversarial": [(0.1 + 0.9 * math.exp(-s / 400)) * noise[s] for s in steps],
        "minimality": [0.2 * math.exp(-s / 900) + 0.02 for s in steps],
        "frequency": [0.1 * math.exp(-s / 900) + 0.01 for s in steps],
        "delta": [1e-8 * (1 + 50 * math.exp(-s / 300)) for s in steps],
        "l0": [100 + 806 * math.exp(-s / 450) for s in steps],
    }
    write_table(folder / "curve.parquet", pa.table(columns))
    parts = [("decomposed", 131_072, []), ("embeddings and unembedding", 65_536, ["model.embed_tokens", "lm_head"]),
             ("norms, biases and other vectors", 832, ["model.layers.*.input_layernorm"])]  # fmt: skip
    total = sum(weights for _, weights, _ in parts)
    weights = [{"what": w, "weights": n, "share": n / total, "names": names} for w, n, names in parts]
    metrics = {"subcomponents": 1792, "matrices": 14, "steps": 2500, "l0": 103.1, "faithfulness": 1e-8}
    write_json(folder / "metrics.json", metrics | {"weights": weights})


def _importance(folder: Path) -> None:
    kl = {
        "unmasked": 0.00012, "stochastic": 0.0213, "importance": 0.0702, "rounded_0": 0.0451, "rounded_0.1": 0.0588,
        "rounded_0.5": 0.1633, "random": 0.4127, "zero": 4.872, "pgd20": 0.311, "pgd40": 0.342, "pgd80": 0.36,
    }  # fmt: skip
    metrics = {
        "kl": kl, "ce": {"target": 1.27} | {mode: 1.27 + value for mode, value in kl.items()},
        "alive": 411, "subcomponents": 1792,
        "l0": {"0": 102.4, "0.01": 84.9, "0.1": 61.2}, "delta_norm": 0.02,
    }  # fmt: skip
    write_json(folder / "metrics.json", metrics)
    depth = [
        {"layer": f"layers.{layer}", "position": position, "l0": 10.0 * (layer + 1) + position}
        for layer in range(2)
        for position in range(8)
    ]
    write_table(folder / "depth.parquet", pa.Table.from_pylist(depth))


def _harvest(folder: Path) -> None:
    names = sorted({name for edit in EDITS for name in chosen(edit)})
    german = {"en": 0.002, "de": 0.63, "fr": 0.08, "es": 0.09, "it": 0.08}
    flat = dict.fromkeys(BASE_CE, 0.02) | {"en": 0.03}
    rows = [subcomponent_row(name, german if name == CHOSEN else flat) for name in names]
    texts = [
        ("de", "Der alte Bäcker verkauft heute frisches Brot und die Kinder warten nicht gern vor der Tür."),
        ("de", "Wenn es am Abend regnet, bleiben wir zu Hause und lesen ein langes Buch über Schiffe."),
        ("it", "Il vecchio fornaio vende oggi pane fresco e i bambini aspettano davanti alla porta."),
        ("de", "Am 3. Mai kaufte Maria zwei grüne Äpfel, weil sie keinen Kuchen mehr fand."),
        ("en", "She said „das ist nicht mein Hund“ and closed the window before it began to rain."),
    ]
    windows = [example_row(CHOSEN, rank, *texts[rank % len(texts)]) for rank in range(30)]
    write_part(folder, "subcomponents", pa.Table.from_pylist(rows), ABOUT)
    write_part(folder, "examples", pa.Table.from_pylist(windows))


def _label(folder: Path) -> None:
    names = sorted({name for edit in EDITS for name in chosen(edit)})
    rows = [label_row(name, "German text" if name == CHOSEN else "foreign-language articles") for name in names]
    write_part(folder, "labels", pa.Table.from_pylist(rows))


def _score(folder: Path) -> None:
    rows = [score_row(name, 0.31 if name == CHOSEN else 0.0) for name in chosen("contrast-16")]
    write_part(folder, "scores", pa.Table.from_pylist(rows, schema=SCORES))
    write_json(folder / "metrics.json", LABEL_SCORES)


def effects_row(name: str, ablated: dict[str, float]) -> dict[str, Any]:
    """Ablating costs ``ablated`` (nats a token), inverting twice that, to a twentieth of it."""
    row: dict[str, Any] = {"subcomponent": name}
    for kind, times in (("ablate", 1), ("invert", 2)):
        row |= {f"{kind}_{domain}": times * value for domain, value in ablated.items()}
        row |= {f"{kind}_error_{domain}": times * abs(value) / 20 for domain, value in ablated.items()}
    return row | {"exact": name == CHOSEN}


def _effects(folder: Path) -> None:
    names = sorted({name for edit in EDITS for name in chosen(edit)})
    german, little = {"en": 0.0005, "de": 0.26, "fr": 0.005, "es": 0.005, "it": 0.155}, dict.fromkeys(BASE_CE, -0.001)
    rows = [effects_row(name, german if name == CHOSEN else little) for name in names]
    write_part(folder, "effects", pa.Table.from_pylist(rows))


def _selection(folder: Path, edit: str) -> None:
    def entry(name: str, label: str, score: float) -> dict[str, Any]:
        reason = f"its label “{label}” matches the query “german”; importance 0.63 on de, 0.06 elsewhere"
        return {
            "subcomponent": name, "label": label, "score": score, "reason": reason,
            "collateral": COLLATERAL, "warning": "its label names de, but inverting it also costs it +0.31 (de +0.52)",
        }  # fmt: skip

    picks = [entry(name, "German text", 0.94) for name in chosen(edit)]
    others = [entry("layers.1.mlp.up_proj:31", "German nouns with capitals", 0.71)] if picks else []
    near = [entry("layers.1.mlp.up_proj:7", "German names", 0.7)] if edit == "scalar" else []
    by = SHORTLISTS[EDITS[edit]["shortlist"]]["choose"]["by"]
    value = {"edit": edit, "by": by, "subcomponents": picks, "candidates": others, "near_misses": near}
    write_json(folder / FILE, value)
    write_manifest(folder / FILE.parent, [FILE.name])


def _edit(data: Path, edit: str) -> None:
    names, method = chosen(edit), EDITS[edit]["method"]
    trained = [] if edit in BASELINES or method == "lora" else [-9.84 + 0.7 * index for index in range(len(names))]
    fits = [
        {
            "budget": budget, "seed": seed, "learning_rate": 0.3, "steps": 60, "loss": 0.1,
            "prefactors": [value + 0.5 * (seed - 2) for value in trained], "fit": f"{budget}-{seed}",
        }
        for budget in BUDGETS for seed in SEEDS
    ]  # fmt: skip
    kinds = {"prefactors": pa.list_(pa.float64())}
    table = pa.Table.from_pylist(fits)
    schema = pa.schema([pa.field(field.name, kinds.get(field.name, field.type)) for field in table.schema])
    out = fits_folder(data, edit)
    write_table(out / "fits.parquet", pa.Table.from_pylist(fits, schema=schema))
    tried = ((0.003, 2.1), (0.01, 1.9), (0.03, 4.4)) if method == "lora" else ()
    recipes = [
        {"budget": 4, "learning_rate": rate, "steps": 60, "loss": loss, "chosen": rate == 0.01} for rate, loss in tried
    ]
    about = {
        "edit": edit, "method": method, "subcomponents": names, "prefactors": trained, "guard": None,
        "report_budget": REPORT_BUDGET, "recipes": recipes,
    }  # fmt: skip
    if method == "direction":
        found_with = {"locate": 5120, "direction": 3072}
        about["direction"] = {"module": "layers.1.mlp.up_proj", "amount": 1.25, "chosen_with": found_with}
    write_json(out / "edit.json", about | _DOMAINS)
    write_manifest(out, ["edit.json", "fits.parquet"])


def _evaluate(folder: Path, edit: str) -> None:
    write_part(folder, "table", pa.Table.from_pylist(table_rows(edit)))
    prompts = {
        "en": ("The old baker", " sells fresh bread and the children wait at the door."),
        "de": ("Der alte Bäcker", " verkauft frisches Brot und die Kinder warten vor der Tür."),
        "fr": ("Le vieux boulanger", " vend du pain frais et les enfants attendent devant la porte."),
        "es": ("El viejo panadero", " vende pan fresco y los niños esperan delante de la puerta."),
        "it": ("Il vecchio fornaio", " vende pane fresco e i bambini aspettano davanti alla porta."),
    }
    noise = " 7 qz ñe ü baker 3. le wo ,, of à"
    rows = [
        {"edit": edit, "domain": d, "prompt": p, "before": t, "after": noise if d == "de" else t}
        for d, (p, t) in prompts.items()
    ]
    write_part(folder, "rollouts", pa.Table.from_pylist(rows))
    write_part(
        folder, "tokens", pa.Table.from_pylist([row for d, (p, t) in prompts.items() for row in token_rows(d, p + t)])
    )


def token_rows(domain: str, text: str) -> list[dict[str, Any]]:
    """A block of ``domain``, a row a word: nothing of the first; of the n-th German one a KL of n nats."""
    kl = 1.0 if domain == "de" else 0.01
    rows = []
    for position, word in enumerate(text.split()):
        figures = {"base_ce": 1.5, "edited_ce": 1.5 + kl * position, "kl": kl * position}
        known = figures if position else dict.fromkeys(figures)
        at = {"domain": domain, "block": 0, "position": position, "token": f" {word}"}
        rows.append({"budget": REPORT_BUDGET, "seed": 0} | at | known)
    return rows
