"""The prompt that shows all the evidence: thousands of tokens, for a model that reads them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from prefactor.corpus.languages import one_word
from prefactor.label.evidence import TABLES, Evidence, Window
from prefactor.label.llm_labeller.answer import FullAnswer, full_answer
from prefactor.label.llm_labeller.degenerate import Instructions
from prefactor.label.llm_labeller.figures import rounded
from prefactor.llm.prompt import as_data


def shown(evidence: Evidence, windows: int) -> Mapping[str, str]:
    """What stands in the template: the evidence as one line of JSON, and the mark around it."""
    data = as_data(_data(evidence, windows))
    mark = hashlib.sha256(data.encode()).hexdigest()[:12]  # that no text can quote, since it depends on the text
    return {"evidence": data, "mark": mark, "domains": as_data(evidence.domains)}


def answer(evidence: Evidence, instructions: Instructions) -> type[FullAnswer]:
    return full_answer(evidence.domains, instructions)


def _data(evidence: Evidence, windows: int) -> dict[str, Any]:
    return {
        "matrix": evidence.subcomponent.rpartition(":")[0],
        "fires_at_share_of_tokens": rounded(evidence.density),
        "firings": round(evidence.firings),
        "mean_importance": rounded(evidence.mean_importance),
        "domains": [
            {
                "domain": domain,
                "name": one_word(domain),
                "mean_importance": rounded(evidence.importance[domain]),
                "fires_at_share_of_its_tokens": rounded(evidence.domain_density[domain]),
                "share_of_firings": rounded(evidence.share[domain]),
            }
            for domain in evidence.domains
        ],
        **{
            table: [[entry.token, rounded(entry.value), entry.count] for entry in getattr(evidence, table)]
            for table in TABLES
        },
        "windows": [_window(window) for window in evidence.windows[:windows]],
    }


def _window(window: Window) -> dict[str, Any]:
    tokens: Sequence[list[Any]] = [
        [token, rounded(importance, 2), rounded(activation, 2)]
        for token, importance, activation in zip(window.tokens, window.importance, window.activation, strict=True)
    ]
    tokens[window.position].append("FIRES")
    return {"domain": window.domain, "text": "".join(window.tokens), "tokens": tokens}
