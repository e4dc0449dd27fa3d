"""What a job shows: its log, and one line where something the user gave cannot be used."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xsleep.errors import InputError


@contextmanager
def job(log: str | Path) -> Iterator[Callable[[str], None]]:
    """A function that adds a line to the log; an ``InputError`` ends the job with its line."""
    with Path(log).open("w", buffering=1) as file:

        def report(line: str) -> None:
            file.write(f"{time.strftime('%H:%M:%S')} {line}\n")

        try:
            yield report
        except InputError as error:
            report(f"error: {error}")
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
