"""Table 2: measured metrics with their intervals beside the published ones; and the ablation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from xsleep import systems
from xsleep.core import files
from xsleep.core.console_table import console_table
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.measurements import RunPredictions, SystemResults, gather
from xsleep.results.metrics import CLASS_WISE, METRICS, confusion, measure, pooled
from xsleep.results.published import CHANNELS, OURS, WINDOWS, paper_order
from xsleep.store.predictions import Prediction

NAMES = ("database", "window", "system", "source")
COUNTS = ("subjects", "recordings", "skipped", "epochs", "folds", "seeds")
MEASURED, FROM, TO, SPREAD = "measured", "95 % from", "95 % to", "deviation over seeds"
PUBLISHED, DIFFERENCE = "published", "difference"
QUOTED, NOT_RUN = "quoted", "not run"

HEADINGS = dict(zip(METRICS, ("acc.", "kappa", "MF1", "sens.", "spec."), strict=True))

Names = tuple[str, str, str]
"""Database, window and system."""

_DECIMALS = dict.fromkeys([*METRICS, *CLASS_WISE], 1) | {"kappa": 3}


def table2(
    results: Iterable[SystemResults], not_run: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return Table 2 of the XSleepNet paper: measured metrics, their intervals, published ones.

    The folds of a seed are pooled before anything is computed; with several seeds, a metric is
    averaged over seeds.

    Args:
        results: The measured systems.
        not_run: Why a published database or system was not measured; by default ``not configured``.

    Returns:
        Databases and windows with measurements first, then the others, both in the paper's order
        (those that are not in the paper last, alphabetically). For each database, window and system
        a row per source: ``measured`` and its 95 % interval over subjects, the ``deviation over
        seeds`` if there are several, ``published`` by the paper, and the ``difference``, measured
        minus published; ``not run`` for systems of the paper that were not measured; ``quoted`` for
        earlier work. Columns: ``NAMES``, ``COUNTS`` (of ``measured``), ``"{channels} {metric}"``
        for the paper's ``CHANNELS``: percent, kappa a fraction, NaN if missing; ``note``: why cells
        are missing. Channel sets of a system with different counts have separate rows.
    """
    systems: dict[Names, list[SystemResults]] = defaultdict(list)
    for result in results:
        systems[result.database, result.window, result.system].append(result)
    why = not_run or {}
    table = []
    for names in _all_names(systems):
        if names in systems:
            table += _measured_rows(names, systems[names])
        else:
            reasons = [why[name] for name in (names[0], names[2]) if name in why]
            table += _unmeasured_rows(names, reasons[0] if reasons else "not configured")
    metrics = [f"{channels} {metric}" for channels in CHANNELS for metric in METRICS]
    frame = pd.DataFrame(table, columns=[*NAMES, *COUNTS, *metrics, "note"])
    return frame.astype({count: "Int64" for count in COUNTS})


def _all_names(measured: Iterable[Names]) -> list[Names]:
    """Return the database, window and system of all rows, measured and published, in order.

    Published rows are repeated for each measured window that corresponds to theirs.
    """
    windows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for database, window, _ in measured:
        key = database, WINDOWS.get(window, window)
        if window not in windows[key]:
            windows[key].append(window)
    reported = [
        (row.database, window, row.system)
        for row in published.rows()
        for window in windows.get((row.database, row.window), [row.window])
    ]

    def place(names: Names) -> tuple[Any, ...]:
        database, window, system = names
        row = published.row(*names)
        quoted = reported.index(names) if row and names in reported and row.authors != OURS else -1
        order = paper_order(database, WINDOWS.get(window, window), system, "")
        return names[:2] not in ran, *order[:2], window, quoted, order[2]

    ran = {(database, window) for database, window, _ in measured}
    return sorted({*measured, *reported}, key=place)


