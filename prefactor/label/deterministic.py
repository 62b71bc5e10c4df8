"""The labeller that needs no model: it writes the label from the harvest's figures.

A label is made of up to three claims, and only of claims that are clear enough: the domains the
subcomponent is about (``domains.most_concerned``), the tokens it fires on (``tokens.token_claims``) and the
target's most likely next token (``tokens.likely_next``). Each claim's clarity is 0 at chance and 1 where the
evidence could not be plainer. The label's score is the clarity of its least clear claim; an unclear label
keeps the best clarity that was found.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from prefactor.config.label import DeterministicLabeller
from prefactor.corpus.languages import one_word
from prefactor.label.about import concentration, most_concerned, text_of
from prefactor.label.evidence import Evidence
from prefactor.label.labeller import MOST_WORDS, UNCLEAR, Label
from prefactor.label.tokens import COVERED, Claim, firing_tokens, likely_next, token_claims

FEWEST_FIRINGS = 10  # below this nothing is claimed
DENSE = 0.5  # firing at this share of the tokens of every domain is firing everywhere


class Deterministic:
    """See the module's docstring. ``clear`` is the clarity from which a claim enters a label."""

    name = "deterministic-v1"
    most_failures = 0.0  # it never fails

    def __init__(self, config: DeterministicLabeller) -> None:
        self.clear = config.clear

    def label_many(self, evidence: Iterable[Evidence]) -> Iterator[Label]:
        return map(self.label, evidence)

    def label(self, evidence: Evidence) -> Label:
        domains, domain_clarity = most_concerned(concentration(evidence.importance, evidence.share))
        tokens = token_claims(evidence.windows, evidence.fires)
        next_tokens = likely_next(evidence)
        figures = {
            "density": _round(evidence.density),
            "mean_importance": _round(evidence.mean_importance),
            "importance": {domain: _round(value) for domain, value in evidence.importance.items()},
            "share": {domain: _round(value) for domain, value in evidence.share.items()},
            "domains": {"most": list(domains), "clarity": _round(domain_clarity)},
            "examples": len(evidence.windows),
            "tokens": dict(firing_tokens(evidence.windows)[:5]),
            "next": {claim.text: _round(claim.covered) for claim in next_tokens[:3]},
        }
        if evidence.firings < FEWEST_FIRINGS:
            reasoning = (
                f"It fires on {evidence.firings:.0f} tokens of the harvest; below {FEWEST_FIRINGS} none is judged."
            )
            return Label(f"{UNCLEAR}: too few firings", reasoning, figures, 0.0)

        if domain_clarity < self.clear:
            domains = ()
        detail = self._clearest(tokens)
        following = self._clearest([claim for claim in next_tokens[:1] if claim.covered >= COVERED])
        made = [domain_clarity] * bool(domains) + [claim.clarity for claim in (detail, following) if claim]
        everywhere = min(evidence.domain_density.values(), default=evidence.density)
        claimed = None
        if everywhere >= DENSE:
            text, score = "dense: fires everywhere", everywhere
        elif made:
            subject = text_of(domains, evidence.domains) if domains else None
            text, score = _compose(subject, detail, following), min(made)
            claimed = domains or None
        else:
            text = f"{UNCLEAR}: fires on many tokens"
            score = max([domain_clarity, *(claim.clarity for claim in tokens)])
        figures["claims"] = [_figures(claim) for claim in (detail, following) if claim]
        return Label(text, _reasoning(evidence, domains, detail, following), figures, round(score, 4), claimed)

    def _clearest(self, claims: list[Claim]) -> Claim | None:
        """The first of the clearest, if that is clear enough."""
        best = max(claims, key=lambda claim: claim.clarity, default=None)
        return best if best and best.clarity >= self.clear else None


def _compose(subject: str | None, detail: Claim | None, following: Claim | None) -> str:
    """The claims as one phrase; the last ones are left out where the words run out."""
    phrase = subject or ""
    if detail:
        listed = detail.text.split(" ")
        kind = "the token " if len(listed) == 1 else "the tokens "
        said = f"{kind}{detail.text}" if detail.kind == "tokens" and not subject else detail.text
        if subject and detail.kind == "tokens":  # the reasoning has them all
            said = " ".join(listed[: MOST_WORDS - len(subject.split())])
        phrase = f"{subject}: {said}" if subject else said
    if following:
        longer = f"{phrase}, before {following.text}" if phrase else f"tokens before {following.text}"
        phrase = longer if len(longer.split()) <= MOST_WORDS else phrase
    return phrase


def _reasoning(evidence: Evidence, domains: tuple[str, ...], detail: Claim | None, following: Claim | None) -> str:
    """One to three sentences with the figures behind the label."""
    sentences = [_about_domains(evidence, domains)]
    examples = len(evidence.windows)
    fires = f"It fires on {evidence.density:.2%} of the tokens"
    if detail:
        held = f"{detail.covered:.0%} of {examples} examples against {detail.chance:.0%} of other tokens"
        sentences.append(f"{fires}; {detail.text}: {held}.")
    elif examples:
        token, count = firing_tokens(evidence.windows)[0]
        kinds = len(firing_tokens(evidence.windows))
        sentences.append(f"{fires}; {examples} examples have {kinds} different tokens, {token} in {count} of them.")
    else:
        sentences.append(f"{fires}.")
    if following:
        share = f"{following.covered:.0%} of the firings against {following.chance:.0%} of all tokens"
        sentences.append(f"The target's most likely next token is {following.text} at {share}.")
    return " ".join(sentences)


def _about_domains(evidence: Evidence, domains: tuple[str, ...]) -> str:
    listed = ", ".join(f"{one_word(domain)} {value:.2g}" for domain, value in evidence.importance.items())
    if not domains:
        return f"Mean importance by domain ({listed}) makes none stand out clearly."
    share = sum(evidence.share[domain] for domain in domains)
    most = " and ".join(one_word(domain) for domain in domains)
    weighed = "every domain weighing the same"
    return f"Mean importance by domain: {listed}; {share:.0%} of its firings, {weighed}, lie in {most}."


def _figures(claim: Claim) -> dict[str, Any]:
    return {"text": claim.text, "covered": _round(claim.covered), "chance": _round(claim.chance)}


def _round(value: float) -> float:
    """Four digits: enough to judge by, and the same on every machine."""
    return float(f"{value:.4g}")
