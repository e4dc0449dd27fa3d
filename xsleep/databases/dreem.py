"""Dreem Open Datasets DOD-H and DOD-O: recordings in HDF5, scored by five scorers.

``ID.h5`` holds signals in microvolts, ``signals/eeg/C3_M2`` and so on, their rates in the attribute
``description`` as JSON, and ``hypnogram``, the consensus of the scorers, with a stage an epoch of
30 s. What each scorer gave is in ``scorer_N/ID.json`` of a repository of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, PositiveInt

from xsleep.core.arrays import Blocks, Integers, Singles
from xsleep.core.errors import DamagedError, InputError, reason
from xsleep.core.recording import EPOCH_SECONDS, Hypnogram, Recording, Signal
from xsleep.core.stages import UNSCORED
from xsleep.databases import base
from xsleep.databases.base import Database, Entry, Origin, Source
from xsleep.databases.formats import channels as common
from xsleep.databases.formats.channels import UNITS, content
from xsleep.databases.formats.consensus import majority
from xsleep.databases.formats.derivations import read_channel

if TYPE_CHECKING:
    import h5py

STAGES = (0, 1, 2, 3, 4)
"""Codes of W, N1, N2, N3 and REM, which are the labels here; -1 is not scored."""

BLOCK_SECONDS = 600
"""Seconds that are read at a time."""


class DreemSource(Source):
    """Settings of the Dreem Open Datasets.

    Attributes:
        scorers: folder with ``scorer_1/ID.json`` and so on; without it, the stages are the
            consensus in the recordings.
        reference: numbers of the scorers whose majority the stages are.
        second: number of the scorer for the control ``second scorer``.
    """

    scorers: Path | None = None
    reference: tuple[PositiveInt, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1)
    second: PositiveInt | None = None


class Dreem(Database):
    """The recordings in a folder."""

    reader, scoring = "dreem", "AASM"
    settings = DreemSource
    origin = Origin(
        "Dreem Open Datasets", "https://github.com/Dreem-Organization/dreem-learning-open"
    )
    source: DreemSource

    def entries(self) -> list[Entry]:
        found = base.files(self.folder, "*.h5")
        if not found:
            raise self.none_there("recording", "095d6e40-5f19-55b6-a0ec-6e0ad3793da0.h5")
        return [
            Entry(path.stem, path.stem, (path, *self._scorings(path.stem, self.source.reference)))
            for path in found
        ]

    def _scorings(self, name: str, scorers: Sequence[int]) -> list[Path]:
        if self.source.scorers is None:
            return []
        return [self.source.scorers / f"scorer_{n}" / f"{name}.json" for n in scorers]

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        path, *scorings = entry.files
        with _opened(path) as file:
            rates = _rates(path, file)
            signals = {
                channel: read_channel(
                    path,
                    channel,
                    self.channels.labels[channel],
                    rates,
                    partial(self._signal, path, channel, rates),
                    ambiguous=partial(common.ambiguous, path, descriptions=[]),
                    every=rates,
                )
                for channel in channels
            }
            stages = np.asarray(file["hypnogram"][:]) if not scorings else None
        if stages is None:
            stages = majority(_read_scorers(scorings))
        hypnogram = _as_hypnogram(path, stages)
        return Recording(entry.name, entry.subject, signals, hypnogram, None, entry.files)

    def _signal(
        self, path: Path, channel: str, rates: Mapping[str, tuple[float, str]], label: str
    ) -> Signal:
        rate, place = rates[label]
        common.check_rate(path, label, rate, self.channels.lowest_rate)
        unit = self.channels.units.get(channel, "uV")

        def values(start: int, stop: int) -> Singles:
            with _opened(path) as file:
                block = np.asarray(file[place][start:stop], np.float32)
            return block * np.float32(UNITS[unit])

        with _opened(path) as file:
            length = len(file[place])
        return Signal(Blocks(length, round(BLOCK_SECONDS * rate), values), rate, label, unit)

    def second_file(self, entry: Entry) -> Path | None:
        if self.source.second is None:
            return None
        return next(iter(self._scorings(entry.name, (self.source.second,))), None)

    def second_scoring(self, entry: Entry) -> Hypnogram | None:
        path = self.second_file(entry)
        return _as_hypnogram(path, _read_scorer(path)) if path else None

    def scorers(self, entry: Entry) -> list[Hypnogram]:
        if self.source.scorers is None:
            return []
        numbers = sorted({*self.source.reference, *filter(None, [self.source.second])})
        paths = self._scorings(entry.name, numbers)
        found = zip(paths, _read_scorers(paths), strict=True)
        return [_as_hypnogram(path, stages) for path, stages in found]


def _as_hypnogram(path: Path, stages: Integers) -> Hypnogram:
    if not np.isin(stages, STAGES).any():
        raise InputError(f"{path}: no epoch with a stage in it; take the recording away")
    onsets = np.arange(len(stages)) * float(EPOCH_SECONDS)
    labels = np.where(np.isin(stages, STAGES), stages, UNSCORED).astype("i1")
    return Hypnogram(onsets, labels)


def _read_scorers(paths: Sequence[Path]) -> list[Integers]:
    """Return the stages (n,) of each scorer, all of them as long as the first."""
    scored = [_read_scorer(path) for path in paths]
    for path, stages in zip(paths, scored, strict=True):
        if len(stages) != len(scored[0]):
            raise InputError(
                f"{path}: has {len(stages)} epochs, {paths[0].parent.name} {len(scored[0])}; check "
                "that they belong together"
            )
    return scored


def _read_scorer(path: Path) -> Integers:
    """Return the stages (n,) in a scorer's file, -1 to 4."""
    text = content(path, "put the scorers there, or correct source.scorers")
    try:
        stages = np.array(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: not JSON ({error})") from None
    if stages.ndim != 1 or stages.dtype.kind != "i" or not np.isin(stages, (-1, *STAGES)).all():
        raise DamagedError(f"{path}: is no list of stages from -1 to 4")
    return stages


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    import h5py

    content(path, "put it there or correct the database's folder", 1)
    try:
        with h5py.File(path) as file:
            yield file
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DamagedError(f"{path}: not readable as a recording ({reason(error)})") from error


def _rates(path: Path, file: h5py.File) -> dict[str, tuple[float, str]]:
    """Return name of a signal to its rate and its place in the file."""
    described: list[dict[str, Any]] = json.loads(file.attrs["description"])
    return {one["path"].rpartition("/")[2]: (float(one["fs"]), one["path"]) for one in described}
