"""U-Time (Perslev et al., NeurIPS 2019), from the description of its layers and its released code.

A U-Net over all samples of a sequence of epochs: four levels of dilated convolutions and pools, as
many of upsampling, and a mean over each epoch. It has no part that sees single epochs.
docs/explanation/prior-work.md lists what differs from the original.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.core.settings import Settings
from xsleep.core.stages import STAGES
from xsleep.networks.deepsleepnet import BatchNorm
from xsleep.networks.initial import glorot
from xsleep.networks.network import Stream, own

POOLS, KERNEL, DILATION = (10, 8, 6, 4), 5, 2
"""Factors of the pools, width of the convolutions, and dilation of those before a pool."""

EPSILON, MOMENTUM = 1e-3, 0.01
"""Added to the variance in batch normalisation, and weight of a batch in the population's."""


class Sizes(Settings):
    """Hyper-parameters of U-Time; defaults are those released.

    Attributes:
        filters: of the first level; each level has twice those of the one above.
        momentum: weight of a batch's statistics in the update of the population's.
    """

    filters: PositiveInt = 16
    momentum: float = Field(default=MOMENTUM, gt=0, le=1)


class Samples(nn.Module):
    """All samples of an epoch as its features: ``(N, 3000, C)`` to ``(N, 3000 * C)``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = SAMPLES * channels

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Convolution(nn.Module):
    """Convolution, ReLU and batch normalisation: ``(N, channels, T)`` to ``(N, filters, T)``."""

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        dilation: int,
        *,
        momentum: float,
        generator: Generator,
    ) -> None:
        super().__init__()
        fans = kernel * (channels + filters)
        self.weight = glorot(filters, channels, kernel, fans=fans, generator=generator)
        self.bias = nn.Parameter(torch.zeros(filters))
        self.norm = BatchNorm(filters, EPSILON, momentum)
        self.dilation = dilation

    def forward(self, x: Tensor) -> Tensor:
        around = self.dilation * (self.weight.shape[2] - 1)
        x = F.pad(x, (around // 2, around - around // 2))
        x = F.conv1d(x, self.weight, self.bias, dilation=self.dilation)
        normed: Tensor = self.norm(F.relu(x))
        return normed


class UNet(nn.Module):
    """U-Net over a sequence of epochs: ``(L, B, 3000 * C)`` to ``(L, B, 5)``, for any length L."""

    def __init__(self, channels: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()

        def convolution(before: int, after: int, kernel: int, dilation: int = 1) -> Convolution:
            return Convolution(
                before, after, kernel, dilation, momentum=sizes.momentum, generator=generator
            )

        filters = [sizes.filters * 2**level for level in range(len(POOLS) + 1)]
        self.down, self.up, self.merge = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, after in pairwise((channels, *filters)):
            dilation = DILATION if after < filters[-1] else 1
            first = convolution(before, after, KERNEL, dilation)
            self.down.append(nn.Sequential(first, convolution(after, after, KERNEL, dilation)))
        for pool, below, n in zip(POOLS[::-1], filters[:0:-1], filters[-2::-1], strict=True):
            self.up.append(convolution(below, n, pool))
            self.merge.append(
                nn.Sequential(convolution(2 * n, n, KERNEL), convolution(n, n, KERNEL))
            )
        stages = len(STAGES)
        self.dense = glorot(filters[0], stages, generator=generator)
        self.dense_bias = nn.Parameter(torch.zeros(stages))

    def forward(self, x: Tensor) -> Tensor:
        L, B, _ = x.shape
        x = x.view(L, B, SAMPLES, -1).permute(1, 3, 0, 2).reshape(B, -1, L * SAMPLES)
        passed = []
        for level, pool in zip(self.down, (*POOLS, 1), strict=True):
            x = level(x)
            passed.append(x)
            x = F.max_pool1d(x, pool)
        levels = zip(self.up, self.merge, POOLS[::-1], passed[-2::-1], strict=True)
        for up, merge, factor, beside in levels:
            x = up(x.repeat_interleave(factor, dim=2))
            cut = beside.shape[2] - x.shape[2]
            beside = beside.narrow(2, cut // 2, x.shape[2])
            x = merge(torch.cat((beside, x), dim=1))
        x = torch.tanh(x.transpose(1, 2) @ self.dense + self.dense_bias)  # (B, T, 5)
        lost = L * SAMPLES - x.shape[1]
        x = F.pad(x, (0, 0, lost // 2, lost - lost // 2))
        return x.view(B, L, SAMPLES, -1).mean(2).transpose(0, 1)

    def overlapping(self, x: Tensor, length: int) -> Tensor:
        """Return the states ``(length, S, 5)`` of all sequences in ``(n, 3000 * C)``.

        They are those of one pass over all n epochs, as the authors score a whole recording: an
        epoch has the same state in every sequence.
        """
        states: Tensor = self(x[:, None])[:, 0]
        return states.unfold(0, length, 1).permute(2, 0, 1)


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return U-Time with initial weights; the output layer is its last convolution."""
    return Samples(channels), UNet(channels, own(settings, "U-Time", Sizes), generator), len(STAGES)
