"""The second pass of a targeted decomposition: what all other text needs stays with Δ, and is not to be disturbed.

The components are to carry what a narrow stream of text needs: the target stream, on which ``train.py`` does all that
it does for a full decomposition, without faithfulness. On broad text, the other stream, Δ is never ablated; the
components are, at random, around their own importance there, which is to be small (tPD, arXiv 2607.13047).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefactor.config.decompose import Objective, Targeted
from prefactor.config.training import TrainingConfig
from prefactor.corpus.blocks import Blocks
from prefactor.machine.processes import Processes
from prefactor.machine.runtime import generator
from prefactor.vpd.batches import given
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky, upper_leaky
from prefactor.vpd.losses import minimality, penalise
from prefactor.vpd.noise import step_noise


@dataclass(frozen=True, eq=False)
class OtherStream:
    """Blocks (n, position) of the other stream, of a toy (n, position, feature), and what is asked of it."""

    blocks: np.ndarray
    config: Targeted

    def step(
        self, model: DecomposedModel, net: ImportanceNet, training: TrainingConfig, step: int, processes: Processes,
    ) -> dict[str, Tensor]:  # fmt: skip
        """The pass of one step: adds its gradients to the parameters', and returns its detached loss terms.

        Its blocks and masks depend on (training seed, step) alone. With several processes each has its part of both.
        """
        device, batch, positions = next(net.parameters()).device, self.config.batch, self.blocks.shape[1]
        rows, whole, share = processes.rows(batch), batch * positions, 1 / processes.count
        chosen = torch.randint(len(self.blocks), (batch,), generator=generator(training.seed, step, -1)).numpy()
        tokens = given(self.blocks[chosen[rows.start : rows.stop]], device)
        # The target stream's rows draw by their numbers, from 0; these are numbered on.
        own = range(training.batch + rows.start, training.batch + rows.stop)
        draws = step_noise(training.seed, step, own, positions, model.subcomponents, len(model.sites), 1, device)
        states = model.states(tokens)
        logits, inputs = model.observe(tokens, states)
        z = net(inputs).to(model.U[0].dtype)
        g = lower_leaky(z)
        pinned = torch.ones(1, 1, len(model.sites), device=device, dtype=g.dtype)
        out = model.masked(tokens, g + (1 - g) * draws.r.to(g), pinned, states=states)
        stochastic = model.divergence.measure(model.divergence.prepare(logits), out)
        progress = step / training.steps
        total = processes.total(penalise(upper_leaky(z), training.penalty, progress).sum(dim=(0, 1)))
        minimal, _ = minimality(total, whole)
        (self.config.stochastic * stochastic * share + self.config.minimality * minimal).backward()
        terms = {"stochastic": stochastic * share, "minimality": minimal * share, "l0": (g > 0).sum() / whole}
        return {f"other_{name}": term.detach() for name, term in terms.items()}


def streams(blocks: Blocks, objective: Objective) -> tuple[np.ndarray, OtherStream | None]:
    """The text that is decomposed, (n, position), and of a targeted decomposition the other stream."""
    if objective == "full":
        return blocks.tokens, None
    return blocks.among(objective.target).tokens, OtherStream(blocks.among(objective.other).tokens, objective)
