"""A recording: the signals of one night of one subject, and their scoring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xsleep.core.arrays import Floats, Integers

Channel = Literal["EEG", "EOG", "EMG"]
ChannelSet = Literal["EEG", "EOG", "EEG-EOG", "EEG-EOG-EMG"]

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

    ``label`` is that of the signal in the file, or a derivation of several; ``unit`` is that of the
    numbers in the file.
    """

    values: Floats = field(repr=False)
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
