"""What a job shows: its log, and one line where something the user gave cannot be used."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xsleep.core.errors import InputError


@contextmanager
def job(log: str | Path) -> Iterator[Callable[[str], None]]:
    """A function that adds a line to the log.

    An ``InputError`` or a full disk ends the job with one line; of another error the log has the
    traceback. Of processes that torchrun started the first alone has the log.
    """
    first = os.environ.get("RANK", "0") == "0"
    with Path(log if first else os.devnull).open("w", buffering=1) as file:

        def report(line: str) -> None:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

        try:
            yield report
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
