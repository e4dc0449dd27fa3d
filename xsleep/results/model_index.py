"""Measured values of Table 2 as the ``model-index`` of a card of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from xsleep.results.formatting import NOT_SLEEP
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import COUNTS, FROM, NAMES, TO, channel_sets, is_measured

TASK = {"type": "other", "name": "Sleep staging"}

_MACRO = {"average": "macro"}
_METRICS: dict[str, dict[str, Any]] = {
    "accuracy": {"type": "accuracy", "name": "Accuracy (%)"},
    "kappa": {"type": "cohen_kappa", "name": "Cohen's kappa"},
    "MF1": {"type": "f1", "name": "Macro F1 (%)", "args": _MACRO},
    "sensitivity": {"type": "recall", "name": "Mean sensitivity (%)", "args": _MACRO},
    "specificity": {"type": "specificity", "name": "Mean specificity (%)", "args": _MACRO},
}
"""Metric to its type and name in a card."""


@dataclass(frozen=True)
class Measured:
    """Measured values of one system on one channel set, from Table 2.

    Attributes:
        source, note: where they come from, and remarks, as in Table 2.
        counts: what they stand on, by the names in ``COUNTS``.
        values: metric to its value and the ends of its 95 % interval, NaN where there is none.
    """

    database: str
    window: str
    system: str
    source: str
    channels: str
    note: str
    counts: Mapping[str, int]
    values: Mapping[str, tuple[float, float, float]]


def measured(table: pd.DataFrame) -> list[Measured]:
    """Return the measured values of a Table 2, in its order."""
    return [one for channels in channel_sets(table) for one in _of_channels(table, channels)]


def _of_channels(table: pd.DataFrame, channels: str) -> Iterator[Measured]:
    """Yield the measured values on one channel set; the rows of an interval follow their values."""
    columns = [f"{channels} {metric}" for metric in METRICS]
    table = table.astype(dict.fromkeys(columns, float))
    for start in table.index[is_measured(table) & table[columns].notna().any(axis=1)]:
        row, later = table.loc[start], table.loc[start:].iloc[1:3]
        ends = [later[later["source"] == end][columns].squeeze() for end in (FROM, TO)]
        values = zip(*(part.astype(float).tolist() for part in (row[columns], *ends)), strict=True)
        yield Measured(
            **{name: str(row[name]) for name in NAMES},
            channels=channels,
            note=str(row["note"]) if pd.notna(row.get("note")) else "",
            counts={name: int(row[name]) for name in COUNTS},
            values=dict(zip(METRICS, values, strict=True)),
        )


def front_matter(
    facts: Mapping[str, Any], found: Sequence[Measured], simulated: Sequence[str], of: str = ""
) -> str:
    """Return the YAML at the head of a card, with a model for each system that was measured.

    Args:
        facts: further keys, which come first.
        simulated: databases whose recordings are simulated.
        of: what the values are of, after the name of their table and source.
    """
    systems = dict.fromkeys(one.system for one in found)
    index = [
        {"name": name, "results": [_result(o, simulated, of) for o in found if o.system == name]}
        for name in systems
    ]
    content = {**facts, "model-index": index} if index else dict(facts)
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _result(one: Measured, simulated: Sequence[str], of: str) -> dict[str, Any]:
    remark = f" ({NOT_SLEEP})" if one.database in simulated else ""
    return {
        "task": dict(TASK),
        "dataset": {
            "type": one.database,
            "name": f"{one.database}, {one.window}, {one.channels}{remark}",
            "config": f"{one.window}, {one.channels}",
            "split": "test recordings of all folds",
            "args": {"window": one.window, "channels": one.channels, **one.counts},
        },
        "metrics": [
            deepcopy(_METRICS[metric]) | {"value": value, "verified": False}
            for metric, (value, _, _) in one.values.items()
            if not pd.isna(value)
        ],
        "source": {"name": f"Table 2 of xsleep: {one.source}{of}", "url": "table2.csv"},
    }
