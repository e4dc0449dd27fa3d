"""Figure of the change of accuracy with each difference or variant of the ablation."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep.results.ablation import CHANGE, FROM, TO
from xsleep.results.figures.style import PAGE, Style, heading, marker, new_figure, tidy
from xsleep.results.formatting import entitled
from xsleep.results.measurements import CASE

METRIC = "accuracy"
ROW = 0.19
"""Height of a row in inches."""


def draw(table: pd.DataFrame, stem: str | Path, simulated: Collection[str] = ()) -> None:
    """Write the change of accuracy of each row but the first, with its paired 95 % interval.

    Rows that change nothing have a hollow marker at zero.

    Args:
        table: as of `xsleep.results.ablation.ablation`.
        simulated: databases whose recordings are simulated.
    """
    first, rows = table.iloc[0], table.iloc[1:]
    places = np.arange(len(rows))
    parts = rows[[part.format(METRIC) for part in (CHANGE, FROM, TO)]].astype(float)
    change, low, high = parts.to_numpy().T
    reach = np.nan_to_num([change - low, high - change]).clip(0)
    already = rows["note"].str.startswith("already").to_numpy()
    look: Style = {"markersize": 4, "capsize": 2, "linewidth": 0.9, "linestyle": "none"}
    with new_figure(stem, width=PAGE, height=ROW * len(rows) + 0.9) as figure:
        panel = figure.subplots()
        of = [str(first[name]) for name in CASE]
        heading(figure, entitled(", ".join([*of, str(first["system"])]), of[:1], simulated))
        for shown, face in ((~already, marker(0)), (already, marker(0, ""))):
            panel.errorbar(change[shown], places[shown], xerr=reach[:, shown], **face, **look)
        panel.axvline(0, color="0.4", linewidth=0.8, zorder=1)
        panel.set_yticks(places, rows["difference"])
        panel.tick_params("y", length=0)
        panel.set_ylim(len(rows) - 0.5, -0.5)
        of_first = f"{first[METRIC]:.1f} %"
        panel.set_xlabel(f"change of accuracy from {of_first} (percentage points)")
        tidy(panel, "both")
