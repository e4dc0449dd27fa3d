"""Interface and registry of the databases, and the settings that all have."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from glob import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.core.recording import Channel, Hypnogram, Recording
from xsleep.core.settings import Settings, unknown
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import Channels

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key


@dataclass(frozen=True)
class Entry:
    """A recording that the database has or should have, with its files, present or missing.

    ``fault`` says why it cannot be read, where the names of its files alone tell.
    """

    name: str
    subject: str
    files: tuple[Path, ...]
    fault: str = ""


STAGING = ".fetching"
"""Folder in a database's folder for what has not arrived whole."""
LOCK = "lock"
"""File in that folder, locked by the run that writes to the database's folder."""


@dataclass(frozen=True)
class Published:
    """A file as its database publishes it, with the address that messages may show.

    ``name`` is the path below the database's folder, ``digest`` the MD5, SHA-1 or SHA-256 in
    hexadecimal, and ``size`` in bytes, roughly; 0 if unknown.
    """

    url: str
    name: str
    digest: str
    size: int = 0


class Listed(NamedTuple):
    """Hash of a published file in hexadecimal, and bytes, roughly; 0 if unknown."""

    digest: str
    size: int = 0


LOOPBACK = {"127.0.0.1", "::1", "localhost"}
"""Names of this machine itself, to which nothing is sent over a network."""


def is_private(url: str) -> bool:
    """Return whether nobody else can read or change what is sent to an address and comes back."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


class FetchSettings(Settings):
    """Server that missing files are fetched from.

    Attributes:
        url: address of the folder or site, or of a mirror.
    """

    url: str

    @model_validator(mode="after")
    def _over_tls(self) -> FetchSettings:
        try:
            private = is_private(self.url)
        except ValueError as error:  # of brackets that are no address of IPv6
            raise ValueError(f"url is no address ({error})") from None
        if not private:
            raise ValueError(
                f"url is {self.url!r}: it must begin with https://, as what comes over http:// "
                "can be changed on its way"
            )
        return self


class About(Settings):
    """Facts about a database, for Table 1 and for those who cite it.

    Attributes:
        title, address: as its keepers call it, and where they describe it.
        access: who may have it.
        licence: its licence, where one is stated.
        cited: address to text of what its keepers ask to cite.
        scoring: rules of the scoring, ``AASM`` or ``R&K``.
        subjects, recordings: their published numbers.
    """

    title: str
    address: str = ""
    access: str = ""
    licence: str = ""
    cited: dict[str, str] = Field(default_factory=dict)
    scoring: Literal["AASM", "R&K", ""] = ""
    subjects: PositiveInt | None = None
    recordings: PositiveInt | None = None

    @property
    def size(self) -> dict[str, int]:
        """The published numbers that are known."""
        return self.model_dump(include={"subjects", "recordings"}, exclude_none=True)


class Source(Settings):
    """Settings that say where a database's recordings are; databases may add their own.

    Attributes:
        reader: what reads the files, as ``sleep-edf-20`` or ``own``.
        folder: folder of the files, relative to where Snakemake runs.
        labels: channel to its labels in the files, best first; ``A - B`` is a derivation, ``A#2``
            the second of several signals with one label.
        units: channel to the unit of its numbers, where the files give none or a wrong one.
        fetch: where missing files are fetched from; ``None`` disables downloading.
        signals: whether signals are used; without them, recordings are hypnograms alone.
        apply: address at which access is applied for, if by licence.
        about: facts about the database, where its reader does not know them.
    """

    reader: str
    folder: Path
    labels: dict[Channel, tuple[str, ...]]
    units: dict[Channel, Literal["nV", "uV", "mV", "V"]] = Field(default_factory=dict)
    fetch: FetchSettings | None = None
    signals: bool = Field(default=True, exclude_if=bool)
    apply: str | None = None
    about: About | None = Field(default=None, exclude_if=lambda about: about is None)

    @model_validator(mode="before")
    @classmethod
    def _keys_belong_to_the_reader(cls, given: Any) -> Any:
        for key in given if isinstance(given, Mapping) else ():
            if key in cls.model_fields:
                continue
            fault = unknown(key, cls)
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
    """A database as its keepers offer it, with address to text of what they ask to cite.

    A text is empty where this project does not know.
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
        setup: division of the subjects, as in ``20-fold CV``.
        validation, training_subset: subjects of each fold who validate, and from whose training
            loss the loss weights are derived.
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
        version: to be raised when the reader gives other values, so that all is read again.
        scoring: rules of the scoring, ``AASM`` or ``R&K``; empty if unknown.
        hours: length of a recording, if known before any is read.
        simulated: whether the workflow makes the recordings itself.
        fetched: whether files can be fetched from a server that publishes their hashes.
        amount: how much all files are that can be fetched.
        path_on_server: part of a file's address between ``source.fetch.url`` and its path.
    """

    reader: ClassVar[str]
    name: ClassVar[str] = ""
    settings: ClassVar[type[Source]] = Source
    version: ClassVar[int] = 1
    scoring: str = ""
    origin: Origin
    sizes: ClassVar[Sizes] = {}
    hours: float | None = None
    simulated: ClassVar[bool] = False
    fetched: ClassVar[bool] = False
    amount: ClassVar[str] = ""
    path_on_server: str = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for registry, name in ((READERS, "reader"), (NAMED, "name")):
            if name in vars(cls):
                registry[vars(cls)[name]] = cls

    def __init__(self, source: Source) -> None:
        """Describe the recordings of a source, without reading or changing any file."""
        self.source, self.folder = source, source.folder
        self.channels = Channels(source.labels, source.units)
        if about := source.about:
            self.scoring = about.scoring
            self.origin = Origin(**about.model_dump(include={f.name for f in fields(Origin)}))

    @abstractmethod
    def entries(self) -> list[Entry]:
        """Return the recordings in ascending order, without reading any.

        Raises:
            InputError: the folder is not there or holds no recording of this database.
        """

    @abstractmethod
    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        """Read the signals of the channels (``EEG``, ``EOG``, ...), and the hypnogram.

        Raises:
            InputError: in one line, what is wrong with which file.
        """

    def read_scoring(self, entry: Entry) -> Recording:
        """Read the hypnogram alone, where ``source.signals`` is false.

        Raises:
            InputError: in one line, what is wrong with which file.
        """
        raise InputError(f"the reader {self.source.reader} needs the signals")

    @classmethod
    def reads_scoring(cls) -> bool:
        """Return whether hypnograms are read without signals."""
        return cls.read_scoring is not Database.read_scoring

    def second_file(self, entry: Entry) -> Path | None:
        """Return the hypnogram file of a second scorer; ``None`` where the database has none."""
        return None

    def second_scoring(self, entry: Entry) -> Hypnogram | None:
        """Read the hypnogram of a second scorer; ``None`` where the database has none.

        Raises:
            InputError: in one line, what is wrong with which file.
        """
        return None

    def scorers(self, entry: Entry) -> list[Hypnogram]:
        """Read the hypnogram of each of several scorers; none where there is one alone.

        Raises:
            InputError: in one line, what is wrong with which file.
        """
        second = self.second_scoring(entry)
        return [] if second is None else [self.read(entry, ()).hypnogram, second]

    @classmethod
    def published_folds(cls) -> dict[int, dict[str, tuple[str, ...]]]:
        """Return the authors' folds, of ``published_folds.csv``: number to role to subjects.

        Roles are ``test``, ``validation`` and ``training subset``, which measures the training
        loss, and is drawn if it has no subjects. Empty if no folds are published.
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
        there, url = self.published(), f"{self.source.fetch.url.rstrip('/')}/{self.path_on_server}"
        missing = {name: name.removeprefix(f"{STAGING}/") for name in self.missing(self.entries())}
        return [Published(url + path, name, *there[path]) for name, path in missing.items()]

    def key(self) -> Key | None:
        """Return what opens the server; ``None`` where it is open to everyone.

        Raises:
            InputError: there is no token in the environment.
        """
        return None

    def unpack(self, fetched: Sequence[Published]) -> None:  # noqa: B027 (optional)
        """Put what fetched archives hold in its place."""

    @property
    def stand_in(self) -> str:
        """Substitutes for missing files, as the end of a message about them."""
        return ""

    def none_there(self, what: str, example: str) -> InputError:
        """Return the error that the folder holds no recording."""
        fetch = ", or give source.fetch.url there" if self.fetched and not self.source.fetch else ""
        return InputError(
            f"{self.folder}: no {what} there ({example}, ...); put the files there, or set the "
            f"folder in the database's configuration{fetch}{self.stand_in}"
        )


