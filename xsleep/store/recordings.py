"""Recordings in the store: two HDF5 files each, and an index of all; only this module knows how.

Every file is written under a temporary name beside its own and renamed once it is complete, so a
file that exists is complete.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import DTypeLike, NDArray

from xsleep.config.network import Filtering
from xsleep.core.arrays import Doubles, Floats, Integers, Rows, Singles
from xsleep.core.errors import InputError
from xsleep.core.files import sha256
from xsleep.core.recording import BINS, FRAMES, RATE, SHAPES
from xsleep.core.stages import STAGES
from xsleep.store.hdf5 import create_file, open_file, write_dataset

FORMAT_VERSION = 3
"""Format version of a stored recording; raise it when the layout or the values change."""

PER_EPOCH = {
    "places": ("i4", "epochs"),
    "onsets": ("f8", "s"),
    "stages": ("i1", "index into stages"),
}
"""Fields of `RecordingInfo` that have a value for each epoch, and their stored type and unit."""


@dataclass(frozen=True)
class RecordingInfo:
    """Metadata and scoring of a stored recording, without its signals.

    Attributes:
        places: (n,) place of each scored epoch in the hypnogram.
        onsets: (n,) start of each epoch in seconds from the start of the recording.
        stages: (n,) labels.
        lights: times of lights off and on in seconds from the start of the recording, if known.
        skipped: reason why the recording cannot be used; empty if it can.
        remarks: warnings about it, each in one line.
        hashes: path to SHA-256 of the files that it was read from, relative to the database's
            folder and in the order of the reader; files that cannot be read are left out.
        start: clock time of the start in seconds of the day, if known.
        seconds: duration of the recording; ``None`` if it could not be read.
        labels: channel to the label or derivation that was read for it.
        rates: channel to its sampling rate in the file, in hertz.
        raw_filter: filters of the signals, as `Filtering.filter_name`.
        recipe: all settings that it was made with, as JSON to compare.
    """

    recording: str
    subject: str
    places: Integers
    onsets: Floats
    stages: Integers
    lights: tuple[float, float] | None = None
    skipped: str = ""
    remarks: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    start: float | None = None
    seconds: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    raw_filter: str = Filtering().filter_name
    recipe: str = ""

    @property
    def step(self) -> float:
        """Seconds from the onset of an epoch to the next: 20 s if it was scored in 20-s epochs."""
        return float((self.onsets[-1] - self.onsets[0]) / (self.places[-1] - self.places[0]))


def write_epochs(path: str | Path, info: RecordingInfo, signals: Mapping[str, Rows]) -> None:
    """Write the epochs of a recording, some at a time.

    ``signals`` are channel to (n, 3000) microvolts at 100 Hz in single precision; empty if the
    recording is skipped.
    """
    with create_file(path) as file:
        file.attrs.update(
            recording=info.recording,
            subject=info.subject,
            stages=list(STAGES),
            rate=RATE,
            skipped=info.skipped,
            remarks=json.dumps(info.remarks),
            raw_filter=info.raw_filter,
            recipe=info.recipe,
            source=json.dumps(dict(info.hashes)),
            labels=json.dumps(dict(info.labels)),
            rates=json.dumps(dict(info.rates)),
        )
        for name in ("lights", "start", "seconds"):
            if (value := getattr(info, name)) is not None:
                file.attrs[name] = value
        for name, (kind, unit) in PER_EPOCH.items():
            write_dataset(file, name, getattr(info, name).astype(kind), unit=unit, axes="epoch")
        group = file.create_group("signals")
        for channel, values in signals.items():
            write_dataset(group, channel, values, unit="uV", axes="epoch, sample")


def read_info(path: str | Path) -> RecordingInfo:
    """Return the metadata and scoring that ``write_epochs`` wrote."""
    with open_file(path) as file:
        lights = file.attrs.get("lights")
        return RecordingInfo(
            recording=file.attrs["recording"],
            subject=file.attrs["subject"],
            **{name: file[name][:] for name in PER_EPOCH},
            lights=None if lights is None else (float(lights[0]), float(lights[1])),
            skipped=file.attrs["skipped"],
            remarks=tuple(json.loads(file.attrs["remarks"])),
            hashes=json.loads(file.attrs["source"]),
            start=file.attrs.get("start"),
            seconds=file.attrs.get("seconds"),
            labels=json.loads(file.attrs["labels"]),
            rates=json.loads(file.attrs["rates"]),
            raw_filter=file.attrs["raw_filter"],
            recipe=file.attrs["recipe"],
        )


def read_signals(path: str | Path) -> dict[str, Singles]:
    """Return channel to (n, 3000) microvolts of a recording."""
    with open_signals(path) as signals:
        return {channel: values[:] for channel, values in signals.items()}


@contextmanager
def open_signals(path: str | Path) -> Iterator[Mapping[str, Rows]]:
    """Yield channel to (n, 3000) microvolts of a recording, which are read during the block."""
    with open_file(path) as file:
        yield file["signals"]


def write_spectrograms(
    path: str | Path, spectrograms: Mapping[str, Rows], sums: Mapping[str, Rows], source: str
) -> None:
    """Write the time-frequency images of a recording, by channel, some epochs at a time.

    They are (n, 29, 129) decibels, with their `xsleep.preparation.spectrogram.running_sums` (n + 1,
    2, 129); ``source`` is the SHA-256 of the epochs' file.
    """
    with create_file(path) as file:
        file.attrs["source"] = source
        group = file.create_group("spectrograms")
        for channel, values in spectrograms.items():
            axes = "epoch, frame, frequency bin"
            write_dataset(group, channel, values, unit="dB re 1 uV", axes=axes)
        group = file.create_group("sums")
        for channel, values in sums.items():
            unit = "dB and dB^2, summed over the frames of all epochs before"
            axes = "epoch, value and square, frequency bin"
            write_dataset(group, channel, values, unit=unit, axes=axes)


@dataclass(frozen=True)
class Stored:
    """A recording in the store: its metadata, and where its values are on disk.

    Attributes:
        epochs, spectrograms: paths of its two files.
        offsets: dataset, such as ``signals/EEG``, to the byte of its file at which it begins.
        hashes: path to SHA-256 of the two files, as they were written.
        index: path of the index that this was read from; empty if it was not.
    """

    info: RecordingInfo
    epochs: str = ""
    spectrograms: str = ""
    offsets: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    index: str = ""

    def damaged(self, path: str, what: str, otherwise: str = "") -> InputError:
        """Return the error of a damaged file, with how to restore it without training again."""
        return InputError(
            f"{path}: {what}; {otherwise}delete it and the folder {Path(self.index).parent}, run "
            f"snakemake for {self.index}, then again"
        )

    def unreadable(self, path: str, error: OSError) -> InputError:
        """Return the error of a file that the system does not read, as of a share that is gone."""
        disk = "bring back its disk and give the same command again, or if it is there, "
        return self.damaged(path, f"not readable ({error.strerror})", disk)


def read_stored(epochs: str | Path, spectrograms: str | Path) -> Stored:
    """Return the recording that ``write_epochs`` and ``write_spectrograms`` wrote."""
    offsets = {}
    for path in (epochs, spectrograms):
        with open_file(path) as file:
            # Sorted, so that the index of the same recordings is the same file.
            for group in sorted({"signals", "spectrograms", "sums"}.intersection(file)):
                for channel, dataset in file[group].items():
                    if (place := dataset.id.get_offset()) is None and dataset.size:
                        raise ValueError(f"{channel} is not in one piece")
                    offsets[f"{group}/{channel}"] = place
    with open_file(spectrograms) as file:
        source = str(file.attrs["source"])
    hashes = {str(epochs): source, str(spectrograms): sha256(spectrograms)}
    return Stored(read_info(epochs), str(epochs), str(spectrograms), offsets, hashes)


def write_index(path: str | Path, recordings: Sequence[Stored]) -> None:
    """Write the index of a database: all of its recordings except for their signals."""
    fields = ("epochs", "spectrograms", "offsets", "hashes")
    lines = [
        {"night": {k: v for k, v in vars(one.info).items() if k not in PER_EPOCH}}
        | {name: getattr(one, name) for name in fields}
        for one in recordings
    ]
    with create_file(path, sealed=True) as file:
        text = h5py.string_dtype()
        file.create_dataset("recordings", data=[json.dumps(line) for line in lines], dtype=text)
        file["ends"] = np.cumsum([len(one.info.stages) for one in recordings], dtype="i8")
        for name, (kind, _) in PER_EPOCH.items():
            values = [np.empty(0, kind), *(getattr(one.info, name) for one in recordings)]
            file[name] = np.concatenate(values, dtype=kind, casting="unsafe")


def read_index(path: str | Path) -> dict[str, Stored]:
    """Return recording to what ``write_index`` wrote of it."""
    with open_file(path) as file:
        lines = [json.loads(line) for line in file["recordings"][:]]
        cuts = file["ends"][:-1]
        columns = (np.split(file[name][:], cuts) for name in PER_EPOCH)
        recordings = {}
        for line, arrays in zip(lines, zip(*columns, strict=True), strict=False):
            known = line.pop("night") | dict(zip(PER_EPOCH, arrays, strict=True))
            known["remarks"] = tuple(known["remarks"])
            known["lights"] = known["lights"] and tuple(known["lights"])
            info = RecordingInfo(**known)
            recordings[info.recording] = Stored(info, **line, index=str(path))
    return recordings


def channels_last(
    shape: tuple[int, ...], channels: int, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Return an uninitialised array (*shape, channels) with contiguous values of each channel."""
    return np.moveaxis(np.empty((channels, *shape), dtype), 0, -1)


