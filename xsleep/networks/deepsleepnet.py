"""DeepSleepNet+ of the transfer paper (Phan et al., IEEE TBME 2021), as released.

Two stacks of convolutions, one with small filters for temporal and one with large filters for
frequency information, are followed by a stacked bidirectional LSTM with peepholes between epochs.
A fully connected shortcut bypasses the LSTM and is added to its output.
docs/explanation/transfer.md lists what is in the released code but not in the paper.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from xsleep.compute import parallel
from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.networks.dropout import dropout
from xsleep.networks.initial import glorot
from xsleep.networks.layers import same
from xsleep.networks.network import Stream
from xsleep.networks.recurrent import Bidirectional, PeepholeLSTM

EPSILON = 1e-3
"""Added to the variance in batch normalisation: TensorFlow's default."""

COLUMNS = 3
"""Width of the released first filters, over inputs of width 1. The outer two columns meet padding
only and are left out here, but the initial values depend on the width."""


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation over the minibatch of all processes that train together."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or parallel.size() == 1:
            return super().forward(x)
        over = [axis for axis in range(x.dim()) if axis != 1]
        each = [-1 if axis == 1 else 1 for axis in range(x.dim())]
        count = parallel.size() * x.numel() // x.shape[1]
        mean = parallel.summed(x.sum(over)) / count
        centred = x - mean.view(each)
        variance = parallel.summed(centred.square().sum(over)) / count
        assert self.momentum and self.running_mean is not None and self.running_var is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            cast(Tensor, self.num_batches_tracked).add_(1)
        factors = self.weight * (variance + self.eps).rsqrt()
        return centred * factors.view(each) + self.bias.view(each)


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU: ``(N, C, T)`` to ``(N, filters, ceil(T / stride))``.

    Channels-last memory would be a tenth faster on a CPU.
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int,
        *,
        momentum: float,
        generator: Generator,
        stride: int = 1,
        columns: int = 1,
    ):
        super().__init__()
        fans = columns * kernel * (channels + filters)
        self.weight = glorot(filters, channels, kernel, fans=fans, generator=generator)
        self.bias = glorot(filters, generator=generator)
        self.norm = BatchNorm(filters, EPSILON, momentum)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        padding = same(x.shape[2], self.weight.shape[2], self.stride)
        x = F.conv1d(F.pad(x, padding), self.weight, self.bias, self.stride)
        return F.relu(self.norm(x))


class Pool(nn.Module):
    """Maximum of each ``size`` samples and 0: ``(N, C, T)`` to ``(N, C, ceil(T / size))``."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool1d(F.pad(x, same(x.shape[2], self.size, self.size)), self.size)


class Branch(nn.Sequential):
    """Four convolutions and two pools, ``(N, C, samples)`` to ``(N, filters, length)``."""

    def __init__(
        self,
        channels: int,
        samples: int,
        settings: NetworkSettings,
        generator: Generator,
        *,
        kernel: int,
        stride: int,
        width: int,
        pools: tuple[int, int],
    ):
        first, others = settings.deepsleepnet_filters
        convolution = partial(
            Convolution, momentum=settings.deepsleepnet_momentum, generator=generator
        )
        super().__init__(
            convolution(channels, first, kernel, stride=stride, columns=COLUMNS),
            Pool(pools[0]),
            nn.Dropout(settings.deepsleepnet_dropout),
            convolution(first, others, width),
            convolution(others, others, width),
            convolution(others, others, width),
            Pool(pools[1]),
        )
        for step in (stride, *pools):
            samples = -(-samples // step)
        self.length = samples


class Shortcut(nn.Module):
    """Dropout, fully connected layer, batch normalisation, ReLU: ``(N, F)`` to ``(N, size)``."""

    def __init__(self, features: int, size: int, settings: NetworkSettings, generator: Generator):
        super().__init__()
        self.dropout = nn.Dropout(settings.deepsleepnet_dropout)
        self.weight = glorot(features, size, generator=generator)
        self.bias = glorot(size, generator=generator)
        self.norm = BatchNorm(size, EPSILON, settings.deepsleepnet_momentum)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.dropout(x) @ self.weight + self.bias))


class EpochPart(nn.Module):
    """Epoch processing block: ``(N, samples, C)`` to ``(N, features)``.

    The features are those of the convolutions, 3072 of 3000 samples, time step by time step, and
    those of the shortcut, two for each unit of the LSTM. The shortcut belongs here because the
    released code finetunes it with the convolutions, and overlapping sequences share it.
    """

    def __init__(
        self, channels: int, samples: int, settings: NetworkSettings, generator: Generator
    ):
        super().__init__()
        branch = partial(Branch, channels, samples, settings, generator)
        self.small = branch(kernel=50, stride=6, width=8, pools=(8, 4))
        self.large = branch(kernel=400, stride=50, width=6, pools=(4, 2))
        self.convolved = (self.small.length + self.large.length) * settings.deepsleepnet_filters[1]
        around = 2 * settings.deepsleepnet_units
        self.shortcut = Shortcut(self.convolved, around, settings, generator)
        self.features = self.convolved + around

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        maps = torch.cat((self.small(x), self.large(x)), dim=2)  # (N, filters, length)
        x = maps.transpose(1, 2).flatten(1)
        return torch.cat((x, self.shortcut(x)), dim=1)


class SequencePart(nn.Module):
    """Sequence processing block: ``(T, N, features)`` of an `EpochPart` to ``(T, N, 2u)``.

    Dropout is applied to the sum of LSTM and shortcut, and within the LSTM as its class ``rnn`` has
    it.
    """

    def __init__(
        self,
        convolved: int,
        units: int,
        layers: int,
        rate: float,
        generator: Generator,
        rnn: type[Bidirectional] = Bidirectional,
    ) -> None:
        super().__init__()
        self.convolved = convolved
        inputs = [convolved] + [units] * (layers - 1)
        self.rnn = rnn(
            lambda: nn.Sequential(*(PeepholeLSTM(size, units, generator) for size in inputs)), rate
        )

    def forward(self, x: Tensor) -> Tensor:
        x, around = x.tensor_split([self.convolved], dim=-1)
        return dropout(self.rnn(x) + around, self.rnn.dropout, self.training)

    def overlapping(self, x: Tensor, length: int) -> Tensor:
        """Return the states of all sequences of ``length``, as `Bidirectional.overlapping`."""
        x, around = x.tensor_split([self.convolved], dim=-1)
        return self.rnn.overlapping(x, length) + around.unfold(0, length, 1).permute(2, 0, 1)


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return DeepSleepNet+ with initial weights."""
    epoch, units = EpochPart(channels, SAMPLES, settings, generator), settings.deepsleepnet_units
    layers, rate = settings.deepsleepnet_layers, settings.deepsleepnet_dropout
    sequence = SequencePart(epoch.convolved, units, layers, rate, generator)
    return epoch, sequence, 2 * units