class EdfDatabase(Database):
    """Database of EDF files, the first of an entry, with a hypnogram of any format."""

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        file = edf.open_edf(entry.files[0])
        signals = edf.read_channels(file, self.channels, channels)
        hypnogram = self.hypnogram(entry, file)
        return Recording(
            entry.name, entry.subject, signals, hypnogram, lights=None, files=entry.files
        )

    @abstractmethod
    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        """Read the hypnogram of a recording, whose EDF file is open.

        Raises:
            InputError: in one line, what is wrong with which file.
        """


def files(folder: Path, pattern: str, depth: int = 0) -> list[Path]:
    """Return the files whose names match, in order; none if the folder does not exist.

    The case of letters does not matter. Hidden files (``._night.edf`` of macOS) are left out, as
    are subfolders that cannot be listed.

    Args:
        depth: levels of subfolders that are searched, also through links, which may be circular.

    Raises:
        InputError: the folder exists, but cannot be listed.
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
    for name in names if depth else ():
        if os.path.isdir(folder / name):
            with suppress(InputError):
                found += files(folder / name, pattern, depth - 1)
    return found


def by_name(folder: Path, pattern: str, depth: int = 0) -> dict[str, list[Path]]:
    """Return the files whose names match a regular expression, by its group in capital letters."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in files(folder, "*", depth):
        if match := re.fullmatch(pattern, path.name, re.IGNORECASE):
            found[match[1].upper()].append(path)
    return dict(found)


def as_written(path: Path) -> Path:
    """Return the file of this name in any case of letters, or the path itself if there is none."""
    return path if path.exists() else next(iter(files(path.parent, escape(path.name))), path)


def doubled(paths: Sequence[Path], what: str) -> str:
    """Return why one of several files cannot be chosen, as an entry's fault; empty for one file."""
    if len(paths) == 1:
        return ""
    return f"{paths[0]}: not the only {what}, there is {paths[1]} as well; take one away"
