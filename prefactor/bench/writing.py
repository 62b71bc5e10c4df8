"""How the base and the edited model continue a prompt, a token of each at a time, on the same noise."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from prefactor.bench.live import Live
from prefactor.bench.reading import encoded, longest
from prefactor.bench.turns import Turn
from prefactor.errors import PrefactorError
from prefactor.evaluate.rollouts import Gumbel
from prefactor.model.change import Change


@dataclass(eq=False)
class Side:
    """One model's continuation so far, with the keys and values of what it has read."""

    change: Change
    ids: Tensor  # (1, n)
    noise: Gumbel
    cache: Any = None
    new: list[int] = field(default_factory=list)

    def step(self, target: Any, last_alone: dict[str, int]) -> int:
        """The next token, put behind the others; ``target`` has the change."""
        unread = self.ids if self.cache is None else self.ids[:, -1:]
        out = target(input_ids=unread, past_key_values=self.cache, use_cache=True, **last_alone)
        self.cache = getattr(out, "past_key_values", None)  # a family without keys and values reads all again
        token = self.noise(self.ids, out.logits[:, -1].float()).argmax(-1)
        self.ids = torch.cat([self.ids, token[:, None]], dim=1)
        self.new.append(int(token))
        return int(token)


def write(
    live: Live, tokenizer: Tokenizer, sides: Mapping[str, Change], prompt: str, tokens: int, temperature: float,
    seed: int, turn: Turn,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """For each token of each side ``side`` and its whole ``text`` so far; ``done`` at the end.

    What is wrong with the prompt is told before anything is yielded.

    Raises:
        PrefactorError: the prompt is empty or leaves no position for a token; or, later on, ``turn`` is over.
    """
    ids = encoded(live, tokenizer, prompt, "prompt")
    room = longest(live) - ids.shape[1]
    if room < 1:
        raise PrefactorError(f"the prompt has {ids.shape[1]} tokens, and the model no position after them: shorten it")
    return _steps(live, tokenizer, sides, ids, min(tokens, room), temperature, seed, turn)


def _steps(
    live: Live, tokenizer: Tokenizer, sides: Mapping[str, Change], ids: Tensor, tokens: int, temperature: float,
    seed: int, turn: Turn,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    own = {name: Side(change, ids, Gumbel(seed, temperature)) for name, change in sides.items()}
    can = inspect.signature(live.target.forward).parameters
    last_alone = {"logits_to_keep": 1} if "logits_to_keep" in can else {}
    for _ in range(tokens):
        for name, side in own.items():
            with live.mine(turn, side.change) as target:
                side.step(target, last_alone)
            yield {"side": name, "text": tokenizer.decode(side.new, skip_special_tokens=False)}
    yield {"done": tokens}
