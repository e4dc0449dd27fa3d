"""Confusion matrices of each system on the test recordings, counted from its predictions.

Unusable predictions are a gap: they are left out, the reason is kept, and the rest is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.config.names import MEASURED, last_of
from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.stages import STAGES
from xsleep.results import inference
from xsleep.results.metrics import confusion, decided
from xsleep.results.published import paper_order, row_name
from xsleep.store.predictions import Prediction, read_predictions, read_remarks

LEVELS = ("seed", "fold", "subject", "recording")
CASE = ("database", "window", "channels")
"""Columns that are equal for all systems that are compared."""


@dataclass(frozen=True)
class _System:
    """A system on one channel set; names as in Table 2, not slugs."""

    database: str
    window: str
    channels: str
    system: str

    @property
    def case(self) -> tuple[str, str, str]:
        """The values of ``CASE``."""
        return self.database, self.window, self.channels

    @property
    def names(self) -> dict[str, str]:
        """The values of ``CASE`` and the system, by column."""
        return dict(zip((*CASE, "system"), (*self.case, self.system), strict=True))


@dataclass(frozen=True)
class RunPredictions(_System):
    """The file of predictions of one run.

    Attributes:
        fold: 0 for a system whose one file has all folds, each recording with its own.
        source: one of `xsleep.config.names.SOURCES`.
    """

    seed: int
    fold: int
    predictions: Path
    source: str = MEASURED


def run_predictions(
    runs: Sequence[Mapping[str, Any]], predictions: Sequence[str], systems: Mapping[str, str]
) -> list[RunPredictions]:
    """Return the predictions of the workflow's runs, whose systems are slugs, with their names."""

    def named(run: Mapping[str, Any]) -> dict[str, Any]:
        return {**run, "system": row_name(run["database"], run["window"], systems[run["system"]])}

    return [
        RunPredictions(**named(run), predictions=Path(path))
        for run, path in zip(runs, predictions, strict=True)
    ]


@dataclass(frozen=True)
class SystemResults(_System):
    """Results of one system on one channel set.

    Attributes:
        counts: Flattened confusion matrices in epochs: a row for each tested recording of each seed
            (index ``LEVELS``), a column for each pair of true and predicted stage. All seeds have
            the same recordings in the same folds.
        skipped: Number of recordings of the database that cannot be used.
        gaps: Why predictions are left out, a line each.
        source: One of `xsleep.config.names.SOURCES`.
        remarks: What is to be known of a system that was not trained here, a line each.
    """

    counts: pd.DataFrame
    skipped: int
    gaps: tuple[str, ...]
    source: str = MEASURED
    remarks: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """The gaps and remarks, in a line."""
        return "; ".join((*self.gaps, *self.remarks))

    def number(self, level: str) -> int:
        """Return the number of seeds, folds, subjects or recordings."""
        return self.counts.index.unique(level).size

    def epochs(self) -> int:
        """Return the number of epochs that each seed tested."""
        return int(self.counts.to_numpy().sum()) // max(self.number("seed"), 1)

    def numbers(self, *names: str) -> dict[str, int]:
        """Return these numbers: ``seeds``, ..., ``recordings``, ``skipped`` or ``epochs``."""
        known = {f"{level}s": self.number(level) for level in LEVELS}
        known |= {"skipped": self.skipped, "epochs": self.epochs()}
        return {name: known[name] for name in names}

    def matrices(self, level: str | None = None) -> Integers:
        """Return the confusion matrices (seeds, n, 5, 5) of the n subjects, folds, ... in order.

        Without a level (seeds, 5, 5), of all epochs.
        """
        levels = ["seed", level] if level else ["seed"]
        found = self.counts.groupby(levels).sum().to_numpy()
        return found.reshape(*map(self.number, levels), len(STAGES), len(STAGES))

    def estimates(self) -> dict[str, tuple[float, float, float]]:
        """Return each metric, averaged over seeds, and the ends of its 95 % interval."""
        spans = inference.intervals(self.matrices("subject"))
        return {m: (value, *spans[m]) for m, value in inference.estimate(self.matrices()).items()}

    def of(self, level: str, names: Iterable[str | int]) -> SystemResults:
        """Return the results restricted to these subjects, folds, ..."""
        return replace(self, counts=self.counts[self.counts.index.isin(names, level)])


