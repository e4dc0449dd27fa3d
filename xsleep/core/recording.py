"""A recording: the signals of one night of one subject, and their scoring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import AfterValidator

from xsleep.core.arrays import Floats, Integers, Rows

Kind = Literal["EEG", "EOG", "EMG"]
KINDS: tuple[Kind, ...] = ("EEG", "EOG", "EMG")
"""Kinds of channels, in the order in which a channel set names them."""

_CHANNEL = "(?:EEG|EOG|EMG)[a-z0-9]*"
CHANNEL_SET = f"{_CHANNEL}(?:-{_CHANNEL})*"
"""Regular expression of what a path has for a channel set."""


def kind(channel: str) -> Kind:
    """Return the kind of a channel, which its name begins with: ``EEG`` of ``EEG2``."""
    return cast(Kind, channel[:3])


def _channel(name: str) -> str:
    if not re.fullmatch(_CHANNEL, name):
        several = "several of a kind with small letters or digits, as EEG2 or EEGfrontal"
        raise ValueError(f"{name!r} is no channel; name it EEG, EOG or EMG, {several}")
    return name


def _channel_set(name: str) -> str:
    channels = [_channel(channel) for channel in name.split("-")]
    ordered = sorted(dict.fromkeys(channels), key=lambda channel: KINDS.index(kind(channel)))
    if channels != ordered:
        rule = "each channel once, EEG before EOG before EMG"
        raise ValueError(f"write {'-'.join(ordered)}: {rule}")
    return name


Channel: TypeAlias = Annotated[str, AfterValidator(_channel)]
"""A kind, or one of several channels of it by small letters or digits: ``EEG2``, ``EEGfrontal``."""

ChannelSet: TypeAlias = Annotated[str, AfterValidator(_channel_set)]
"""Channels that a network reads, in the order of its inputs: ``EEG-EEG2-EOG``."""

DAY_SECONDS = 24 * 60 * 60
EPOCH_SECONDS = 30
RATE = 100
"""Sampling rate of stored signals, in hertz."""

SAMPLES = EPOCH_SECONDS * RATE
FRAMES, BINS = 29, 129
"""Frames of an epoch's spectrogram; frequency bins of a frame, 0 to 50 Hz: F of Section 3.1."""

SHAPES = {"raw": (SAMPLES,), "time-frequency": (FRAMES, BINS)}
"""Shape of one channel of an epoch in each view."""


@dataclass(frozen=True)
class Signal:
    """One channel of a recording: (n,) samples in microvolts, at a rate in hertz.

    ``values`` are an array, or read from the file where slices of them are asked for. ``label`` is
    that of the signal in the file, or a derivation of several; ``unit`` is that of the numbers in
    the file.
    """

    values: Rows = field(repr=False)
    rate: float
    label: str = ""
    unit: str = "uV"

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.values) / self.rate


@dataclass(frozen=True)
class Hypnogram:
    """The scored epochs of a recording, in order; the place of an epoch is its index.

    Attributes:
        onsets: (n,) start of the 30 s that represent each epoch, in seconds from the start of the
            recording; 5 s before the epoch if it was scored in 20-s epochs (Section 4.1 of
            the XSleepNet paper).
        stages: (n,) labels; ``UNSCORED`` for an epoch without a stage.
    """

    onsets: Floats
    stages: Integers


@dataclass(frozen=True)
class Recording:
    """Signals and hypnogram of one recording.

    Attributes:
        name, subject: identifiers, unique within the database.
        lights: times of lights off and on in seconds from the start of the recording, if known.
        files: those that it was read from.
        start: clock time of the start in seconds of the day, if known.
    """

    name: str
    subject: str
    signals: Mapping[str, Signal]
    hypnogram: Hypnogram
    lights: tuple[float, float] | None
    files: tuple[Path, ...]
    start: float | None = None
