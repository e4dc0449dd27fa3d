"""What every database offers the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xsleep.recording import Recording


@dataclass(frozen=True)
class Entry:
    """A recording that the database has or should have.

    Attributes:
        name, subject: identifiers, unique within the database.
        files: the files that it consists of, those that are missing included.
    """

    name: str
    subject: str
    files: tuple[Path, ...]


class Database(Protocol):
    """One database: which recordings there are, and how one is read."""

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
