"""The systems of the XSleepNet paper (Section 3) and of the transfer paper, made of two streams.

The raw stream is FCNN + GRU, or DeepSleepNet+; the time-frequency stream ARNN + LSTM
(SeqSleepNet+). Each has an epoch-level part, which sees one epoch at a time, and
a sequence-level part, which sees the L epochs of a sequence in both directions.
The joint branch reads the sequence-level outputs of both.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from xsleep.config.settings import EQUAL_WEIGHTS, NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.networks import deepsleepnet
from xsleep.networks.convolution import FCNN
from xsleep.networks.layers import ARNN, BINS, Output
from xsleep.networks.recurrent import GRU, BatchNormLSTM, Bidirectional

SAMPLES = 3000
"""Samples of a raw epoch: 30 s at 100 Hz."""

FRAMES = 29
"""Frames of an epoch's spectrogram."""

VIEWS = ("raw", "time-frequency")

BRANCHES = {
    "XSleepNet2": ("raw", "time-frequency", "joint"),
    "XSleepNet1": ("raw", "time-frequency", "joint"),
    "Naive Fusion": ("joint",),
    "ARNN+RNN": ("time-frequency",),
    "FCNN+RNN": ("raw",),
    "SeqSleepNet+": ("time-frequency",),
    "DeepSleepNet+": ("raw",),
    EQUAL_WEIGHTS: ("raw", "time-frequency", "joint"),
}
"""The branches of a system that have an output and a loss; the last is the prediction."""


Stream = tuple[nn.Module, nn.Module, int]
"""The epoch-level part, the sequence-level part, and the units of its hidden states."""


def _fcnn_rnn(channels: int, s: NetworkSettings, generator: Generator) -> Stream:
    fcnn = FCNN(channels, SAMPLES, s, generator)
    rnn = Bidirectional(
        lambda: GRU(fcnn.features, s.gru_units, s.gru_layers, generator), s.recurrent_dropout
    )
    return fcnn, rnn, 2 * s.gru_units


def _arnn_rnn(channels: int, s: NetworkSettings, generator: Generator) -> Stream:
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


def _deepsleepnet(channels: int, s: NetworkSettings, generator: Generator) -> Stream:
    epoch = deepsleepnet.EpochPart(channels, SAMPLES, s, generator)
    sequence = deepsleepnet.SequencePart(epoch.convolved, s, generator)
    return epoch, sequence, 2 * s.deepsleepnet_units


STREAMS = {"raw": _fcnn_rnn, "time-frequency": _arnn_rnn}
TRANSFER_STREAMS = {"DeepSleepNet+": {"raw": _deepsleepnet}}
"""Streams of a system that are not those of XSleepNet."""


