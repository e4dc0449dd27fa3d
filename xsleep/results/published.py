"""Published results: Tables 1 and 2 of the XSleepNet paper, and results of the transfer paper.

``published_table2.csv`` restates it in the layout of our own ``table2.csv``. An empty cell is one
that the paper does not report or that cannot be read in it; ``note`` says which. ``digitised`` has
the columns that were read from the axes of the authors' overview figure
(``figure/overall_results.png`` in ``pquochuy/xsleepnet``), to 0.1 point and 0.001 in kappa.
``published_transfer.csv`` is digitised as a whole, likewise, from the figures
``figure/seqsleepnet_finetuning.png`` and ``figure/deepsleepnet_finetuning.png`` in
``pquochuy/sleep_transfer_learning``: on each axis the best and the worst strategy are printed, at
its tip and at a third of it, and the others lie between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep import systems as registered
from xsleep.config.names import SYSTEMS
from xsleep.databases import Size, named
from xsleep.results.metrics import METRICS

TABLE = Path(__file__).with_name("published_table2.csv")

OURS = "this paper"
"""The authors of the rows whose systems can be run; those of the others are quoted."""

CHANNELS = ("EEG", "EEG-EOG", "EEG-EOG-EMG")
"""The channel sets of Table 2, in its order."""

WINDOWS = {"in-bed+30min-as-published": "in-bed+30min"}
"""Windows that Table 2 reports under another name: its +30 min figures are of the wrapped sets."""


def xsleepnets() -> tuple[str, ...]:
    """Return the systems of the XSleepNet paper whose losses are blended adaptively."""
    known = registered.registry().values()
    return tuple(s.name for s in known if s.paper == "XSleepNet" and s.is_blended)


def single_views() -> tuple[str, ...]:
    """Return the systems of the XSleepNet paper that read one view."""
    known = registered.registry().values()
    return tuple(s.name for s in known if s.paper == "XSleepNet" and len(s.views) == 1)


def compares(window: str) -> bool:
    """Return whether measured metrics of a window are comparable with the published ones."""
    return window not in WINDOWS.values()


@dataclass(frozen=True)
class Row:
    """One system on one database and window.

    Attributes:
        authors: ``this paper`` or ``earlier work``.
        dagger: why the paper marks the row as not directly comparable: a network ``pretrained`` on
            another database, or a ``different subset`` of this one; mostly empty.
        values: per reported channel set, the metrics keyed as ``METRICS`` (percent, kappa a
            fraction), NaN where one is not reported.
        digitised: columns that are read from the authors' overview figure, as in ``EEG kappa``.
        note: what is uncertain about the row; mostly empty.
    """

    database: str
    window: str
    system: str
    authors: str
    dagger: str
    values: Mapping[str, Mapping[str, float]]
    digitised: tuple[str, ...]
    note: str

    def remarks(self) -> str:
        """Return the caveats of the row's values, in a line; mostly empty."""
        parts = [self.note]
        if self.dagger == "different subset":
            parts.append("measured on a different subset of the database")
        if self.digitised:
            parts.append(f"digitised from the authors' overview figure: {_listed(self.digitised)}")
        return "; ".join(filter(None, [*parts, fault(self)]))


@cache
def rows() -> tuple[Row, ...]:
    """Read all rows of the published Table 2, in its order."""
    table = pd.read_csv(TABLE).fillna({"note": "", "dagger": "", "digitised": ""})
    return tuple(
        Row(
            **row[["database", "window", "system", "authors", "dagger", "note"]],
            digitised=tuple(filter(None, row["digitised"].split("; "))),
            values={
                channels: {metric: float(row[f"{channels} {metric}"]) for metric in METRICS}
                for channels in CHANNELS
                if row[[f"{channels} {metric}" for metric in METRICS]].notna().any()
            },
        )
        for _, row in table.iterrows()
    )


