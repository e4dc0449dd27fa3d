"""The HDF5 files of the pipeline. No other module knows their layout.

Every file is written to a temporary name beside its own and renamed when it
is whole, so a file that exists is complete.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import DTypeLike

from xsleep.config.network import Filtering
from xsleep.core.errors import InputError
from xsleep.core.files import sha256, whole
from xsleep.core.recording import EPOCH_SECONDS, RATE
from xsleep.core.stages import STAGES
from xsleep.store.hdf5 import open_file, write_dataset

RAW_SHAPE, IMAGE_SHAPE = (EPOCH_SECONDS * RATE,), (29, 129)
"""Of the stored values of one epoch and channel: samples; frames and frequency bins."""

FORMAT_VERSION = 3
"""Of what is stored of a recording: to be raised where its layout or its values change."""


@dataclass(frozen=True)
class RecordingInfo:
    """What is known of a recording in the store, without its signals.

    Attributes:
        recording, subject: identifiers.
        places: (n,) place of each scored epoch in the night.
        onsets: (n,) seconds from the start of the recording.
        stages: (n,) labels.
        lights: seconds from the start of lights off and on, or ``None``.
        skipped: why the recording cannot be used; empty where it can.
        remarks: what is doubtful about it, each in one line.
        hashes: SHA-256 of the files that it was read from, by their paths below the database's
            folder, in the order of the reader; those that cannot be read are left out.
        start: clock time of the start, in seconds of the day, or ``None``.
        seconds: length of the recording; ``None`` where it could not be read.
        labels: channel to what was taken for it in the file, a label or a derivation.
        rates: channel to its sampling rate in the file, in hertz.
        raw_filter: what the signals were filtered with, as `Filtering.filter_name`.
        recipe: all settings that it was made with, to compare.
    """

    recording: str
    subject: str
    places: np.ndarray
    onsets: np.ndarray
    stages: np.ndarray
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
        """Seconds from the beginning of an epoch to that of the next: those of 20 s overlap."""
        return float((self.onsets[-1] - self.onsets[0]) / (self.places[-1] - self.places[0]))


def write_epochs(path: str | Path, night: RecordingInfo, signals: Mapping[str, np.ndarray]) -> None:
    """Write a recording: channel to (n, 3000) microvolts at 100 Hz; none if it is skipped."""
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(
            recording=night.recording,
            subject=night.subject,
            stages=list(STAGES),
            rate=RATE,
            skipped=night.skipped,
            remarks=json.dumps(night.remarks),
            raw_filter=night.raw_filter,
            recipe=night.recipe,
            source=json.dumps(dict(night.hashes)),
            labels=json.dumps(dict(night.labels)),
            rates=json.dumps(dict(night.rates)),
        )
        if night.lights:
            file.attrs["lights"] = night.lights
        if night.start is not None:
            file.attrs["start"] = night.start
        if night.seconds is not None:
            file.attrs["seconds"] = night.seconds
        write_dataset(file, "places", night.places.astype("i4"), "epochs", "epoch")
        write_dataset(file, "onsets", night.onsets.astype("f8"), "s", "epoch")
        write_dataset(file, "stages", night.stages.astype("i1"), "index into stages", "epoch")
        group = file.create_group("signals")
        for channel, values in signals.items():
            write_dataset(group, channel, values.astype("f4", copy=False), "uV", "epoch, sample")


def read_info(path: str | Path) -> RecordingInfo:
    """The recording in a file that ``write_epochs`` wrote, without its signals."""
    with open_file(path) as file:
        lights = file.attrs.get("lights")
        return RecordingInfo(
            recording=file.attrs["recording"],
            subject=file.attrs["subject"],
            places=file["places"][:],
            onsets=file["onsets"][:],
            stages=file["stages"][:],
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


def read_signals(path: str | Path) -> dict[str, np.ndarray]:
    """Channel to (n, 3000) microvolts of a recording."""
    with open_file(path) as file:
        return {channel: values[:] for channel, values in file["signals"].items()}


def write_spectrograms(
    path: str | Path,
    spectrograms: Mapping[str, np.ndarray],
    sums: Mapping[str, np.ndarray],
    source: str,
) -> None:
    """Write the images of a recording.

    Args:
        spectrograms: channel to (n, 29, 129) decibels.
        sums: channel to what `xsleep.preparation.spectrogram.running_sums` makes of them.
        source: the hash of the epochs' file.
    """
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["source"] = source
        group = file.create_group("spectrograms")
        for channel, values in spectrograms.items():
            write_dataset(group, channel, values, "dB re 1 uV", "epoch, frame, frequency bin")
        group = file.create_group("sums")
        for channel, values in sums.items():
            unit = "dB and dB^2, summed over the frames of all epochs before"
            write_dataset(group, channel, values, unit, "epoch, value and square, frequency bin")


def read_spectrograms_source(path: str | Path) -> str:
    """The hash of the epochs' file, as it was given to ``write_spectrograms``."""
    with open_file(path) as file:
        return file.attrs["source"]