def _measured_rows(names: Names, results: Sequence[SystemResults]) -> list[dict[str, Any]]:
    """Return the measured rows of one system with their intervals, then the published row."""
    parts: dict[tuple[int, ...], list[SystemResults]] = defaultdict(list)
    for result in sorted(results, key=lambda o: paper_order(*names, o.channels)):
        parts[_counts(result)].append(result)
    reported = published.row(*names)
    lacking = [gap for result in results for gap in result.gaps]
    if reported:
        run = {result.channels for result in results}
        lacking += [f"{c}: not configured" for c in reported.values if c not in run]
        if not published.compares(names[1]):
            (computed,) = (ours for ours, theirs in published.WINDOWS.items() if theirs == names[1])
            lacking.append(f"published figures are of {computed}: no difference is taken")
    elif names[0] in dict(published.database_windows()):
        lacking.append("not published")
    rows = []
    differences: dict[str, float] = {}
    for counts, part in parts.items():
        values: dict[str, dict[str, float]] = defaultdict(dict)
        for result in part:
            matrices = result.matrices()
            found = inference.estimate(matrices)
            spans = inference.intervals(result.matrices("subject"))
            values[MEASURED] |= _block(result.channels, found)
            values[FROM] |= _block(result.channels, {m: low for m, (low, _) in spans.items()})
            values[TO] |= _block(result.channels, {m: high for m, (_, high) in spans.items()})
            if len(matrices) > 1:
                spread = inference.deviation_over_seeds(matrices)
                values[SPREAD] |= _block(result.channels, spread)
            theirs: Mapping[str, float] = {}
            if reported and published.compares(names[1]):
                theirs = reported.values.get(result.channels, {})
            apart = {metric: found[metric] - value for metric, value in theirs.items()}
            differences |= _block(result.channels, apart)
        for source, block in values.items():
            extra = dict(zip(COUNTS, counts, strict=True)) if source == MEASURED else {}
            note = "; ".join(lacking) if source == MEASURED else ""
            rows.append(_line(names, source, block | extra, note))
    if reported:
        rows.append(_published_row(names, reported))
    if differences:
        rows.append(_line(names, DIFFERENCE, differences))
    return rows


def _unmeasured_rows(names: Names, reason: str) -> list[dict[str, Any]]:
    """Return the published row of a system that was not run, and the reason why it was not."""
    row = published.row(*names)
    assert row, f"{names} is neither measured nor published"
    shown = _published_row(names, row)
    return [_line(names, NOT_RUN, {}, reason), shown] if row.authors == OURS else [shown]


def _published_row(names: Names, row: published.Row) -> dict[str, Any]:
    values = {k: v for c, block in row.values.items() for k, v in _block(c, block).items()}
    return _line(names, PUBLISHED if row.authors == OURS else QUOTED, values, row.remarks())


def _line(names: Names, source: str, values: Mapping[str, float], note: str = "") -> dict[str, Any]:
    return {**dict(zip(NAMES, (*names, source), strict=True)), **values, "note": note}


def _counts(result: SystemResults) -> tuple[int, ...]:
    """Return the values of ``COUNTS``."""
    return (
        result.number("subject"),
        result.number("recording"),
        result.skipped,
        result.epochs(),
        result.number("fold"),
        result.number("seed"),
    )


def faults(results: Iterable[SystemResults]) -> list[str]:
    """Return why predictions and published rows are left out of the tables, a line each."""
    gaps = (gap for result in results for gap in result.gaps)
    return [*dict.fromkeys(gaps), *filter(None, map(published.fault, published.rows()))]


