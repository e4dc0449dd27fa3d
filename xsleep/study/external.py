"""Systems of Table 2 that are not trained here, and the files that they are made into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from xsleep import systems
from xsleep.config.external import Predictions
from xsleep.config.names import CONTROL, IMPORTED, STAGER
from xsleep.config.workflow import Workflow
from xsleep.core.errors import InputError
from xsleep.core.files import hashes, sha256
from xsleep.study import paths
from xsleep.study.databases import Databases
from xsleep.study.files import as_path
from xsleep.study.runs import Run

KINDS = {"predictions": IMPORTED, "released": IMPORTED, "stagers": STAGER, "controls": CONTROL}
"""Kind of a system, as in its path, to where its values come from."""


def slug(name: str) -> str:
    """Return the name of a system as it stands in a path, whatever its characters."""
    return as_path(systems.slug(name))


class External(NamedTuple):
    """A system on a database, window and channel set; ``name`` is that of its row in Table 2."""

    kind: str
    database: str
    window: str
    channels: str
    name: str
    settings: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Folder of its predictions."""
        return paths.EXTERNAL.format(**self._asdict(), system=slug(self.name))

    def run(self, seed: int) -> Run:
        """Return its address, whose one file has all folds."""
        names = {name: getattr(self, name) for name in ("database", "window", "channels")}
        system = {"system": slug(self.name), "seed": seed, "fold": 0}
        return names | system | {"source": KINDS[self.kind]}


class ExternalSystems:
    """External systems of a configuration.

    Attributes:
        released: those of ``released_outputs``, which are in no Table 2.
    """

    def __init__(self, databases: Databases) -> None:
        """List the systems of the databases, and check that each has one place in Table 2.

        Raises:
            InputError: two systems have one name, or one is trained here too.
        """
        self.databases, self.workflow = databases, (workflow := databases.workflow)
        self.all = [
            system
            for system in (
                *_imported("predictions", workflow.predictions),
                *_stagers(workflow),
                *_controls(workflow),
            )
            if system.database in databases.names
        ]
        self.released = list(_imported("released", workflow.released_outputs))
        self._check_names()

    def _check_names(self) -> None:
        here = (*self.workflow.systems, *self.workflow.finetuned)
        trained = {slug(name).casefold() for name in here}
        for listed in (self.all, self.released):
            seen: set[str] = set()
            for one in listed:
                where = f"configuration: {one.kind}: {one.database}: {one.name!r}"
                if not re.search(r"\w", one.name) or not one.name.isprintable():
                    raise InputError(f"{where}: a name needs a letter; give it another")
                case = f"{one.window}, {one.channels}"
                settings = self.workflow.sources[one.database]
                if listed is self.all and one.window not in settings.windows:
                    raise InputError(
                        f"{where}: window {one.window} is none of the database's; choose from "
                        f"{', '.join(settings.windows)}"
                    )
                missing = {*one.channels.split("-")} - {*settings.stored_channels}
                if missing and one.kind in ("stagers", "controls"):
                    raise InputError(
                        f"{where}: no {min(missing)} is stored of the database; choose from "
                        f"{', '.join(settings.stored_channels)}"
                    )
                # Some file systems do not tell capital from small letters.
                address = paths.ADDRESS.format(**one.run(1)).casefold()
                of_trained = one.database in self.workflow.trained_on and listed is self.all
                if of_trained and slug(one.name).casefold() in trained:
                    raise InputError(f"{where}: is trained here too; give it another name")
                if address in seen:
                    raise InputError(f"{where}: twice for {case}; give one another name")
                seen.add(address)

    @cached_property
    def by_folder(self) -> dict[str, External]:
        """All systems by the folder of their predictions."""
        return {system.folder: system for system in (*self.released, *self.all)}

    @property
    def names(self) -> dict[str, str]:
        """Names of the rows in Table 2, by what they are in a path."""
        return {slug(system.name): system.name for system in self.by_folder.values()}

    def settings(self, wildcards: Mapping[str, str]) -> dict[str, Any]:
        """Return the settings of the system that wildcards of its folder name.

        Its ``content`` changes with the file or package that it is given by.
        """
        settings = self.by_folder[paths.EXTERNAL.format_map(wildcards)].settings
        if settings.get("control") == "second scorer":
            files = self.databases.files[wildcards["database"]]
            second = map(files.database.second_file, files.entries.values())
            content = {str(p): sha256(p) for p in second if p is not None and p.is_file()}
        else:
            given = str(settings.get("file", settings.get("stager", "")))
            content = hashes(Path(given)) if given else {}
            with suppress(PackageNotFoundError, ValueError):
                content[given] = version(given)
        return {**settings, "content": content}


def _imported(kind: str, predictions: Predictions) -> Iterator[External]:
    for database, of_systems in predictions.items():
        for name, several in of_systems.items():
            for one in several:
                settings = one.model_dump(mode="json", include={"file", "classes"})
                yield External(kind, database, one.window, one.channels, name, settings)


def _stagers(workflow: Workflow) -> Iterator[External]:
    for database, of_systems in workflow.stagers.items():
        default = workflow.sources[database]
        for name, several in of_systems.items():
            for one in several:
                window = one.window or default.windows[0]
                channels = one.channels or default.channels[0]
                settings = {"stager": one.stager}
                yield External("stagers", database, window, channels, name, settings)


def _controls(workflow: Workflow) -> Iterator[External]:
    for control, (database, of) in product(workflow.controls, workflow.databases.items()):
        settings = {"control": control, "seed": workflow.seeds[0]}
        for window, channels in product(of.windows, of.channels):
            yield External("controls", database, window, channels, control, settings)
