"""The raw stream of XSleepNet: FCNN, and a bidirectional GRU between epochs (Section 3)."""

from __future__ import annotations

from itertools import pairwise

from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.networks.convolution import ACTIVATIONS, PRINTED, Convolution, pairs
from xsleep.networks.network import SAMPLES, Stream
from xsleep.networks.recurrent import GRU, Bidirectional


class FCNN(nn.Module):
    """Fully convolutional network, the epoch-level part of the raw stream (Section 3).

    ``(N, 3000, C)`` samples to ``(N, features)``: the last feature maps, time step
    by time step.
    """

    def __init__(
        self, channels: int, samples: int, settings: NetworkSettings, generator: Generator
    ):
        super().__init__()
        s = settings
        self.convolutions = nn.ModuleList()
        self.lengths = []
        for before, after in pairwise((channels, *s.filters)):
            self.convolutions.append(
                Convolution(samples, before, after, s.kernel, s.filter_deviation, generator)
            )
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
        for convolution, activation, length, rate in zip(
            self.convolutions, self.activations, self.lengths, self.rates, strict=True
        ):
            x = convolution(x)
            if surplus := len(x) - length:
                x = x.narrow(0, surplus // 2, length)
            x = activation(x, rate)
        return x.transpose(0, 1).flatten(1)[:, : self.features]


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return FCNN and GRU with initial weights."""
    fcnn = FCNN(channels, SAMPLES, settings, generator)
    rnn = Bidirectional(
        lambda: GRU(fcnn.features, settings.gru_units, settings.gru_layers, generator),
        settings.recurrent_dropout,
    )
    return fcnn, rnn, 2 * settings.gru_units
