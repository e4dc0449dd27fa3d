"""Sizes of databases: those of the prepared recordings, of the listed files, or published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from xsleep.config.workflow import Workflow
from xsleep.core.errors import InputError
from xsleep.databases import open_database
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window
from xsleep.results import published
from xsleep.store.recordings import read_index


class Size(NamedTuple):
    """Size of a database in one window; ``stored`` are the epochs of whole recordings."""

    subjects: int
    recordings: int
    epochs: int
    stored: int
    source: str


class Roles(NamedTuple):
    """Fractions of subjects that train, are evaluated in training, and test; mean of the folds."""

    training: float
    evaluated: float
    test: float


@dataclass(frozen=True)
class Sizes:
    """Sizes of the databases of a configuration.

    Attributes:
        listed: numbers of recordings and subjects with files, of each database that has any.
        indexes: index of the store of each database; the sizes of existing ones are exact.
    """

    workflow: Workflow
    listed: Mapping[str, tuple[int, int]]
    indexes: Mapping[str, Path]

    def of(self, name: str, window: str) -> Size:
        """Return the size of a database in a window.

        Raises:
            InputError: the number of recordings is unknown.
        """
        database, index = self.workflow.sources[name], self.indexes[name]
        listed, subjects = self.listed.get(name, (0, 0))
        if index.exists():
            used = [s.info for s in read_index(index).values() if not s.info.skipped]
            if not used:
                raise InputError(
                    f"{name}: none of its recordings can be used; results/recordings.csv says why"
                )
            known = {recording.subject for recording in used}
            epochs = sum(int(in_window(recording, window).sum()) for recording in used)
            stored = sum(len(recording.stages) for recording in used)
            return Size(len(known), len(used), epochs, stored, "prepared")
        size, described = published.size(name, window), open_database(database.source)
        if size.subjects is None and (about := database.source.about):
            size = replace(size, subjects=about.subjects, recordings=about.recordings)
        recordings = listed or size.recordings or size.subjects
        if not recordings:
            raise InputError(
                f"{name}: neither its files are there nor is a number of recordings published; "
                f"put them into {database.source.folder}, or leave it out of databases"
            )
        if size.epochs and size.recordings:
            each, basis = size.epochs / size.recordings, "published epochs"
        elif described.simulated and described.hours:
            each, basis = 120 * described.hours, "simulated hours"
        else:
            each, basis = 8 * 120, "8 h assumed"
        whole = 120 * described.hours if described.hours else each
        epochs, stored = round(recordings * each), round(recordings * whole)
        source = f"{'listed' if listed else 'published'} recordings, {basis}"
        return Size(subjects or size.subjects or 0, recordings, epochs, stored, source)

    def roles(self, name: str, subjects: int) -> Roles:
        """Return the roles of the subjects of a database."""
        settings = self.workflow.sources[name].folds
        if settings == "published":
            names = fold_tables.published_subjects(name)
            found = fold_tables.published(name, names)
        else:
            names = [f"{number:06d}" for number in range(subjects)]
            found = fold_tables.k_fold(name, names, settings)
        training = mean(len(fold.training) for fold in found) / len(names)
        evaluated = mean(len(fold.validation) + len(fold.training_subset) for fold in found)
        test = mean(len(fold.test) for fold in found) / len(names)
        return Roles(training, evaluated / len(names), test)

    def pooled(self) -> tuple[Size, Roles]:
        """Return the pooled size of the databases of pretraining, and the roles of subjects."""
        names = self.workflow.source
        sizes = [self.of(name, self.workflow.sources[name].windows[0]) for name in names]
        *numbers, sources = zip(*sizes, strict=True)
        pool = Size._make([*map(sum, numbers), "; ".join(dict.fromkeys(sources))])
        validation = self.workflow.transfer.validation / pool.subjects
        return pool, Roles(1 - validation, 2 * validation, 0)
