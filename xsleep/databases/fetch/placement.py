"""Missing and surplus files of a database that the user puts in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from xsleep.databases.base import Entry

NAMED = 3
"""Files that a line names; the others are counted."""


def placement(folder: Path, entries: Sequence[Entry]) -> str:
    """Return in one line which files of the entries are missing, and which others there are.

    Empty where everything is in its place. Of hidden files those count that macOS makes beside
    others (``._night.edf``), as they may be taken for recordings.
    """
    expected = {path for entry in entries for path in entry.files}
    there = {path for path in folder.rglob("*") if path.is_file()}
    hidden = {path for path in there if "/." in f"/{path.relative_to(folder)}"}
    missing = [path for path in expected if not path.is_file()]
    surplus = there - hidden - expected
    found = []
    if missing:
        found.append(f"{len(missing)} of {len(expected)} files are missing ({_named(missing)})")
    if surplus:
        found.append(f"{len(surplus)} are surplus ({_named(surplus)})")
    if doubles := [path for path in hidden if path.name.startswith("._")]:
        found.append(f"{len(doubles)} hidden files of macOS are passed over ({_named(doubles)})")
    return ", ".join(found)


def _named(paths: Iterable[Path]) -> str:
    names = sorted(path.name for path in paths)
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
