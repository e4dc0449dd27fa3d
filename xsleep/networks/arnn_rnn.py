"""The time-frequency stream of XSleepNet: ARNN, and a bidirectional LSTM (Section 3)."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.networks.layers import Attention, Filterbank
from xsleep.networks.network import FRAMES, Stream
from xsleep.networks.recurrent import BatchNormLSTM, Bidirectional


class ARNN(nn.Module):
    """Attention-based recurrent network, the epoch-level part of the time-frequency stream.

    ``(N, 29, 129, C)`` normalised log-magnitudes to ``(N, 2 * units)`` (Section 3).
    """

    def __init__(
        self,
        channels: int,
        frames: int,
        filters: int,
        units: int,
        attention: int,
        softmax: str,
        rate: float,
        generator: Generator,
    ):
        super().__init__()
        self.filterbank = Filterbank(channels, filters, generator)
        self.rnn = Bidirectional(
            lambda: BatchNormLSTM(channels * filters, units, frames, generator), rate
        )
        self.attention = Attention(2 * units, attention, softmax, generator)
        self.features = 2 * units

    def forward(self, x: Tensor) -> Tensor:
        x = self.filterbank(x).transpose(0, 1).contiguous()  # (29, N, C * filters)
        return self.attention(self.rnn(x))


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return ARNN and LSTM with initial weights."""
    s = settings
    arnn = ARNN(
        channels,
        FRAMES,
        s.filterbank,
        s.frame_units,
        s.attention,
        s.attention_softmax,
        s.recurrent_dropout,
        generator,
    )
    rnn = Bidirectional(
        lambda: BatchNormLSTM(arnn.features, s.sequence_units, s.sequence_length, generator),
        s.recurrent_dropout,
    )
    return arnn, rnn, 2 * s.sequence_units
