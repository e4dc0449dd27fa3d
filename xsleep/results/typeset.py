"""Table 2 as a page (HTML, self-contained) and as a LaTeX document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xsleep.results.inference import RESAMPLES
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import (
    DIFFERENCE,
    FROM,
    HEADINGS,
    MEASURED,
    NOT_RUN,
    PUBLISHED,
    QUOTED,
    TO,
    bold,
    daggered,
    number,
    stands_on,
)
from xsleep.results.templates import render

TITLE = "Table 2: measured and published"
DAGGER = "†"
EXPLAINED = (
    "Accuracy, MF1, mean sensitivity and mean specificity in percent, kappa a fraction, of the "
    "pooled epochs of all test folds; with several seeds the mean over them.",
    f"95 % interval: bootstrap-t, {RESAMPLES:,} resamples of the subjects; with several seeds "
    "other trainings are in it, with one the networks as they were trained. deviation over seeds: "
    "of the metric of each seed. difference: measured less published.",
    "published: XSleepNet, Phan et al., IEEE TPAMI 2022. quoted: earlier work, as quoted there. In "
    "brackets the references of that paper. digitised: read from the axes of a figure, to 0.1 "
    "point and 0.001 in kappa.",
    f"{DAGGER} not directly comparable: pretrained on another database, or measured on a different "
    "subset of this one, which the notes then say.",
    "Bold: of what is published, as in the paper, where an XSleepNet is better than or equal to "
    "all baselines and comparable earlier work; of what is measured, the best of the column.",
)
SPAN = "95 % interval"

_Row = tuple[str, Sequence[tuple[str, bool]]]


@dataclass(frozen=True)
class _System:
    """The rows of one system.

    Attributes:
        name: with a dagger where it is not directly comparable.
        rows: each a source and its cells by channel set and metric: text, and whether it is bold.
        notes: on all rows.
    """

    name: str
    rows: Sequence[_Row]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Block:
    """The systems of one database and window."""

    database: str
    window: str
    channel_sets: Sequence[str]
    systems: Sequence[_System]

    @property
    def notes(self) -> list[str]:
        """The different notes of all systems, in order."""
        return list(dict.fromkeys(note for system in self.systems for note in system.notes))

    def marks(self, system: _System) -> list[int]:
        """The numbers of a system's notes, from 1."""
        return [self.notes.index(note) + 1 for note in system.notes]


def html(table: pd.DataFrame) -> str:
    """Return a self-contained page of Table 2, as ``xsleep.results.table2.table2`` makes it."""
    return render("table2.html", **_context(table), looks=_LOOKS)


def latex(table: pd.DataFrame) -> str:
    """Return a LaTeX document of Table 2, which needs booktabs."""
    return render("table2.tex", **_context(table))


def _context(table: pd.DataFrame) -> dict[str, Any]:
    headings = list(HEADINGS.values())
    blocks = list(_blocks(table))
    return {"title": TITLE, "explained": EXPLAINED, "headings": headings, "blocks": blocks}


def _blocks(table: pd.DataFrame) -> Iterator[_Block]:
    every = [
        column.removesuffix(" accuracy")
        for column in map(str, table.columns)
        if column.endswith(" accuracy")
    ]
    marks = bold(table)
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        there = [
            channels
            for channels in every
            if block[[f"{channels} {m}" for m in METRICS]].notna().any(axis=None)
        ]
        columns = [f"{channels} {metric}" for channels in there for metric in METRICS]
        systems = [
            _System(
                f"{name} {DAGGER}"
                if daggered(str(database), str(window), str(name))
                else str(name),
                *_rows(rows, marks.loc[rows.index, columns]),
            )
            for name, rows in block.groupby("system", sort=False)
        ]
        yield _Block(str(database), str(window), there, systems)


def _rows(system: pd.DataFrame, marks: pd.DataFrame) -> tuple[list[_Row], list[str]]:
    """Return the rows and notes of one system, with the two rows of an interval joined.

    Args:
        system: its rows of Table 2.
        marks: whether each cell is bold, of the same rows and the columns to show.
    """
    rows: list[_Row] = []
    notes: list[str] = []
    low: list[str] = []
    for (_, row), (_, best) in zip(system.iterrows(), marks.iterrows(), strict=True):
        source = row["source"]
        cells = [number(row[column], column) for column in map(str, marks.columns)]
        if source == MEASURED:
            notes.append(stands_on(row))
        if row["note"]:
            notes.append(row["note"])
        if source == FROM:
            low = cells
            continue
        if source == TO:
            source = SPAN
            cells = [f"{a}–{b}" if a else "" for a, b in zip(low, cells, strict=True)]
        if source == DIFFERENCE:
            cells = [cell if cell[:1] in ("", "-") else f"+{cell}" for cell in cells]
        shown = [cell.replace("-", "−") for cell in cells]
        rows.append((source, list(zip(shown, best, strict=True))))
    return rows, notes


_LOOKS = {MEASURED: "measured", PUBLISHED: "published", QUOTED: "elsewhere", NOT_RUN: "elsewhere"}