def ablation(
    runs: Mapping[str, Sequence[RunPredictions]],
    settings: Mapping[str, Mapping[str, object]],
    recordings: Mapping[str, Path],
) -> pd.DataFrame:
    """Return the effect of each difference between the paper and the released code by itself.

    Args:
        runs: Difference to the runs of one system on one channel set; the first without any
            difference. A difference with the same runs as the first is already as in the paper.
        settings: Difference to the settings that it changes and their values.
        recordings: As for `measurements.gather`; metrics and counts are those of `table2`.

    Returns:
        One row per difference: database, window, channels, system; difference, setting, value, and
        a ``note`` that says ``already`` if it changes nothing; ``COUNTS``; the metrics; and
        ``"change in {metric}"`` against the first row.

    Raises:
        InputError: A file is invalid, or files contradict each other.
    """
    none, *_ = runs.values()
    # Each difference is gathered as a separate system: all must be tested on the same epochs.
    cells = (replace(cell, system=name) for name, run in runs.items() for cell in run)
    results = {result.system: result for result in gather(cells, recordings)}
    rows: list[dict[str, Any]] = []
    for difference, run in runs.items():
        result = results[difference]
        if result.gaps:
            raise InputError(result.gaps[0])
        counts, values = _counts(result), inference.estimate(result.matrices())
        first = rows[0] if rows else values
        rows.append(
            {name: getattr(run[0], name) for name in ("database", "window", "channels", "system")}
            | {
                "difference": difference,
                "setting": ", ".join(settings[difference]),
                "value": ", ".join(map(str, settings[difference].values())),
                "note": "already" if rows and run == none else "",
            }
            | dict(zip(COUNTS, counts, strict=True))
            | values
            | {f"change in {metric}": values[metric] - first[metric] for metric in METRICS}
        )
    return pd.DataFrame(rows)


def daggered(database: str, window: str, system: str) -> bool:
    """Return whether a system is not comparable with the others of its database, marked † in the
    paper: pretrained on another database, or measured on a different subset of this one."""
    row = published.row(database, window, system)
    return system in systems.finetuned() or bool(row and row.dagger)


def bold(table: pd.DataFrame) -> pd.DataFrame:
    """Return which metrics of Table 2 are bold: true or false, with the table's index.

    Among published metrics as in the paper (caption of its Table 2): those of an XSleepNet that are
    better than or equal to those of all baselines and of comparable earlier work. Among measured
    metrics, separately, the best of the comparable systems. Values are compared as rounded.
    """
    columns = [f"{channels} {metric}" for channels in CHANNELS for metric in METRICS]
    marks = pd.DataFrame(False, index=table.index, columns=columns)
    for _, block in table.groupby(["database", "window"], sort=False):
        names = block[["database", "window", "system"]].itertuples(index=False)
        comparable = block[[not daggered(*map(str, name)) for name in names]]
        shown = comparable[columns].apply(
            lambda values: values.map(lambda value: float(number(value, values.name) or "nan"))
        )
        measured = comparable["source"] == MEASURED
        reported = comparable["source"].isin((PUBLISHED, QUOTED))
        ours = reported & comparable["system"].isin(published.xsleepnets())
        for rows, others in ((measured, measured), (ours, reported & ~ours)):
            marks.loc[rows[rows].index] = shown[rows] >= shown[others].max()
    return marks


def shown_together(
    table: pd.DataFrame, sources: Sequence[str] = (MEASURED, PUBLISHED)
) -> pd.DataFrame:
    """Return the rows of Table 2 from these sources, restricted to systems that were measured."""
    names = ["database", "window", "system"]
    of = pd.MultiIndex.from_frame(table[names])
    return table[table["source"].isin(sources) & of.isin(of[table["source"] == MEASURED])]


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table: percentages with one decimal, kappa with three, missing values empty."""
    texts = {
        column: [number(value, column) for value in table[column]]
        for column in table.columns
        if _metric(column) in _DECIMALS
    }
    files.write_csv(path, table.assign(**texts))


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read the Table 2 that `write_csv` wrote, rounded as it is."""
    table = pd.read_csv(path, dtype={count: "Int64" for count in COUNTS})
    return table.fillna({"note": ""})


