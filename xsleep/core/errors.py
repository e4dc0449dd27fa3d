"""Errors and warnings about inputs, shown to the user as one line without a traceback."""

from __future__ import annotations

import textwrap
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_REASON = 200
"""Most characters quoted of the error of a library; some quote the whole file."""


class InputError(ValueError):
    """Input that cannot be used: one line that names the file, the value and what to do."""


class DamagedError(InputError):
    """File whose content contradicts its format or header, as the ``fault`` says in one line.

    What to do depends on the origin of the file, which a reader does not know: ``advice``.
    """

    advice = "copy or export it again"

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.fault}; {self.advice}"


class OutputError(InputError):
    """File that cannot be written: a full disk, a folder without write permission.

    Every other file there would fail as well, so that nothing goes on after it.
    """


class InputWarning(UserWarning):
    """Doubtful or ignored part of an input that is used nevertheless: one line that names it."""


def reason(error: Exception) -> str:
    """Return the message of an error of a library, in one line of bounded length."""
    return textwrap.shorten(str(error), LONGEST_REASON) or type(error).__name__


def line_of(error: Exception, file: str) -> str:
    """Return the line of a file where an error arose, as in ``lab.py:12``; empty if elsewhere."""
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    return f"{Path(file).name}:{lines[-1]}" if lines else ""


def warn(path: Path, text: str) -> None:
    """Issue an ``InputWarning`` about a file."""
    warnings.warn(InputWarning(f"{path}: {text}"), stacklevel=2)


@contextmanager
def warnings_of_inputs() -> Iterator[list[str]]:
    """Collect the input warnings issued in the block, in order and without duplicates.

    Other warnings are issued again after the block.
    """
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            yield found
        finally:
            ours = (w.message for w in caught if issubclass(w.category, InputWarning))
            found += dict.fromkeys(map(str, ours))
    for other in caught:
        if not issubclass(other.category, InputWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
