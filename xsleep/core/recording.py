"""A recording: one night of one subject, as it was recorded and scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

Channel = Literal["EEG", "EOG", "EMG"]
ChannelSet = Literal["EEG", "EOG", "EEG-EOG", "EEG-EOG-EMG"]

DAY_SECONDS = 24 * 60 * 60
EPOCH_SECONDS = 30
RATE = 100
"""Sampling rate of stored signals, in hertz."""


@dataclass(frozen=True)
class Signal:
    """One channel: ``values`` (n,) in microvolts, sampled at ``rate`` hertz.

    ``label`` is what was taken for it in the file: a signal's label, or a derivation. ``unit`` is
    the unit of the numbers there.
    """

    values: np.ndarray = field(repr=False)
    rate: float
    label: str = ""
    unit: str = "uV"

    @property
    def seconds(self) -> float:
        return len(self.values) / self.rate


@dataclass(frozen=True)
class Hypnogram:
    """The scored epochs of a night, in order.

    Attributes:
        onsets: (n,) seconds from the start of the recording at which the 30 seconds that
            stand for the epoch begin. Where scoring is in 20-s epochs they begin 5 s before
            the epoch.
        stages: (n,) labels; ``UNSCORED`` where the epoch has no stage.
    The place of an epoch in the night is its index here.
    """

    onsets: np.ndarray
    stages: np.ndarray


@dataclass(frozen=True)
class Recording:
    """Signals and hypnogram of one night.

    Attributes:
        name, subject: identifiers, unique within the database.
        signals: channel (``EEG``, ``EOG``, ``EMG``) to signal.
        lights: seconds from the start of the recording at which lights went off and on;
            ``None`` where the database does not tell.
        files: what it was read from.
        start: clock time at which the recording starts, in seconds of the day; ``None`` where
            the database does not tell.
    """

    name: str
    subject: str
    signals: Mapping[str, Signal]
    hypnogram: Hypnogram
    lights: tuple[float, float] | None
    files: tuple[Path, ...]
    start: float | None = None
