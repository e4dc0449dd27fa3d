"""Published results: Tables 1 and 2 of the XSleepNet paper, and results of the transfer paper.

``published_table2.csv`` restates it in the layout of our own ``table2.csv``. An empty cell is one
that the paper does not report or that cannot be read in it; ``note`` says which. ``digitised`` has
the columns that are not in the text at hand and were read from the axes of the authors' overview
figure (``figure/overall_results.png`` in ``pquochuy/xsleepnet``), to 0.1 point and 0.001 in kappa.
``published_transfer.csv`` is digitised as a whole, from the figures
``figure/seqsleepnet_finetuning.png`` and ``figure/deepsleepnet_finetuning.png`` in
``pquochuy/sleep_transfer_learning``: on each axis the best and the worst strategy are printed, at
its tip and a third of it, and the others lie between them, to 0.1 point and 0.001 in kappa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from xsleep import systems as registered
from xsleep.config.names import SYSTEMS
from xsleep.databases import Size, named
from xsleep.results.metrics import METRICS

TABLE = resources.files("xsleep.results") / "published_table2.csv"

DIFFERENT_SUBSET = "different subset"

OURS = "this paper"
"""The authors of the rows whose systems can be run; those of the others are quoted."""

FINETUNED_BY = {
    f"FT-{network}": transfer.strategy for network, transfer in registered.transferred().items()
}
"""The finetuning strategy of each finetuned row of Table 2."""

CHANNELS = ("EEG", "EEG-EOG", "EEG-EOG-EMG")
"""The channel sets of Table 2, in its order."""

PARAMETERS = {
    (name, channels): count
    for name, system in registered.registry().items()
    for channels, count in system.parameters.items()
}
"""Trainable parameters that the paper gives (Sections 4.4 and 5): of ARNN+RNN and FCNN+RNN with one
channel, of XSleepNet without saying with how many."""

WINDOWS = {"in-bed+30min-as-published": "in-bed+30min"}
"""Windows that Table 2 reports under another name: its +30 min figures are of the wrapped sets."""


Rank = tuple[int, Any]
"""Place in an order, and the name to sort those by that have none."""


def xsleepnets() -> tuple[str, ...]:
    """Return the systems of the XSleepNet paper whose losses are blended adaptively."""
    known = registered.registry()
    return tuple(name for name in registered.of_paper("XSleepNet") if known[name].is_blended)


def single_views() -> tuple[str, ...]:
    """Return the systems of the XSleepNet paper that read one view."""
    known = registered.registry()
    ours = registered.of_paper("XSleepNet")
    return tuple(name for name in ours if known[name].branches in (("raw",), ("time-frequency",)))


def compares(window: str) -> bool:
    """Return whether measured metrics of a window are comparable with the published ones."""
    return window not in WINDOWS.values()


@dataclass(frozen=True)
class Row:
    """One system on one database and window.

    Attributes:
        authors: ``this paper`` or ``earlier work``.
        dagger: why the paper marks the row as not directly comparable: it is of a network
            ``pretrained`` on another database, or of a ``different subset`` of this one; mostly
            empty.
        values: per reported channel set, the metrics keyed as ``METRICS`` (percent, kappa a
            fraction), NaN where one is not reported.
        digitised: the columns that are read from the authors' overview figure, as in ``EEG kappa``.
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
        if self.dagger == DIFFERENT_SUBSET:
            parts.append("measured on a different subset of the database")
        if self.digitised:
            parts.append(f"digitised from the authors' overview figure: {_listed(self.digitised)}")
        return "; ".join(filter(None, [*parts, fault(self)]))


@cache
def rows() -> tuple[Row, ...]:
    """Read all rows of the published Table 2, in its order."""
    with TABLE.open(encoding="utf-8") as file:
        table = pd.read_csv(file).fillna({"note": "", "dagger": "", "digitised": ""})
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
def _transfers() -> dict[tuple[str, ...], dict[str, float]]:
    with (resources.files("xsleep.results") / "published_transfer.csv").open(
        encoding="utf-8"
    ) as file:
        table = pd.read_csv(file).set_index(
            ["database", "window", "network", "source channels", "channels", "strategy"]
        )
    keys = (tuple(map(str, key)) for key in table.index.to_list())
    values = ({str(metric): row[metric] for metric in row} for row in table.to_dict("records"))
    return dict(zip(keys, values, strict=True))


def transferred(
    database: str, window: str, network: str, source_channels: str, channels: str, strategy: str
) -> tuple[Mapping[str, float], str]:
    """Return the published metrics of a network pretrained on MASS and finetuned, and their origin.

    Metrics are keyed as ``METRICS``. The origin is ``digitised``, or ``Table 2`` of the XSleepNet
    paper; both are empty where nothing is published.
    """
    found = _transfers().get((database, window, network, source_channels, channels, strategy))
    if found:
        return found, "digitised"
    if (source_channels, strategy) != (channels, FINETUNED_BY.get(f"FT-{network}")):
        return {}, ""
    values = published(database, window, f"FT-{network}", channels)
    return (values, "Table 2") if values else ({}, "")


@cache
def _by_name() -> dict[tuple[str, str, str], Row]:
    return {(row.database, row.window, row.system): row for row in rows()}


def published(database: str, window: str, system: str, channels: str) -> Mapping[str, float] | None:
    """Return the published metrics, keyed as ``METRICS``; ``None`` if the paper reports none."""
    found = row(database, window, system)
    return found.values.get(channels) if found else None


def row(database: str, window: str, system: str) -> Row | None:
    """Return the row of a system; ``None`` if the paper has none."""
    return _by_name().get((database, WINDOWS.get(window, window), system))


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


def paper_order(database: str, window: str, system: str, channels: str) -> tuple[Rank, ...]:
    """Return a key that sorts as Table 2 does; what it does not have comes last, alphabetically."""
    return (
        _rank(database, tuple(dict.fromkeys(name for name, _ in database_windows()))),
        _rank((database, window), database_windows()),
        _rank(system, systems()),
        _rank(channels, CHANNELS),
    )


def _rank(name: Any, order: Sequence[Any]) -> Rank:
    return (order.index(name) if name in order else len(order), name)


def _listed(columns: Sequence[str]) -> str:
    """Group columns of Table 2 by channel set, as in ``EEG kappa, MF1; EEG-EOG accuracy``."""
    sets: dict[str, list[str]] = {}
    for column in columns:
        channels, metric = column.split(" ")
        sets.setdefault(channels, []).append(metric)
    return "; ".join(f"{channels} {', '.join(metrics)}" for channels, metrics in sets.items())
