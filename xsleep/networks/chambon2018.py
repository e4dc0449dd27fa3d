"""Network of Chambon et al. (2018), from its description and that in braindecode's documentation.

A linear combination of the channels, two convolutions, and a linear classifier of an epoch and its
neighbours. docs/explanation/prior-work.md lists what differs from the original.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.core.settings import Settings
from xsleep.networks.network import Stream, own

KERNEL, PADDING, POOL = 50, 25, 13
"""Half a second, a quarter, and an eighth rounded up, at 100 Hz."""


class Sizes(Settings):
    """Hyper-parameters of the network; defaults are those of the paper.

    Attributes:
        filters: of each convolution.
        context: number of neighbours on either side of an epoch.
        dropout: probability of dropping a feature before the classifier.
    """

    filters: PositiveInt = 8
    context: NonNegativeInt = 1
    dropout: float = Field(default=0.25, ge=0, lt=1)


class EpochPart(nn.Module):
    """Features of an epoch: ``(N, samples, C)`` to ``(N, features)``, 136 a channel.

    Each channel is scaled to mean 0 and standard deviation 1 over the epoch. All combinations of
    channels share the convolutions.
    """

    def __init__(self, channels: int, samples: int, sizes: Sizes) -> None:
        super().__init__()
        n = sizes.filters
        self.spatial = nn.Linear(channels, channels) if channels > 1 else nn.Identity()
        self.first = nn.Conv1d(1, n, KERNEL, padding=PADDING)
        self.second = nn.Conv1d(n, n, KERNEL, padding=PADDING)
        for _ in range(2):
            samples = (samples + 2 * PADDING - KERNEL + 1) // POOL
        self.features = channels * n * samples

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.transpose(1, 2), x.shape[1:2]).transpose(1, 2)
        x = self.spatial(x).transpose(1, 2)  # (N, C, samples)
        maps: Tensor = x.flatten(0, 1)[:, None]
        for convolution in (self.first, self.second):
            maps = F.max_pool1d(F.relu(convolution(maps)), POOL)
        return maps.view(len(x), -1)


class Neighbours(nn.Module):
    """Features of an epoch and its neighbours: ``(L, B, F)`` to ``(L, B, (2 * context + 1) * F)``.

    Those beyond the ends of a sequence are 0.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.context, self.dropout = sizes.context, nn.Dropout(sizes.dropout)

    def forward(self, x: Tensor) -> Tensor:
        L, reach = len(x), self.context
        x = F.pad(x, (0, 0, 0, 0, reach, reach))
        around: Tensor = self.dropout(torch.cat([x[k : k + L] for k in range(2 * reach + 1)], -1))
        return around


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return the network with initial weights of PyTorch; the output layer is its classifier."""
    sizes = own(settings, "Chambon 2018", Sizes)
    epoch = EpochPart(channels, SAMPLES, sizes)
    return epoch, Neighbours(sizes), (2 * sizes.context + 1) * epoch.features
