"""Hashes of files, cached as long as their size and time stamps are the same.

Whether a file has changed is decided by its content, whatever its time stamps say. So that every
file of a database can be checked at the start of every run, its SHA-256 is kept together with its
size and time stamps, and computed again only if one of these differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xsleep.core.files import sha256, whole


def below(folder: Path, path: Path) -> str:
    """Return the path of a file relative to a folder, the same on every machine."""
    return Path(os.path.relpath(path, folder)).as_posix()


class Seen:
    """Cache of the hashes of recordings' files.

    Args:
        path: file of the cache; if it is missing or damaged, everything is hashed again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_text())
            self._files: dict[str, list[Any]] = dict(known["files"])
            self._token = str(known["token"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError):  # none, or damaged
            self._files, self._token = {}, ""
        self._written = self._content()

    def _content(self) -> str:
        return json.dumps({"files": self._files, "token": self._token})

    def hashes(self, folder: Path, files: Sequence[Path]) -> dict[str, str]:
        """Return path relative to the folder to SHA-256, of the files that can be read."""
        found = {}
        for path in files:
            try:
                found[below(folder, path)] = self._sha256(path)
            except OSError:
                continue
        return found

    def _sha256(self, path: Path) -> str:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise OSError(f"{path}: no file")
        # The time of the last status change cannot be set by a program, so that replacing a file
        # by another of the same size and modification time is noticed.
        stamps = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        *known, digest = self._files.get(str(path), [None])
        if known != stamps:
            digest = sha256(path)
            self._files[str(path)] = [*stamps, digest]
        return str(digest)

    def content(
        self,
        stored: Mapping[str, Mapping[str, str]] | None,
        present: Mapping[str, Mapping[str, str]],
    ) -> str:
        """Return a token that changes when stored recordings were made from other contents.

        It depends only on contents and on the previous token: as long as all files are as they were
        when they were stored it stays the same, at first the empty text.

        Args:
            stored: recording to its files' hashes, as stored; ``None`` without a store.
            present: the same of the present files.
        """
        if stored is not None and any(
            present[name] != hashes for name, hashes in stored.items() if name in present
        ):
            text = json.dumps(present, sort_keys=True)
            self._token = hashlib.sha256(text.encode()).hexdigest()
        return self._token

    def save(self) -> None:
        """Write the cache if it has changed."""
        if self._content() != self._written:
            with whole(self._path) as temporary:
                temporary.write_text(self._content())
