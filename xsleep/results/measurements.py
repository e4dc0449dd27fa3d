"""What each system did on the test recordings, counted in the predictions of its runs.

Predictions that cannot be used are a gap: what they say is left out, the reason is kept, and the
rest is counted.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.stages import STAGES
from xsleep.results.metrics import confusion, decided
from xsleep.results.published import paper_order
from xsleep.store.predictions import Prediction, read_predictions

LEVELS = ("seed", "fold", "subject", "recording")
CASE = ("database", "window", "channels")
"""What systems are compared within."""


@dataclass(frozen=True)
class Cell:
    """The predictions of one run and what the run is; names as in Table 2, not slugs."""

    database: str
    window: str
    channels: str
    system: str
    seed: int
    fold: int
    predictions: Path


def cells(
    runs: Sequence[Mapping], predictions: Sequence[str], systems: Mapping[str, str]
) -> list[Cell]:
    """The cells of runs as the workflow names them: addresses, files, and names by slug."""
    return [
        Cell(**run | {"system": systems[run["system"]]}, predictions=Path(path))
        for run, path in zip(runs, predictions, strict=True)
    ]


@dataclass(frozen=True)
class Outcome:
    """One system on one channel set.

    Attributes:
        counts: epochs, a line for each tested recording of each seed (index ``LEVELS``), a column
            for each pair of true and predicted stage, row by row of the confusion matrix. All
            seeds have the same recordings in the same folds.
        skipped: recordings of the database that cannot be used.
        gaps: why predictions are left out, a line each.
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
        """Its ``CASE``."""
        return self.database, self.window, self.channels

    def number(self, level: str) -> int:
        """How many there are of one of ``LEVELS``."""
        return self.counts.index.unique(level).size

    def epochs(self) -> int:
        """How many were tested, by each seed."""
        return int(self.counts.to_numpy().sum()) // max(self.number("seed"), 1)

    def matrices(self, level: str | None = None) -> np.ndarray:
        """Confusion matrices (seeds, n, 5, 5) of the n subjects, folds, ... in their order.

        Without a level (seeds, 5, 5), of all epochs.
        """
        levels = ["seed", level] if level else ["seed"]
        found = self.counts.groupby(levels).sum().to_numpy()
        numbers = [self.number(name) for name in levels]
        return found.reshape(*numbers, len(STAGES), len(STAGES))

    def of(self, level: str, names: Iterable) -> Outcome:
        """The same with only these subjects, folds, ..."""
        kept = self.counts[self.counts.index.isin(names, level)]
        return Outcome(*self.case, self.system, kept, self.skipped, self.gaps)


def gather(
    cells: Iterable[Cell],
    recordings: Mapping[str, Path],
    decide: Callable[[Cell, Prediction], np.ndarray] = lambda cell, night: decided(night),
) -> list[Outcome]:
    """Count the epochs of all runs, in the order of Table 2.

    Predictions are left out that cannot be read or used; that are of recordings that were not to be
    tested, or tested twice with the same seed; whose epochs, true stages or folds are not those of
    most files; and those of a seed that does not test the recordings that the fullest one does.

    Args:
        recordings: per database its ``recordings.csv``, with one line per recording: how many
            epochs it has and the reason why it was skipped, empty where it was used.
        decide: the predicted stages (n,) of a recording; by default as in Table 2.

    Raises:
        InputError: a ``recordings.csv`` that cannot be used.
    """
    runs: dict[tuple, list[Cell]] = defaultdict(list)
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
    outcomes = []
    for (database, window, system, channels), run in files.items():
        counts, gaps = _counted(run, usual)
        skipped = int((known[database]["skipped"] != "").sum())
        outcomes.append(Outcome(database, window, channels, system, counts, skipped, gaps))
    return outcomes


@dataclass(frozen=True)
class _Night:
    """A tested recording: marks of what must not differ between runs, and its confusion matrix."""

    recording: str
    subject: str
    epochs: int
    marks: Mapping[str, bytes]
    matrix: np.ndarray


@dataclass(frozen=True)
class _File:
    """The predictions of a cell, or why they cannot be used."""

    cell: Cell
    nights: Sequence[_Night]
    fault: str = ""

    @classmethod
    def read(
        cls,
        cell: Cell,
        known: pd.DataFrame,
        listed: Path,
        decide: Callable[[Cell, Prediction], np.ndarray],
    ) -> _File:
        try:
            predictions = read_predictions(cell.predictions)
            if not predictions:
                raise InputError("no recordings; delete the file and run the fold again")
            return cls(cell, [_night(cell, one, known, listed, decide) for one in predictions])
        except InputError as error:
            line = str(error)
        if not line.startswith(f"{cell.predictions}: "):
            line = f"{cell.predictions}: {line}"
        return cls(cell, (), line)


