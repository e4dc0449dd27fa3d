"""Recordings of a database as files: which there are, what is missing, and how jobs share them."""

from __future__ import annotations

import hashlib
import math
import re
from functools import cached_property
from pathlib import Path

from xsleep.config.databases import DatabaseSettings
from xsleep.core.errors import InputError
from xsleep.databases import Entry, open_database
from xsleep.databases.fetch.placement import placement
from xsleep.preparation import jobs
from xsleep.study import paths

MOST_BATCHES = 100
"""Preparation jobs of a database. Snakemake takes milliseconds for every job, and a database may
have thousands of recordings."""

PLAIN_NAME = 19
"""Characters of a batch's name that are the recording's."""


class DatabaseFiles:
    """Files of one database. They are listed without reading or changing any.

    Attributes:
        fault: why none of its recordings is available; empty where one is, or can be fetched.
        to_fetch: whether, when the workflow began, files were missing that can be fetched, or the
            server had not been asked yet which recordings there are.
    """

    def __init__(self, name: str, settings: DatabaseSettings) -> None:
        self.name, self.settings = name, settings
        self.database = open_database(settings.source)
        self.fault = ""
        if not (self.signals or self.database.reads_scoring()):
            reader = settings.source.reader
            self.fault = f"the reader {reader} needs the signals; leave out fetch: hypnograms"
        self.to_fetch = not (self.fault or self.database.is_listed)
        self._entries: dict[str, Entry] | None = None
        self._batches: dict[str, list[str]] = {}
        self._contents: dict[tuple[str, str], str] = {}
        if not (self.fault or self.to_fetch):
            try:
                self.to_fetch = bool(self.database.missing([*self.entries.values()]))
            except InputError as error:
                self.fault = f"{error}{settings.source.where_to_apply}"

    def refuse_mistyped(self, is_set: bool) -> None:
        """Fetch nothing into a folder that does not exist if a person set it, perhaps mistyped.

        These are the absolute ones, and those that the configuration sets.
        """
        source = self.settings.source
        if self.to_fetch and (is_set or source.folder.is_absolute()) and not source.folder.exists():
            self.to_fetch, self._entries = False, None
            self.fault = (
                f"{source.folder}: no such folder; correct source.folder, or give --config "
                f"fetch=yes to fetch {self.database.amount} into it"
            )

    @property
    def signals(self) -> bool:
        """True if the database has signals; false if it has hypnograms alone."""
        return self.settings.source.signals

    @property
    def entries(self) -> dict[str, Entry]:
        """The recordings by name; none as long as they are not listed, or not available."""
        if self._entries is None:
            if self.fault or not self.database.is_listed:
                return {}
            self._entries = {entry.name: entry for entry in self.database.entries()}
        return self._entries

    @cached_property
    def attempt(self) -> int:
        """Number of the fetch that the next one is."""
        marks = Path(paths.FETCHED.format(database=self.name, attempt=1)).parent
        return 1 + len(list(marks.glob("*.txt")))

    @property
    def batches(self) -> dict[str, list[str]]:
        """The recordings that one job prepares, by the name of the batch."""
        if not self._batches:
            names = list(self.entries)
            batches = MOST_BATCHES if self.signals else 1  # hypnograms take no time
            size = math.ceil(len(names) / batches) or 1
            firsts = range(0, len(names), size)
            self._batches = {as_path(names[i]): names[i : i + size] for i in firsts}
        return self._batches

    def simulated(self, batch: str) -> list[Path]:
        """Return the files of a batch that the workflow makes.

        Files of the user are no inputs: Snakemake would go by their time stamps, where their
        content matters, and takes braces in their names for wildcards.
        """
        names = self.batches[batch] if self.database.simulated else []
        return [path for name in names for path in self.entries[name].files]

    def content(self, store: str, batch: str) -> str:
        """Return a fingerprint of a batch that changes where the store is of other content."""
        version = str(self.database.version) if self.database.version > 1 else ""
        if self.database.simulated:
            return version
        if (store, batch) not in self._contents:
            place = {"store": store, "database": self.name, "batch": batch}
            self._contents[store, batch] = jobs.content(
                self.settings.source.folder,
                [self.entries[name] for name in self.batches[batch]],
                Path(paths.BATCH_INDEX.format(**place)),
                Path(paths.SEEN.format(**place)),
            )
        return self._contents[store, batch] + version

    def placement(self) -> str:
        """Return a line on files that the user put in place and that are missing or surplus."""
        source = self.settings.source
        if source.fetch or self.database.simulated or not self.signals:
            return ""
        line = placement(source.folder, list(self.entries.values()))
        return line and f"{self.name}: {line} in {source.folder}{source.where_to_apply}"


def as_path(name: str) -> str:
    """Return a short name without characters that are special to Snakemake or a shell.

    Snakemake takes a name that ends in many equal characters for a rule that goes in circles.
    """
    plain = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:PLAIN_NAME]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return plain if plain == name else f"{plain}-{digest}"
