"""Time-frequency stream of XSleepNet: ARNN and a bidirectional LSTM (Section 3.1)."""

from __future__ import annotations

from torch import Generator, Tensor, nn

from xsleep.config.network import NetworkSettings
from xsleep.core.recording import FRAMES
from xsleep.networks.layers import Attention, Filterbank
from xsleep.networks.network import Stream
from xsleep.networks.recurrent import BatchNormLSTM, Bidirectional


class ARNN(nn.Module):
    """Attention-based recurrent network, feature map F_2 of the paper.

    ``(N, 29, 129, C)`` normalised log-magnitudes to ``(N, 2H)``.
    """

    def __init__(self, channels: int, frames: int, settings: NetworkSettings, generator: Generator):
        super().__init__()
        s = settings
        self.filterbank = Filterbank(channels, s.filterbank, generator)
        self.rnn = Bidirectional(
            lambda: BatchNormLSTM(channels * s.filterbank, s.frame_units, frames, generator),
            s.recurrent_dropout,
        )
        self.features = 2 * s.frame_units
        self.attention = Attention(self.features, s.attention, s.attention_softmax, generator)

    def forward(self, x: Tensor) -> Tensor:
        s = self.filterbank(x).transpose(0, 1).contiguous()  # (T, N, C * D)
        z = self.rnn(s)  # eq. 3, (T, N, 2H)
        features: Tensor = self.attention(z)  # eqs. 4-6
        return features


def stream(channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
    """Return F_2 and the LSTM of eq. 2 with initial weights."""
    s = settings
    arnn = ARNN(channels, FRAMES, s, generator)
    rnn = Bidirectional(
        lambda: BatchNormLSTM(arnn.features, s.sequence_units, s.sequence_length, generator),
        s.recurrent_dropout,
    )
    return arnn, rnn, 2 * s.sequence_units
