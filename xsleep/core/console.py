"""Log of a job, and its errors: one line on stderr for what the user can correct."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.files import FULL, REMEDIES
from xsleep.core.running import join

INTERRUPTED = 130
"""Exit status of a process that was ended by Ctrl-C, as that of a shell's command."""

GONE = (
    *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT),
    *(errno.ENOTCONN, errno.ESHUTDOWN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH),
)
"""Errors of a network share that vanished, and of a broken disk."""


def aloud(report: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that writes a line to the log of a job and on the terminal."""

    def told(line: str) -> None:
        report(line)
        print(line, file=sys.stderr)

    return told


@contextmanager
def job(log: str | Path, inputs: Iterable[str] = ()) -> Iterator[Callable[[str], None]]:
    """Open the log of a job, overwriting it, and yield a function that appends a line to it.

    Inputs from the future get the present time at the end, as when the clock was set back
    meanwhile: otherwise Snakemake would delete what was made of them.

    An ``InputError``, a disk that is full or gone, and a lack of memory end the job with one line;
    the traceback of any other error is written to the log. Of the processes that torchrun starts,
    only the first writes the log.

    Raises:
        SystemExit: with status 1, after one line; with `INTERRUPTED`, after Ctrl-C.
    """
    first = os.environ.get("RANK", "0") == "0"
    with join() or nullcontext(), Path(log if first else os.devnull).open("w", buffering=1) as file:

        def report(line: str) -> None:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

        try:
            yield report
            for path in inputs:
                with suppress(OSError):  # gone, or another user's
                    if os.path.getmtime(path) > time.time():
                        os.utime(path)
        except KeyboardInterrupt:  # the workflow says so, once for all jobs
            report("interrupted")
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            remedy = _remedy(error)
            if not remedy and not isinstance(error, InputError):
                report(traceback.format_exc())
                raise
            line = f"error: {str(error) or type(error).__name__}{remedy}"
            print(line, file=sys.stderr)
            with suppress(OSError):  # the log may be on the full disk
                report(line)
            raise SystemExit(1) from None


def _remedy(error: Exception) -> str:
    """Return what to do about a disk or memory; nothing about other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):  # of PyTorch
        return "; give the job more memory, or the preset a smaller batch_size"
    if number in FULL:
        return f"; {REMEDIES[number]} and give the same command again"
    if number in GONE:
        return "; see that its disk is there, and give the same command again"
    return ""