def measured_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Return the measured metrics of Table 2: ``[database][window][channels][system][metric]``."""
    found: dict[str, Any] = {}
    for _, row in table[table["source"] == MEASURED].iterrows():
        window = found.setdefault(row["database"], {}).setdefault(row["window"], {})
        for channels in CHANNELS:
            values = {metric: row[f"{channels} {metric}"] for metric in METRICS}
            if not any(map(pd.isna, values.values())):
                window.setdefault(channels, {})[row["system"]] = values
    return found


def confusion_table(predictions: Sequence[Prediction]) -> list[dict[str, object]]:
    """Return the confusion matrix in epochs and, in its last line, the metrics over all epochs.

    A line for each true stage and one for ``all``: epochs by predicted stage, their sum, then
    ``METRICS`` as in Table 2.

    Raises:
        InputError: The predictions cannot be pooled.
    """
    true, predicted = pooled(predictions)
    matrix = confusion(true, predicted)
    metrics = {m: number(value, m) for m, value in measure(true, predicted).items()}
    lines = [*zip(STAGES, matrix, strict=True), ("all", matrix.sum(axis=0))]
    return [
        {"true stage": stage}
        | dict(zip(STAGES, counts.tolist(), strict=True))
        | {"epochs": int(counts.sum())}
        | (metrics if stage == "all" else dict.fromkeys(METRICS, ""))
        for stage, counts in lines
    ]


def summary(table: pd.DataFrame, console: Console) -> None:
    """Print Table 2 in at least 80 columns: one block per database and window.

    Published rows are shown only for systems that were measured.
    """
    marks, table = bold(table), shown_together(table, (MEASURED, PUBLISHED, QUOTED))
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        title = f"{database}, {window} (percent; kappa a fraction)"
        shown = console_table(title, ("system", "channels", "source"), tuple(HEADINGS.values()))
        sentences: dict[str, list[str]] = defaultdict(list)
        for system, rows in block.groupby("system", sort=False):
            for channels, source, row in _lines(rows):
                columns = [f"{channels} {metric}" for metric in METRICS]
                bold_ones = marks.loc[[row.name], columns].iloc[0]
                values = [
                    Text(number(row[column], column), "bold" if bold_ones[column] else "")
                    for column in columns
                ]
                style = None if source == MEASURED else "dim"
                shown.add_row(str(system), channels, source, *values, style=style)
                if source == MEASURED:
                    sentences[stands_on(row)].append(f"{system} {channels}")
        console.print(shown)
        for sentence, who in sentences.items():
            console.print(sentence if len(sentences) == 1 else f"{', '.join(who)}: {sentence}")
        console.print()


def _block(channels: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{channels} {metric}": value for metric, value in values.items()}


def number(value: float, column: str) -> str:
    """Format a value: percentages with one decimal, kappa with three, NaN empty."""
    return "" if pd.isna(value) else f"{value:z.{_DECIMALS[_metric(column)]}f}"


def _metric(column: str) -> str:
    return column.rsplit(" ", 1)[-1]


def _lines(rows: pd.DataFrame) -> Iterable[tuple[str, str, pd.Series]]:
    """Yield channels, source and row of each result of one system, measured above published."""
    for column in rows.columns:
        if not column.endswith(" accuracy"):
            continue
        channels = column.removesuffix(" accuracy")
        there = rows[rows[[f"{channels} {metric}" for metric in METRICS]].notna().any(axis=1)]
        if MEASURED in set(there["source"]):
            for _, row in there.iterrows():
                yield channels, row["source"], row


def stands_on(row: pd.Series) -> str:
    """Describe the counts that a measured row of Table 2 is based on."""
    counted = [
        f"{row[many]:,} {many.removesuffix('s') if row[many] == 1 else many}"
        for many in ("subjects", "recordings", "epochs", "folds", "seeds")
    ]
    counted[1] += f" ({row['skipped']:,} skipped)"
    return ", ".join(counted)
