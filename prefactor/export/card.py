"""The model card of an edit: what was changed, from what, and what it did, beside an adapter or a merged checkpoint."""

from collections.abc import Mapping, Sequence
from typing import Any


def card(
    facts: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    damage: Sequence[Mapping[str, Any]] = (),
    base: str = "",
    front: Sequence[str] = (),
) -> str:
    """Markdown with the front matter that the Hub reads.

    Args:
        facts: as in ``edit.json`` (``docs/contracts.md``), and ``stacked``, the names of edits that lie on top of it.
        labels: of the subcomponents; none where the card must not change with a label's words.
        damage: rows of ``domain``, ``role``, ``base_ce``, ``edited_ce``, ``damage``, ``kl``; none where not measured.
        base: a line on the model that it belongs to; none where that is known from where the card lies.
        front: further lines of the front matter.
    """
    lines = [
        "---",
        "library_name: peft",
        "tags: [prefactor, model-editing]",
        *front,
        "---",
        "",
        f"# {facts['edit']}",
        "",
    ]
    lines += [f"Method `{facts['method']}`, aimed at the domain `{facts['target']}`. {_text(facts)}", ""]
    if facts["subcomponents"]:
        lines += (
            ["| subcomponent | label | prefactor |", "|---|---|---|"]
            if labels
            else ["| subcomponent | prefactor |", "|---|---|"]
        )
        values = [f"{value:.4g}" for value in facts["prefactors"]] or [""] * len(facts["subcomponents"])
        for name, value in zip(facts["subcomponents"], values, strict=True):
            label = f" {cell(labels.get(name) or '')} |" if labels else ""
            lines.append(f"| `{name}` |{label} {value} |")
        lines.append("")
    if facts.get("guard"):
        lines += [
            f"Guard, tolerance, reach: {', '.join(f'{key} {value}' for key, value in facts['guard'].items())}.",
            "",
        ]
    if damage:
        lines += ["Nats a token on held-out text; KL is of the edited model from the base.", ""]
        lines += ["| domain | role | before | after | damage | KL |", "|---|---|---|---|---|---|"]
        for row in damage:
            figures = f"{row['base_ce']:.3f} | {row['edited_ce']:.3f} | {row['damage']:+.3f} | {row['kl']:.3f}"
            lines.append(f"| {cell(row['domain'])} | {row['role']} | {figures} |")
    else:
        lines.append("Its damage was not measured when this was written.")
    if facts["decomposition"]:
        lines += ["", f"Decomposition (sha256 of its components): `{facts['decomposition']}`."]
    if base:
        lines += ["", base]
    lines.append("")
    return "\n".join(lines)


def _text(facts: Mapping[str, Any]) -> str:
    held = ", ".join(f"`{domain}`" for domain in facts["retain"])
    if facts.get("stacked"):
        on = ", ".join(f"`{name}`" for name in facts["stacked"])
        return f"What is written here of prefactors was set by hand; on top of it lies {on}, fitted as params say."
    if not facts["report_budget"]:
        if facts["tuned_with"]:
            return (
                f"Fitted on no token: set by what it does to {facts['tuned_with']} tokens of the target in the "
                f"corpus's select split, and bounded by what it does to as many of {held}. Protected domains were not "
                "looked at."
            )
        if not facts["subcomponents"]:
            return "No target token was used to set it."
        return (
            "No target token was used to set it; choosing its subcomponents, unless somebody named them, read text "
            "that is tagged as the target's."
        )
    return (
        f"Fitted on {facts['report_budget']} target tokens of the corpus's fit split; {held} held by KL to the base "
        "model. Protected domains are in no loss."
    )


def cell(text: str) -> str:
    """Labels and domains are data: they must not break a table, nor begin markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