@dataclass(frozen=True)
class Stored:
    """A recording in the store: what is known of it, and where its values lie.

    Attributes:
        epochs, spectrograms: its two files.
        offsets: byte of its file at which a dataset begins, by name, such as ``signals/EEG``.
        hashes: SHA-256 of the two files as they were written, by their paths.
        index: the file that this was read from; empty where it was not.
    """

    info: RecordingInfo
    epochs: str
    spectrograms: str
    offsets: Mapping[str, int]
    hashes: Mapping[str, str] = field(default_factory=dict)
    index: str = ""

    def damaged(self, path: str, what: str) -> InputError:
        """What is wrong with one of the files, and how to get it back without training anew."""
        return InputError(
            f"{path}: {what}; delete the folder {Path(self.index).parent}, run snakemake for "
            f"{self.index}, then again"
        )


def read_stored(epochs: str | Path, spectrograms: str | Path) -> Stored:
    """The recording in two files that ``write_epochs`` and ``write_spectrograms`` wrote."""
    offsets = {}
    for path in (epochs, spectrograms):
        with open_file(path) as file:
            # In one order, so that the index of the same recordings is the same file.
            for group in sorted({"signals", "spectrograms", "sums"}.intersection(file)):
                for channel, dataset in file[group].items():
                    offsets[f"{group}/{channel}"] = dataset.id.get_offset()
    paths = str(epochs), str(spectrograms)
    written = read_spectrograms_source(spectrograms), sha256(spectrograms)
    return Stored(read_info(epochs), *paths, offsets, dict(zip(paths, written, strict=True)))


_PER_EPOCH = ("places", "onsets", "stages")


def write_index(path: str | Path, recordings: Sequence[Stored]) -> None:
    """Write what is known of all recordings of a database, so that none of their files is read."""
    nights = [one.info for one in recordings]
    lines = [
        {
            "night": {k: v for k, v in vars(one.info).items() if k not in _PER_EPOCH},
            "epochs": one.epochs,
            "spectrograms": one.spectrograms,
            "offsets": one.offsets,
            "hashes": one.hashes,
        }
        for one in recordings
    ]
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        text = h5py.string_dtype()
        file.create_dataset("recordings", data=[json.dumps(line) for line in lines], dtype=text)
        file["ends"] = np.cumsum([len(night.stages) for night in nights], dtype="i8")
        for name, kind in zip(_PER_EPOCH, ("i4", "f8", "i1"), strict=True):
            values = [np.empty(0, kind), *(getattr(night, name) for night in nights)]
            file[name] = np.concatenate(values, dtype=kind, casting="unsafe")


