"""Style shared by the figures: sizes, colours, markers that stay distinct in grey, and saving.

Functions that draw a figure take its ``stem``, the path of its files without suffix, and many the
names of the ``simulated`` databases, which the title tells.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xsleep.config.names import MEASURED
from xsleep.core.files import whole
from xsleep.results.figures import FORMATS
from xsleep.results.table2 import PUBLISHED

Style = dict[str, Any]
"""Keyword arguments of Matplotlib."""

PAGE, COLUMN = 7.16, 3.5
"""Width in inches of a page, and of one of its two columns, in journals of the IEEE."""

DPI = 300
"""Resolution of the PNG and of what is rasterised in the others."""

CHARACTER = 0.068
"""Mean width in inches of a character of the legend and of titles."""

COLOURS = ("#000000", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#CC79A7", "#009E73")
"""Palette of Okabe and Ito, safe for the colour-blind; neighbours differ clearly in lightness."""

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers, which distinguish systems where colour does not."""

SMALL = 7
"""Size in points of the smallest text."""

FONT: dict[Any, Any] = {"font.size": 8, "axes.titlesize": 8, "legend.fontsize": 8}
FONT |= {"xtick.labelsize": SMALL, "ytick.labelsize": SMALL}
FONT |= {"text.parse_math": False, "pdf.fonttype": 42, "svg.hashsalt": "xsleep"}
"""Settings of texts: dollar signs in names are no formulas, fonts are embedded as TrueType."""

LABELS = {"accuracy": "accuracy (%)", "MF1": "MF1 (%)", "kappa": "Cohen's kappa"}
"""Axis label of each metric, in the order of the panels from left to right."""


def tidy(panel: Axes, grid: Literal["x", "y", "both"]) -> None:
    """Draw a faint grid behind the data and remove the frame."""
    panel.grid(axis=grid, color="0.9", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def marker(place: int, source: str = MEASURED) -> Style:
    """Return colour and marker, hollow unless measured, of the system at index ``place``."""
    look = {"color": COLOURS[place % len(COLOURS)], "marker": SHAPES[place % len(SHAPES)]}
    return look | ({} if source == MEASURED else {"markerfacecolor": "white"})


def sources_key(sources: Collection[str]) -> list[Line2D]:
    """Return the legend handles of filled and hollow markers, if there are both."""
    look: Style = {"linestyle": "", "marker": "h", "color": "0.45", "markersize": 5}
    faces = {MEASURED: "0.45", PUBLISHED: "white"}
    if not {*faces} <= {*sources}:
        return []
    return [Line2D([], [], label=s, markerfacecolor=face, **look) for s, face in faces.items()]


def wrapped(text: str, inches: float) -> str:
    """Return a text in as few lines of about this width as it needs, about equally long."""
    widths = range(1, max(int(inches / CHARACTER), 8) + 1)
    of_line = (
        [textwrap.wrap(line, width, break_on_hyphens=False) for width in widths]
        for line in text.split("\n")
    )
    return "\n".join(line for found in of_line for line in min(found, key=len))


def heading(figure: Figure, title: str) -> None:
    """Write a title above the panels, in as many lines as it needs."""
    figure.suptitle(wrapped(title, figure.get_figwidth()), fontsize=9)


def key_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Draw a legend below the panels, in as many columns as there is room for."""
    if handles:
        names = [wrapped(str(handle.get_label()), 1.7) for handle in handles]
        longest = max(len(line) for name in names for line in name.split("\n"))
        columns = max(1, int(figure.get_figwidth() / (0.5 + CHARACTER * longest)))
        below: Style = {"loc": "outside lower center", "frameon": False}
        figure.legend(handles, names, ncols=min(columns, len(handles)), **below)


@contextmanager
def new_figure(stem: str | Path, *, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure, its size in inches, and `save` it when it is drawn."""
    with matplotlib.rc_context(FONT):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        save(figure, stem)


def save(figure: Figure, stem: str | Path) -> None:
    """Write a figure in all ``FORMATS``; equal figures give equal bytes."""
    # The solver of the layout differs in the last bit from one draw to another.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:
        left, bottom, width, height = (round(side, 6) for side in panel.get_position().bounds)
        panel.set_position((left, bottom, width, height))
    for suffix in FORMATS:
        write(figure, Path(f"{stem}.{suffix}"))


def write(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's suffix, without a date."""
    suffix = path.suffix[1:].lower()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
    with matplotlib.rc_context(FONT), whole(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=DPI, metadata=undated)
