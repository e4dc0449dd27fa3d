"""Evidence: all files that an audit examines, read on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from xsleep.results import table2
from xsleep.results.audit.trainings import (
    Pretraining,
    Run,
    Training,
    UsedRecording,
    read_columns,
    readable,
)
from xsleep.store.recordings import Stored, read_index


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Files that an audit examines.

    Attributes:
        runs: all runs of Table 2.
        recordings: database to its ``recordings.csv``, those of pretrainings included.
        folds: database of Table 2 to its ``folds.csv``.
        table2: path of the table.
        retrained: a run and the same run trained again in another folder, if there is one.
        pretrainings: those of networks that runs are finetuned from, if they were pretrained here.
        stored: return recording to its metadata and files, from the path of an index.
    """

    runs: Sequence[Run]
    recordings: Mapping[str, Path]
    folds: Mapping[str, Path]
    table2: Path
    retrained: tuple[Run, Run] | None = None
    pretrainings: Sequence[Pretraining] = ()
    stored: Callable[[Path], dict[str, Stored]] = field(
        default_factory=lambda: cache(read_index), init=False, repr=False
    )
    _table: Callable[..., pd.DataFrame] = field(
        default_factory=lambda: cache(read_columns), init=False, repr=False
    )

    @property
    def trainings(self) -> list[Training]:
        """All trainings except the one that was done again."""
        return [*self.pretrainings, *self.runs]

    def stored_of(self, used: UsedRecording) -> Stored:
        """Return the metadata and files of a recording in its store."""
        return self.stored(used.store)[used.recording]

    def listed(self, database: str) -> pd.DataFrame:
        """Return ``recordings.csv`` of a database as text, by recording."""
        columns = ("recording", "subject", "files", "skipped")
        return self._table(self.recordings[database], *columns).set_index("recording")

    def fold_table(self, database: str) -> pd.DataFrame:
        """Return ``folds.csv`` of a database as text."""
        return self._table(self.folds[database], "fold", "role", "subject", "recording")

    def assignment(self, training: Training) -> Path:
        """Return the path of the folds or the split that assigns recordings to a training."""
        if isinstance(training, Pretraining):
            return training.split
        return self.folds[training.identity.database]

    def roles(self, training: Training) -> dict[str, list[str]]:
        """Return role to its recordings in the fold of a run or the split of a pretraining."""
        if isinstance(training, Pretraining):
            rows = training.assigned
        else:
            rows = self.fold_table(training.identity.database)
            rows = rows[rows["fold"] == str(training.identity.fold)]
        return {str(role): list(names) for role, names in rows.groupby("role")["recording"]}

    def measured(self) -> pd.DataFrame:
        """Return the rows of Table 2 that were measured."""
        with readable(self.table2):
            table = table2.read_csv(self.table2)
            return table[table["source"] == table2.MEASURED]
