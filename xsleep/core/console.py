"""Log of a job, and its errors: one line on stderr for what the user can correct."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.running import join

INTERRUPTED = 130
"""Exit status of a process that was ended by Ctrl-C, as that of a shell's command."""


@contextmanager
def job(log: str | Path) -> Iterator[Callable[[str], None]]:
    """Open the log of a job, overwriting it, and yield a function that appends a line to it.

    An ``InputError`` or a full disk ends the job with one line; the traceback of any other error is
    written to the log. Of the processes that torchrun starts, only the first writes the log.

    Raises:
        SystemExit: with status 1, after an ``InputError`` or on a full disk; with `INTERRUPTED`,
            after Ctrl-C.
    """
    first = os.environ.get("RANK", "0") == "0"
    with join() or nullcontext(), Path(log if first else os.devnull).open("w", buffering=1) as file:

        def report(line: str) -> None:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

        try:
            yield report
        except KeyboardInterrupt:  # the workflow says so, once for all jobs
            report("interrupted")
            raise SystemExit(INTERRUPTED) from None
        except Exception as error:
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            if not full and not isinstance(error, InputError):
                report(traceback.format_exc())
                raise
            line = f"error: {error}"
            if full:
                line += "; make room (df -h) and give the same command again"
            print(line, file=sys.stderr)
            with suppress(OSError):  # the log may be on the full disk
                report(line)
            raise SystemExit(1) from None
