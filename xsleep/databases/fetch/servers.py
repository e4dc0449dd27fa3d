"""Databases whose server is asked which files it has, with which hash.

PhysioNet publishes ``SHA256SUMS.txt`` beside the files, Zenodo and the National Sleep Research
Resource (NSRR) answer with JSON.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from xsleep.core.errors import InputError
from xsleep.databases.base import Database
from xsleep.databases.fetch import listing
from xsleep.databases.fetch.listing import Listed

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key


class ServerListed(Database):
    """A database whose list of files is asked of its server once, and kept in its folder.

    Attributes:
        recordings_listed: whether the recordings are known from that list alone.
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
        return not asked or listing.exists(self.folder)

    def list_files(self, report: Callable[[str], None]) -> None:
        if self.source.fetch is None or listing.exists(self.folder):
            return
        url = self.source.fetch.url.rstrip("/")
        report(f"asking {url} which files there are")
        try:
            listing.write(self.folder, self.ask(url))
        except InputError as error:
            raise InputError(
                f"{error} (or put the files into {self.folder} and set source.fetch to null)"
            ) from None
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written to ({error.strerror})") from None

    def published(self) -> Mapping[str, Listed]:
        return listing.read(self.folder) if self.source.fetch else {}


def ask(url: str, key: Key | None = None) -> str:
    """Return the text that a server answers with."""
    # Imported here, as the workflow imports this module at the start of every job.
    from xsleep.databases.fetch.download import Patience, fetch_text

    return fetch_text(url, Patience(tries=3), key)


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
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{url}: answers with something else than the list of files") from None


def listed(md5: str, size: int) -> Listed:
    """Return the facts of a file, given its hash and bytes as a server tells them.

    Raises:
        ValueError: this is no MD5.
    """
    if not re.fullmatch("[0-9a-f]{32}", md5):
        raise ValueError
    return Listed(md5, int(size))
