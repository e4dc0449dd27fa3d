"""What every database offers the pipeline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Protocol

from xsleep.core.errors import InputError
from xsleep.core.recording import Recording


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


class Database(Protocol):
    """One database: which recordings there are, and how one is read.

    Attributes:
        scoring: the rules that the stages were scored by, ``AASM`` or ``R&K``; empty where the
            reader does not know.
    """

    scoring: str

    def entries(self) -> list[Entry]:
        """The recordings in ascending order, without reading any.

        Raises:
            InputError: the folder is not there or holds no recording of this database.
        """

    def read(self, entry: Entry, channels: Sequence[str]) -> Recording:
        """Signals of the channels (``EEG``, ``EOG``, ``EMG``), and the hypnogram.

        Raises:
            InputError: in one line, what is wrong with which file.
        """


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
