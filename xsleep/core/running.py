"""Lock of a folder by the calls of Snakemake that run in it, which ends with their processes.

Snakemake's own lock of a folder is a file that stays when its process is killed, so that the same
command would be refused until ``--unlock``.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

RUNNING = Path(".snakemake/running")
"""File that every call in the folder, and every job, locks as long as its process lives.

It has host and process of the call that began last.
"""

LOCKS = Path(".snakemake/locks")
"""Folder of Snakemake's own locks."""


def enter() -> tuple[IO[str] | None, str]:
    """Lock the folder together with others, and delete Snakemake's locks if nobody else does.

    Return the open file, to be kept until the process ends, and a line about who else runs. Without
    a file system that has locks, or from another host than the last call, nothing is deleted.
    """
    try:
        RUNNING.parent.mkdir(exist_ok=True)
        file = RUNNING.open("a+")
    except OSError:
        return None, ""
    other = ""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = _last(file)
    except OSError:  # no locks here
        return file, ""
    else:
        if _last(file).partition(" ")[0] in ("", platform.node()):
            shutil.rmtree(LOCKS, ignore_errors=True)
        if not any(LOCKS.glob("*.lock")):
            file.truncate(0)
            print(platform.node(), os.getpid(), file=file, flush=True)
    _share(file)
    host, _, number = other.partition(" ")
    line = f"another snakemake or its jobs run in {Path.cwd()}, last process {number} of {host}"
    return file, f"{line}: wait for its end, or end it" if other else ""


def join() -> IO[str] | None:
    """Lock the folder with the call of Snakemake that this job is of; return the open file."""
    try:
        file = RUNNING.open()
    except OSError:
        return None
    _share(file)
    return file


def _share(file: IO[str]) -> None:
    """Lock the file together with others, where the file system has locks."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _last(file: IO[str]) -> str:
    """Return host and process of the call that began last."""
    file.seek(0)
    return file.readline().strip()