def read_index(path: str | Path) -> dict[str, Stored]:
    """What ``write_index`` wrote, by recording."""
    with open_file(path) as file:
        lines = [json.loads(line) for line in file["recordings"][:]]
        cuts = file["ends"][:-1]
        per_epoch = zip(*(np.split(file[name][:], cuts) for name in _PER_EPOCH), strict=True)
    recordings = {}
    for line, arrays in zip(lines, per_epoch, strict=False):
        known = line.pop("night")
        lights, remarks = known.pop("lights"), known.pop("remarks")
        night = RecordingInfo(
            **known,
            remarks=tuple(remarks),
            **dict(zip(_PER_EPOCH, arrays, strict=True)),
            lights=None if lights is None else tuple(lights),
        )
        recordings[night.recording] = Stored(night, **line, index=str(path))
    return recordings


def channels_last(
    shape: tuple[int, ...], channels: int, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """An array (*shape, channels) where the values of a channel lie together, as in the files."""
    return np.moveaxis(np.empty((channels, *shape), dtype), 0, -1)


class RecordingData:
    """Signals and spectrograms of one recording, read from disk as they are asked for.

    The values of a channel lie one after another in its file (contiguous HDF5), so they are read
    from where they lie into where they are wanted: without HDF5's lock, many threads at once, and
    without a file kept open, of which a large database has more than a process may have.

    Args:
        channels: which channels, in the order of the networks' last axis.
        chosen: (n,) which of the stored epochs belong to the window: a range.
    """

    def __init__(self, stored: Stored, channels: tuple[str, ...], chosen: np.ndarray) -> None:
        for channel in channels:
            if f"signals/{channel}" not in stored.offsets:
                raise stored.damaged(stored.epochs, f"no channel {channel}")
        self.channels = channels
        self.hashes = stored.hashes
        self._stored = stored
        self._first = int(chosen[0]) if len(chosen) else 0
        self._count = len(chosen)

    def __len__(self) -> int:
        return self._count

    def raw(self, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
        """(stop - start, 3000, channels) microvolts, in ``out`` where it is given."""
        return self._epochs("signals", RAW_SHAPE, start, stop, out)

    def time_frequency(self, start: int, stop: int, out: np.ndarray | None = None) -> np.ndarray:
        """(stop - start, 29, 129, channels) decibels, in ``out`` where it is given."""
        return self._epochs("spectrograms", IMAGE_SHAPE, start, stop, out)

    def sums(self) -> np.ndarray:
        """(2, 129, channels) sums of the decibels and of their squares over all frames."""
        shape = (2, *IMAGE_SHAPE[1:])
        ends = channels_last((2, *shape), len(self.channels), float)
        for end, epoch in zip(ends, (self._first, self._first + self._count), strict=True):
            self._read("sums", shape, epoch, end[None])
        return ends[1] - ends[0]

    def levels(self) -> np.ndarray:
        """(n, 129, channels) decibels of each epoch, the mean over its frames."""
        shape = (2, *IMAGE_SHAPE[1:])
        sums = channels_last((self._count + 1, *shape), len(self.channels), float)
        self._read("sums", shape, self._first, sums)
        return np.diff(sums[:, 0], axis=0) / IMAGE_SHAPE[0]

    def _epochs(
        self, group: str, shape: tuple[int, ...], start: int, stop: int, out: np.ndarray | None
    ) -> np.ndarray:
        if out is None:
            count = min(stop, self._count) - start
            out = channels_last((count, *shape), len(self.channels))
        self._read(group, shape, self._first + start, out)
        return out

    def _read(self, group: str, shape: tuple[int, ...], first: int, out: np.ndarray) -> None:
        """Fill ``out`` (n, *shape, channels) with what is stored from epoch ``first`` on."""
        path = self._stored.epochs if group == "signals" else self._stored.spectrograms
        place = first * math.prod(shape) * out.itemsize
        try:
            with open(path, "rb", buffering=0) as file:
                for number, channel in enumerate(self.channels):
                    offset = self._stored.offsets[f"{group}/{channel}"] + place
                    values = out[..., number]
                    if os.preadv(file.fileno(), [values], offset) != values.nbytes:
                        raise self._stored.damaged(path, "shorter than it was")
        except OSError as error:
            raise self._stored.damaged(path, f"not readable ({error})") from error
