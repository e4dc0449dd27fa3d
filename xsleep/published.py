"""Tables 1 and 2 of the XSleepNet paper (Phan et al.), as published.

``published_table1.csv`` has the sizes of the databases, and where each figure is from; epochs are
those of the authors' file lists, as the paper does not give them.
``published_table2.csv`` restates it in the layout of our own ``table2.csv``. An empty cell is one
that the paper does not report or that cannot be read in it; ``note`` says which.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import pandas as pd

from xsleep.metrics import METRICS
from xsleep.settings import SYSTEMS

TABLE = resources.files("xsleep") / "published_table2.csv"

OURS = "this paper"
"""The authors of the rows whose systems can be run; those of the others are quoted."""

CHANNELS = ("EEG", "EEG-EOG", "EEG-EOG-EMG")
"""The channel sets of Table 2, in its order."""

WINDOWS = {"in-bed+30min-as-published": "in-bed+30min"}
"""Windows that Table 2 reports under another name: its +30 min figures are of the wrapped sets."""


@dataclass(frozen=True)
class Row:
    """One system on one database and window.

    Attributes:
        authors: ``this paper`` or ``earlier work``.
        training: ``from scratch`` or ``transfer``.
        values: per reported channel set, the metrics keyed as ``METRICS`` (percent, kappa a
            fraction), NaN where one is not reported.
        note: what is uncertain about the row; mostly empty.
    """

    database: str
    window: str
    system: str
    authors: str
    training: str
    values: Mapping[str, Mapping[str, float]]
    note: str


@cache
def rows() -> tuple[Row, ...]:
    """All rows of the published Table 2, in its order."""
    with TABLE.open(encoding="utf-8") as file:
        table = pd.read_csv(file).fillna({"note": ""})
    return tuple(
        Row(
            **row[["database", "window", "system", "authors", "training", "note"]],
            values={
                channels: {metric: float(row[f"{channels} {metric}"]) for metric in METRICS}
                for channels in CHANNELS
                if row[[f"{channels} {metric}" for metric in METRICS]].notna().any()
            },
        )
        for _, row in table.iterrows()
    )


@dataclass(frozen=True)
class Size:
    """What is published of a database; ``None`` where nothing is.

    Attributes:
        note: on figures that cannot be met as they stand.
    """

    subjects: int | None = None
    recordings: int | None = None
    epochs: int | None = None
    note: str = ""


@cache
def _sizes() -> dict[tuple[str, str], Size]:
    with (resources.files("xsleep") / "published_table1.csv").open(encoding="utf-8") as file:
        return {
            (row["database"], row["window"]): Size(
                *(int(row[k]) if row[k] else None for k in ("subjects", "recordings", "epochs")),
                row["note"],
            )
            for row in csv.DictReader(file)
        }


def size(database: str, window: str) -> Size:
    """The published size of a database in a window; of another window, without its epochs."""
    found = _sizes().get((database, WINDOWS.get(window, window)))
    if found:
        return found
    others = (other for (name, _), other in _sizes().items() if name == database)
    return replace(next(others, Size()), epochs=None, note="")


@cache
def _by_name() -> dict[tuple[str, str, str], Row]:
    return {(row.database, row.window, row.system): row for row in rows()}


def published(database: str, window: str, system: str, channels: str) -> Mapping[str, float] | None:
    """The published metrics, keyed as ``METRICS``; ``None`` where the paper reports none."""
    found = row(database, window, system)
    return found.values.get(channels) if found else None


def row(database: str, window: str, system: str) -> Row | None:
    """The row of a system; ``None`` where the paper has none."""
    return _by_name().get((database, WINDOWS.get(window, window), system))


def database_windows() -> tuple[tuple[str, str], ...]:
    """The (database, window) pairs of Table 2, in its order."""
    return tuple(dict.fromkeys((row.database, row.window) for row in rows()))


def systems() -> tuple[str, ...]:
    """The systems of the paper itself, in the order of Table 2."""
    return tuple(dict.fromkeys(row.system for row in rows() if row.authors == OURS))


def fault(row: Row) -> str:
    """What is wrong with a row, in a line; empty where nothing is."""
    known = (*SYSTEMS, "FT-XSleepNet")
    if row.authors != OURS or row.system in known:
        return ""
    return (
        f"{TABLE.name}: {row.database}, {row.window}: the system {row.system!r} is not known; "
        f"correct it to one of {', '.join(known)}"
    )


def paper_order(database: str, window: str, system: str, channels: str) -> tuple:
    """Sorts as Table 2 does; what it does not have comes last, by alphabet."""
    return (
        _rank(database, tuple(dict.fromkeys(name for name, _ in database_windows()))),
        _rank((database, window), database_windows()),
        _rank(system, systems()),
        _rank(channels, CHANNELS),
    )


def _rank(name: object, order: Sequence) -> tuple:
    return (order.index(name) if name in order else len(order), name)
