"""Databases of a configuration: which of them are available, and why the others are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xsleep.config.databases import DatabaseSettings
from xsleep.config.workflow import Workflow
from xsleep.core.errors import InputError
from xsleep.core.settings import read_named
from xsleep.study.files import DatabaseFiles
from xsleep.study.settings import RunSettings


class Databases:
    """Databases of a configuration.

    Attributes:
        workflow: the configuration, in which some databases are without signals.
        files: those of every database that is configured.
        left_out: why each of the selected databases that are not available is left out.
        names: the other selected databases, in order.
    """

    def __init__(self, workflow: Workflow, config: Mapping[str, Any], folder: Path) -> None:
        self.config, self.folder = config, folder
        self.files = _files(workflow, config.get("database_settings", {}))
        sources = {name: files.settings for name, files in self.files.items()}
        databases = {name: sources[name] for name in workflow.databases}
        self.workflow = workflow.model_copy(update={"sources": sources, "databases": databases})
        self.left_out = {n: f for n in workflow.databases if (f := self.files[n].fault)}
        self.names = [n for n in workflow.databases if n not in self.left_out]

    @property
    def trained_on(self) -> list[str]:
        """The available databases on which networks are trained, in order."""
        return [name for name in self.with_signals if name in self.workflow.trained_on]

    @property
    def with_signals(self) -> list[str]:
        """The available databases that have signals."""
        return [name for name in self.names if self.files[name].signals]

    @property
    def available(self) -> Workflow:
        """The configuration with the databases that are available alone."""
        chosen = {name: self.workflow.databases[name] for name in self.names}
        return self.workflow.model_copy(update={"databases": chosen})

    @property
    def simulated(self) -> list[str]:
        """The configured databases whose recordings are simulated."""
        return [name for name, files in self.files.items() if files.database.simulated]

    def each(self, pattern: str) -> list[str]:
        """Return the path of each available database by a pattern."""
        return [pattern.format(database=name) for name in self.names]

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """Windows, folds and scoring rules of each available database, for Table 1."""
        return {
            name: settings.model_dump(mode="json", include={"windows", "folds"})
            | {"scoring": self.files[name].database.scoring}
            | (settings.source.about.size if settings.source.about else {})
            for name, settings in self.available.databases.items()
        }

    def not_run(self) -> dict[str, str]:
        """Return why nothing is trained on each database without signals, selected or not."""
        known = sorted(path.stem for path in (self.folder / "databases").glob("*.yaml"))
        return {name: self._reason(name) for name in known if name not in self.with_signals}

    def _reason(self, name: str) -> str:
        if name in self.names:
            return "signals are not fetched"
        if name in self.left_out:
            return f"no data here: {self.left_out[name]}"
        changes = self.config.get("database_settings", {})
        try:
            source = read_named(DatabaseSettings, self.folder / "databases", name, changes).source
        except InputError as error:
            return str(error)
        if source.fetch or any(source.folder.glob("*")):
            return "not configured"
        apply = f", licence: apply for access at {source.apply}" if source.apply else ""
        return f"not configured; no data in {source.folder}{apply}"


def _files(workflow: Workflow, changes: Mapping[str, Any]) -> dict[str, DatabaseFiles]:
    """Return the files of each database, of some the hypnograms alone.

    These are databases whose signals are missing, where only hypnograms are to be fetched; and of
    those that predictions are given of, where no signals can be had or nobody else reads them.
    Recordings that are stored with signals keep them, so that nothing is trained again.
    """
    files = {name: DatabaseFiles(name, source) for name, source in workflow.sources.items()}
    for name in workflow.sources if workflow.fetch is None else ():
        files[name].refuse_mistyped("folder" in changes.get(name, {}).get("source", {}))
    alone_wanted = workflow.fetch == "hypnograms"
    settings = RunSettings(workflow)
    given = {*workflow.predictions, *workflow.released_outputs.keys() - workflow.databases.keys()}
    read = {*workflow.trained_on, *workflow.stagers, *workflow.source, *workflow.target}
    read.add(workflow.zero_shot.database)
    for name in {*workflow.databases, *workflow.released_outputs}:
        whole = files[name]
        if not (whole.fault or whole.to_fetch) or Path(settings.index(name)).exists():
            continue
        source = whole.settings.source.model_copy(update={"signals": False})
        alone = DatabaseFiles(name, whole.settings.model_copy(update={"source": source}))
        is_wanted = alone_wanted or (name in given and (whole.fault or name not in read))
        # A reader that needs the signals is left out where only hypnograms are to be fetched.
        if (is_wanted and not alone.fault) or (alone_wanted and not whole.fault):
            files[name] = alone
    return files
