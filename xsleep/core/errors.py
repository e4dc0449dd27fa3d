"""Errors and warnings about inputs: people see one line of each, and no traceback."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_REASON = 200
"""Characters of what a library objects to; some quote the file."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, the value and what to do.
    """


class DamagedError(InputError):
    """The content of a file is not what its format or header says.

    What to do depends on where the file came from, which a reader does not know: the message is
    given without advice, and ends in ``advice``.
    """

    advice = "copy or export it again"

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.fault}; {self.advice}"


class InputWarning(UserWarning):
    """Something in an input that is doubtful, or was passed over; the input is used all the same.

    The message is one line that names the file, the value and what was done with it.
    """


def reason(error: Exception) -> str:
    """Return what a library objects to, in one line of bounded length."""
    return textwrap.shorten(str(error), LONGEST_REASON) or type(error).__name__


def warn(path: Path, text: str) -> None:
    """Issue an ``InputWarning`` about a file."""
    warnings.warn(InputWarning(f"{path}: {text}"), stacklevel=2)


@contextmanager
def warnings_of_inputs() -> Iterator[list[str]]:
    """Collect the input warnings that are issued in the block, each once, in order.

    Other warnings go on to whoever shows them.
    """
    found: list[str] = []
    others = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        try:
            yield found
        finally:
            for warning in caught:
                if not issubclass(warning.category, InputWarning):
                    others.append(warning)
                elif (line := str(warning.message)) not in found:
                    found.append(line)
    for other in others:
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
