"""Figure, not of the paper, of the gain of both views over the better one, by database size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from xsleep import systems
from xsleep.config.names import MEASURED
from xsleep.core.errors import InputError
from xsleep.results.comparisons import paired, shared
from xsleep.results.figures.style import (
    PAGE,
    Style,
    heading,
    key_below,
    marker,
    new_figure,
    sources_key,
    tidy,
)
from xsleep.results.formatting import entitled
from xsleep.results.measurements import CASE, SystemResults
from xsleep.results.published import paper_order, published, single_views
from xsleep.results.table2 import FROM, PUBLISHED, TO

LABELS = {"accuracy": "accuracy (points)", "MF1": "MF1 (points)", "kappa": "Cohen's kappa"}
COLUMNS = [*CASE, "subjects", "source", "metric", "system", "gain", FROM, TO]


def multi_views() -> list[str]:
    """Return the systems whose gain is shown."""
    return [name for name, system in systems.registry().items() if "gain" in system.figures]


def gains(results: Iterable[SystemResults]) -> pd.DataFrame:
    """Return the gain of each of `multi_views` over the better of `single_views`.

    The better one is that with the smaller difference, over the recordings that both tested. One
    row per case, source (``measured``, ``published``), metric and system, where the system and both
    single views were measured: the ``gain`` in the unit of the metric, ``95 % from`` and ``95 %
    to``, the ends of the paired interval of a measured difference over subjects and seeds, and the
    number of ``subjects``.
    """
    cases: dict[tuple[str, str, str], dict[str, SystemResults]] = {}
    for result in results:
        if not result.counts.empty:
            cases.setdefault(result.case, {})[result.system] = result
    rows: list[dict[str, Any]] = []
    for tested in cases.values():
        if {*single_views()} <= tested.keys():
            singles = [tested[name] for name in single_views()]
            for name in multi_views():
                if name in tested:
                    rows += _gained(tested[name], singles)
    return pd.DataFrame(rows, columns=COLUMNS)


def _gained(multi: SystemResults, singles: Sequence[SystemResults]) -> list[dict[str, Any]]:
    pairs = [pair for single in singles if (pair := shared(multi, single))]
    if len(pairs) < len(singles):
        return []
    compared = [paired(*pair, [*LABELS]) for pair in pairs]
    known = [published(*multi.case[:2], s.system, multi.channels) for s in (multi, *singles)]
    reported = [values for values in known if values]
    rows = []
    for metric in LABELS:
        row = multi.names | {"metric": metric, **multi.numbers("subjects")}
        least = min((one[metric] for one in compared), key=lambda values: values["difference"])
        ends = {FROM: least[FROM], TO: least[TO]}
        rows.append(row | {"source": MEASURED, "gain": least["difference"], **ends})
        if len(reported) == len(known):
            ours, *theirs = (values[metric] for values in reported)
            rows.append(row | {"source": PUBLISHED, "gain": ours - max(theirs)})
    return rows


def draw(
    results: Iterable[SystemResults], stem: str | Path, simulated: Collection[str] = ()
) -> None:
    """Write the gains, with the smallest database at the top.

    One row of panels per channel set and one column per metric. Measured gains have filled markers
    with their paired 95 % interval, published ones hollow markers.

    Raises:
        InputError: No gain was measured.
    """
    gained = gains(results)
    if gained.empty:
        raise InputError(
            "gain: no gain is measured; train ARNN+RNN, FCNN+RNN and a system of both views"
        )
    gained = gained.sort_values("subjects", kind="stable")
    sets = sorted({*gained["channels"]}, key=lambda c: paper_order("", "", "", c))
    shown = [system for system in multi_views() if system in {*gained["system"]}]
    blocks = [gained[gained["channels"] == channels] for channels in sets]
    places = [block[["database", "window"]].drop_duplicates() for block in blocks]
    heights = [len(of) * (0.14 + 0.12 * len(shown)) for of in places]
    with new_figure(stem, width=PAGE, height=1.3 + 0.4 * len(sets) + sum(heights)) as figure:
        title = "Gain of both views over the better single view"
        heading(figure, entitled(title, list(dict.fromkeys(gained["database"])), simulated))
        rows = figure.subplots(
            len(sets), len(LABELS), sharex="col", sharey="row", squeeze=False, height_ratios=heights
        )
        for row, channels, block, of in zip(rows, sets, blocks, places, strict=True):
            row[0].set_title(channels, loc="left", fontweight="bold")
            names = list(of.itertuples(index=False, name=None))
            for panel, metric in zip(row, LABELS, strict=True):
                _panel(panel, block[block["metric"] == metric], names, shown)
            row[0].set_yticks(range(len(names)), ["\n".join(name) for name in names])
        for panel, label in zip(rows[-1], LABELS.values(), strict=True):
            panel.set_xlabel(f"gain in {label}")
        key = [Line2D([], [], label=name, **_look(name, MEASURED)) for name in shown]
        key += sources_key({*gained["source"]})
        if gained[FROM].notna().any():
            key.append(Line2D([], [], label="paired 95 % interval", color="0.45", linewidth=1))
        key_below(figure, key)


def _panel(
    panel: Axes, gained: pd.DataFrame, names: Sequence[tuple[str, str]], shown: Sequence[str]
) -> None:
    for row in gained.to_dict("records"):
        beside = shown.index(row["system"]) - (len(shown) - 1) / 2
        y = names.index((row["database"], row["window"])) + 0.75 * beside / len(shown)
        look = _look(row["system"], row["source"])
        panel.plot([row[FROM], row[TO]], [y, y], color=look["color"], linewidth=1)
        panel.plot(row["gain"], y, **look)
    panel.axvline(0, color="0.3", linewidth=0.8, zorder=1)
    panel.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.margins(x=0.08)
    panel.tick_params(axis="y", length=0)
    tidy(panel, "x")


def _look(system: str, source: str) -> Style:
    return marker(multi_views().index(system), source) | {"linestyle": "", "markersize": 4.5}
