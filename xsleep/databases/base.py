"""Interface and registry of the databases, and the settings that all have."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.core.recording import Channel, Recording
from xsleep.core.settings import Settings
from xsleep.databases.fetch.listing import Listed
from xsleep.databases.formats.channels import Channels

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key


@dataclass(frozen=True)
class Entry:
    """A recording that the database has or should have.

    Attributes:
        name, subject: identifiers, unique within the database.
        files: the files that it consists of, those that are missing included.
        fault: why it cannot be read, where its names alone tell; the others are read.
    """

    name: str
    subject: str
    files: tuple[Path, ...]
    fault: str = ""


STAGING = ".fetching"
"""Folder in a database's folder for what has not arrived whole."""


@dataclass(frozen=True)
class Published:
    """A file as its database publishes it.

    Attributes:
        url: where it is had, as it may be shown.
        name: its path below the database's folder.
        digest: its MD5, SHA-1 or SHA-256 in hexadecimal.
        size: bytes, roughly; 0 where it is not known.
    """

    url: str
    name: str
    digest: str
    size: int = 0


class FetchSettings(Settings):
    """Address of the folder or site that missing files are fetched from, or of a mirror of it."""

    url: str

    @model_validator(mode="after")
    def _over_http(self) -> FetchSettings:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}: it must begin with https:// or http://")
        return self


class Source(Settings):
    """Settings that say where a database's recordings are; databases may add their own.

    Attributes:
        reader: which database of the package ``xsleep.databases`` they are of.
        folder: where its files are; relative to where Snakemake runs.
        labels: the names that a channel may have in the files, best first; of EDF files also
            derivations, signals added or subtracted as in ``EOG(L) - EOG(R)``.
        fetch: where missing files are fetched from; ``None`` disables downloading.
        apply: address at which access is applied for, where it is by licence.
        units: units of a channel's numbers, where the files give none or a wrong one.
    """

    reader: str
    folder: Path
    labels: dict[Channel, tuple[str, ...]]
    units: dict[Channel, Literal["nV", "uV", "mV", "V"]] = Field(default_factory=dict)
    fetch: FetchSettings | None = None
    apply: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _keys_belong_to_the_reader(cls, given: Any) -> Any:
        for key in given if isinstance(given, Mapping) else ():
            if key in cls.model_fields:
                continue
            fault = f"{key} is not a known key; choose from {', '.join(cls.model_fields)}"
            owners = [n for n, d in READERS.items() if key in d.settings.model_fields]
            if owners:
                fault = f"{key} belongs to the reader {' or '.join(owners)}, and only to it"
            error = PydanticCustomError("key", "{fault}", {"fault": fault})
            line = InitErrorDetails(type=error, loc=(key,), input=given[key])
            raise ValidationError.from_exception_data(cls.__name__, [line])
        return given

    @model_validator(mode="after")
    def _only_some_are_fetched(self) -> Source:
        fetched = [name for name, database in READERS.items() if database.fetched]
        if self.fetch and self.reader not in fetched:
            raise ValueError(f"fetch is for the readers {', '.join(fetched)} alone")
        return self

    @property
    def where_to_apply(self) -> str:
        """Address for access, as the end of a message about missing files."""
        return f"; apply for access at {self.apply}" if self.apply else ""


@dataclass(frozen=True)
class Origin:
    """A database as its keepers offer it; a text is empty where this project does not know.

    Attributes:
        title, address: its name there, and where that is.
        access: who may have it.
        licence: what it may be used for.
        cited: address to text of what its keepers ask to cite.
    """

    title: str
    address: str = ""
    access: str = ""
    licence: str = ""
    cited: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Size:
    """Published size of a database in one window; ``None`` where nothing is published.

    Attributes:
        epochs: those of the authors' file lists, as the papers do not give them.
        note: on figures that cannot be met as they stand.
        setup: how the subjects are divided up, as in ``20-fold CV``.
        validation, training_subset: subjects of each fold who validate, and who measure the
            training loss that loss weights are derived from.
    """

    subjects: int | None = None
    recordings: int | None = None
    epochs: int | None = None
    note: str = ""
    setup: str = ""
    validation: int | None = None
    training_subset: int | None = None


Sizes = Mapping[str, Size]
"""Published sizes of a database by window."""

READERS: dict[str, type[Database]] = {}
"""The databases by the reader that the configuration names."""

NAMED: dict[str, type[Database]] = {}
"""The databases with published folds or sizes, by the name of their configuration."""


