"""Table 2: measured metrics with their intervals beside the published ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.config.names import MEASURED, SOURCES, last_of
from xsleep.core.errors import InputError
from xsleep.core.files import csv_file, unmarked_column
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.formatting import number
from xsleep.results.measurements import RunPredictions, SystemResults, gather
from xsleep.results.metrics import METRICS, confusion, decided, of_confusion
from xsleep.results.published import CHANNELS, OURS, WINDOWS, paper_order
from xsleep.store.predictions import Prediction

NAMES = ("database", "window", "system", "source")
COUNTS = ("subjects", "recordings", "skipped", "epochs", "folds", "seeds")
FROM, TO, SPREAD = "95 % from", "95 % to", "deviation over seeds"
PUBLISHED, DIFFERENCE = "published", "difference"
QUOTED, NOT_RUN = "quoted", "not run"

Names = tuple[str, str, str]
"""Database, window and system."""


def columns(*channel_sets: str) -> list[str]:
    """Return the columns of the metrics of these channel sets, as in ``EEG-EOG kappa``."""
    return [f"{channels} {metric}" for channels in channel_sets for metric in METRICS]


def is_measured(table: pd.DataFrame) -> pd.Series:
    """Return which rows of a Table 2 have measured values: true or false, with its index."""
    return table["source"].isin(SOURCES)


def as_measured(table: pd.DataFrame) -> pd.DataFrame:
    """Return a Table 2 whose measured rows all have the source ``measured``."""
    return table.assign(source=table["source"].mask(is_measured(table), MEASURED))


def channel_sets(table: pd.DataFrame) -> list[str]:
    """Return the channel sets that a Table 2 has columns of, in their order."""
    ending = f" {METRICS[0]}"
    return [c.removesuffix(ending) for c in map(str, table.columns) if c.endswith(ending)]


def table2(
    results: Iterable[SystemResults], not_run: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return Table 2 of the XSleepNet paper: measured metrics, their intervals, published ones.

    The folds of a seed are pooled before anything is computed; with several seeds, a metric is
    averaged over seeds.

    Args:
        not_run: Why a published database or system was not measured; by default ``not configured``.

    Returns:
        Databases and windows with measurements first, then the others, both in the paper's order
        (those that are not in the paper last, alphabetically). For each database, window and system
        a row per source: one of ``SOURCES`` (measured) and its 95 % interval over subjects, the
        ``deviation over seeds`` if there are several, ``published`` by the paper, and the
        ``difference``, measured minus published; ``not run`` for systems of the paper that were not
        measured; ``quoted`` for earlier work. Columns: ``NAMES``, ``COUNTS`` (of measured rows),
        `columns` of the paper's ``CHANNELS``, then of others, by name: percent, kappa a fraction,
        NaN if missing; ``note``: why metrics are missing, and remarks. Channel sets of a system
        with different counts have separate rows.
    """
    measured: dict[Names, list[SystemResults]] = defaultdict(list)
    for result in results:
        measured[result.database, result.window, result.system].append(result)
    why = not_run or {}
    table: list[dict[str, Any]] = []
    for names in _all_names(measured):
        reported = published.row(*names)
        differences: dict[str, float] = {}
        if names in measured:
            rows, differences = _measured_rows(names, measured[names], reported)
            table += rows
        elif reported and reported.authors == OURS:
            reason = why.get(names[0], why.get(names[2], "not configured"))
            table.append(_row(names, NOT_RUN, {"note": reason}))
        if reported:
            source = PUBLISHED if reported.authors == OURS else QUOTED
            values = [_block(channels, found) for channels, found in reported.values.items()]
            table.append(_row(names, source, *values, {"note": reported.remarks()}))
        if differences:
            table.append(_row(names, DIFFERENCE, differences))
    own = {result.channels for results in measured.values() for result in results} - {*CHANNELS}
    metrics = columns(*CHANNELS, *sorted(own))
    frame = pd.DataFrame(table, columns=[*NAMES, *COUNTS, *metrics, "note"])
    return frame.astype({count: "Int64" for count in COUNTS})


def _all_names(measured: Mapping[Names, Sequence[SystemResults]]) -> list[Names]:
    """Return the database, window and system of all rows, measured and published, in order.

    Published rows are repeated for each measured window that corresponds to theirs. Other stagers
    and controls come last.
    """
    ran = dict.fromkeys((database, window) for database, window, _ in measured)
    reported = [
        (row.database, window, row.system)
        for row in published.rows()
        for window in [w for d, w in ran if (d, WINDOWS.get(w, w)) == (row.database, row.window)]
        or [row.window]
    ]

    def place(names: Names) -> tuple[Any, ...]:
        database, window, system = names
        row = published.row(*names)
        quoted = reported.index(names) if row and names in reported and row.authors != OURS else -1
        order = paper_order(database, WINDOWS.get(window, window), system, "")
        last = last_of(measured[names][0].source if names in measured else MEASURED)
        return names[:2] not in ran, *order[:2], window, last, quoted, order[2]

    return sorted({*measured, *reported}, key=place)


