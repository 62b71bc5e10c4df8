"""Which domains a subcomponent is about, and how to say it."""

from collections.abc import Mapping, Sequence

from prefactor.corpus.languages import is_language, one_word


def concentration(importance: Mapping[str, float], share: Mapping[str, float]) -> dict[str, float]:
    """Each domain's part in a subcomponent; the parts sum to 1 (all 0 where there is nothing to go by).

    The mean of two views in which every domain weighs the same: how much it is needed (mean importance,
    normalised over domains) and how often it fires (``share``). The first counts weak need everywhere, the
    second only clear firings.
    """
    total = sum(importance.values())
    views = [{domain: value / total for domain, value in importance.items()}] if total > 0 else []
    if sum(share.values()) > 0:
        views.append(dict(share))
    return {domain: sum(view[domain] for view in views) / max(1, len(views)) for domain in importance}


def most_concerned(parts: Mapping[str, float]) -> tuple[tuple[str, ...], float]:
    """The set of domains that stands out most, in the order of ``parts``, and how clearly it does.

    Clarity of the k domains with the largest parts: k × (smallest part inside - largest part outside). It is
    1 where the k share everything equally and 0 where some domain outside has as much as one inside. Of
    equally clear sets the largest wins: it claims least. All domains together are no claim: ((), 0).
    """
    ranked = sorted(parts, key=lambda domain: -parts[domain])
    size, clarity = 0, 0.0
    for k in range(1, len(ranked)):
        gap = k * (parts[ranked[k - 1]] - parts[ranked[k]])
        if gap > 0 and gap >= clarity - 1e-9:
            size, clarity = k, gap
    inside = set(ranked[:size])
    return tuple(domain for domain in parts if domain in inside), min(1.0, clarity)


def text_of(domains: Sequence[str], known: Sequence[str]) -> str:
    """``domains`` out of all the ``known`` ones as the subject of a label, in at most 6 words."""
    outside = [domain for domain in known if domain not in domains]
    foreign = outside == ["en"] and all(is_language(domain) for domain in domains)
    if len(domains) <= 2 or (len(domains) == 3 and not foreign):
        names = [one_word(domain) for domain in domains]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        return f"{listed} text"
    if foreign:
        return f"foreign text ({' '.join(domains)})" if len(domains) <= 4 else "foreign text (all but en)"
    if len(outside) == 1:
        return f"text of all domains but {one_word(outside[0])}"
    return f"text of {len(domains)} domains"