class Database(ABC):
    """One database: the facts about it, which recordings there are, and how one is read.

    A class that sets ``reader`` or ``name`` is registered when it is defined.

    Attributes:
        reader: its name in the configuration (``source.reader``).
        name: name of the configuration that its published folds and sizes belong to.
        settings: model of the settings ``source``.
        scoring: the rules that the stages were scored by, ``AASM`` or ``R&K``; empty where they
            are not known.
        origin: who offers it, and on which terms.
        sizes: published size by window.
        hours: length of a recording that is known before any is read; otherwise ``None``.
        simulated: whether the workflow makes the recordings itself.
        fetched: whether files can be fetched from a server that publishes their hashes.
        path_on_server: part of a file's address between ``source.fetch.url`` and its path.
    """

    reader: ClassVar[str]
    name: ClassVar[str] = ""
    settings: ClassVar[type[Source]] = Source
    scoring: ClassVar[str] = ""
    origin: ClassVar[Origin]
    sizes: ClassVar[Sizes] = {}
    hours: float | None = None
    simulated: ClassVar[bool] = False
    fetched: ClassVar[bool] = False
    path_on_server: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for registry, name in ((READERS, "reader"), (NAMED, "name")):
            if name in vars(cls):
                registry[vars(cls)[name]] = cls

    def __init__(self, source: Source) -> None:
        """Describe the recordings of a source, without reading or changing any file."""
        self.source, self.folder = source, source.folder
        self.channels = Channels(dict(source.labels.items()), dict(source.units.items()))

    @abstractmethod
    def entries(self) -> list[Entry]:
        """Return the recordings in ascending order, without reading any.

        Raises:
            InputError: the folder is not there or holds no recording of this database.
        """

    @abstractmethod
    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        """Read the signals of the channels (``EEG``, ``EOG``, ``EMG``), and the hypnogram.

        Raises:
            InputError: in one line, what is wrong with which file.
        """

    @classmethod
    def published_folds(cls) -> dict[int, dict[str, tuple[str, ...]]]:
        """Return the authors' folds: number to role (``test``, ``validation``) to subjects.

        Subjects of the role ``training subset`` measure the training loss; where there are none,
        they are drawn. Empty where no folds are published. Here they are those of
        ``published_folds.csv``, which has the folds of the papers.
        """
        folds: dict[int, dict[str, tuple[str, ...]]] = defaultdict(dict)
        for row in read_csv(resources.files("xsleep.databases") / "published_folds.csv"):
            if row["database"] == cls.name:
                folds[int(row["fold"])][row["role"]] = tuple(row["subjects"].split())
        return dict(folds)

    @property
    def is_listed(self) -> bool:
        """True if the recordings are known without asking a server."""
        return True

    def list_files(self, report: Callable[[str], None]) -> None:  # noqa: B027 (optional)
        """Store the list of the server's files in the folder, if the database needs it.

        Args:
            report: is given a line where the server is asked.

        Raises:
            InputError: in one line, why there is no list.
        """

    def published(self) -> Mapping[str, Listed]:
        """Return path below the folder to hash and size of each file that can be fetched."""
        return {}

    def missing(self, entries: Sequence[Entry]) -> list[str]:
        """Return paths below the folder of the files of recordings that are to be fetched."""
        there = self.published()
        paths = (path for entry in entries for path in entry.files if not path.exists())
        names = (path.relative_to(self.folder).as_posix() for path in paths)
        return [name for name in names if name in there]

    def to_fetch(self) -> list[Published]:
        """Return the files of all recordings that are missing and can be fetched."""
        if self.source.fetch is None:
            return []
        there, url = self.published(), self.source.fetch.url.rstrip("/")
        on_server = {
            name: name.removeprefix(f"{STAGING}/") for name in self.missing(self.entries())
        }
        return [
            Published(f"{url}/{self.path_on_server}{path}", name, *there[path])
            for name, path in on_server.items()
        ]

    def key(self) -> Key | None:
        """Return what opens the server; ``None`` where it is open to everyone.

        Raises:
            InputError: there is no token in the environment.
        """
        return None

    def unpack(self, fetched: Sequence[Published]) -> None:  # noqa: B027 (optional)
        """Put what fetched archives hold in its place."""


def files(folder: Path, pattern: str, depth: int = 0) -> list[Path]:
    """The files whose names match, in order; none where the folder does not exist.

    Capital and small letters are the same. Hidden files (``._night.edf`` of macOS) are passed over.

    Args:
        depth: how many levels of subfolders are searched. They are followed through links, and
            the limit keeps links that lead in circles from being followed for ever. One that
            cannot be listed is left out.

    Raises:
        InputError: the folder is there, but cannot be listed.
    """
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be listed ({error.strerror}); correct its permissions or the "
            "database's folder"
        ) from None
    names = [name for name in names if not name.startswith(".")]
    found = [folder / name for name in names if fnmatchcase(name.lower(), pattern.lower())]
    if depth:
        for name in names:
            if os.path.isdir(folder / name):
                with suppress(InputError):
                    found += files(folder / name, pattern, depth - 1)
    return found


def as_written(path: Path) -> Path:
    """The file of this name, be its letters capital or small; the path itself where none is."""
    if path.exists():
        return path
    name = escape(path.name)
    return next(iter(files(path.parent, name)), path)


def doubled(paths: Sequence[Path], what: str) -> str:
    """Return why one of several files cannot be chosen, as an entry's fault; empty for one file."""
    if len(paths) == 1:
        return ""
    return f"{paths[0]}: not the only {what}, there is {paths[1]} as well; take one away"
