"""Stages that ``xsleep score`` wrote against another scoring of the same recordings.

An epoch is compared if it lies wholly in one stage of the other scoring, whose stretches need not
begin on the grid of the epochs.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from xsleep.core.arrays import Floats, Integers
from xsleep.core.errors import InputError, reason, warn
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases.formats.clocks import since
from xsleep.databases.formats.hypnograms import TOLERANCE
from xsleep.results.metrics import class_wise, confusion, of_confusion
from xsleep.staging.hypnograms import Scoring, read_scoring
from xsleep.staging.sources import SUFFIXES, stem
from xsleep.staging.writing import MARKS

TEXTS = (".tsv", ".csv", ".txt")
"""Ends of scorings that are text, the best first."""

LEFT_OUT = {
    "bad": "with bad signals",
    "outside": "before or after the scoring",
    "unscored": "without a stage in the scoring",
    "divided": "in more than one of its stages",
}
"""Why an epoch is not compared, in the order in which it is asked."""

HYPNOGRAM = re.compile(
    r"(?<![a-z])(hypnograms?|hypno|events?|stages?|staging|scoring|annotations?)(?![a-z])"
)
RECORDING = re.compile(r"(?<![a-z])(psg|eeg)(?![a-z])")
"""Words in the name of a file that are not of the recording's name."""
SLEEP_EDF = re.compile(r"(s[ct]\d{4}[a-z])[a-z0-9]")
"""Names in Sleep-EDF, where the last letter is that of the scorer."""

MIXED = -2
"""Stretches of several stages overlap."""
PER_EPOCH = round(EPOCH_SECONDS / TOLERANCE)
"""Pieces of an epoch that are looked at."""

LOW_KAPPA, FEW = 0.2, 0.5
"""Kappa, and share of the epochs that are compared, below which it is told."""


@dataclass(frozen=True)
class Compared:
    """One recording, compared.

    Attributes:
        recording: its name.
        scored, scoring: the files.
        counts: (5, 5) epochs, those of the scoring in rows.
        left_out: reason (`LEFT_OUT`) to the number of epochs that are not compared.
    """

    recording: str
    scored: Path
    scoring: Path
    counts: Integers
    left_out: dict[str, int]

    def row(self) -> dict[str, Any]:
        """Return what a table says of it: files, numbers of epochs and metrics."""
        return {
            "recording": self.recording,
            "scored": str(self.scored),
            "scoring": str(self.scoring),
            **summed([self]),
        }


def pooled(compared: Sequence[Compared]) -> Integers:
    """Return the confusion matrix (5, 5) of all recordings, in epochs."""
    counts: Integers = np.sum([one.counts for one in compared], axis=0)
    return counts


def summed(compared: Sequence[Compared]) -> dict[str, Any]:
    """Return the numbers of epochs and the metrics (`measure`) of recordings, pooled."""
    counts = pooled(compared)
    return {
        "compared": int(counts.sum()),
        **{why: sum(one.left_out[why] for one in compared) for why in LEFT_OUT},
        **{name: float(value) for name, value in of_confusion(counts).items()},
    }


def by_stage(counts: Integers) -> dict[str, Floats]:
    """Return kappa of each stage against all others, F1, sensitivity, ..., each (5,)."""
    hits = np.diag(counts)
    misses, alarms = counts.sum(axis=1) - hits, counts.sum(axis=0) - hits
    rest = counts.sum() - hits - misses - alarms
    pairs = np.stack([np.stack([hits, misses], -1), np.stack([alarms, rest], -1)], axis=-2)
    return {"kappa": of_confusion(pairs)["kappa"], **class_wise(counts)}


def compare(recording: str, scored: Path, scoring: Path) -> Compared:
    """Compare the stages of one recording.

    Args:
        recording: its name.
        scored: hypnogram that ``xsleep score`` wrote.
        scoring: another one, of any kind.

    Raises:
        InputError: one cannot be read, or they are not of the same recording.
    """
    given, start = _read_scored(scored)
    seconds = len(given) * float(EPOCH_SECONDS)
    other = read_scoring(scoring, seconds)
    shift = _shift(other, start, scored, seconds)
    pieces = _pieces(other, shift, len(given))
    stages = pieces[:, 0]
    whole = (pieces == stages[:, None]).all(axis=1) & (stages != MIXED)
    onsets = np.arange(len(given)) * EPOCH_SECONDS
    first, last = other.onsets[0] + shift, (other.onsets + other.durations).max() + shift
    reasons = {
        "bad": given == UNSCORED,
        "outside": (onsets < first - TOLERANCE) | (onsets + EPOCH_SECONDS > last + TOLERANCE),
        "unscored": whole & (stages == UNSCORED),
        "divided": ~whole,
    }
    kept, left_out = np.ones(len(given), bool), {}
    for why, these in reasons.items():
        left_out[why] = int((kept & these).sum())
        kept &= ~these
    if not kept.any():
        told = ", ".join(f"{count} {LEFT_OUT[why]}" for why, count in left_out.items() if count)
        raise InputError(
            f"{scoring}: no epoch of {scored} can be compared ({told}); check that they belong "
            "together"
        )
    found = Compared(recording, scored, scoring, confusion(stages[kept], given[kept]), left_out)
    _tell_doubts(found, len(given))
    return found


