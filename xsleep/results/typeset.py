"""Table 2 on the console, as a page (HTML, self-contained) and as a LaTeX document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from xsleep import systems
from xsleep.config.names import CONTROL, SOURCES, STAGER
from xsleep.core.console_table import console_table
from xsleep.results import published, table2
from xsleep.results.formatting import HEADINGS, entitled, number
from xsleep.results.inference import RESAMPLES
from xsleep.results.table2 import channel_sets, columns, is_measured, shown_together
from xsleep.results.templates import render

TITLE = "Table 2: measured and published"
DAGGER = "†"
EXPLAINED = (
    "Accuracy, MF1, mean sensitivity and mean specificity in percent, kappa a fraction, of the "
    "pooled epochs of all test folds; with several seeds the mean over them.",
    f"95 % interval: bootstrap-t, {RESAMPLES:,} resamples of the subjects; with several seeds "
    "other trainings are in it, with one the networks as they were trained. deviation over seeds: "
    "the standard deviation of the metric over the seeds. difference: measured less published.",
    "measured: trained and scored here; measured from predictions: predictions of others, scored "
    "here; measured with given networks: trained elsewhere on the same folds; measured by another "
    "stager: trained on other data; control: without a network, for comparison.",
    "published: XSleepNet, Phan et al., IEEE TPAMI 2022. quoted: earlier work, as quoted there. In "
    "brackets the references of that paper. digitised: read from the axes of a figure, to 0.1 "
    "point and 0.001 in kappa.",
    f"{DAGGER} not directly comparable: pretrained on another database, or measured on a different "
    "subset of this one, which the notes then say.",
    "Bold: of what is published, as in the paper, where an XSleepNet is better than or equal to "
    "all baselines and comparable earlier work; of what is measured on all recordings, the best of "
    "the column, without other stagers and controls.",
)
SPAN = "95 % interval"
BESIDE = 3
"""Channel sets that a printed page has room for."""


def daggered(database: str, window: str, system: str) -> bool:
    """Return whether a system is not comparable with the others of its database, marked † in the
    paper: pretrained on another database, or measured on a different subset of this one."""
    row = published.row(database, window, system)
    return system in systems.finetuned() or bool(row and row.dagger)


def bold(table: pd.DataFrame) -> pd.DataFrame:
    """Return which metrics of Table 2 are bold: true or false, with the table's index.

    Among published metrics as in the paper (caption of its Table 2): those of an XSleepNet that are
    better than or equal to those of all baselines and of comparable earlier work. Among measured
    metrics, separately, the best of the comparable systems, without stagers that were trained on
    other data and without controls. Values are compared as rounded.
    """
    names = table[["database", "window", "system"]].itertuples(index=False)
    comparable = table[[not daggered(*map(str, name)) for name in names]]
    shown = comparable[columns(*channel_sets(table))].apply(
        lambda values: values.map(lambda value: float(number(value, values.name) or "nan"))
    )
    marks = pd.DataFrame(False, index=table.index, columns=shown.columns)
    for _, block in comparable.groupby(["database", "window"], sort=False):
        measured = is_measured(block) & ~block["source"].isin((STAGER, CONTROL))
        measured &= block["recordings"] == block.loc[measured, "recordings"].max()
        reported = block["source"].isin((table2.PUBLISHED, table2.QUOTED))
        ours = reported & block["system"].isin(published.xsleepnets())
        for rows, others in ((measured, measured), (ours, reported & ~ours)):
            best = shown.loc[others[others].index].max()
            marks.loc[rows[rows].index] = shown.loc[rows[rows].index] >= best
    return marks


def basis(row: pd.Series) -> str:
    """Describe the counts that a measured row of Table 2 is based on."""
    counted = [
        f"{row[many]:,} {many.removesuffix('s') if row[many] == 1 else many}"
        for many in ("subjects", "recordings", "epochs", "folds", "seeds")
    ]
    counted[1] += f" ({row['skipped']:,} skipped)"
    return ", ".join(counted)


def summary(table: pd.DataFrame, console: Console, simulated: Collection[str]) -> None:
    """Print Table 2 in at least 80 columns: one block per database and window.

    Published rows are shown only for systems that were measured. ``simulated`` are the databases
    whose recordings are.
    """
    marks, table = bold(table), shown_together(table, (table2.PUBLISHED, table2.QUOTED))
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        title = entitled(f"{database}, {window}", [str(database)], simulated)
        units = "percent; kappa a fraction"
        shown = console_table(f"{title}\n{units}", ("system", "channels", "source"), HEADINGS)
        for names in shown.columns[:3]:
            names.no_wrap, names.overflow = False, "fold"
        sentences: dict[str, list[str]] = defaultdict(list)
        for channels, row in _lines(block):
            best = marks.loc[[row.name]].iloc[0]
            values = [
                Text(number(row[column], column), "bold" if best[column] else "")
                for column in columns(channels)
            ]
            measured = row["source"] in SOURCES
            style = None if measured else "dim"
            shown.add_row(row["system"], channels, row["source"], *values, style=style)
            if measured:
                sentences[basis(row)].append(f"{row['system']} {channels}")
        console.print(shown)
        for sentence, who in sentences.items():
            console.print(sentence if len(sentences) == 1 else f"{', '.join(who)}: {sentence}")
        console.print()


def _lines(block: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Yield channels and row of each result, measured above published, system by system."""
    for _, rows in block.groupby("system", sort=False):
        for channels in channel_sets(block):
            there = rows[rows[columns(channels)].notna().any(axis=1)]
            if is_measured(there).any():
                yield from ((channels, row) for _, row in there.iterrows())


