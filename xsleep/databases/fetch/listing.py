"""The list of the files that a server has of a database, kept in the database's folder.

Where a database publishes no list that could come with this package, its server was asked, and the
answer decides from then on which recordings there are and which hash each file must have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from xsleep.core.errors import InputError
from xsleep.core.files import read_csv, write_csv

NAME = ".published.csv"


class Listed(NamedTuple):
    """Hash of a file in hexadecimal; bytes, roughly, or 0 where they are not known."""

    digest: str
    size: int = 0


def exists(folder: Path) -> bool:
    """Return whether the list is there."""
    return (folder / NAME).exists()


def read(folder: Path) -> dict[str, Listed]:
    """Path below the folder to what is published of the file; empty without a list."""
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        return {row["file"]: Listed(row["hash"], int(row["bytes"])) for row in read_csv(path)}
    except (OSError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: is not the list of files that was written; delete it, it is fetched again"
        ) from None


def write(folder: Path, files: Mapping[str, Listed]) -> None:
    """Keep the list in the folder."""
    rows = [{"file": name, "hash": of.digest, "bytes": of.size} for name, of in files.items()]
    write_csv(folder / NAME, rows)