def _read_scored(path: Path) -> tuple[Integers, datetime | None]:
    """Return the stages (n,) in a hypnogram of ``xsleep score``, and the recording's start."""
    import pandas as pd

    if not _is_written(path):
        raise InputError(f"{path}: not written by xsleep score (.tsv or .csv); name such a file")
    try:
        table = pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",")
    except ValueError as error:
        raise InputError(f"{path}: not readable ({reason(error)}); score it again") from error
    if not np.array_equal(table["onset"], np.arange(len(table)) * EPOCH_SECONDS):
        raise InputError(f"{path}: its onsets are not every {EPOCH_SECONDS} s; score it again")
    names = {stage: number for number, stage in enumerate(STAGES)}
    stages = table["stage"].map(names).fillna(UNSCORED).to_numpy(int)
    try:
        start = json.loads(path.with_suffix(".json").read_text())["xsleep"]["start"]
        return stages, start and datetime.fromisoformat(start).replace(tzinfo=None)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # none, or another's
        return stages, None


def _is_written(path: Path) -> bool:
    end = path.suffix.lower()
    if end not in (".tsv", ".csv") or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().rstrip(b"\r\n") == MARKS[end].encode()


def _shift(other: Scoring, start: datetime | None, scored: Path, seconds: float) -> float:
    """Return the seconds from the start of the recording to the time that onsets count from."""
    if other.start is None:
        return 0.0
    if start is not None:
        return since(other.path, other.start, start, seconds)
    if other.by_clock:
        raise InputError(
            f"{other.path}: has times of day, and nothing tells when the recording of {scored} "
            "begins; keep the .json that xsleep score writes beside it"
        )
    warn(other.path, f"taken to begin with {scored}, of which the start is not known")
    return 0.0


def _pieces(other: Scoring, shift: float, count: int) -> Integers:
    """Return the stages (count, `PER_EPOCH`) of the pieces of each epoch."""
    pieces = np.full(count * PER_EPOCH, UNSCORED)
    begins = np.round((other.onsets + shift) / TOLERANCE).astype(int)
    ends = np.round((other.onsets + shift + other.durations) / TOLERANCE).astype(int)
    for begin, end, stage in zip(begins.clip(0), ends.clip(0), other.stages, strict=True):
        piece = pieces[begin:end]
        piece[...] = np.where((piece == UNSCORED) | (piece == stage), stage, MIXED)
    return pieces.reshape(count, PER_EPOCH)


def _tell_doubts(found: Compared, epochs: int) -> None:
    numbers = found.row()
    if numbers["compared"] < FEW * epochs:
        warn(found.scoring, f"only {numbers['compared']} of {epochs} epochs can be compared")
    if numbers["kappa"] < LOW_KAPPA:
        warn(
            found.scoring,
            f"kappa is {numbers['kappa']:.2f}; check that it belongs to the recording of "
            f"{found.scored} and starts at the same time, and that its labels are understood",
        )


@dataclass(frozen=True)
class Pairs:
    """Files that belong together.

    Attributes:
        found: name of the recording, hypnogram of ``xsleep score`` and other scoring.
        alone: a line for each hypnogram that has no partner, or several.
        surplus: scorings of other recordings.
    """

    found: list[tuple[str, Path, Path]]
    alone: list[str]
    surplus: list[Path]


def pair(scored: Path, scoring: Path) -> Pairs:
    """Return which files of two folders (or two files) are of the same recording, by their names.

    Raises:
        InputError: ``xsleep score`` wrote nothing in the folder.
    """
    ours = _scored_files(scored)
    if scoring.is_file() and len(ours) == 1:
        return Pairs([(stem(ours[0]), ours[0], scoring)], [], [])
    theirs: dict[str, list[Path]] = defaultdict(list)
    own = {path.with_suffix("") for path in ours}
    for path in [scoring] if scoring.is_file() else _files(scoring, (*TEXTS, *SUFFIXES)):
        if path.with_suffix("") not in own or not (path.suffix == ".edf" or _is_written(path)):
            theirs[_name(path)].append(path)
    pairs, alone = [], []
    for path in ours:
        fitting = sorted(theirs.pop(_name(path), []), key=_rank)
        if not fitting:
            alone.append(f"{path}: no scoring of this recording in {scoring}; name the two files")
        elif len(fitting) > 1 and _rank(fitting[0]) == _rank(fitting[1]):
            several = " and ".join(str(one) for one in fitting[:2])
            alone.append(f"{path}: {several} are both of this recording; name one of them")
        else:
            pairs.append((_name(path), path, fitting[0]))
    surplus = [path for paths in theirs.values() for path in paths if HYPNOGRAM.search(_stem(path))]
    return Pairs(pairs, alone, surplus)


def _scored_files(path: Path) -> list[Path]:
    """Return the hypnograms of ``xsleep score``, of one recording the ``.tsv`` if there is one."""
    if path.is_file():
        return [path]
    found = {one.stem: one for end in (".csv", ".tsv") for one in _files(path, (end,))}
    written = [one for one in found.values() if _is_written(one)]
    if not written:
        raise InputError(f"{path}: no hypnogram that xsleep score wrote (.tsv or .csv) in it")
    return sorted(written)


def _files(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.name.lower().endswith(ends) and not path.name.startswith(".")
    ]


def _stem(path: Path) -> str:
    return stem(path).casefold()


def _name(path: Path) -> str:
    """Return the name of the recording that a file is about."""
    bare = RECORDING.sub("", HYPNOGRAM.sub("", _stem(path)))
    name = re.sub(r"[\s_-]+", "_", bare).strip("_")
    match = SLEEP_EDF.fullmatch(name)
    return match[1] if match else name


def _rank(path: Path) -> tuple[bool, int]:
    """Return a sort key, smaller for what is rather the hypnogram of a recording."""
    text = path.suffix.lower()
    return not HYPNOGRAM.search(_stem(path)), TEXTS.index(text) if text in TEXTS else len(TEXTS)