def _night(
    cell: Cell,
    night: Prediction,
    known: pd.DataFrame,
    listed: Path,
    decide: Callable[[Cell, Prediction], np.ndarray],
) -> _Night:
    name = night.recording
    if name not in known.index or known["skipped"][name]:
        why = "skipped" if name in known.index else "missing"
        raise InputError(
            f"{name} was tested but is {why} in {listed}; delete the run and score it again"
        )
    if len(night.places) != len(night.stages) or (np.diff(night.places) <= 0).any():
        raise InputError(
            f"{name}: {len(night.places)} places of {len(night.stages)} epochs, or not in their "
            "order; delete the file and run the fold again"
        )
    if len(night.stages) > int(known["epochs"][name]):
        raise InputError(
            f"{name} has {len(night.stages)} epochs but {known['epochs'][name]} in {listed}; "
            "delete the file and run the fold again"
        )
    predicted = decide(cell, night)
    marks = {
        what: hashlib.sha256(getattr(night, what).astype("i8").tobytes()).digest()
        for what in ("places", "stages")
    }
    marks["fold"] = str(cell.fold).encode()
    matrix = confusion(night.stages, predicted)
    return _Night(name, night.subject, len(night.stages), marks, matrix)


def _usual(files: Iterable[_File]) -> dict[tuple, tuple[_Night, Path]]:
    """By database, window and recording: its epochs as most files have them, and one of these."""
    found: dict[tuple, list[tuple[_Night, Path]]] = defaultdict(list)
    for file in files:
        for night in file.nights:
            key = file.cell.database, file.cell.window, night.recording
            found[key].append((night, file.cell.predictions))
    usual = {}
    for key, nights in found.items():
        marks = Counter(tuple(night.marks.values()) for night, _ in nights)
        most = max(marks, key=marks.__getitem__)
        usual[key] = next(one for one in nights if tuple(one[0].marks.values()) == most)
    return usual


def _counted(
    files: Sequence[_File], usual: Mapping[tuple, tuple[_Night, Path]]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Counts of one system on one channel set, as `Outcome` has them, and its gaps."""
    gaps = []
    tested: dict[int, dict[str, tuple[_Night, Cell]]] = {file.cell.seed: {} for file in files}
    for file in files:
        seen = tested[file.cell.seed]
        if fault := file.fault or _contradiction(file, usual, seen):
            gaps.append(fault)
        else:
            seen.update({night.recording: (night, file.cell) for night in file.nights})
    fullest = max(tested, key=lambda seed: len(tested[seed]))  # of equals the first
    lines = {}
    for seed, seen in tested.items():
        if missing := sorted(tested[fullest].keys() - seen.keys()):
            path = next(file.cell.predictions for file in files if file.cell.seed == seed)
            gaps.append(
                f"{path}: seed {seed} does not test {missing[0]}, which seed {fullest} does; run "
                "all folds of this seed or leave it out"
            )
            continue
        for night, cell in seen.values():
            lines[seed, cell.fold, night.subject, night.recording] = night.matrix.ravel()
    index = pd.MultiIndex.from_tuples(lines, names=LEVELS) if lines else _no_lines()
    counts = np.array(list(lines.values())).reshape(len(lines), len(STAGES) ** 2).astype(int)
    return pd.DataFrame(counts, index=index), tuple(gaps)


def _no_lines() -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in LEVELS], names=LEVELS)


def _contradiction(
    file: _File,
    usual: Mapping[tuple, tuple[_Night, Path]],
    seen: Mapping[str, tuple[_Night, Cell]],
) -> str:
    """Where a file does not agree with the others, in a line."""
    cell = file.cell
    for night in file.nights:
        if night.recording in seen:
            return (
                f"{cell.predictions}: {night.recording} is tested in "
                f"{seen[night.recording][1].predictions} too; make the folds anew and run both "
                "again"
            )
        other, path = usual[cell.database, cell.window, night.recording]
        for what, mark in night.marks.items():
            if mark != other.marks[what]:
                return (
                    f"{cell.predictions}: {night.recording} does not have the {what} of {path} "
                    f"({night.epochs} epochs, there {other.epochs}); delete the run that is wrong "
                    "and run it again"
                )
    return ""


def _recordings(database: str, recordings: Mapping[str, Path]) -> pd.DataFrame:
    """What ``recordings.csv`` says of each recording: epochs, and why it was skipped."""
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
