"""Confusion matrices of each system on the test recordings, counted from its predictions.

Unusable predictions are a gap: they are left out, the reason is kept, and the rest is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.stages import STAGES
from xsleep.results.metrics import confusion, decided
from xsleep.results.published import paper_order
from xsleep.store.predictions import Prediction, read_predictions

LEVELS = ("seed", "fold", "subject", "recording")
CASE = ("database", "window", "channels")
"""Columns that are equal for all systems that are compared."""


@dataclass(frozen=True)
class RunPredictions:
    """Predictions of one run and the run's identity; names as in Table 2, not slugs."""

    database: str
    window: str
    channels: str
    system: str
    seed: int
    fold: int
    predictions: Path


def run_predictions(
    runs: Sequence[Mapping[str, Any]], predictions: Sequence[str], systems: Mapping[str, str]
) -> list[RunPredictions]:
    """Return the predictions of the workflow's runs.

    Args:
        runs: The other fields of each run, its system as a slug.
        predictions: The predictions file of each run.
        systems: Slug to name of each system.
    """
    return [
        RunPredictions(**{**run, "system": systems[run["system"]]}, predictions=Path(path))
        for run, path in zip(runs, predictions, strict=True)
    ]


@dataclass(frozen=True)
class SystemResults:
    """Results of one system on one channel set.

    Attributes:
        counts: Flattened confusion matrices in epochs: a row for each tested recording of each seed
            (index ``LEVELS``), a column for each pair of true and predicted stage. All seeds have
            the same recordings in the same folds.
        skipped: Number of recordings of the database that cannot be used.
        gaps: Why predictions are left out, a line each.
    """

    database: str
    window: str
    channels: str
    system: str
    counts: pd.DataFrame
    skipped: int
    gaps: tuple[str, ...]

    @property
    def case(self) -> tuple[str, str, str]:
        """The values of ``CASE``."""
        return self.database, self.window, self.channels

    def number(self, level: str) -> int:
        """Return the number of seeds, folds, subjects or recordings."""
        return self.counts.index.unique(level).size

    def epochs(self) -> int:
        """Return the number of epochs that each seed tested."""
        return int(self.counts.to_numpy().sum()) // max(self.number("seed"), 1)

    def matrices(self, level: str | None = None) -> Integers:
        """Return the confusion matrices (seeds, n, 5, 5) of the n subjects, folds, ... in order.

        Without a level (seeds, 5, 5), of all epochs.
        """
        levels = ["seed", level] if level else ["seed"]
        found = self.counts.groupby(levels).sum().to_numpy()
        numbers = [self.number(name) for name in levels]
        return found.reshape(*numbers, len(STAGES), len(STAGES))

    def of(self, level: str, names: Iterable[str | int]) -> SystemResults:
        """Return the results restricted to these subjects, folds, ..."""
        kept = self.counts[self.counts.index.isin(names, level)]
        return SystemResults(*self.case, self.system, kept, self.skipped, self.gaps)


Decide = Callable[[RunPredictions, Prediction], Integers]
"""Function that returns the predicted stages (n,) of a recording."""


def gather(
    cells: Iterable[RunPredictions],
    recordings: Mapping[str, Path],
    decide: Decide = lambda cell, prediction: decided(prediction),
) -> list[SystemResults]:
    """Count the epochs of all runs, in the order of Table 2.

    Predictions are left out if they are unreadable or invalid; if they are of skipped or unknown
    recordings, or of recordings tested twice with the same seed; if their epochs, true stages or
    folds differ from those of most files; and if their seed does not test all recordings of the
    most complete seed.

    Args:
        cells: The runs.
        recordings: Path of the ``recordings.csv`` of each database, with one line per recording:
            its number of epochs and the reason why it was skipped, empty if it was used.
        decide: Function that returns the predicted stages (n,) of a recording; by default as in
            Table 2.

    Raises:
        InputError: A ``recordings.csv`` is missing or invalid.
    """
    runs: dict[tuple[str, str, str, str], list[RunPredictions]] = defaultdict(list)
    for cell in cells:
        runs[cell.database, cell.window, cell.system, cell.channels].append(cell)
    runs = dict(sorted(runs.items(), key=lambda run: paper_order(*run[0])))
    known = {database: _recordings(database, recordings) for database, *_ in runs}
    files = {
        names: [
            _File.read(cell, known[cell.database], recordings[cell.database], decide)
            for cell in sorted(run, key=lambda cell: (cell.seed, cell.fold))
        ]
        for names, run in runs.items()
    }
    usual = _usual(file for run in files.values() for file in run)
    results = []
    for (database, window, system, channels), run in files.items():
        counts, gaps = _counted(run, usual)
        skipped = int((known[database]["skipped"] != "").sum())
        results.append(SystemResults(database, window, channels, system, counts, skipped, gaps))
    return results


@dataclass(frozen=True)
class _Tested:
    """A tested recording: its confusion matrix, and hashes of what must not differ between runs."""

    recording: str
    subject: str
    epochs: int
    marks: Mapping[str, bytes]
    matrix: Integers


Key = tuple[str, str, str]
"""Database, window and recording."""


@dataclass(frozen=True)
class _File:
    """The predictions of a run, or why they cannot be used."""

    cell: RunPredictions
    tested: Sequence[_Tested]
    fault: str = ""

    @classmethod
    def read(cls, cell: RunPredictions, known: pd.DataFrame, listed: Path, decide: Decide) -> _File:
        tested = []
        try:
            predictions = read_predictions(cell.predictions)
            if not predictions:
                raise InputError("no recordings; delete the file and run the fold again")
            for prediction in predictions:
                _check(prediction, known, listed)
                # a recording is counted before the next is checked: the first fault is told
                tested.append(_tested(cell, prediction, decide))
            return cls(cell, tested)
        except InputError as error:
            line = str(error)
        if not line.startswith(f"{cell.predictions}: "):
            line = f"{cell.predictions}: {line}"
        return cls(cell, (), line)


