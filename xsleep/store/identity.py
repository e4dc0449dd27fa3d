"""What files hold, known without reading them again as long as nothing has touched them.

A file is the same as before where its size and content are, whatever its time stamps say. To look
at every file of a database at the start of every run, its SHA-256 is kept together with its size
and time stamps, and computed again only where one of these differs.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from xsleep.core.files import sha256, whole


def below(folder: Path, path: Path) -> str:
    """Return the path of a file below a folder, the same on every machine."""
    return Path(os.path.relpath(path, folder)).as_posix()


class Seen:
    """The files of some recordings as they were when they were last looked at.

    It is kept in a file, which may be deleted: then all is read once more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_text())
            self._files, self._token = dict(known["files"]), str(known["token"])
        except (OSError, ValueError, TypeError, KeyError):  # not there yet, or damaged
            self._files, self._token = {}, ""
        self._written = self._content()

    def _content(self) -> str:
        return json.dumps({"files": self._files, "token": self._token})

    def hashes(self, folder: Path, files: Sequence[Path]) -> dict[str, str]:
        """SHA-256 of files by their paths below a folder, of those that can be read."""
        found = {}
        for path in files:
            try:
                found[below(folder, path)] = self._sha256(path)
            except OSError:
                continue
        return found

    def _sha256(self, path: Path) -> str:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe has no content to wait for
            raise OSError(f"{path}: no file")
        # The time of the last change of any kind cannot be set by a program, so that a file put in
        # place of another of its size and age is noticed.
        stamps = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        *known, digest = self._files.get(str(path), [None])
        if known != stamps:
            digest = sha256(path)
            self._files[str(path)] = [*stamps, digest]
        return digest

    def content(
        self,
        stored: Mapping[str, Mapping[str, str]] | None,
        present: Mapping[str, Mapping[str, str]],
    ) -> str:
        """Return a text that changes where what is stored was made from other contents.

        It depends on nothing but contents and on what was returned before: as long as all is as it
        was stored it stays what it was, at first the empty text.

        Args:
            stored: hashes by file of each recording that is stored; ``None`` without a store.
            present: the same of the files as they are.
        """
        if stored is not None and any(
            present[name] != hashes for name, hashes in stored.items() if name in present
        ):
            text = json.dumps(present, sort_keys=True)
            self._token = hashlib.sha256(text.encode()).hexdigest()
        return self._token

    def save(self) -> None:
        """Keep what is known for the next time."""
        if self._content() != self._written:
            with whole(self._path) as temporary:
                temporary.write_text(self._content())
