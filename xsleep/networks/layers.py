"""Layers of the streams as the paper has them: filterbank, attention, outputs; and padding."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from xsleep.core.recording import BINS
from xsleep.networks.initial import glorot, normal


def same(samples: int, size: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after of TensorFlow's "SAME" padding.

    There are ceil(samples / stride) outputs. Of an odd number of zeros the larger half is after.
    """
    total = max((-(-samples // stride) - 1) * stride + size - samples, 0)
    return total // 2, total - total // 2


def triangles(filters: int) -> Tensor:
    """Return a bank of linear triangles between 0 and 50 Hz, ``(129, filters)``.

    The corners are equidistant frequencies rounded down to bins of a 256-point spectrum at 100 Hz.
    """
    corners = np.floor(257 * np.linspace(0, 50, filters + 2) / 100)
    bins = np.arange(BINS)
    bank = [np.interp(bins, corners[i : i + 3], (0, 1, 0)) for i in range(filters)]
    return torch.tensor(np.stack(bank, axis=1), dtype=torch.float32)


class Filterbank(nn.Module):
    """Learned filterbank of D filters for each channel (Section 3.1).

    ``(N, T, F, C)`` to ``(N, T, C * D)``, the channels side by side. A sigmoid keeps the weights
    non-negative, the triangles keep each filter in its band.
    """

    triangles: Tensor

    def __init__(self, channels: int, filters: int, generator: Generator):
        super().__init__()
        self.weight = normal(channels, BINS, filters, deviation=1.0, generator=generator)
        self.register_buffer("triangles", triangles(filters), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        bank = torch.sigmoid(self.weight) * self.triangles  # (C, 129, filters)
        return torch.cat([x[..., c] @ bank[c] for c in range(len(bank))], dim=-1)


def unshifted_softmax(scores: Tensor) -> Tensor:
    """Return the softmax over the first axis as eq. 5 prints it; scores above 88 overflow."""
    weights = scores.exp()
    return weights / weights.sum(0)


ATTENTION_SOFTMAX: dict[str, Callable[[Tensor], Tensor]] = {
    "shifted": partial(torch.softmax, dim=0),
    "unshifted": unshifted_softmax,
}
"""Softmax over time by its setting ``attention_softmax``."""


class Attention(nn.Module):
    """Weighted mean over time by learned weights (eqs. 4-6): ``(T, N, 2H)`` to ``(N, 2H)``.

    ``kernel`` is W_a, ``bias`` b_a and ``context`` a_e, of attention size A.
    """

    def __init__(self, features: int, size: int, softmax: str, generator: Generator):
        super().__init__()
        self.softmax = ATTENTION_SOFTMAX[softmax]
        self.kernel = normal(features, size, deviation=0.1, generator=generator)
        self.bias = normal(size, deviation=0.1, generator=generator)
        self.context = normal(size, deviation=0.1, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.tanh(x @ self.kernel + self.bias)  # eq. 6, (T, N, A)
        alpha = self.softmax(a @ self.context)  # eq. 5, (T, N)
        return (x * alpha.unsqueeze(2)).sum(0)  # eq. 4


class Output(nn.Module):
    """Linear layer whose outputs are the logits of eqs. 7-9: ``(..., 2H)`` to ``(..., stages)``."""

    def __init__(self, features: int, stages: int, generator: Generator):
        super().__init__()
        self.weight = glorot(features, stages, generator=generator)
        self.bias = glorot(stages, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias
