"""Evidence: all files that an audit examines, read on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from xsleep.results.audit.trainings import (
    Imported,
    Pretraining,
    Run,
    Training,
    UsedRecording,
    read_columns,
)
from xsleep.store.recordings import Stored, read_index


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Files that an audit examines.

    Attributes:
        recordings: database to its ``recordings.csv``, those of pretrainings included.
        retrained: a run and the same run trained again in another folder, if there is one.
        imported: predictions of systems that are not trained here.
        pretrainings: those of networks that runs are finetuned from, if they were pretrained here.
        stored: function from the path of an index to recording and what the store has of it.
    """

    runs: Sequence[Run]
    recordings: Mapping[str, Path]
    table2: Path
    retrained: tuple[Run, Run] | None = None
    imported: Sequence[Imported] = ()
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

    @property
    def scored(self) -> list[Run | Imported]:
        """All that Table 2 is computed from."""
        return [*self.runs, *self.imported]

    def stored_of(self, used: UsedRecording) -> Stored:
        """Return what the store has of a recording."""
        return self.stored(used.store)[used.recording]

    def listed(self, database: str) -> pd.DataFrame:
        """Return ``recordings.csv`` of a database as text, by recording."""
        columns = ("recording", "subject", "files", "skipped")
        return self._table(self.recordings[database], *columns, index="recording")
