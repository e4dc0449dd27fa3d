"""What an audit looks at: the files of finished runs, each read when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from xsleep.core.errors import InputError
from xsleep.core.files import read_table, sha256
from xsleep.results import table2
from xsleep.results.measurements import RunPredictions
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import Stored, read_index

Value = TypeVar("Value")

MACHINE = ("device", "processor", "threads", "python", "packages")
ORIGIN = (*MACHINE, "commit", "recordings", "inputs", "stores", "outputs")
"""What every record tells."""
TRAINED = ("channels", "seed", "network", "training", "steps", "best_step", "training_sequences")
"""What the record of a training tells besides."""


class Read(NamedTuple):
    """A recording as a training reads it: of which database and store, in which window."""

    database: str
    index: Path
    recording: str
    window: str


class Training:
    """What there is of every training, in its ``folder``.

    Attributes:
        settings: what is configured now, as ``run.json`` has it.
    """

    folder: Path
    settings: Mapping[str, Any]

    @cached_property
    def record(self) -> dict[str, Any]:
        """How it was trained, ``run.json``."""
        return _read_json(self.folder / "run.json", *TRAINED, *ORIGIN)

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """All records, by name."""
        return {"run.json": self.record}

    @cached_property
    def history(self) -> pd.DataFrame:
        """``history.csv`` as it is written, all text."""
        path = self.folder / "history.csv"
        try:
            return read_table(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a history ({_line(error)})") from error

    def read(self, role: str) -> list[Read]:
        """The recordings of a role, ``training`` or ``validation``, that it says it read."""
        raise NotImplementedError


@dataclass(frozen=True)
class Pretraining(Training):
    """The training of a network that runs of Table 2 go on from.

    Attributes:
        split: who of the databases trains and validates.
        databases: of each the index of its store and the window that is read.
    """

    folder: Path
    settings: Mapping[str, Any]
    split: Path
    databases: Mapping[str, tuple[Path, str]]

    @cached_property
    def roles(self) -> pd.DataFrame:
        """``split.csv``, all text."""
        return _read_csv(self.split, "role", "database", "subject", "recording")

    def read(self, role: str) -> list[Read]:
        """As of every training; names of recordings alone may be those of several databases."""
        found = []
        for row in self.roles[self.roles["role"] == role].itertuples():
            index, window = self.databases[row.database]
            found.append(Read(row.database, index, row.recording, window))
        return found


@dataclass(frozen=True)
class Run(Training):
    """A run of Table 2.

    Attributes:
        identity: what it is, names as in Table 2, and its predictions, beside which its files are.
        index: of the store that it reads.
        pretrained: the network that it goes on from.
    """

    identity: RunPredictions
    index: Path
    settings: Mapping[str, Any]
    pretrained: Path | None = None

    def at(self, predictions: str | Path) -> Run:
        """The same run, made again elsewhere."""
        return replace(self, identity=replace(self.identity, predictions=Path(predictions)))

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.identity.predictions.parent

    @cached_property
    def scoring(self) -> dict[str, Any]:
        """How it was scored, ``scoring.json``."""
        return _read_json(self.folder / "scoring.json", "scoring", *ORIGIN)

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """Both, by name."""
        return {"run.json": self.record, "scoring.json": self.scoring}

    def read(self, role: str) -> list[Read]:
        """As of every training."""
        names = self.record["recordings"][role]
        return [
            Read(self.identity.database, self.index, name, self.identity.window) for name in names
        ]

    @property
    def predictions(self) -> list[Prediction]:
        """The scores of its test recordings; not kept, as those of all runs are many."""
        return read_predictions(self.identity.predictions)


@dataclass(frozen=True)
class Evidence:
    """What there is to check.

    Attributes:
        runs: all runs of Table 2.
        recordings: of each database its ``recordings.csv``.
        folds: of those of Table 2 the ``folds.csv``.
        table2: the table that was made of the runs.
        retrained: a run and the same trained again, in another folder; ``None`` where none was.
        pretrainings: of the networks that runs go on from, where they were trained here.
    """

    runs: Sequence[Run]
    recordings: Mapping[str, Path]
    folds: Mapping[str, Path]
    table2: Path
    retrained: tuple[Run, Run] | None = None
    pretrainings: Sequence[Pretraining] = ()

    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def trainings(self) -> list[Training]:
        """All that was trained, but for what was trained again."""
        return [*self.pretrainings, *self.runs]

    def once(self, key: Hashable, find: Callable[[], Value]) -> Value:
        """What ``find`` returns, found once for all checks."""
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def sha256(self, path: str | Path) -> str:
        """The hash of a file as it is now."""
        return self.once(("sha256", str(path)), lambda: sha256(path))

    def listed(self, database: str) -> pd.DataFrame:
        """``recordings.csv`` of a database, all text, by recording."""
        return self.once(
            ("recordings.csv", database), lambda: _read_listed(self.recordings[database])
        )

    def names(self, database: str, index: Path, recordings: Iterable[str]) -> dict[str, str]:
        """The files of recordings of a database, and what each is called in the records."""
        listed, stored = self.listed(database)["files"], self.stored(index)
        return {
            file: name
            for recording in recordings
            for file, name in zip(
                listed[recording].split("; "), stored[recording].info.hashes, strict=True
            )
        }

    def roles(self, training: Training) -> dict[str, list[str]]:
        """Recordings of each role in the fold of a run, or in the split of a pretraining."""
        if isinstance(training, Pretraining):
            rows = training.roles
        else:
            table = self.fold_table(training.identity.database)
            rows = table[table["fold"] == str(training.identity.fold)]
        return {role: list(names) for role, names in rows.groupby("role")["recording"]}

    def given(self, training: Training) -> dict[str, Path]:
        """What a training was given besides recordings, by the name in its record."""
        if isinstance(training, Pretraining):
            return {"split.csv": training.split}
        given = {"folds.csv": self.folds[training.identity.database]}
        return given | ({"pretrained": training.pretrained} if training.pretrained else {})

    def fold_table(self, database: str) -> pd.DataFrame:
        """``folds.csv`` of a database, all text."""
        columns = ("fold", "role", "subject", "recording")
        return self.once(("folds.csv", database), lambda: _read_csv(self.folds[database], *columns))

    def measured(self) -> pd.DataFrame:
        """The rows of Table 2 that were measured."""
        try:
            table = table2.read_csv(self.table2)
            return table[table["source"] == table2.MEASURED]
        except (OSError, ValueError, KeyError) as error:
            raise _not_a_table(self.table2, error) from error

    def stored(self, index: Path) -> dict[str, Stored]:
        """What a store knows of the recordings of a database, by its index."""
        return self.once(("index", index), lambda: read_index(index))


def _read_json(path: Path, *keys: str) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text())
        lacking = [key for key in keys if key not in record]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a record ({_line(error)}); run the fold again") from error
    if lacking:
        raise InputError(f"{path}: does not tell its {lacking[0]}; run the fold again")
    return record


def _read_listed(path: Path) -> pd.DataFrame:
    return _read_csv(path, "recording", "subject", "files", "skipped").set_index("recording")


def _read_csv(path: Path, *columns: str) -> pd.DataFrame:
    try:
        table = read_table(path)
        return table[[*columns]]
    except (OSError, ValueError, KeyError) as error:
        raise _not_a_table(path, error) from error


def _not_a_table(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not its table ({_line(error)}); delete it and run again")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