def _check(prediction: Prediction, known: pd.DataFrame, listed: Path) -> None:
    """Check a tested recording against the ``recordings.csv`` at ``listed``."""
    name = prediction.recording
    if name not in known.index or known["skipped"][name]:
        why = "skipped" if name in known.index else "missing"
        raise InputError(
            f"{name} was tested but is {why} in {listed}; delete the run and score it again"
        )
    epochs, places = len(prediction.stages), prediction.places
    if len(places) != epochs or (np.diff(places) <= 0).any():
        raise InputError(
            f"{name}: {len(places)} places of {epochs} epochs, or not in their order; "
            "delete the file and run the fold again"
        )
    if epochs > int(known["epochs"][name]):
        raise InputError(
            f"{name} has {epochs} epochs but {known['epochs'][name]} in {listed}; "
            "delete the file and run the fold again"
        )


def _tested(cell: RunPredictions, prediction: Prediction, decide: Decide) -> _Tested:
    matrix = confusion(prediction.stages, decide(cell, prediction))
    marks = {
        what: hashlib.sha256(getattr(prediction, what).astype("i8").tobytes()).digest()
        for what in ("places", "stages")
    }
    marks["fold"] = str(cell.fold).encode()
    name, subject = prediction.recording, prediction.subject
    return _Tested(name, subject, len(prediction.stages), marks, matrix)


def _usual(files: Iterable[_File]) -> dict[Key, tuple[_Tested, Path]]:
    """Return each recording as most files have it, and the first of these files."""
    found: dict[Key, list[tuple[_Tested, Path]]] = defaultdict(list)
    for file in files:
        for one in file.tested:
            key = file.cell.database, file.cell.window, one.recording
            found[key].append((one, file.cell.predictions))
    usual = {}
    for key, versions in found.items():
        marks = Counter(tuple(one.marks.values()) for one, _ in versions)
        most = max(marks, key=marks.__getitem__)
        usual[key] = next(v for v in versions if tuple(v[0].marks.values()) == most)
    return usual


def _counted(
    files: Sequence[_File], usual: Mapping[Key, tuple[_Tested, Path]]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return ``counts`` and ``gaps`` of the `SystemResults` of one system on one channel set."""
    gaps = []
    tested: dict[int, dict[str, tuple[_Tested, RunPredictions]]] = {
        file.cell.seed: {} for file in files
    }
    for file in files:
        seen = tested[file.cell.seed]
        if fault := file.fault or _contradiction(file, usual, seen):
            gaps.append(fault)
        else:
            seen.update({one.recording: (one, file.cell) for one in file.tested})
    fullest = max(tested, key=lambda seed: len(tested[seed]))  # the first of several
    lines = {}
    for seed, seen in tested.items():
        if missing := sorted(tested[fullest].keys() - seen.keys()):
            path = next(file.cell.predictions for file in files if file.cell.seed == seed)
            gaps.append(
                f"{path}: seed {seed} does not test {missing[0]}, which seed {fullest} does; run "
                "all folds of this seed or leave it out"
            )
            continue
        for one, cell in seen.values():
            lines[seed, cell.fold, one.subject, one.recording] = one.matrix.ravel()
    index = pd.MultiIndex.from_tuples(lines, names=LEVELS) if lines else _no_lines()
    counts = np.array(list(lines.values())).reshape(len(lines), len(STAGES) ** 2).astype(int)
    return pd.DataFrame(counts, index=index), tuple(gaps)


def _no_lines() -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in LEVELS], names=LEVELS)


def _contradiction(
    file: _File,
    usual: Mapping[Key, tuple[_Tested, Path]],
    seen: Mapping[str, tuple[_Tested, RunPredictions]],
) -> str:
    """Return how a file contradicts the others, in a line; empty if it does not."""
    cell = file.cell
    for one in file.tested:
        if one.recording in seen:
            return (
                f"{cell.predictions}: {one.recording} is tested in "
                f"{seen[one.recording][1].predictions} too; make the folds anew and run both again"
            )
        other, path = usual[cell.database, cell.window, one.recording]
        for what, mark in one.marks.items():
            if mark != other.marks[what]:
                return (
                    f"{cell.predictions}: {one.recording} does not have the {what} of {path} "
                    f"({one.epochs} epochs, there {other.epochs}); delete the run that is wrong "
                    "and run it again"
                )
    return ""


def _recordings(database: str, recordings: Mapping[str, Path]) -> pd.DataFrame:
    """Read the epochs of each recording and why it was skipped from ``recordings.csv``."""
    if database not in recordings:
        raise InputError(f"{database}: no recordings.csv; name the one of this database")
    path = recordings[database]
    try:
        table = read_table(path)
        table = table.set_index("recording")[["epochs", "skipped"]]
        table["epochs"] = pd.to_numeric(table["epochs"]).astype("Int64")  # unread: unknown
        if not table.index.is_unique:
            raise ValueError(f"{table.index[table.index.duplicated()][0]} twice")
        if (unknown := table["epochs"].isna() & (table["skipped"] == "")).any():
            raise ValueError(f"{unknown.idxmax()} without epochs")
    except (OSError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a table of recordings ({why}); delete it and run again"
        ) from error
    return table
