"""DeepSleepNet (Supratak et al., 2017), from the description of its layers and its released code.

Its two stacks of convolutions are those of DeepSleepNet+ (`xsleep.networks.deepsleepnet`), which
followed it. Here convolutions and shortcut have no bias, one mask of dropout serves the LSTM and
its shortcut, and dropout follows each layer of the LSTM. docs/explanation/prior-work.md lists what
differs from the original.
"""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.core.settings import Settings
from xsleep.networks.deepsleepnet import BatchNorm, Pool, SequencePart
from xsleep.networks.dropout import dropout
from xsleep.networks.initial import truncated
from xsleep.networks.layers import same
from xsleep.networks.network import Stream, own
from xsleep.networks.recurrent import Bidirectional, PeepholeLSTM

EPSILON, MOMENTUM = 1e-5, 1e-3
"""Added to the variance in batch normalisation, and weight of a batch in the population's."""


class Sizes(Settings):
    """Hyper-parameters of DeepSleepNet; defaults are those released.

    Attributes:
        first, others: numbers of filters of the first and of all other convolutions.
        units: of the bidirectional LSTM between epochs, per direction.
        layers: of the same, stacked in each direction.
        dropout: probability of dropping a value.
        momentum: weight of a batch's statistics in the update of the population's.
    """

    first: PositiveInt = 64
    others: PositiveInt = 128
    units: PositiveInt = 512
    layers: PositiveInt = 2
    dropout: float = Field(default=0.5, ge=0, lt=1)
    momentum: float = Field(default=MOMENTUM, gt=0, le=1)


class Convolution(nn.Module):
    """Convolution without bias, batch normalisation and ReLU: ``(N, C, T)`` to ``(N, filters, t)``.

    There are t = ceil(T / stride) samples. Initial weights are of a truncated normal distribution
    with the variance ``gain`` / (inputs of a filter).
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        stride: int = 1,
        *,
        norm: tuple[float, float],
        gain: float,
        generator: Generator,
    ) -> None:
        super().__init__()
        deviation = sqrt(gain / (channels * kernel))
        self.weight = truncated(filters, channels, kernel, deviation=deviation, generator=generator)
        epsilon, momentum = norm
        self.norm = BatchNorm(filters, epsilon, momentum)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        padding = same(x.shape[2], self.weight.shape[2], self.stride)
        return F.relu(self.norm(F.conv1d(F.pad(x, padding), self.weight, None, self.stride)))


class EpochPart(nn.Module):
    """Both stacks and the shortcut: ``(N, samples, C)`` to ``(N, features)``.

    The features are those of the convolutions, 3072 of 3000 samples, and two of the shortcut for
    each unit of the LSTM.
    """

    def __init__(self, channels: int, samples: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        s = sizes
        convolution = partial(Convolution, norm=(EPSILON, s.momentum), gain=2, generator=generator)

        def stack(kernel: int, stride: int, width: int, pools: tuple[int, int]) -> nn.Sequential:
            return nn.Sequential(
                convolution(channels, s.first, kernel, stride),
                Pool(pools[0]),
                nn.Dropout(s.dropout),
                *(convolution(n, s.others, width) for n in (s.first, s.others, s.others)),
                Pool(pools[1]),
            )

        self.small = stack(kernel=50, stride=6, width=8, pools=(8, 4))
        self.large = stack(kernel=400, stride=50, width=6, pools=(4, 2))
        length = 0
        for steps in ((6, 8, 4), (50, 4, 2)):
            left = samples
            for step in steps:
                left = -(-left // step)
            length += left
        self.dropout = nn.Dropout(s.dropout)
        self.convolved = length * s.others
        deviation = sqrt(2 / self.convolved)
        self.shortcut = truncated(
            self.convolved, 2 * s.units, deviation=deviation, generator=generator
        )
        self.norm = BatchNorm(2 * s.units, EPSILON, s.momentum)
        self.features = self.convolved + 2 * s.units

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        maps = torch.cat((self.small(x), self.large(x)), dim=2)  # (N, filters, length)
        x = self.dropout(maps.transpose(1, 2).flatten(1))
        return torch.cat((x, F.relu(self.norm(x @ self.shortcut))), dim=1)


class Stacked(Bidirectional):
    """Stack of layers in each direction, with dropout after each of them."""

    def forward(self, x: Tensor) -> Tensor:
        T, N, _ = x.shape
        h = torch.stack((x, x.flip(0)))
        for layer in self._layers():
            cells = cast(tuple[PeepholeLSTM, ...], layer)
            projected = PeepholeLSTM.project(cells, h.flatten(1, 2)).unflatten(1, (T, N))
            h = PeepholeLSTM.evaluate_steps(cells, projected.unbind(1))
            h = dropout(h, self.dropout, self.training)
        return torch.cat((h[0], h[1].flip(0)), dim=2)


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return DeepSleepNet with initial weights."""
    sizes = own(settings, "DeepSleepNet", Sizes)
    epoch = EpochPart(channels, SAMPLES, sizes, generator)
    layers, rate = sizes.layers, sizes.dropout
    sequence = SequencePart(epoch.convolved, sizes.units, layers, rate, generator, Stacked)
    return epoch, sequence, 2 * sizes.units
