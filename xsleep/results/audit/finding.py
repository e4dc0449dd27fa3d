"""What a check finds, whatever state the files are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xsleep.core.errors import InputError

Thing = TypeVar("Thing")


class NotApplicable(Exception):
    """There is nothing that a check could look at; says why."""


@dataclass(frozen=True)
class Found:
    """What a check looked at, in words with their number, and each fault in a line."""

    looked_at: str
    faults: Sequence[str]


def faults_of(things: Iterable[Thing], look: Callable[[Thing], Iterable[str]]) -> list[str]:
    """The faults of all things. One that cannot be looked at is a fault, and the others go on."""
    faults: list[str] = []
    for thing in things:
        try:
            faults += look(thing)
        except NotApplicable:
            raise
        except Exception as error:  # whatever damage does to what reads it
            faults.append(in_words(error))
    return list(dict.fromkeys(faults))


def in_words(error: Exception) -> str:
    """An error in a line."""
    line = " ".join(str(error).split())
    return line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"


def many(count: int, one: str) -> str:
    """``count`` of something, in words."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"
