"""Table 2 of the XSleepNet paper (Phan et al.), as published.

``published_table2.csv`` restates it in the layout of our own ``table2.csv``. An empty cell is one
that the paper does not report or that cannot be read in it; ``note`` says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pandas as pd

from xsleep.metrics import METRICS

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
    with (resources.files("xsleep") / "published_table2.csv").open(encoding="utf-8") as file:
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


@cache
def _by_name() -> dict[tuple[str, str, str], Row]:
    return {(row.database, row.window, row.system): row for row in rows()}


def published(database: str, window: str, system: str, channels: str) -> Mapping[str, float] | None:
    """The published metrics, keyed as ``METRICS``; ``None`` where the paper reports none."""
    row = _by_name().get((database, WINDOWS.get(window, window), system))
    return row.values.get(channels) if row else None


def database_windows() -> tuple[tuple[str, str], ...]:
    """The (database, window) pairs of Table 2, in its order."""
    return tuple(dict.fromkeys((row.database, row.window) for row in rows()))


def systems() -> tuple[str, ...]:
    """The systems of the paper itself, in the order of Table 2."""
    return tuple(dict.fromkeys(row.system for row in rows() if row.authors == "this paper"))
