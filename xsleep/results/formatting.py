"""Metrics of the result tables as text: percentages with one decimal, kappa with three."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from xsleep.core import files
from xsleep.results.metrics import CLASS_WISE, METRICS

HEADINGS = ("acc.", "kappa", "MF1", "sens.", "spec.")
"""Headings of ``METRICS``."""

_DECIMALS = dict.fromkeys([*METRICS, *CLASS_WISE], 1) | {"kappa": 3}

ROUNDED = {metric: 0.5 * 10.0 ** -_DECIMALS[metric] + 1e-9 for metric in METRICS}
"""Most that a metric in a table differs from its value: half of the last decimal."""

NOT_SLEEP = "simulated nights: not sleep"


def entitled(title: str, databases: Collection[str], simulated: Collection[str]) -> str:
    """Return a title of what was measured on databases, which says whether any are simulated."""
    found = [name for name in databases if name in simulated]
    if not found:
        return title
    of = "" if len(found) == len(databases) else f"database {', '.join(found)}: "
    return f"{title} ({of}{NOT_SLEEP})"


def noted(
    table: pd.DataFrame, simulated: Collection[str], column: str = "note", of: str = "database"
) -> pd.DataFrame:
    """Return a table with `NOT_SLEEP` in a column of remarks, where a database is simulated.

    The database of a row is in the column ``of``.
    """
    if not len(table):
        return table
    marks = table[of].isin(list(simulated))
    remarks = zip(table[column].fillna(""), marks, strict=True)
    told = ["; ".join(filter(None, (text, NOT_SLEEP if mark else ""))) for text, mark in remarks]
    return table.assign(**{column: told})


def number(value: float, column: str) -> str:
    """Format a value of a column whose last word is its metric; NaN is empty."""
    return "" if pd.isna(value) else f"{value:z.{_DECIMALS[_metric(column)]}f}"


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table with its metrics as text, missing values empty."""
    texts = {
        column: [number(value, column) for value in table[column]]
        for column in table.columns
        if _metric(column) in _DECIMALS
    }
    files.write_csv(path, table.assign(**texts))


def _metric(column: str) -> str:
    return column.rsplit(" ", 1)[-1]
