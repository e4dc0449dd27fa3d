"""TinySleepNet (Supratak and Guo, 2020), from the description of its layers and its released code.

Four convolutions, and an LSTM with peepholes in one direction. docs/explanation/prior-work.md lists
what differs from the original.
"""

from __future__ import annotations

from functools import partial

from pydantic import Field, PositiveInt
from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.core.settings import Settings
from xsleep.networks.deepsleepnet import Pool
from xsleep.networks.deepsleepnet2017 import Convolution
from xsleep.networks.dropout import dropout
from xsleep.networks.network import Stream, own
from xsleep.networks.recurrent import PeepholeLSTM

EPSILON, MOMENTUM = 1e-3, 0.01
"""Added to the variance in batch normalisation, and weight of a batch in the population's."""


class Sizes(Settings):
    """Hyper-parameters of TinySleepNet; defaults are those released.

    Attributes:
        filters: of each convolution.
        units: of the LSTM between epochs.
        dropout: probability of dropping a value.
        momentum: weight of a batch's statistics in the update of the population's.
    """

    filters: PositiveInt = 128
    units: PositiveInt = 128
    dropout: float = Field(default=0.5, ge=0, lt=1)
    momentum: float = Field(default=MOMENTUM, gt=0, le=1)


class EpochPart(nn.Module):
    """Four convolutions: ``(N, samples, C)`` to ``(N, features)``, 2048 of 3000 samples."""

    def __init__(self, channels: int, samples: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        n, norm = sizes.filters, (EPSILON, sizes.momentum)
        convolution = partial(Convolution, norm=norm, gain=1, generator=generator)
        self.convolutions = nn.Sequential(
            convolution(channels, n, 50, 6),  # half a second, every sixteenth
            Pool(8),
            nn.Dropout(sizes.dropout),
            *(convolution(n, n, 8) for _ in range(3)),
            Pool(4),
        )
        self.dropout = nn.Dropout(sizes.dropout)
        for step in (6, 8, 4):
            samples = -(-samples // step)
        self.features = samples * n

    def forward(self, x: Tensor) -> Tensor:
        maps = self.convolutions(x.transpose(1, 2))
        features: Tensor = self.dropout(maps.transpose(1, 2).flatten(1))
        return features


class SequencePart(nn.Module):
    """LSTM in one direction, with dropout of its output: ``(L, B, features)`` to ``(L, B, u)``."""

    def __init__(self, features: int, sizes: Sizes, generator: Generator) -> None:
        super().__init__()
        self.lstm, self.rate = PeepholeLSTM(features, sizes.units, generator), sizes.dropout

    def forward(self, x: Tensor) -> Tensor:
        L, B, _ = x.shape
        projected = PeepholeLSTM.project([self.lstm], x.flatten(0, 1)[None])
        steps = projected.unflatten(1, (L, B)).unbind(1)
        return dropout(PeepholeLSTM.evaluate_steps([self.lstm], steps)[0], self.rate, self.training)

    def overlapping(self, x: Tensor, length: int) -> Tensor:
        """Return the states ``(length, S, u)`` of all sequences in ``(n, features)``."""
        projected, count = PeepholeLSTM.project([self.lstm], x[None]), len(x) - length + 1
        steps = (projected[:, t : t + count] for t in range(length))
        return PeepholeLSTM.evaluate_steps([self.lstm], steps)[0]


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return TinySleepNet with initial weights."""
    sizes = own(settings, "TinySleepNet", Sizes)
    epoch = EpochPart(channels, SAMPLES, sizes, generator)
    return epoch, SequencePart(epoch.features, sizes, generator), sizes.units