def size(database: str, window: str) -> Size:
    """Return the published size of a database in a window; without epochs for other windows."""
    known = named(database)
    sizes = known.sizes if known else {}
    if found := sizes.get(WINDOWS.get(window, window)):
        return found
    return replace(next(iter(sizes.values()), Size()), epochs=None, note="")


@cache
def _transfers() -> dict[Any, dict[Any, float]]:
    table = pd.read_csv(TABLE.with_name("published_transfer.csv"))
    names = ["database", "window", "network", "source channels", "channels", "strategy"]
    return table.set_index(names).to_dict("index")


def transferred(
    case: tuple[str, str, str, str, str], strategy: str
) -> tuple[Mapping[str, float], str]:
    """Return the published metrics of a network pretrained on MASS and finetuned, and their origin.

    The case is a database, window, network, and the channel sets of source and target. Metrics are
    keyed as ``METRICS``. The origin is ``digitised``, or ``Table 2`` of the XSleepNet paper; both
    are empty where nothing is published.
    """
    if found := _transfers().get((*case, strategy)):
        return found, "digitised"
    database, window, network, source_channels, channels = case
    known = registered.transferred().get(network)
    if not known or (source_channels, strategy) != (channels, known.strategy):
        return {}, ""
    values = published(database, window, f"FT-{network}", channels)
    return (values, "Table 2") if values else ({}, "")


def published(database: str, window: str, system: str, channels: str) -> Mapping[str, float] | None:
    """Return the published metrics, keyed as ``METRICS``; ``None`` if the paper reports none."""
    found = row(database, window, system)
    return found.values.get(channels) if found else None


def row(database: str, window: str, system: str) -> Row | None:
    """Return the row of a system; ``None`` if the paper has none."""
    key = (database, WINDOWS.get(window, window), system)
    return next((row for row in rows() if (row.database, row.window, row.system) == key), None)


def row_name(database: str, window: str, system: str) -> str:
    """Return the name of the row of a system, which may be given without the paper's references."""
    window = WINDOWS.get(window, window)
    names = [row.system for row in rows() if (row.database, row.window) == (database, window)]
    bare = [name for name in names if name.partition(" [")[0] == system]
    return bare[0] if len(bare) == 1 else system


def database_windows() -> tuple[tuple[str, str], ...]:
    """Return the (database, window) pairs of Table 2, in its order."""
    return tuple(dict.fromkeys((row.database, row.window) for row in rows()))


def systems() -> tuple[str, ...]:
    """Return the systems of the paper itself, in the order of Table 2."""
    return tuple(dict.fromkeys(row.system for row in rows() if row.authors == OURS))


def fault(row: Row) -> str:
    """Return what is wrong with a row, in a line; empty if nothing is."""
    known = (*SYSTEMS, *registered.finetuned())
    if row.authors != OURS or row.system in known:
        return ""
    return (
        f"{TABLE.name}: {row.database}, {row.window}: the system {row.system!r} is not known; "
        f"correct it to one of {', '.join(known)}"
    )


def paper_order(
    database: str, window: str, system: str, channels: str
) -> tuple[tuple[int, Any], ...]:
    """Return a key that sorts as Table 2 does; what it does not have comes last, alphabetically."""
    orders: tuple[tuple[Any, Sequence[Any]], ...] = (
        (database, [*dict.fromkeys(name for name, _ in database_windows())]),
        ((database, window), database_windows()),
        (system, systems()),
        (channels, CHANNELS),
    )
    return tuple(
        (order.index(name) if name in order else len(order), name) for name, order in orders
    )


def _listed(columns: Sequence[str]) -> str:
    """Group columns of Table 2 by channel set, as in ``EEG kappa, MF1; EEG-EOG accuracy``."""
    groups = groupby((column.split(" ") for column in columns), key=itemgetter(0))
    return "; ".join(f"{channels} {', '.join(m for _, m in group)}" for channels, group in groups)
