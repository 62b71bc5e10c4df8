"""What the base and the edited model make of a text, token by token."""

from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from prefactor.bench.live import Live
from prefactor.bench.turns import Turn
from prefactor.errors import PrefactorError
from prefactor.files.model_config import positions_of
from prefactor.machine.exact import exact
from prefactor.model.change import Change
from prefactor.model.head import head_of

TOP = 5  # next tokens shown before and after
LONGEST = 2048  # tokens of a text, whatever the model's positions


def encoded(live: Live, tokenizer: Tokenizer, text: str, what: str = "text") -> Tensor:
    """The ids (1, n) of ``text`` as a document begins, at least two; no special token that it spells out is one.

    Raises:
        PrefactorError: there is no token in it, or there are more than the model has positions.
    """
    if not text.strip():
        raise PrefactorError(f"the {what} is empty: write some")
    tokenizer.encode_special_tokens = True
    plain, whole = (tokenizer.encode(text, add_special_tokens=add).ids for add in (False, True))
    ids, begins = whole, live.target.config.get_text_config().bos_token_id
    if whole == plain and isinstance(begins, int):  # documents of a tokenizer trained here are only separated by it
        ids = [begins, *plain]
    if len(ids) > (most := longest(live)):
        raise PrefactorError(f"the {what} has {len(ids)} tokens, its beginning included: shorten it to at most {most}")
    if len(ids) < 2:
        raise PrefactorError(f"the {what} is a single token, and nothing is predicted from nothing: write more")
    return torch.tensor([ids], device=next(live.target.parameters()).device)


def longest(live: Live) -> int:
    """Tokens that a text may have."""
    return min(LONGEST, positions_of(live.target.config) or LONGEST)


def read(live: Live, tokenizer: Tokenizer, change: Change, text: str, turn: Turn) -> dict[str, Any]:
    """A row for every token of ``text`` but the first of the document, and the means, in nats a token.

    ``base_ce`` and ``edited_ce`` are of the token where it stands, ``kl`` (base ‖ edited) is of its prediction, and
    ``before`` and ``after`` are the likeliest tokens in its place with their probabilities.

    Raises:
        PrefactorError: as :func:`encoded`; or ``turn`` is over.
    """
    ids = encoded(live, tokenizer, text)
    with live.mine(turn) as target:
        head = head_of(target, ids)
        base = head.states(ids)[0, :-1]
    with live.mine(turn, change):
        edited = head.states(ids)[0, :-1]
    rows: list[dict[str, Any]] = []
    for some in head.parts(len(base)):
        with live.mine(turn):  # no change reaches the head
            logp, logq = (F.log_softmax(head.logits(states[some]).float(), dim=-1) for states in (base, edited))
        rows += _rows(tokenizer, ids[0, 1:][some], logp, logq)
    means = {key: sum(row[key] for row in rows) / len(rows) for key in ("base_ce", "edited_ce", "kl")}
    return {"tokens": rows, "means": means}


def _rows(tokenizer: Tokenizer, following: Tensor, logp: Tensor, logq: Tensor) -> list[dict[str, Any]]:
    ce = [-exact(log.gather(-1, following[:, None])[:, 0]) for log in (logp, logq)]
    kl = exact((logp.exp() * (logp - logq)).sum(-1)).clamp_min(0)
    tops = [log.topk(min(TOP, log.shape[-1]), dim=-1) for log in (logp, logq)]
    named = [
        [[(shown(tokenizer, i), p) for i, p in zip(*row, strict=True)] for row in zip(ids, ps, strict=True)]
        for ids, ps in ((top.indices.tolist(), top.values.exp().tolist()) for top in tops)
    ]
    every = zip(following.tolist(), ce[0].tolist(), ce[1].tolist(), kl.tolist(), *named, strict=True)
    return [
        {"token": shown(tokenizer, i), "base_ce": b, "edited_ce": e, "kl": k, "before": before, "after": after}
        for i, b, e, k, before, after in every
    ]


def shown(tokenizer: Tokenizer, token: int) -> str:
    return tokenizer.decode([token], skip_special_tokens=False)