class RecordingData:
    """Signals and spectrograms of one recording, read from disk on demand.

    The values of a channel are contiguous in its file, so they are read directly into their
    destination: without HDF5's global lock, by many threads at once, and without keeping files
    open, of which a large database has more than a process may open.

    Args:
        channels: in the order of the networks' last axis.
        chosen: (n,) consecutive indices of the stored epochs that belong to the window.

    Raises:
        InputError: a channel is not stored, no signals are, or a file is not as it was written.
    """

    def __init__(self, stored: Stored, channels: tuple[str, ...], chosen: Integers) -> None:
        if not stored.epochs:
            raise InputError(
                f"{stored.index}: of {stored.info.recording} there is the hypnogram alone; put the "
                "signals in place, or leave out fetch: hypnograms"
            )
        for channel in channels:
            if f"signals/{channel}" not in stored.offsets:
                raise stored.damaged(stored.epochs, f"no channel {channel}")
        for path, digest in stored.hashes.items():
            try:
                if sha256(path) != digest:
                    raise stored.damaged(path, "not as it was written (another SHA-256)")
            except OSError as error:
                raise stored.unreadable(path, error) from error
        self.channels = channels
        self.hashes = stored.hashes
        self._stored = stored
        self._first = int(chosen[0]) if len(chosen) else 0
        self._count = len(chosen)

    def __len__(self) -> int:
        return self._count

    def raw(self, start: int, stop: int, out: Floats | None = None) -> Floats:
        """Read (stop - start, 3000, channels) microvolts, into ``out`` if it is given."""
        return self._epochs("signals", SHAPES["raw"], start, stop, out=out)

    def time_frequency(self, start: int, stop: int, out: Floats | None = None) -> Floats:
        """Read (stop - start, 29, 129, channels) decibels, into ``out`` if it is given."""
        return self._epochs("spectrograms", SHAPES["time-frequency"], start, stop, out=out)

    def sums(self) -> Doubles:
        """Return (2, 129, channels) sums of the decibels and their squares over all frames."""
        ends = channels_last((2, 2, BINS), len(self.channels), float)
        for end, epoch in zip(ends, (self._first, self._first + self._count), strict=True):
            self._read("sums", (2, BINS), epoch, end[None])
        total: Doubles = ends[1] - ends[0]
        return total

    def levels(self) -> Doubles:
        """Return (n, 129, channels) decibels of each epoch, the means over its frames."""
        sums = channels_last((self._count + 1, 2, BINS), len(self.channels), float)
        self._read("sums", (2, BINS), self._first, sums)
        return np.diff(sums[:, 0], axis=0) / FRAMES

    def _epochs(
        self, group: str, shape: tuple[int, ...], start: int, stop: int, *, out: Floats | None
    ) -> Floats:
        if out is None:
            count = min(stop, self._count) - start
            out = channels_last((count, *shape), len(self.channels))
        self._read(group, shape, self._first + start, out)
        return out

    def _read(self, group: str, shape: tuple[int, ...], first: int, out: Floats) -> None:
        """Read the stored epochs from ``first`` on into ``out`` (n, *shape, channels)."""
        path = self._stored.epochs if group == "signals" else self._stored.spectrograms
        place = first * math.prod(shape) * out.itemsize
        try:
            with open(path, "rb", buffering=0) as file:
                for number, channel in enumerate(self.channels):
                    offset = self._stored.offsets[f"{group}/{channel}"] + place
                    values = out[..., number]
                    if os.preadv(file.fileno(), [values.data], offset) != values.nbytes:
                        raise self._stored.damaged(path, "shorter than it was")
        except OSError as error:
            raise self._stored.unreadable(path, error) from error
