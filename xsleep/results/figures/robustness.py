"""Figure of the accuracy that each system loses under each perturbation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xsleep.core.errors import InputError
from xsleep.results.figures.style import Style, marker, new_figure, tidy
from xsleep.results.formatting import entitled
from xsleep.results.measurements import CASE
from xsleep.results.robustness import FROM, LOSS, NONE, TO

METRIC = "accuracy"
BESIDE = 0.1
"""Inches from the marker of a system to that of the next."""


def draw(table: pd.DataFrame, stem: str | Path, simulated: Collection[str]) -> None:
    """Write the loss of accuracy under each perturbation.

    One panel for each database, window and channel set; a row for each perturbation, with a marker
    and the paired 95 % interval of each system, whose accuracy without perturbation is beside its
    name.

    Args:
        table: as of `xsleep.results.robustness.robustness`.
        simulated: databases whose recordings are simulated.

    Raises:
        InputError: no system was scored.
    """
    scored = table[table[METRIC].notna()]
    panels = [(case, block) for case, block in scored.groupby(list(CASE), sort=False)]
    if not panels:
        raise InputError("robustness: no system was scored; see the notes of the table")
    heights = [_rows(block) * _height(block) + 0.7 for _, block in panels]
    with new_figure(stem, width=7, height=sum(heights)) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for panel, (case, block) in zip(axes, panels, strict=True):
            title = entitled(", ".join(map(str, case)), [str(case[0])], simulated)
            panel.set_title(f"{title}: accuracy lost", loc="left")
            _draw(panel, block)


def _rows(block: pd.DataFrame) -> int:
    return block["perturbation"].nunique() - 1


def _height(block: pd.DataFrame) -> float:
    """Return the height of a row in inches."""
    return BESIDE * block["system"].nunique() + 0.08


def _draw(panel: Axes, block: pd.DataFrame) -> None:
    names = [name for name in block["perturbation"].unique() if name != NONE]
    systems = [*block["system"].unique()]
    step = BESIDE / _height(block)
    for number, system in enumerate(systems):
        own = block[block["system"] == system].set_index("perturbation")
        found = own.reindex(names)[[f"{part} {METRIC}" for part in (LOSS, FROM, TO)]].astype(float)
        loss, low, high = found.to_numpy().T
        places = np.arange(len(names)) + step * (number - (len(systems) - 1) / 2)
        reach = np.nan_to_num([loss - low, high - loss]).clip(0)
        look: Style = {"markersize": 4, "capsize": 1.5, "linewidth": 0.9, "linestyle": "none"}
        label = f"{system} ({own.loc[NONE, METRIC]:.1f} %)"
        panel.errorbar(loss, places, xerr=reach, label=label, **marker(number), **look)
    panel.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    for border in np.arange(len(names) - 1) + 0.5:
        panel.axhline(border, color="0.9", linewidth=0.6, zorder=0)
    panel.set_yticks(range(len(names)), names)
    panel.tick_params("y", length=0)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xlabel("accuracy as recorded minus accuracy perturbed (percentage points)")
    tidy(panel, "x")
    panel.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, borderaxespad=0)
