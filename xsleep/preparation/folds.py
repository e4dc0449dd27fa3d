"""Folds of cross-validation: training, validation and test subjects.

A fold has test and validation subjects; all others train. A part of the training subjects, the
training subset, measures the training loss from which the loss weights are derived.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from xsleep.config.databases import KFold
from xsleep.core.errors import InputError
from xsleep.core.files import csv_file, read_csv
from xsleep.databases import named

TOGETHER = ({"test"}, {"validation"}, {"training"}, {"training", "training subset"})
"""Roles of one recording in one fold."""


@dataclass(frozen=True)
class Fold:
    """Subjects of each role; ``training_subset`` is part of ``training``."""

    number: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    training: tuple[str, ...]
    training_subset: tuple[str, ...]


def count(database: str, settings: KFold | Literal["published"]) -> int:
    """Return how many folds a database has."""
    if settings == "published":
        return len(_published(database))
    return settings.folds


def published_subjects(database: str) -> list[str]:
    """Return all subjects of the authors' folds."""
    return sorted({subject for roles in _published(database).values() for subject in roles["test"]})


def check_published(database: str, subjects: Collection[str]) -> None:
    """Check that the authors' folds name subjects of a database, usable or not, and no others.

    Raises:
        InputError: a fold names another.
    """
    for number, roles in _published(database).items():
        for role, named_subjects in roles.items():
            for subject in named_subjects:
                if subject not in subjects:
                    raise InputError(
                        f"{database}: fold {number}: there is no {role} subject {subject!r} among "
                        f"{', '.join(sorted(subjects))}; correct the published folds, or list its "
                        "recordings in `entries`, though missing"
                    )


def published(database: str, subjects: Sequence[str]) -> list[Fold]:
    """Return the authors' folds, of the subjects that can be used.

    Where they had no use for a training subset, SleepEDF-ST, it is drawn, as large as the
    validation set and the same every time.

    Raises:
        InputError: a fold is left without training or validation subjects.
    """
    usable = set(subjects)
    folds = []
    for number, roles in _published(database).items():
        role = {name: tuple(s for s in roles[name] if s in usable) for name in roles}
        training = tuple(sorted(usable.difference(role["test"], role["validation"])))
        subset = role.get("training subset")
        if subset is None:
            size = min(len(role["validation"]), len(training))
            subset = tuple(sorted(random.Random(number).sample(training, size)))
        fold = Fold(number, role["test"], role["validation"], training, subset)
        for name in ("training", "validation", "training_subset"):
            if not getattr(fold, name):
                raise InputError(
                    f"{database}: fold {number} has no {name.replace('_', ' ')} subject among the "
                    f"{len(usable)} usable ones; add recordings or give k-fold settings instead of "
                    "folds: published"
                )
        folds.append(fold)
    return folds


def k_fold(database: str, subjects: Sequence[str], settings: KFold) -> list[Fold]:
    """Return seeded folds: every subject tests once, the other roles are drawn from the rest.

    A single fold is a split: the given fraction of the subjects tests.

    Raises:
        InputError: there are fewer subjects than folds, or too few to validate and train.
    """
    subjects = sorted(set(subjects))
    if len(subjects) < settings.folds:
        raise InputError(
            f"{database}: {len(subjects)} usable subjects for {settings.folds} folds; set folds to "
            f"at most {len(subjects)} or add recordings"
        )
    draw = random.Random(settings.seed)
    order = draw.sample(subjects, len(subjects))
    folds = []
    for index in range(settings.folds):
        if settings.test is None:
            test = order[index :: settings.folds]
        else:
            test = order[: max(1, round(settings.test * len(order)))]
        others = [subject for subject in order if subject not in test]
        if len(others) < settings.validation + settings.training_subset:
            raise InputError(
                f"{database}: fold {index + 1} leaves {len(others)} subjects for "
                f"{settings.validation} validation and {settings.training_subset} training-subset "
                "subjects; lower these in the database's folds"
            )
        validation = draw.sample(others, settings.validation)
        training = [subject for subject in others if subject not in validation]
        subset = draw.sample(training, settings.training_subset)
        roles = (tuple(sorted(role)) for role in (test, validation, training, subset))
        folds.append(Fold(index + 1, *roles))
    return folds


def few(subjects: Sequence[str], count: int, seed: int) -> set[str]:
    """So many of the subjects, drawn at random; those of a smaller count are among them.

    Raises:
        InputError: there are not as many.
    """
    subjects = sorted(set(subjects))
    if count > len(subjects):
        raise InputError(
            f"fold {seed}: {count} of {len(subjects)} training subjects; lower transfer.subjects"
        )
    return set(random.Random(seed).sample(subjects, len(subjects))[:count])


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of ``folds.csv``: a recording, its subject, and a role of it in a fold.

    Raises:
        InputError: the file is damaged: a fold lacks a recording, or has one in several roles.
    """
    roles = defaultdict(set)
    with csv_file(path):
        for row in (rows := read_csv(path)):
            roles[row["fold"], (row["recording"], row["subject"])].add(row["role"])
        folds, used = map(set, zip(*roles, strict=True))
        if len(roles) < len(folds) * len(used) or any(of not in TOGETHER for of in roles.values()):
            raise ValueError("not every recording is in one role of each fold")
    return rows


@cache
def _published(database: str) -> dict[int, dict[str, tuple[str, ...]]]:
    known = named(database)
    return known.published_folds() if known else {}
