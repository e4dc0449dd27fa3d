"""The systems of the XSleepNet paper (Section 3) and of the transfer paper, made of two streams.

The raw stream is FCNN + GRU, or DeepSleepNet+; the time-frequency stream ARNN + LSTM
(SeqSleepNet+). Each has an epoch-level part, which sees one epoch at a time, and
a sequence-level part, which sees the L epochs of a sequence in both directions.
The joint branch reads the sequence-level outputs of both.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.networks.layers import BINS, Output
from xsleep.systems import System

SAMPLES = 3000
"""Samples of a raw epoch: 30 s at 100 Hz."""

FRAMES = 29
"""Frames of an epoch's spectrogram."""

Stream = tuple[nn.Module, nn.Module, int]
"""The epoch-level part, the sequence-level part, and the units of its hidden states."""


class StreamBuilder(Protocol):
    """Function ``stream`` of a module of this package, which builds a stream."""

    def __call__(self, channels: int, settings: NetworkSettings, generator: Generator) -> Stream:
        """Return a stream for so many channels, with initial weights drawn by the generator."""


class Network(nn.Module):
    """One of the systems; see `build`.

    ``branches`` are those with an output, the last is the prediction; ``views`` the
    inputs that it reads. ``None`` may stand for the other input.
    """

    def __init__(
        self, system: System, channels: int, settings: NetworkSettings, generator: Generator
    ) -> None:
        super().__init__()
        self.branches = system.branches
        self.views = system.views
        self.settings = settings
        self.register_buffer("mean", torch.zeros(BINS, channels))
        self.register_buffer("deviation", torch.ones(BINS, channels))

        self.epoch = nn.ModuleDict()  # view: an epoch to its features
        self.sequence = nn.ModuleDict()  # view: the features of L epochs to their hidden states
        sizes = {}  # view: units of a hidden state
        for view, module in system.streams.items():
            stream: StreamBuilder = import_module(f"xsleep.networks.{module}").stream
            self.epoch[view], self.sequence[view], sizes[view] = stream(
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

    Raises `InputError` for a system that is not registered.
    """
    known = systems.registry()
    if system not in known:
        raise InputError(f"unknown system {system!r}: choose one of {', '.join(known)}")
    return Network(known[system], channels, settings, torch.Generator().manual_seed(seed))
