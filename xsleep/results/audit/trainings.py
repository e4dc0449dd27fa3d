"""Trainings and imports that an audit examines: the files in their folders, read on demand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from xsleep.config.names import GIVEN
from xsleep.core.errors import InputError, reason
from xsleep.core.files import read_table
from xsleep.results.measurements import RunPredictions
from xsleep.store.predictions import Prediction, read_predictions

MACHINE = ("device", "processor", "threads", "python", "packages")
ORIGIN = (*MACHINE, "commit", "recordings", "inputs", "stores", "outputs")
TRAINED = ("channels", "seed", "network", "training", "steps", "best_step", "training_sequences")
"""Keys of every record, and further ones of the record of a training."""

Record = dict[str, Any]


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what reading a damaged file raises into an `InputError` that names the file."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: unusable ({reason(error)}); delete it and run again") from error


def read_columns(path: Path, *columns: str, index: str | None = None) -> pd.DataFrame:
    """Return these columns of a CSV file as text, one of them as the index."""
    with readable(path):
        table = read_table(path)[list(columns)]
        return table.set_index(index) if index else table


def _read_record(path: Path, *keys: str) -> Record:
    with readable(path):
        record: Record = json.loads(path.read_text())
        if missing := [key for key in keys if key not in record]:
            raise ValueError(f"without {missing[0]}")
        return record


class UsedRecording(NamedTuple):
    """A recording that a training used; ``store`` is the path of the index that has it."""

    database: str
    recording: str
    store: Path
    window: str


def _by_role(rows: pd.DataFrame) -> dict[str, list[str]]:
    return {str(role): list(names) for role, names in rows.groupby("role")["recording"]}


class _Folder:
    """Files of a training in ``folder``; ``settings`` are those in ``run.json`` as configured."""

    folder: Path
    settings: Mapping[str, Any]

    @cached_property
    def record(self) -> Record:
        """Content of ``run.json``."""
        return _read_record(self.folder / "run.json", *TRAINED, *ORIGIN)

    @property
    def records(self) -> dict[Path, Record]:
        """All records by path."""
        return {self.folder / "run.json": self.record}

    @cached_property
    def history(self) -> pd.DataFrame:
        """``history.csv``: steps as numbers, all else as text."""
        with readable(path := self.folder / "history.csv"):
            return read_table(path).astype({"step": int})


@dataclass(frozen=True)
class Pretraining(_Folder):
    """Training of a network that runs of Table 2 are finetuned from.

    Attributes:
        assignment: ``split.csv``, which has the recordings that train and validate.
        databases: database to the index of its store and the window that is read.
    """

    folder: Path
    settings: Mapping[str, Any]
    assignment: Path
    databases: Mapping[str, tuple[Path, str]]

    @cached_property
    def _split(self) -> pd.DataFrame:
        return read_columns(self.assignment, "role", "database", "subject", "recording")

    @property
    def roles(self) -> dict[str, list[str]]:
        """Role to the recordings that are assigned to it."""
        return _by_role(self._split)

    def used(self, *roles: str) -> list[UsedRecording]:
        """Return the recordings of these roles: by the split, as the record has no databases."""
        rows = self._split[self._split["role"].isin(roles)]
        return [
            UsedRecording(database, name, *self.databases[database])
            for database, name in zip(rows["database"], rows["recording"], strict=True)
        ]

    def used_in(self, record: Record) -> set[UsedRecording]:
        """Return all recordings that a record is about."""
        return {*self.used("training", "validation")}


@dataclass
class Scored:
    """Predictions of Table 2.

    Attributes:
        identity: its names as in Table 2, and its predictions, which lie beside its other files.
        store: path of the index of the recordings that it reads.
        assignment: ``folds.csv``, which has the recordings of its fold.
    """

    folder: Path = field(init=False)
    identity: RunPredictions
    store: Path
    assignment: Path

    def __post_init__(self) -> None:
        self.folder = self.identity.predictions.parent

    @property
    def predictions(self) -> list[Prediction]:
        """Predictions for its test recordings; not kept, as those of all runs are many."""
        return read_predictions(self.identity.predictions)


@dataclass
class Imported(Scored):
    """Predictions of a system that is not trained here, or of a network that is given."""

    @cached_property
    def records(self) -> dict[Path, Record]:
        """Records of the import, and of the scoring where a network was given, by path."""
        names = ["import.json", *(["scoring.json"] if self.identity.source == GIVEN else [])]
        paths = [self.folder / name for name in names]
        return {path: _read_record(path, "inputs", "outputs") for path in paths}

    @cached_property
    def tested(self) -> dict[str, int]:
        """Recording to the fold that tests it."""
        folds = read_columns(self.assignment, "fold", "role", "recording")
        test = folds[folds["role"] == "test"]
        return dict(zip(test["recording"], map(int, test["fold"]), strict=True))


@dataclass
class Run(Scored, _Folder):
    """Run of Table 2 that is trained here.

    Attributes:
        pretrained: network that it is finetuned from.
    """

    settings: Mapping[str, Any]
    pretrained: Path | None = None

    def at(self, predictions: str | Path) -> Run:
        """Return the same run with its files beside other predictions."""
        return replace(self, identity=replace(self.identity, predictions=Path(predictions)))

    @cached_property
    def scoring(self) -> Record:
        """Content of ``scoring.json``."""
        return _read_record(self.folder / "scoring.json", "scoring", *ORIGIN)

    @property
    def records(self) -> dict[Path, Record]:
        """All records by path."""
        return {**super().records, self.folder / "scoring.json": self.scoring}

    @cached_property
    def roles(self) -> dict[str, list[str]]:
        """Role to the recordings that are assigned to it."""
        folds = read_columns(self.assignment, "fold", "role", "recording")
        return _by_role(folds[folds["fold"] == str(self.identity.fold)])

    def used(self, role: str) -> list[UsedRecording]:
        """Return the recordings of a role by the record of the training."""
        return self.recordings(self.record["recordings"][role])

    def used_in(self, record: Record) -> set[UsedRecording]:
        """Return all recordings that a record is about."""
        return {used for names in record["recordings"].values() for used in self.recordings(names)}

    def recordings(self, names: Iterable[str]) -> list[UsedRecording]:
        """Return recordings of the run's database in its window."""
        database, window = self.identity.database, self.identity.window
        return [UsedRecording(database, name, self.store, window) for name in names]


Training = Pretraining | Run
