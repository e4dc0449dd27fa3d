"""Patterns of the paths of recordings below a folder, and tables of who was recorded in them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from xsleep.core.errors import InputError
from xsleep.core.settings import Settings
from xsleep.databases import base
from xsleep.databases.formats.scorings import read_text

FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Pattern:
    """Pattern of a path, as ``sub-{subject}/eeg/sub-{subject}_eeg.edf``.

    A field in braces stands for letters and digits, ``{name}`` for anything but a slash. A field
    that comes twice is the same in both places. The case of letters does not matter.
    """

    text: str

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts, seen = FIELD.split(self.text), set[str]()
        for place, field in enumerate(parts):
            if not place % 2:
                parts[place] = re.escape(field)
            elif field in seen:
                parts[place] = f"(?P={field})"
            else:
                seen.add(field)
                parts[place] = rf"(?P<{field}>{'[^/]+' if field == 'name' else '[a-zA-Z0-9]+'})"
        return re.compile("".join(parts), re.IGNORECASE)

    @property
    def fields(self) -> list[str]:
        """The names of the fields in order, each once."""
        return [*dict.fromkeys(FIELD.findall(self.text))]

    def match(self, path: str) -> dict[str, str] | None:
        """Return field to value of a path below the folder; ``None`` if it does not match."""
        found = self._regex.fullmatch(path)
        return found and found.groupdict()

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the path with these values of its fields."""
        return FIELD.sub(lambda field: values[field[1]], self.text)


def matching(
    folder: Path, patterns: Sequence[str], listed: Sequence[str] = ()
) -> list[tuple[Path, dict[str, str]]]:
    """Return the files that match one of the patterns, with their fields, by path.

    They are those ``listed``, as paths below the folder, or if there are none, those that exist.
    """
    found: dict[Path, dict[str, str]] = {}
    for pattern in map(Pattern, patterns):
        ending = f"*{pattern.text.rpartition('}')[2]}"
        there = [folder / name for name in listed]
        for path in there or base.files(folder, ending, pattern.text.count("/")):
            fields = pattern.match(path.relative_to(folder).as_posix())
            if fields is not None:
                found.setdefault(path, fields)
    return sorted(found.items())


def _pattern(text: str) -> str:
    if not Pattern(text).fields:
        raise ValueError(f"{text!r} has no field in braces, as {{name}} or {{subject}}")
    if text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} must be a path below the folder")
    return text


PatternText = Annotated[str, AfterValidator(_pattern)]
"""The text of a `Pattern`."""


class People(Settings):
    """A table that says which subjects belong on the same side of every fold.

    Attributes:
        file: CSV file, or TSV by its name, below the folder; ``*`` stands for a version.
        subject: heading of the column of subjects, as in the names of the files.
        person: heading of the column of the person or family that a subject is.
    """

    file: str
    subject: str
    person: str


def read_people(folder: Path, settings: People) -> dict[str, str]:
    """Return subject in small letters to person.

    Raises:
        InputError: the table or one of its columns is missing.
    """
    pattern = folder / settings.file
    path = next(iter(reversed(base.files(pattern.parent, pattern.name))), pattern)
    lines = read_text(path, "correct people.file in the database's configuration")
    rows = list(csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ","))
    columns = rows[0].keys() if rows else ()
    for column in (settings.subject, settings.person):
        if column not in columns:
            raise InputError(
                f"{path}: no column {column!r}; correct people in the database's configuration"
            )
    subjects = ((row[settings.subject] or "").strip().lower() for row in rows)
    persons = ((row[settings.person] or "").strip() for row in rows)
    return {
        subject.removeprefix("sub-"): person
        for subject, person in zip(subjects, persons, strict=True)
        if subject and person
    }


def person_of(subject: str, people: Mapping[str, str], settings: People | None) -> str:
    """Return the person that a subject is, by the table if there is one.

    Raises:
        InputError: the table does not have the subject.
    """
    if settings is None:
        return subject
    if subject.lower() not in people:
        raise InputError(
            f"{settings.file}: has no {settings.subject} {subject!r}, of whom there is a "
            "recording; add it, as its folds depend on it"
        )
    return people[subject.lower()]
