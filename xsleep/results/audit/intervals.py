"""Measured cells of Table 2 with their intervals, beside the published values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.config.names import MEASURED
from xsleep.results import table2
from xsleep.results.metrics import METRICS

INSIDE, OUTSIDE = "inside", "outside"
NO_INTERVAL, NOT_PUBLISHED = "no interval", "not published"

NAMES = ("database", "window", "system")
SOURCES = {"measured": MEASURED, "from": table2.FROM, "to": table2.TO}
SOURCES |= {"published": table2.PUBLISHED, "difference": table2.DIFFERENCE}

Cell = dict[str, Any]


def cells(path: Path) -> list[Cell]:
    """Return each measured cell of Table 2, and whether the published value is in its interval.

    ``by`` is its distance to the nearer end, negative below the interval, to the decimals of the
    table. There are no cells if the table cannot be read, which a check reports.
    """
    try:
        table = table2.as_measured(table2.read_csv(path))
        systems = table.set_index("source").groupby(list(NAMES), sort=False)
    except (OSError, ValueError, KeyError):
        return []
    found = []
    for names, rows in systems:
        system = dict(zip(NAMES, names, strict=True))
        for column in table.columns:
            channels, _, metric = column.rpartition(" ")
            values = rows[column].dropna() if metric in METRICS else pd.Series()
            if MEASURED in values:
                place = system | {"channels": channels, "metric": metric}
                found.append(place | _compared(values[~values.index.duplicated()]))
    return found


def _compared(values: pd.Series) -> Cell:
    cell = {name: values.get(source) for name, source in SOURCES.items()}
    low, high, published = cell["from"], cell["to"], cell["published"]
    by = 0.0
    if published is None:
        verdict = NOT_PUBLISHED
    elif low is None or high is None:
        verdict = NO_INTERVAL
    else:
        by = round(min(published - low, 0) + max(published - high, 0), 3)
        verdict = OUTSIDE if by else INSIDE
    return cell | {"verdict": verdict, "by": by}