def html(table: pd.DataFrame, simulated: Collection[str]) -> str:
    """Return a self-contained page of Table 2, as ``xsleep.results.table2.table2`` makes it."""
    return _render("table2.html", table, simulated)


def latex(table: pd.DataFrame, simulated: Collection[str]) -> str:
    """Return a LaTeX document of Table 2, which needs booktabs."""
    return _render("table2.tex", table, simulated, BESIDE)


def _render(
    template: str, table: pd.DataFrame, simulated: Collection[str], beside: int | None = None
) -> str:
    measured = table.loc[is_measured(table), "database"].unique()
    return render(
        template,
        title=entitled(TITLE, measured, simulated),
        explained=EXPLAINED,
        headings=HEADINGS,
        sources=SOURCES,
        blocks=[*_blocks(table, simulated, beside)],
    )


def _blocks(
    table: pd.DataFrame, simulated: Collection[str], beside: int | None
) -> Iterator[dict[str, Any]]:
    """Yield the systems of each database and window, and their different notes in order.

    Of more than ``beside`` channel sets the others follow in blocks of what they have.
    """
    marks = bold(table)
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        there = [c for c in channel_sets(table) if block[columns(c)].notna().any(axis=None)]
        most = beside or max(len(there), 1)
        for first in range(0, max(len(there), 1), most):
            sets = there[first : first + most]
            shown = block[block[columns(*sets)].notna().any(axis=1)] if first else block
            systems = [
                _system(rows, marks.loc[rows.index, columns(*sets)])
                for _, rows in shown.groupby("system", sort=False)
            ]
            notes = list(dict.fromkeys(note for system in systems for note in system["notes"]))
            title = entitled(f"{database}, {window}", [str(database)], simulated)
            yield {"title": title, "channel_sets": sets, "systems": systems, "notes": notes}


def _system(table: pd.DataFrame, marks: pd.DataFrame) -> dict[str, Any]:
    """Return the name, notes and rows of one system: sources, texts, and whether each is bold.

    The two rows of an interval are joined. ``marks`` has the columns to show.
    """
    rows, notes, low = [], [], [""]
    for (_, row), (_, best) in zip(table.iterrows(), marks.iterrows(), strict=True):
        source = row["source"]
        cells = [number(row[column], column) for column in map(str, marks.columns)]
        if source in SOURCES:
            notes.append(basis(row))
        if row["note"]:
            notes.append(row["note"])
        if source == table2.FROM:
            low = cells
            continue
        if source == table2.TO:
            source = SPAN
            cells = [f"{a}–{b}" if a else "" for a, b in zip(low, cells, strict=True)]
        if source == table2.DIFFERENCE:
            cells = [cell if cell[:1] in ("", "-") else f"+{cell}" for cell in cells]
        shown = [cell.replace("-", "−") for cell in cells]
        rows.append((source, list(zip(shown, best, strict=True))))
    names = [str(table[name].iloc[0]) for name in ("database", "window", "system")]
    name = f"{names[2]} {DAGGER}" if daggered(*names) else names[2]
    return {"name": name, "rows": rows, "notes": notes}