Decide = Callable[[RunPredictions, Prediction], Integers]
"""Function that returns the predicted stages (n,) of a recording."""


def gather(
    runs: Iterable[RunPredictions],
    recordings: Mapping[str, Path],
    decide: Decide = lambda run, prediction: decided(prediction),
) -> list[SystemResults]:
    """Count the epochs of all runs, in the order of Table 2.

    Predictions are left out if they are unreadable or invalid; if they are of skipped or unknown
    recordings, or of recordings tested twice with the same seed; if their epochs, true stages or
    folds differ from those of most files; and if their seed does not test all recordings of the
    most complete seed. Systems whose one file has all folds may lack epochs, and say so in their
    remarks.

    Args:
        runs: In any order.
        recordings: Path of the ``recordings.csv`` of each database, with one line per recording:
            its number of epochs and the reason why it was skipped, empty if it was used.
        decide: By default as in Table 2.

    Raises:
        InputError: A ``recordings.csv`` is missing or invalid.
    """

    def order(run: RunPredictions) -> tuple[object, ...]:
        place = paper_order(run.database, run.window, run.system, run.channels)
        return *place[:2], last_of(run.source), *place[2:], run.seed, run.fold

    ordered = sorted(runs, key=order)
    databases = dict.fromkeys(run.database for run in ordered)
    known = {database: _recordings(database, recordings) for database in databases}
    files = [_read(run, known[run.database], recordings[run.database], decide) for run in ordered]
    usual = _usual([one for file in files for one in file.tested])
    results = []
    for names, grouped in groupby(files, key=lambda file: file.run.names):
        counts, gaps = _counted(group := list(grouped), usual)
        skipped = int((known[names["database"]]["skipped"] != "").sum())
        remarks = tuple(dict.fromkeys(r for file in group for r in file.remarks))
        one = SystemResults(
            **names,
            counts=counts,
            skipped=skipped,
            gaps=gaps,
            source=group[0].run.source,
            remarks=remarks,
        )
        results.append(one)
    return results


Key = tuple[str, str, str]
"""Database, window and recording."""

_MARKS = ("places", "stages", "fold")
"""Properties that are equal in all runs that test a recording; ``None`` where they may differ."""


@dataclass(frozen=True)
class _Tested:
    """A tested recording: its fold, confusion matrix, and hashes or values of ``_MARKS``."""

    run: RunPredictions
    recording: str
    fold: int
    subject: str
    marks: tuple[object, ...]
    matrix: Integers

    @property
    def key(self) -> Key:
        return self.run.database, self.run.window, self.recording


@dataclass(frozen=True)
class _File:
    """The predictions of a run, or why they cannot be used."""

    run: RunPredictions
    tested: Sequence[_Tested]
    fault: str = ""
    remarks: Sequence[str] = ()


def _read(run: RunPredictions, known: pd.DataFrame, listed: Path, decide: Decide) -> _File:
    tested = []
    try:
        remarks = read_remarks(run.predictions) if run.source != MEASURED else ()
        if not (predictions := read_predictions(run.predictions)):
            if remarks:
                return _File(run, (), "; ".join(remarks))
            raise InputError("no recordings; delete the file and run the fold again")
        for prediction in predictions:
            _check(prediction, known, listed)
            # counted before the next is checked, so that the first fault is reported
            tested.append(_tested(run, prediction, decide(run, prediction)))
    except InputError as error:
        place = f"{run.predictions}: "
        return _File(run, (), place + str(error).removeprefix(place))
    return _File(run, tested, remarks=remarks)


def _check(prediction: Prediction, known: pd.DataFrame, listed: Path) -> None:
    """Check a tested recording against the ``recordings.csv`` at ``listed``."""
    name, again = prediction.recording, "delete the file and run the fold again"
    epochs, places = len(prediction.stages), prediction.places
    if name not in known.index or known["skipped"][name]:
        why = "skipped" if name in known.index else "missing"
        raise InputError(
            f"{name} was tested but is {why} in {listed}; delete the run and score it again"
        )
    if prediction.stages.ndim != 1 or not epochs:
        raise InputError(f"{name}: true stages of shape {prediction.stages.shape}; {again}")
    if places.shape != (epochs,) or (np.diff(places) <= 0).any():
        raise InputError(
            f"{name}: {len(places)} places of {epochs} epochs, or not in their order; {again}"
        )
    if epochs > int(known["epochs"][name]):
        raise InputError(
            f"{name} has {epochs} epochs but {known['epochs'][name]} in {listed}; {again}"
        )


