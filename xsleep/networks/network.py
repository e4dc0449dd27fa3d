"""Networks of the XSleepNet paper (Section 3.1) and of the transfer paper, made of two streams.

The raw stream is FCNN + GRU, or DeepSleepNet+; the time-frequency stream is ARNN + LSTM
(SeqSleepNet+). Each has an epoch-level part, F_1 or F_2, which sees one epoch at a time, and a
sequence-level part (eqs. 1 and 2), which sees the L epochs of a sequence in both directions. The
joint branch (eq. 9) reads the sequence-level outputs of both.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from fnmatch import fnmatch
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Generator, Tensor, nn

from xsleep import systems
from xsleep.config.network import NetworkSettings
from xsleep.core.arrays import Singles
from xsleep.core.errors import InputError, line_of, reason
from xsleep.core.recording import BINS, SHAPES
from xsleep.core.settings import Settings, checked
from xsleep.core.stages import STAGES
from xsleep.networks.fast.streams import side_by_side
from xsleep.networks.layers import Output
from xsleep.systems import Inputs, System

Stream = tuple[nn.Module, nn.Module, int]
"""Epoch-level part (`EpochPart`), sequence-level part (`SequencePart`), size of its outputs."""

StreamBuilder = Callable[[int, NetworkSettings, Generator], Stream]
"""Function ``stream`` of a module of this package: from the number of channels, the settings and
the generator of initial weights."""

FusionBuilder = Callable[[NetworkSettings], tuple[nn.Module, int]]
"""Function named by ``fusion`` in a system's file: from the settings to a module that joins the
hidden states ``(L, B, ...)`` of the streams, in the order of ``views``, and the size of its
output."""


Own = TypeVar("Own", bound=Settings)


def own(settings: NetworkSettings, system: str, sizes: type[Own]) -> Own:
    """Return the hyper-parameters of a system's network from ``network.own`` of its settings.

    Raises:
        InputError: one is unknown or has a wrong value.
    """
    given = settings.own.get(system, {}).items()
    chosen = {name: value for name, value in given if name not in Inputs.model_fields}
    return cast(Own, checked(sizes, chosen, f"network.own.{system}"))


class EpochPart(Protocol):
    """Epoch-level part of a stream: epochs ``(N, ...)`` to ``(N, features)``."""

    features: int

    def __call__(self, x: Tensor) -> Tensor: ...


class SequencePart(Protocol):
    """Sequence-level part of a stream: features ``(L, B, F)`` to hidden states ``(L, B, 2H)``.

    A part may have a faster way to the states ``(length, S, 2H)`` of all sequences of a length in
    ``(n, F)``: a method ``overlapping(x, length)``.
    """

    def __call__(self, x: Tensor) -> Tensor: ...


class Network(nn.Module):
    """Network of one system; `build` makes one.

    Attributes:
        branches: names of the outputs; the last one is the prediction.
        views: names of the inputs that it reads; the other input may be ``None``.
        settings: sizes and variants of its layers.
        penalised: patterns of the names of the parameters under the L2 penalty; none: the default.
        mean, deviation: ``(129, C)`` mean and standard deviation of the spectrograms in dB.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, system: System, channels: int, settings: NetworkSettings, generator: Generator
    ) -> None:
        super().__init__()
        self.branches: tuple[str, ...] = system.branches
        self.views: tuple[str, ...] = system.views
        self.penalised: tuple[str, ...] = system.recipe.penalised
        self.settings = settings
        self.register_buffer("mean", torch.zeros(BINS, channels))
        self.register_buffer("deviation", torch.ones(BINS, channels))

        self.epoch = nn.ModuleDict()  # view to EpochPart
        self.sequence = nn.ModuleDict()  # view to SequencePart, and "joint" to what joins them
        sizes: dict[str, int] = {}  # branch to size of its hidden states
        for view, name in system.streams.items():
            file, function = _builder(name)
            stream: StreamBuilder = function
            parts = _stream(file, stream(channels, settings, generator))
            if system.paper == "none":  # the others are tested
                _try(file, parts, (*SHAPES[view], channels), settings.sequence_length)
            self.epoch[view], self.sequence[view], sizes[view] = parts
        sizes["joint"] = sum(sizes.values())
        if system.fusion:
            fusion: FusionBuilder = _builder(system.fusion)[1]
            self.sequence["joint"], sizes["joint"] = fusion(settings)
        self.outputs = nn.ModuleDict(
            {b: Output(sizes[b], len(STAGES), generator) for b in self.branches}
        )

    def set_normalisation(self, mean: Tensor | Singles, deviation: Tensor | Singles) -> None:
        """Set mean and standard deviation of the spectrograms in dB, both ``(129, C)``."""
        self.mean.copy_(torch.as_tensor(mean))
        self.deviation.copy_(torch.as_tensor(deviation))

    def blocks(self) -> dict[str, nn.Module]:
        """Return the blocks that transfer learning finetunes or freezes: all parameters.

        ``epoch`` and ``sequence`` are the epoch and the sequence processing block, ``softmax`` is
        the output layers. Dropout and batch statistics of a block follow its own training mode.
        """
        return {"epoch": self.epoch, "sequence": self.sequence, "softmax": self.outputs}

    def penalised_parameters(self) -> list[Tensor]:
        """Return the parameters under the L2 penalty: the named, or all but the filterbanks."""
        if self.penalised:
            known = self.named_parameters()
            return [p for name, p in known if any(fnmatch(name, of) for of in self.penalised)]
        return [p for name, p in self.named_parameters() if "filterbank" not in name]

    def encode(self, raw: Tensor | None, time_frequency: Tensor | None) -> Tensor:
        """Return features of single epochs ``(N, F)``, those of the views side by side.

        The inputs are ``(N, 3000, C)`` in microvolts and ``(N, 29, 129, C)`` in dB. In training the
        batch statistics are those of all N epochs; in evaluation the features of an epoch depend on
        nothing else, so overlapping sequences may share them.
        """
        given = self._given(raw, time_frequency)
        return torch.cat([self._encode(view, x) for view, x in given.items()], dim=1)

    def decode(self, features: Tensor) -> dict[str, Tensor]:
        """Return branch to logits ``(B, L, 5)`` from the features ``(B, L, F)`` of sequences.

        Raises:
            InputError: the sequences are longer than ``sequence_length``.
        """
        parts = self._by_view(features)
        return self._outputs({view: self._decode(view, part) for view, part in parts.items()})

    def decode_overlapping(self, features: Tensor, length: int) -> dict[str, Tensor]:
        """Return branch to logits ``(S, length, 5)`` of all sequences in ``(n, F)``.

        For evaluation, where overlapping sequences share the features of epochs. The
        S = n - length + 1 sequences start at every epoch with enough epochs after it.
        """
        hidden = {
            view: _windows(self.sequence[view], part.contiguous(), length)
            for view, part in self._by_view(features).items()
        }
        return self._outputs(hidden)

    def _given(self, raw: Tensor | None, time_frequency: Tensor | None) -> dict[str, Tensor]:
        """Return view to the inputs that the network reads."""
        given = {"raw": raw, "time-frequency": time_frequency}
        return {view: cast(Tensor, given[view]) for view in self.views}

    def _encode(self, view: str, x: Tensor) -> Tensor:
        """Return a view's features ``(N, F)`` from its inputs ``(N, ...)``."""
        if view == "time-frequency":
            x = (x - self.mean) / self.deviation
        features: Tensor = self.epoch[view](x)
        return features

    def _decode(self, view: str, features: Tensor) -> Tensor:
        """Return a view's states ``(L, B, 2H)`` from its features ``(B, L, F)``."""
        epochs, longest = features.shape[1], self.settings.sequence_length
        if epochs > longest:
            raise InputError(f"a sequence of {epochs} epochs: the network reads at most {longest}")
        states: Tensor = self.sequence[view](features.transpose(0, 1).contiguous())
        return states

    def _by_view(self, features: Tensor) -> dict[str, Tensor]:
        """Return view to its part of the features ``(..., F)``."""
        sizes = [cast(EpochPart, self.epoch[view]).features for view in self.views]
        return dict(zip(self.views, features.split(sizes, dim=-1), strict=True))

    def _outputs(self, hidden: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return branch to logits ``(B, L, 5)`` of eqs. 7-9 from view to states ``(L, B, 2H)``."""
        if "joint" in self.branches:
            states = [hidden[view] for view in self.views]
            joined = self.sequence["joint"](*states) if "joint" in self.sequence else None
            hidden["joint"] = torch.cat(states, dim=2) if joined is None else joined
        return {b: self.outputs[b](hidden[b]).transpose(0, 1) for b in self.branches}

    def forward(self, raw: Tensor | None, time_frequency: Tensor | None) -> dict[str, Tensor]:
        """Return branch to logits ``(B, L, 5)``, from the inputs of `encode` as ``(B, L, ...)``."""
        given = self._given(raw, time_frequency)
        hidden = side_by_side(
            given,
            lambda view, x: self._encode(view, x.flatten(0, 1)).view(*x.shape[:2], -1),
            self._decode,
        )
        return self._outputs(hidden)


def _windows(part: nn.Module, x: Tensor, length: int) -> Tensor:
    """Return the states ``(length, S, 2H)`` of all sequences of a length in ``(n, F)``."""
    if overlapping := getattr(part, "overlapping", None):
        return cast(Tensor, overlapping(x, length))
    return cast(Tensor, part(x.unfold(0, length, 1).permute(2, 0, 1).contiguous()))


def _builder(name: str) -> tuple[str, Callable[..., Any]]:
    """Return the file and the function of ``MODULE`` (its ``stream``) or ``MODULE.NAME``."""
    module, _, function = name.partition(".")
    function, file = function or "stream", f"xsleep/networks/{module}.py"
    found = getattr(import_module(f"xsleep.networks.{module}"), function, None)
    if found is None:
        fault = f"there is no function `{function}` (docs/how-to/extending.md)"
        raise InputError(f"{file}: {fault}")
    return file, found


def _stream(file: str, built: object) -> Stream:
    """Return what a function ``stream`` built, or raise `InputError` if it is no `Stream`."""
    match built:
        case nn.Module() as epoch, nn.Module() as sequence, int() as size:
            if isinstance(getattr(epoch, "features", None), int):
                return epoch, sequence, size
            raise InputError(f"{file}: the epoch part has no number of `features`; set it")
    raise InputError(
        f"{file}: `stream` returned {_shown(built)}; (epoch part, sequence part, size of the "
        "sequence part's output) is expected"
    )


def _try(file: str, stream: Stream, epoch: tuple[int, ...], length: int) -> None:
    """Run copies of both parts on zeros, or raise `InputError` if a shape is not as expected."""
    features, size = cast(EpochPart, stream[0]).features, stream[2]
    sequences = "L epochs, B sequences, the size that `stream` returned"
    for name, part, given, expected, meaning in (
        ("epoch", stream[0], (2, *epoch), (2, features), "N epochs by its `features`"),
        ("sequence", stream[1], (length, 2, features), (length, 2, size), sequences),
    ):
        try:
            with torch.no_grad():
                found = copy.deepcopy(part).eval()(torch.zeros(given))
        except Exception as error:
            at = line_of(error, inspect.getfile(type(part)))
            why = f"{type(error).__name__}: {reason(error)}{at and f', {at}'}"
            raise InputError(f"{file}: the {name} part cannot read {given} ({why})") from error
        if not isinstance(found, Tensor) or found.shape != expected:
            told = f"returned {_shown(found)}; {expected} is expected, {meaning}"
            raise InputError(f"{file}: the {name} part {told}")


def _shown(found: object) -> str:
    """Return the shape of a tensor, the types in a tuple, or the type of anything else."""
    if isinstance(found, Tensor):
        return str(tuple(found.shape))
    if isinstance(found, tuple):
        return f"({', '.join(map(_shown, found))})"
    return type(found).__name__


def build(system: str, channels: int, settings: NetworkSettings, seed: int) -> Network:
    """Return the network of a system with the initial weights of a seed.

    Layers of PyTorch draw them from its own generator, which has the seed as well meanwhile.

    Raises:
        InputError: the system is not registered, or a stream does not return what it should.
    """
    known = systems.registry()
    if system not in known:
        raise InputError(f"unknown system {system!r}: choose one of {', '.join(known)}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Network(known[system], channels, settings, torch.Generator().manual_seed(seed))
