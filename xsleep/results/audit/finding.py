"""Findings of a check: what it examined, its faults, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from xsleep.core.errors import InputError

Thing = TypeVar("Thing")

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"


class NotApplicable(Exception):
    """Reason why there is nothing that a check could examine."""


@dataclass(frozen=True)
class Findings:
    """Number of things that a check examined, and a line for each fault."""

    examined: str
    faults: Sequence[str]


@dataclass(frozen=True)
class Verdict:
    """Verdict of a check in a line, and all its faults; ``claim`` is what should be true."""

    check: str
    claim: str
    status: str
    line: str
    faults: Sequence[str] = ()


def faults_of(things: Iterable[Thing], examine: Callable[[Thing], Iterable[str]]) -> list[str]:
    """Return the different faults of all things; one that cannot be examined is a fault."""
    faults: list[str] = []
    for thing in things:
        try:
            faults += examine(thing)
        except Exception as error:  # damaged files raise errors of any kind
            faults.append(in_words(error))
    return list(dict.fromkeys(faults))


def in_words(error: Exception) -> str:
    """Return an error in one line."""
    line = " ".join(str(error).split())
    return line if isinstance(error, InputError) else f"{type(error).__name__}: {line}"


def many(count: int, one: str) -> str:
    """Return a count with its noun, in the plural if needed."""
    return f"{count:,} {one}{'' if count == 1 else 's'}"
