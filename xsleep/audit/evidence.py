"""What an audit looks at: the files of finished runs, each read when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from xsleep import inventory, store, tables
from xsleep.errors import InputError
from xsleep.outcomes import Cell

Value = TypeVar("Value")

MACHINE = ("device", "processor", "threads", "python", "packages")
ORIGIN = (*MACHINE, "commit", "recordings", "inputs", "stores", "outputs")
"""What every record tells."""


@dataclass(frozen=True)
class Run:
    """A run of Table 2.

    Attributes:
        cell: what it is, names as in Table 2, and its predictions, beside which its files are.
        index: of the store that it reads.
        settings: what is configured now, as ``run.json`` has it: ``training``, and ``network``
            where that is not of a pretrained one.
    """

    cell: Cell
    index: Path
    settings: Mapping[str, Mapping[str, Any]]

    def at(self, predictions: str | Path) -> Run:
        """The same run, made again elsewhere."""
        return replace(self, cell=replace(self.cell, predictions=Path(predictions)))

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.cell.predictions.parent

    @cached_property
    def record(self) -> dict[str, Any]:
        """How it was trained, ``run.json``."""
        made = ("network", "training", "steps", "best_step", "training_sequences")
        return _read_json(self.folder / "run.json", *made, *ORIGIN)

    @cached_property
    def scoring(self) -> dict[str, Any]:
        """How it was scored, ``scoring.json``."""
        return _read_json(self.folder / "scoring.json", "scoring", *ORIGIN)

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """Both, by name."""
        return {"run.json": self.record, "scoring.json": self.scoring}

    @cached_property
    def history(self) -> pd.DataFrame:
        """``history.csv`` as it is written, all text."""
        path = self.folder / "history.csv"
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: not a history ({_line(error)})") from error

    @property
    def predictions(self) -> list[store.Prediction]:
        """The scores of its test recordings; not kept, as those of all runs are many."""
        return store.read_predictions(self.cell.predictions)


@dataclass(frozen=True)
class Evidence:
    """What there is to check.

    Attributes:
        runs: all runs of Table 2.
        recordings, folds: of each database its ``recordings.csv`` and ``folds.csv``.
        table2: the table that was made of the runs.
        retrained: a run and the same trained again, in another folder; ``None`` where none was.
    """

    runs: Sequence[Run]
    recordings: Mapping[str, Path]
    folds: Mapping[str, Path]
    table2: Path
    retrained: tuple[Run, Run] | None = None

    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, key: Hashable, find: Callable[[], Value]) -> Value:
        """What ``find`` returns, found once for all checks."""
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def sha256(self, path: str | Path) -> str:
        """The hash of a file as it is now."""
        return self.once(("sha256", str(path)), lambda: store.sha256(path))

    def listed(self, database: str) -> pd.DataFrame:
        """``recordings.csv`` of a database, all text, by recording."""
        return self.once(
            ("recordings.csv", database), lambda: _read_listed(self.recordings[database])
        )

    def roles(self, run: Run) -> dict[str, list[str]]:
        """Recordings of each role in the fold of a run, as ``folds.csv`` has them."""
        table = self.fold_table(run.cell.database)
        rows = table[table["fold"] == str(run.cell.fold)]
        return {role: list(names) for role, names in rows.groupby("role")["recording"]}

    def fold_table(self, database: str) -> pd.DataFrame:
        """``folds.csv`` of a database, all text."""
        columns = ("fold", "role", "subject", "recording")
        return self.once(("folds.csv", database), lambda: _read_csv(self.folds[database], *columns))

    def measured(self) -> pd.DataFrame:
        """The rows of Table 2 that were measured."""
        try:
            table = tables.read_csv(self.table2)
            return table[table["source"] == tables.MEASURED]
        except (OSError, ValueError, KeyError) as error:
            raise _not_a_table(self.table2, error) from error

    def stored(self, run: Run) -> dict[str, store.Stored]:
        """What the store knows of the recordings of a run's database."""
        return self.once(("index", run.index), lambda: store.read_index(run.index))


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
        table = inventory.read_csv(path)
        return table[[*columns]]
    except (OSError, ValueError, KeyError) as error:
        raise _not_a_table(path, error) from error


def _not_a_table(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: not its table ({_line(error)}); delete it and run again")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