def _measured_rows(
    names: Names, results: Sequence[SystemResults], reported: published.Row | None
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Return the measured rows of one system, and the differences from the published values."""
    compared = published.compares(names[1])
    tested = [one for one in results if len(one.counts) or one.source == MEASURED]
    lacking = [*dict.fromkeys(line for one in tested for line in (*one.gaps, *one.remarks))]
    if reported:
        run = {result.channels for result in results}
        lacking += [f"{c}: not configured" for c in reported.values if c not in run]
        if not compared:
            (computed,) = (ours for ours, theirs in WINDOWS.items() if theirs == names[1])
            lacking.append(f"published figures are of {computed}: no difference is taken")
    elif names[0] in dict(published.database_windows()):
        lacking.append("not published")
    differences: dict[str, float] = {}
    parts: dict[tuple[object, ...], dict[str, dict[str, Any]]] = {}
    for result in sorted(results, key=lambda result: paper_order(*names, result.channels)):
        if result.counts.empty and result.source != MEASURED:
            parts[(NOT_RUN, result.channels)] = {NOT_RUN: {"note": result.note}}
            continue
        counts = result.numbers(*COUNTS)
        sources = parts.setdefault((result.source, *counts.values()), defaultdict(dict))
        estimates = result.estimates()
        rows = (result.source, FROM, TO)
        for source, values in zip(rows, zip(*estimates.values(), strict=True), strict=True):
            sources[source] |= zip(columns(result.channels), values, strict=True)
        sources[result.source] |= {**counts, "note": "; ".join(lacking)}
        if counts["seeds"] > 1:
            spread = inference.deviation_over_seeds(result.matrices())
            sources[SPREAD] |= _block(result.channels, spread)
        theirs = reported.values.get(result.channels, {}) if reported and compared else {}
        apart = {metric: estimates[metric][0] - value for metric, value in theirs.items()}
        differences |= _block(result.channels, apart)
    every = [source for sources in parts.values() for source in sources.items()]
    return [_row(names, source, values) for source, values in every], differences


def _row(names: Names, source: str, *values: Mapping[str, Any]) -> dict[str, Any]:
    row = dict(zip(NAMES, (*names, source), strict=True)) | {"note": ""}
    return row | {column: value for some in values for column, value in some.items()}


def _block(channels: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{channels} {metric}": value for metric, value in values.items()}


def faults(results: Iterable[SystemResults]) -> list[str]:
    """Return why predictions and published rows are left out of the tables, a line each."""
    gaps = (gap for result in results for gap in result.gaps)
    return [*dict.fromkeys(gaps), *filter(None, map(published.fault, published.rows()))]


def gathered(
    runs: Sequence[RunPredictions], recordings: Mapping[str, Path], report: Callable[[str], object]
) -> list[SystemResults]:
    """Return the results of runs (`gather`), and report what is left out of the tables."""
    results = gather(runs, recordings)
    for line in faults(results):
        report(f"left out: {line}")
    return results


def shown_together(table: pd.DataFrame, sources: Sequence[str] = (PUBLISHED,)) -> pd.DataFrame:
    """Return the rows of Table 2 that are measured or from these sources, of measured systems."""
    of = pd.MultiIndex.from_frame(table[["database", "window", "system"]])
    measured = is_measured(table)
    return table[(measured | table["source"].isin(sources)) & of.isin(of[measured])]


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read the Table 2 that `xsleep.results.formatting.write_csv` wrote, rounded as it is.

    Raises:
        InputError: it is damaged.
    """
    with csv_file(path) as file:
        table = pd.read_csv(file, dtype={count: "Int64" for count in COUNTS})
    return table.fillna({"note": ""}).apply(unmarked_column)


def measured_metrics(table: pd.DataFrame) -> dict[str, Any]:
    """Return the measured metrics of Table 2: ``[database][window][channels][system][metric]``."""
    found: dict[str, Any] = {}
    for _, row in table[is_measured(table)].iterrows():
        window = found.setdefault(row["database"], {}).setdefault(row["window"], {})
        for channels in channel_sets(table):
            values = {metric: row[f"{channels} {metric}"] for metric in METRICS}
            if not any(map(pd.isna, values.values())):
                window.setdefault(channels, {})[row["system"]] = values
    return found


def confusion_table(predictions: Sequence[Prediction]) -> list[dict[str, object]]:
    """Return the confusion matrix in epochs and, in its last line, the metrics over all epochs.

    A line for each true stage and one for ``all``: epochs by predicted stage, their sum, then
    ``METRICS`` as in Table 2.

    Raises:
        InputError: There are no recordings, or as for `xsleep.results.metrics.probabilities`.
    """
    if not predictions:
        raise InputError("no recordings; delete the file and run the fold again")
    matrix = np.sum([confusion(p.stages, decided(p)) for p in predictions], axis=0)
    metrics = {m: number(float(value), m) for m, value in of_confusion(matrix).items()}
    return [
        {"true stage": stage}
        | dict(zip(STAGES, counts.tolist(), strict=True))
        | {"epochs": int(counts.sum())}
        | (metrics if stage == "all" else dict.fromkeys(METRICS, ""))
        for stage, counts in zip((*STAGES, "all"), [*matrix, matrix.sum(axis=0)], strict=True)
    ]