class Network(nn.Module):
    """One of the systems; see `build`.

    ``branches`` are those with an output, the last is the prediction; ``views`` the
    inputs that it reads. ``None`` may stand for the other input.
    """

    def __init__(self, system: str, channels: int, settings: NetworkSettings, generator: Generator):
        super().__init__()
        self.branches = BRANCHES[system]
        self.views = VIEWS if "joint" in self.branches else self.branches
        self.settings = settings
        self.register_buffer("mean", torch.zeros(BINS, channels))
        self.register_buffer("deviation", torch.ones(BINS, channels))

        self.epoch = nn.ModuleDict()  # view: an epoch to its features
        self.sequence = nn.ModuleDict()  # view: the features of L epochs to their hidden states
        sizes = {}  # view: units of a hidden state
        streams = STREAMS | TRANSFER_STREAMS.get(system, {})
        for view in self.views:
            self.epoch[view], self.sequence[view], sizes[view] = streams[view](
                channels, settings, generator
            )
        sizes["joint"] = sum(sizes.values())
        self.outputs = nn.ModuleDict(
            {b: Output(sizes[b], len(STAGES), generator) for b in self.branches}
        )

    def set_normalisation(self, mean: Tensor, deviation: Tensor) -> None:
        """Mean and deviation of the training set's spectrograms in dB, both ``(129, C)``."""
        self.mean.copy_(torch.as_tensor(mean))
        self.deviation.copy_(torch.as_tensor(deviation))

    def blocks(self) -> dict[str, nn.Module]:
        """The blocks that transfer learning finetunes or freezes; together all parameters.

        ``epoch`` and ``sequence`` are the epoch and the sequence processing block, ``softmax`` the
        outputs. Dropout and batch statistics of a block follow its own training mode.
        """
        return {"epoch": self.epoch, "sequence": self.sequence, "softmax": self.outputs}

    def penalised_parameters(self) -> list[Tensor]:
        """Parameters under the L2 penalty: all but the filterbanks."""
        return [p for name, p in self.named_parameters() if "filterbank" not in name]

    def encode(self, raw: Tensor | None, time_frequency: Tensor | None) -> Tensor:
        """Features of single epochs ``(N, F)``, the views' side by side.

        ``raw`` is ``(N, 3000, C)`` in microvolts, ``time_frequency`` ``(N, 29, 129, C)``
        in dB. In training the batch statistics run over all N epochs; in evaluation an
        epoch's features depend on nothing else, so overlapping sequences may share them.
        """
        features = []
        if "raw" in self.views:
            features.append(self.epoch["raw"](raw))
        if "time-frequency" in self.views:
            normalised = (time_frequency - self.mean) / self.deviation
            features.append(self.epoch["time-frequency"](normalised))
        return torch.cat(features, dim=1)

    def decode(self, features: Tensor) -> dict[str, Tensor]:
        """Logits ``(B, L, 5)`` of every branch from the features ``(B, L, F)`` of sequences.

        A sequence may be shorter than ``sequence_length``, never longer.
        """
        epochs, longest = features.shape[1], self.settings.sequence_length
        if epochs > longest:
            raise InputError(f"a sequence of {epochs} epochs: the network reads at most {longest}")
        parts = self._by_view(features)
        return self._outputs(
            {
                view: self.sequence[view](part.transpose(0, 1).contiguous())
                for view, part in parts.items()
            }
        )

    def decode_overlapping(self, features: Tensor, length: int) -> dict[str, Tensor]:
        """Logits ``(S, length, 5)`` of every branch for all sequences in ``(n, F)``.

        In evaluation only, where neighbours share what depends on single epochs; the
        S = n - length + 1 sequences start at every epoch that has enough after it.
        """
        return self._outputs(
            {
                view: self.sequence[view].overlapping(part.contiguous(), length)
                for view, part in self._by_view(features).items()
            }
        )

    def _by_view(self, features: Tensor) -> dict[str, Tensor]:
        sizes = [self.epoch[view].features for view in self.views]
        return dict(zip(self.views, features.split(sizes, dim=-1), strict=True))

    def _outputs(self, hidden: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits ``(B, L, 5)`` of every branch from the views' hidden states ``(L, B, 2u)``."""
        if "joint" in self.branches:
            hidden["joint"] = torch.cat([hidden[view] for view in self.views], dim=2)
        return {
            branch: self.outputs[branch](hidden[branch]).transpose(0, 1) for branch in self.branches
        }

    def forward(self, raw: Tensor | None, time_frequency: Tensor | None) -> dict[str, Tensor]:
        """Logits ``(B, L, 5)`` of every branch.

        ``raw`` is ``(B, L, 3000, C)`` in microvolts, ``time_frequency``
        ``(B, L, 29, 129, C)`` in dB.
        """
        B, L = (raw if "raw" in self.views else time_frequency).shape[:2]
        features = self.encode(
            None if raw is None else raw.flatten(0, 1),
            None if time_frequency is None else time_frequency.flatten(0, 1),
        )
        return self.decode(features.view(B, L, -1))


def build(system: str, channels: int, settings: NetworkSettings, seed: int) -> Network:
    """A network with the initial weights of a seed.

    Raises `InputError` for a system that is none of `BRANCHES`.
    """
    if system not in BRANCHES:
        raise InputError(f"unknown system {system!r}: choose one of {', '.join(BRANCHES)}")
    return Network(system, channels, settings, torch.Generator().manual_seed(seed))
