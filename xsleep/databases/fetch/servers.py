"""Databases whose server is asked which files it has, with which hash.

PhysioNet publishes ``SHA256SUMS.txt`` beside the files, Zenodo and the National Sleep Research
Resource (NSRR) answer with JSON. The answer is kept in the database's folder, and decides from then
on which recordings there are and which hash each file must have.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from xsleep.core.errors import InputError
from xsleep.core.files import locked, read_csv, write_csv
from xsleep.databases.base import LOCK, STAGING, Database, Listed

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key

LIST = ".published.csv"
"""File in a database's folder with the list of the server's files."""


SUMS = "SHA256SUMS.txt"
"""File of PhysioNet with the hashes of all files of a database."""


class ServerListed(Database):
    """A database whose list of files is requested from its server once, and kept in its folder.

    ``recordings_listed`` says whether the recordings are known from that list alone.
    """

    fetched = True
    recordings_listed: ClassVar[bool] = False

    @abstractmethod
    def ask(self, url: str) -> Mapping[str, Listed]:
        """Ask the server at ``url`` for path below the folder to hash and size of each file.

        Raises:
            InputError: in one line, why there is no list.
        """

    @property
    def is_listed(self) -> bool:
        asked = self.source.fetch is not None and self.recordings_listed
        return not asked or (self.folder / LIST).exists()

    def list_files(self, report: Callable[[str], None]) -> None:
        if self.source.fetch is None or (self.folder / LIST).exists():
            return
        url = self.source.fetch.url.rstrip("/")
        report(f"asking {url} which files there are")
        try:
            with locked(self.folder / STAGING / LOCK):
                if not (self.folder / LIST).exists():  # another run may have been faster
                    write_list(self.folder, self.ask(url))
        except InputError as error:
            raise InputError(
                f"{error} (or put the files into {self.folder} and set source.fetch to null)"
            ) from None
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written to ({error.strerror})") from None

    def published(self) -> Mapping[str, Listed]:
        return read_list(self.folder) if self.source.fetch else {}


def read_list(folder: Path) -> dict[str, Listed]:
    """Return the files by path below the folder; none if there is no list."""
    path = folder / LIST
    if not path.exists():
        return {}
    try:
        *rows, end = read_csv(path)
        if end != _end(rows):
            raise ValueError
        return {row["file"]: Listed(row["hash"], int(row["bytes"])) for row in rows}
    except (OSError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: is not the list of files that was written; delete it, it is fetched again"
        ) from None


def write_list(folder: Path, files: Mapping[str, Listed]) -> None:
    """Keep the list in the folder."""
    rows = [
        {"file": name, "hash": listed.digest, "bytes": str(listed.size)}
        for name, listed in files.items()
    ]
    write_csv(folder / LIST, [*rows, _end(rows)])


def _end(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the last row of a list, by which one that was cut short or changed is known."""
    content = "\n".join(",".join(row.values()) for row in rows)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return {"file": "", "hash": digest, "bytes": str(len(rows))}


def ask(url: str, key: Key | None = None) -> str:
    """Return the text that a server answers with."""
    # Imported here, as the workflow imports this module at the start of every job.
    from xsleep.databases.fetch.download import Patience, fetch_text

    return fetch_text(url, Patience(tries=3), key)


def sha256_sums(url: str, folder: str) -> dict[str, str]:
    """Return path below a folder of a PhysioNet database to the SHA-256 of each file in it."""
    found = re.findall(r"^([0-9a-f]{64}) +\*?(.+)$", ask(f"{url}/{SUMS}"), re.M)
    return {name.removeprefix(folder): digest for digest, name in found if name.startswith(folder)}


def ask_json(
    url: str, read: Callable[[Any], dict[str, Listed]], key: Key | None = None
) -> dict[str, Listed]:
    """Return the list of files that ``read`` finds in a server's JSON.

    Raises:
        InputError: there is no answer, or it is something else.
    """
    answer = ask(url, key)
    try:
        return read(json.loads(answer))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise InputError(f"{url}: answers with something else than the list of files") from None


def listed(md5: str, size: int) -> Listed:
    """Return hash and size of a file as a server gives them, or raise a ``ValueError``."""
    if not re.fullmatch("[0-9a-f]{32}", md5):
        raise ValueError
    return Listed(md5, int(size))