def _tested(run: RunPredictions, prediction: Prediction, predicted: Integers) -> _Tested:
    name, subject, stages = prediction.recording, prediction.subject, prediction.stages
    arrays = (values.astype("i8").tobytes() for values in (prediction.places, stages))
    marks: tuple[object, ...] = tuple(hashlib.sha256(array).digest() for array in arrays)
    if (fold := prediction.fold) is None:
        fold = run.fold
    else:
        marks = (None, None)
    return _Tested(run, name, fold, subject, (*marks, fold), confusion(stages, predicted))


def _usual(tested: Sequence[_Tested]) -> dict[Key, _Tested]:
    """Return each recording as most files have it, from the first of these files."""
    numbers = Counter((one.key, one.marks) for one in tested)
    usual: dict[Key, _Tested] = {}
    for one in sorted(tested, key=lambda one: (None in one.marks, -numbers[one.key, one.marks])):
        usual.setdefault(one.key, one)
    return usual


def _counted(
    files: Sequence[_File], usual: Mapping[Key, _Tested]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return ``counts`` and ``gaps`` of the `SystemResults` of one system on one channel set."""
    gaps = []
    tested: dict[int, dict[str, _Tested]] = {file.run.seed: {} for file in files}
    for file in files:
        seen = tested[file.run.seed]
        if fault := file.fault or _contradiction(file, usual, seen):
            gaps.append(fault)
        else:
            seen.update({one.recording: one for one in file.tested})
    fullest = max(tested, key=lambda seed: len(tested[seed]))  # the first of several
    lines = {}
    for seed, seen in tested.items():
        if missing := sorted(tested[fullest].keys() - seen.keys()):
            path = next(file.run.predictions for file in files if file.run.seed == seed)
            gaps.append(
                f"{path}: seed {seed} does not test {missing[0]}, which seed {fullest} does; run "
                "all folds of this seed or leave it out"
            )
            continue
        for one in seen.values():
            lines[seed, one.fold, one.subject, one.recording] = one.matrix.ravel()
    index = pd.MultiIndex.from_tuples(list(lines), names=LEVELS)
    counts = np.array(list(lines.values())).reshape(len(lines), len(STAGES) ** 2).astype(int)
    return pd.DataFrame(counts, index=index), tuple(gaps)


def _contradiction(file: _File, usual: Mapping[Key, _Tested], seen: Mapping[str, _Tested]) -> str:
    """Return how a file contradicts the others, in a line; empty if it does not."""
    for one in file.tested:
        where = f"{file.run.predictions}: {one.recording}"
        if one.recording in seen:
            return (
                f"{where} is tested in {seen[one.recording].run.predictions} too; make the folds "
                "anew and run both again"
            )
        other = usual[one.key]
        for what, mark, expected in zip(_MARKS, one.marks, other.marks, strict=True):
            if mark != expected and None not in (mark, expected):
                return (
                    f"{where} does not have the {what} of {other.run.predictions} "
                    f"({one.matrix.sum()} epochs, there {other.matrix.sum()}); delete the run that "
                    "is wrong and run it again"
                )
    return ""


def _recordings(database: str, recordings: Mapping[str, Path]) -> pd.DataFrame:
    """Read the epochs of each recording and why it was skipped from ``recordings.csv``."""
    if database not in recordings:
        raise InputError(f"{database}: no recordings.csv; name the one of this database")
    path = recordings[database]
    try:
        table = read_table(path).set_index("recording")[["epochs", "skipped"]]
        table["epochs"] = pd.to_numeric(table["epochs"]).astype("Int64")  # unread: unknown
        if not table.index.is_unique:
            raise ValueError(f"{table.index[table.index.duplicated()][0]} twice")
        if (unknown := table["epochs"].isna() & (table["skipped"] == "")).any():
            raise ValueError(f"{unknown.idxmax()} without epochs")
    except (OSError, KeyError, ValueError, OverflowError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a table of recordings ({why}); delete it and run again"
        ) from error
    return table
