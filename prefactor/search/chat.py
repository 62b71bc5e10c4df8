"""What a model says to a person's own words, before and after an edit."""

from typing import Any, NamedTuple

import torch

from prefactor.corpus.tokenizer_file import read_tokenizer
from prefactor.errors import PrefactorError
from prefactor.evaluate.rollouts import roll_out
from prefactor.export.edited_model import Edited
from prefactor.workspace import Workspace

TOKENS = 40  # said to a prompt


class Said(NamedTuple):
    before: str
    after: str


class Chat:
    """The likeliest continuation, so that the same words always get the same answer."""

    def __init__(self, work: Workspace, tokens: int = TOKENS):
        self._tokenizer, self._tokens = read_tokenizer(work.corpus), tokens

    def say(self, edited: Edited, prompt: str) -> Said:
        """How the base and the edited model go on from ``prompt``.

        Raises:
            PrefactorError: there is no token in it.
        """
        target: Any = edited.target
        ids = self._tokenizer.encode(prompt).ids
        if not ids:
            raise PrefactorError(f"{prompt!r} has no token in it: write some words")
        most = getattr(target.config, "max_position_embeddings", None)
        if most:
            ids = ids[-max(1, most - self._tokens) :]
        asked = torch.tensor([ids], device=next(target.parameters()).device)

        def answer() -> str:
            (new,) = roll_out(target, asked, self._tokens, 0, temperature=0.0).tolist()
            return self._tokenizer.decode(new, skip_special_tokens=False)

        before = answer()
        with edited.applied():
            return Said(before, answer())
