"""Raw stream of XSleepNet: FCNN and a bidirectional GRU (Section 3.1)."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import SAMPLES
from xsleep.networks.fast.convolution import ACTIVATIONS, Convolution, pairs
from xsleep.networks.network import Stream
from xsleep.networks.recurrent import GRU, Bidirectional

PRINTED = {375: 325}
"""Lengths of feature maps that the paper prints otherwise than its strides give them."""


class FCNN(nn.Module):
    """Fully convolutional network, feature map F_1 of the paper: ``(N, 3000, C)`` to ``(N, 1536)``.

    Nine convolutions of width 31 and stride 2, each with an activation, then the last feature maps
    flattened time step by time step.
    """

    def __init__(
        self, channels: int, samples: int, settings: NetworkSettings, generator: Generator
    ):
        super().__init__()
        s = settings
        convolution = partial(Convolution, deviation=s.filter_deviation, generator=generator)
        self.convolutions = nn.ModuleList()
        self.lengths: list[int] = []
        for before, after in pairwise((channels, *s.filters)):
            self.convolutions.append(convolution(samples, before, after, s.kernel))
            samples = (samples + 1) // 2
            if s.convolution_lengths == "printed":
                samples = PRINTED.get(samples, samples)
            self.lengths.append(samples)
        self.activations = nn.ModuleList(ACTIVATIONS[s.activation](size) for size in s.filters)
        self.rates = [s.convolution_dropout] * len(s.filters)
        if not s.dropout_after_last_convolution:
            self.rates[-1] = 0.0
        self.features = samples * s.filters[-1]

    def forward(self, x: Tensor) -> Tensor:
        x = pairs(x.transpose(0, 1))
        layers = zip(self.convolutions, self.activations, self.lengths, self.rates, strict=True)
        for convolution, activation, length, rate in layers:
            x = convolution(x)
            if surplus := len(x) - length:
                x = x.narrow(0, surplus // 2, length)
            x = activation(x, rate)
        return x.transpose(0, 1).flatten(1)[:, : self.features]


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return F_1 and the GRU of eq. 1 with initial weights."""
    fcnn = FCNN(channels, SAMPLES, settings, generator)
    rnn = Bidirectional(
        lambda: GRU(fcnn.features, settings.gru_units, settings.gru_layers, generator),
        settings.recurrent_dropout,
    )
    return fcnn, rnn, 2 * settings.gru_units
