"""Runs that train from scratch, or score networks that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from xsleep import systems
from xsleep.config.names import GIVEN
from xsleep.config.workflow import Workflow
from xsleep.core.files import sha256
from xsleep.preparation import folds as fold_tables
from xsleep.study import paths

Run = dict[str, Any]
"""Address of a run: database, window, channels, system (as in a path), seed and fold."""


class ScratchRuns:
    """Runs from scratch of Table 2, on the databases that networks are trained on.

    Attributes:
        selected: the selected systems, as in a path, in the order of the tables.
    """

    def __init__(self, workflow: Workflow, databases: Sequence[str]) -> None:
        self.workflow, self.databases = workflow, databases
        known = systems.by_slug().items()
        self.selected = [slug for slug, system in known if system.name in workflow.systems]

    def of(self, database: str, slugs: Iterable[str] | None = None) -> list[Run]:
        """Return all runs of a database, of the selected systems or of others."""
        settings = self.workflow.sources[database]
        return combinations(
            database=[database],
            window=settings.windows,
            channels=settings.channels,
            system=self.selected if slugs is None else slugs,
            seed=self.workflow.seeds,
            fold=folds(self.workflow, database),
        )

    @cached_property
    def scratch(self) -> list[Run]:
        """Runs of Table 2 that are trained."""
        return [
            run
            for database in self.databases
            for run in self.of(database)
            if run["system"] not in self._given(database)
        ]

    @cached_property
    def blended(self) -> list[Run]:
        """Runs whose losses are blended adaptively."""
        return [run for run in self.scratch if systems.by_slug()[run["system"]].is_blended]

    @cached_property
    def given(self) -> list[Run]:
        """Runs of Table 2 whose networks were trained elsewhere, each once for all seeds."""
        return [
            run | {"source": GIVEN}
            for database in self.databases
            for run in self.of(database, self._given(database))
            if run["seed"] == self.workflow.seeds[0]
        ]

    def _given(self, database: str) -> list[str]:
        """Return the selected systems of a database whose networks are given, as in a path."""
        trained = self.workflow.sources[database].trained
        return [slug for slug in self.selected if systems.by_slug()[slug].name in trained]

    def checkpoint(self, wildcards: Mapping[str, str]) -> dict[str, Any]:
        """Return the path of the given checkpoint of a run, and the hashes of its index.

        The index holds a checksum of each variable.
        """
        system = systems.by_slug()[wildcards["system"]].name
        path = self.workflow.sources[wildcards["database"]].trained[system].path(wildcards)
        indexes = [Path(f"{path}.index"), *path.glob("*.index"), *path.glob("checkpoint/*.index")]
        content = {str(index): sha256(index) for index in sorted(indexes) if index.is_file()}
        return {"path": str(path), "content": content}


def combinations(**choices: Iterable[Any]) -> list[Run]:
    """Return the runs of all combinations of choices."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def folds(workflow: Workflow, database: str) -> range:
    """Return the numbers of a database's folds."""
    return range(1, 1 + fold_tables.count(database, workflow.sources[database].folds))


def folder(run: Run, root: str = "results") -> str:
    """Return the folder of a run."""
    return paths.RUN.format(root=root, **run)


def has(run: Run, names: Mapping[str, str]) -> bool:
    """Return whether a run has these names of database, window and so on."""
    return all(run[name] == names[name] for name in run.keys() & names.keys())
