"""Every firing on a few blocks spread evenly over the text: what fires together, and which text is without.

One bit a (position, subcomponent), so that its size depends on the number of sampled tokens and of subcomponents alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prefactor.harvest.bits import unpacked
from prefactor.machine.exact import exact

COLUMNS = 1024  # subcomponents that are counted against all others at a time


@dataclass
class Sample:
    """S sampled blocks of T tokens; C subcomponents."""

    blocks: np.ndarray  # (S,) which of the text's blocks
    bits: Tensor  # (S, T, ceil(C / 8)) uint8, as numpy packs them
    subcomponents: int

    @classmethod
    def of(cls, blocks: int, positions: int, tokens: int, subcomponents: int) -> "Sample":
        """``tokens`` tokens in whole blocks, of ``blocks`` of ``positions``."""
        wanted = min(blocks, max(1, tokens // positions))
        chosen = np.unique(np.linspace(0, blocks - 1, wanted).round().astype(np.int64))
        bits = torch.zeros(len(chosen), positions, -(-subcomponents // 8), dtype=torch.uint8)
        return cls(chosen, bits, subcomponents)

    def note(self, start: int, fires: Tensor) -> None:
        """Keep what is sampled of a batch ``fires`` (batch, position, C) whose first block is number ``start``."""
        first, last = np.searchsorted(self.blocks, [start, start + len(fires)])
        for place in range(first, last):
            packed = np.packbits(fires[int(self.blocks[place]) - start].cpu().numpy(), axis=-1)
            self.bits[place] = torch.from_numpy(packed)

    def holds(self, start: int, count: int) -> bool:
        """Whether any of ``count`` blocks from ``start`` on is sampled."""
        first, last = np.searchsorted(self.blocks, [start, start + count])
        return bool(last > first)

    def fires(self) -> np.ndarray:
        """(S, T, C) bool."""
        return unpacked(self.bits.numpy(), self.subcomponents)


def together(sample: Sample, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """With which k others each subcomponent fires most: their numbers, similarities and joint firings, (C, k) each.

    The similarity is Ochiai's, ``n_ij / sqrt(n_i n_j)``: 1 if two always fire together, and not high only because one
    fires everywhere. Where there are fewer than k others the similarity is 0.
    """
    fires = torch.from_numpy(sample.fires()).flatten(0, 1).float()  # (S · T, C)
    count = fires.sum(0)
    k = min(k, max(0, sample.subcomponents - 1))
    partners = [np.zeros((0, k), dtype=kind) for kind in (np.int64, np.float64, np.int64)]
    for columns in torch.arange(sample.subcomponents).split(COLUMNS):
        joint = fires[:, columns].T @ fires
        similar = exact(joint) / (exact(count[columns, None]) * exact(count)).sqrt().clamp(min=1)
        similar[torch.arange(len(columns)), columns] = -1.0
        best = similar.sort(dim=1, descending=True, stable=True)
        which = best.indices[:, :k]
        parts = (which.numpy(), best.values[:, :k].numpy(), joint.gather(1, which).long().numpy())
        partners = [np.concatenate([before, part]) for before, part in zip(partners, parts, strict=True)]
    return partners[0], partners[1], partners[2]
