"""Recordings to score: EDF and BDF files, whatever else MNE reads, and `mne.io.Raw` objects.

EDF and BDF are read by `xsleep.databases.formats.edf`: MNE brings all signals of a file to the
highest of their rates before any can be picked, and refuses or repairs in silence some headers that
clinics write. All other formats are read by MNE. Only the signals that are asked for are read.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xsleep.core.arrays import Blocks, Singles
from xsleep.core.errors import InputError
from xsleep.core.recording import Signal, kind
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import UNITS, Channels, voltage
from xsleep.databases.formats.mne_files import BLOCK_SECONDS, by_mne, read_raw
from xsleep.staging.montage import LOWEST_RATE, Choice, Described, describe

if TYPE_CHECKING:
    from mne.io import BaseRaw

EDF_SUFFIXES = (".edf", ".bdf", ".rec")
SUFFIXES = (*EDF_SUFFIXES, ".vhdr", ".fif", ".fif.gz", ".set", ".gdf")
"""Ends of the names of recordings that a folder is searched for."""

KINDS = {"eeg": "EEG", "eog": "EOG", "emg": "EMG", "misc": "", "bio": ""}
"""MNE's types of channels that may be voltages, to the kind that they state."""


def stem(path: Path) -> str:
    """Return the name of a file without its suffix, of which FIF files may have two."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.name


class Source(Protocol):
    """A recording whose signals are read one by one.

    Attributes:
        name: of the file, for messages.
        signals: with unique labels.
        seconds: duration.
        start: date and clock time of the first sample, if known.
        marked: onset and duration in seconds of the stretches that the file marks as bad or lacks.
    """

    name: str
    signals: list[Described]
    seconds: float
    start: datetime | None
    marked: list[tuple[float, float]]

    def read(self, channel: str, choice: Choice, unit: str = "") -> Signal:
        """Return a signal, or the difference of two, in microvolts.

        Args:
            channel: ``EEG``, ``EOG`` or ``EMG``.
            choice: which signals.
            unit: of their numbers, in place of what the file says.

        Raises:
            InputError: they cannot be read, or are no voltages.
        """


def open_source(recording: str | Path | BaseRaw) -> Source:
    """Return a recording, with its signals described but not read.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if not isinstance(recording, str | Path):
        if not hasattr(recording, "get_data"):
            raise InputError(f"{recording!r}: no recording; give a path or an mne.io.Raw")
        return _Mne(recording)
    path = Path(recording)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {what}; name the file of a recording")
    if path.suffix.lower() in EDF_SUFFIXES:
        return _Edf(path)
    with by_mne(path):
        return _Mne(read_raw(path), str(path))


class _Edf:
    def __init__(self, path: Path) -> None:
        self._edf = edf.open_edf(path, gaps=True)
        self.name, self.seconds = str(path), self._edf.seconds
        known = self._edf.day or self._edf.clock != time()  # anonymous files begin at 00.00.00
        onsets, record = self._edf.onsets, self._edf.record_seconds
        ends = [] if onsets is None else list(pairwise(onsets))
        self.marked = [(a + record, b - a - record) for a, b in ends if b - a > record + 1e-3]
        delay = timedelta(seconds=self._edf.delay)
        self.start = self._edf.start + delay if self._edf.clock and known else None
        self.signals = describe(
            Described(
                signal.label,
                signal.samples and signal.samples / self._edf.record_seconds,
                voltage=_is_voltage(signal.unit),
            )
            for signal in self._edf.signals
        )

    def read(self, channel: str, choice: Choice, unit: str = "") -> Signal:
        """Return a signal, or the difference of two, in microvolts."""
        units = {channel: unit} if unit else {}
        wanted = Channels({channel: (choice.label,)}, units, LOWEST_RATE[kind(channel)])
        return edf.read_channels(self._edf, wanted, (channel,))[channel]


def _is_voltage(unit: str) -> bool:
    """Return false for a unit other than one of voltage; no unit may be one."""
    try:
        return not unit.strip() or bool(voltage(Path(), "", "", unit))
    except InputError:
        return False


class _Mne:
    def __init__(self, raw: BaseRaw, name: str = "") -> None:
        self._raw = raw
        first = raw.filenames[0] if raw.filenames else None
        self.name = name or (str(first) if first else "recording in memory")
        began = raw.info["meas_date"]
        self.start = began and began.replace(tzinfo=None) + timedelta(seconds=raw.first_time)
        rate, bad = float(raw.info["sfreq"]), raw.info["bads"]
        self.seconds = raw.n_times / rate
        self.marked = [
            (one["onset"] - raw.first_time * (one["orig_time"] is not None), one["duration"])
            for one in raw.annotations
            if one["description"].upper().startswith("BAD")
        ]
        types = raw.get_channel_types()
        self.signals = describe(
            Described(label, rate, KINDS.get(of, ""), of in KINDS and label not in bad)
            for label, of in zip(raw.ch_names, types, strict=True)
        )

    def read(self, channel: str, choice: Choice, unit: str = "") -> Signal:
        """Return a signal, or the difference of two, in microvolts."""
        labels = [signal.label for signal in self.signals]
        first, *others = (labels.index(term) for term in choice.terms)
        raw, rate = self._raw, float(self._raw.info["sfreq"])
        # MNE gives volts; a stated unit says what the numbers in them really are.
        factor = np.float32(UNITS[unit or "V"])

        def microvolts(start: int, stop: int) -> Singles:
            with by_mne(self.name):
                block = raw.get_data([first, *others], start, stop, verbose="error")
            with np.errstate(over="ignore"):  # what is too large is infinite
                values = (block[0] - block[1:].sum(axis=0)) * factor
                return np.asarray(values, np.float32)

        values = Blocks(raw.n_times, max(round(BLOCK_SECONDS * rate), 1), microvolts)
        return Signal(values, rate, choice.label, unit or "V")
