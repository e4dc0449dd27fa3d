"""Table 2: what was measured, how sure that is, and what the paper reports; and the ablation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.text import Text

from xsleep import systems
from xsleep.core import files
from xsleep.core.console_table import console_table
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.measurements import Cell, Outcome, gather
from xsleep.results.metrics import CLASS_WISE, METRICS, confusion, measure, pooled
from xsleep.results.published import CHANNELS, OURS, WINDOWS, paper_order
from xsleep.store.predictions import Prediction

NAMES = ("database", "window", "system", "source")
COUNTS = ("subjects", "recordings", "skipped", "epochs", "folds", "seeds")
MEASURED, FROM, TO, SPREAD = "measured", "95 % from", "95 % to", "deviation over seeds"
PUBLISHED, DIFFERENCE = "published", "difference"
QUOTED, NOT_RUN = "quoted", "not run"

HEADINGS = dict(zip(METRICS, ("acc.", "kappa", "MF1", "sens.", "spec."), strict=True))

_DECIMALS = dict.fromkeys([*METRICS, *CLASS_WISE], 1) | {"kappa": 3}


def table2(outcomes: Iterable[Outcome], not_run: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Table 2 of the XSleepNet paper, whole: measured, published, and how sure that is.

    The folds of a seed are pooled before anything is computed; with several seeds, a metric is the
    mean of the seeds' metrics.

    Args:
        outcomes: what was measured.
        not_run: why nothing of a published database, or else system, was measured; ``not
            configured`` where it is not told.

    Returns:
        The databases and windows of which something was measured, then the others, both in the
        paper's order (what the paper does not have comes last, by alphabet); for each database,
        window and system a row for each source that there is: ``measured`` and its 95 % interval
        over subjects, the ``deviation over seeds`` where there are several, ``published``
        by the paper, and the ``difference``, measured less published; ``not run`` where the paper
        has what was not measured; ``quoted`` for earlier work. Columns: ``NAMES``, ``COUNTS`` (of
        ``measured``), ``"{channels} {metric}"`` for the paper's ``CHANNELS``: percent,
        kappa a fraction, NaN where there is nothing; ``note``: why cells are missing. Channel sets
        of one system that do not stand on the same counts get rows of their own.
    """
    systems: dict[tuple, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        systems[outcome.database, outcome.window, outcome.system].append(outcome)
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


def _all_names(measured: Iterable[tuple]) -> list[tuple[str, str, str]]:
    """Database, window and system of all rows, measured and published, in order.

    What the paper reports of a window stands with the windows that it is of and that were measured.
    """
    windows: dict[tuple, list[str]] = defaultdict(list)
    for database, window, _ in measured:
        key = database, WINDOWS.get(window, window)
        if window not in windows[key]:
            windows[key].append(window)
    reported = [
        (row.database, window, row.system)
        for row in published.rows()
        for window in windows.get((row.database, row.window), [row.window])
    ]

    def place(names: tuple[str, str, str]) -> tuple:
        database, window, system = names
        quoted = reported.index(names) if names in reported and _row(names).authors != OURS else -1
        order = paper_order(database, WINDOWS.get(window, window), system, "")
        return names[:2] not in ran, *order[:2], window, quoted, order[2]

    ran = {(database, window) for database, window, _ in measured}
    return sorted({*measured, *reported}, key=place)


def _measured_rows(names: tuple[str, str, str], outcomes: Sequence[Outcome]) -> list[dict]:
    """Measured rows of one system, with their intervals, then what is published beside them."""
    parts: dict[tuple, list[Outcome]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda o: paper_order(*names, o.channels)):
        parts[_counts(outcome)].append(outcome)
    reported = _row(names)
    lacking = [gap for outcome in outcomes for gap in outcome.gaps]
    if reported:
        run = {outcome.channels for outcome in outcomes}
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
        for outcome in part:
            matrices = outcome.matrices()
            found = inference.estimate(matrices)
            spans = inference.intervals(outcome.matrices("subject"))
            values[MEASURED] |= _block(outcome.channels, found)
            values[FROM] |= _block(outcome.channels, {m: low for m, (low, _) in spans.items()})
            values[TO] |= _block(outcome.channels, {m: high for m, (_, high) in spans.items()})
            if len(matrices) > 1:
                spread = inference.deviation_over_seeds(matrices)
                values[SPREAD] |= _block(outcome.channels, spread)
            comparable = reported and published.compares(names[1])
            theirs = reported.values.get(outcome.channels, {}) if comparable else {}
            apart = {metric: found[metric] - value for metric, value in theirs.items()}
            differences |= _block(outcome.channels, apart)
        for source, block in values.items():
            extra = dict(zip(COUNTS, counts, strict=True)) if source == MEASURED else {}
            note = "; ".join(lacking) if source == MEASURED else ""
            rows.append(_line(names, source, block | extra, note))
    if reported:
        rows.append(_published_row(names))
    if differences:
        rows.append(_line(names, DIFFERENCE, differences))
    return rows


def _unmeasured_rows(names: tuple[str, str, str], reason: str) -> list[dict]:
    """What is published of a system that was not run, and why it was not."""
    if _row(names).authors == OURS:
        return [_line(names, NOT_RUN, {}, reason), _published_row(names)]
    return [_published_row(names)]


def _published_row(names: tuple[str, str, str]) -> dict:
    row = _row(names)
    values = {k: v for c, block in row.values.items() for k, v in _block(c, block).items()}
    return _line(names, PUBLISHED if row.authors == OURS else QUOTED, values, row.remarks())


def _line(names: tuple, source: str, values: Mapping, note: str = "") -> dict:
    return dict(zip(NAMES, (*names, source), strict=True)) | dict(values) | {"note": note}


def _row(names: tuple[str, str, str]) -> published.Row | None:
    return published.row(*names)


def _counts(outcome: Outcome) -> tuple[int, ...]:
    """As ``COUNTS``."""
    return (
        outcome.number("subject"),
        outcome.number("recording"),
        outcome.skipped,
        outcome.epochs(),
        outcome.number("fold"),
        outcome.number("seed"),
    )


def faults(outcomes: Iterable[Outcome]) -> list[str]:
    """All that is left out of the tables because it cannot be used, a line each."""
    gaps = (gap for outcome in outcomes for gap in outcome.gaps)
    return [*dict.fromkeys(gaps), *filter(None, map(published.fault, published.rows()))]


def ablation(
    runs: Mapping[str, Sequence[Cell]],
    settings: Mapping[str, Mapping[str, object]],
    recordings: Mapping[str, Path],
) -> pd.DataFrame:
    """What each difference between the paper and the released code changes, switched alone.

    Args:
        runs: difference to the runs of one system on one channel set; the first has none switched.
            A difference that has the same runs is one that was as in the paper already.
        settings: difference to the settings that it switches and their values.
        recordings: as for `measurements.gather`; metrics and counts are those of `table2`.

    Returns:
        One row per difference: database, window, channels, system; difference, setting, value, and
        in ``note`` whether it was so ``already``; ``COUNTS``; the metrics; and
        ``"change in {metric}"`` against the first row.

    Raises:
        InputError: a file that cannot be used, or files that contradict each other.
    """
    none, *_ = runs.values()
    # Each difference is gathered as a system of its own: all are to be tested on the same epochs.
    cells = (replace(cell, system=name) for name, run in runs.items() for cell in run)
    outcomes = {outcome.system: outcome for outcome in gather(cells, recordings)}
    rows: list[dict] = []
    for difference, run in runs.items():
        outcome = outcomes[difference]
        if outcome.gaps:
            raise InputError(outcome.gaps[0])
        counts, values = _counts(outcome), inference.estimate(outcome.matrices())
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

    Of the published ones as in the paper (caption of its Table 2): those of an XSleepNet that are
    better than or equal to those of all baselines and of the earlier work that is comparable. Of
    the measured ones, apart, the best of the comparable systems. Values count as they are shown.
    """
    columns = [f"{channels} {metric}" for channels in CHANNELS for metric in METRICS]
    marks = pd.DataFrame(False, index=table.index, columns=columns)
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        comparable = block[[not daggered(database, window, str(s)) for s in block["system"]]]
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
    """Of Table 2 the rows of these sources, of the systems that were measured."""
    names = ["database", "window", "system"]
    of = pd.MultiIndex.from_frame(table[names])
    return table[table["source"].isin(sources) & of.isin(of[table["source"] == MEASURED])]


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table: percents with one decimal, kappa with three, empty where there is nothing."""
    texts = {
        column: [number(value, column) for value in table[column]]
        for column in table.columns
        if _metric(column) in _DECIMALS
    }
    files.write_csv(path, table.assign(**texts))


def read_csv(path: str | Path) -> pd.DataFrame:
    """The Table 2 that ``write_csv`` wrote, to its decimals."""
    table = pd.read_csv(path, dtype={count: "Int64" for count in COUNTS})
    return table.fillna({"note": ""})


def measured_metrics(table: pd.DataFrame) -> dict[str, dict]:
    """What a Table 2 has measured: ``[database][window][channels][system][metric]``."""
    found: dict[str, dict] = {}
    for _, row in table[table["source"] == MEASURED].iterrows():
        window = found.setdefault(row["database"], {}).setdefault(row["window"], {})
        for channels in CHANNELS:
            values = {metric: row[f"{channels} {metric}"] for metric in METRICS}
            if not any(map(pd.isna, values.values())):
                window.setdefault(channels, {})[row["system"]] = values
    return found


def confusion_table(predictions: Sequence[Prediction]) -> list[dict[str, object]]:
    """Confusion matrix in epochs and, in its last line, the metrics over all epochs.

    A line for each true stage and one for ``all``: epochs by predicted stage, their sum, then
    ``METRICS`` as in Table 2.

    Raises:
        InputError: predictions that cannot be pooled.
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

    Of what is published, only what is beside something measured is shown.
    """
    marks, table = bold(table), shown_together(table, (MEASURED, PUBLISHED, QUOTED))
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        title = f"{database}, {window} (percent; kappa a fraction)"
        shown = console_table(title, ("system", "channels", "source"), tuple(HEADINGS.values()))
        sentences: dict[str, list[str]] = defaultdict(list)
        for system, rows in block.groupby("system", sort=False):
            for channels, source, row in _lines(rows):
                columns = [f"{channels} {metric}" for metric in METRICS]
                values = [
                    Text(number(row[column], column), "bold" if marks.loc[row.name, column] else "")
                    for column in columns
                ]
                style = None if source == MEASURED else "dim"
                shown.add_row(system, channels, source, *values, style=style)
                if source == MEASURED:
                    sentences[stands_on(row)].append(f"{system} {channels}")
        console.print(shown)
        for sentence, who in sentences.items():
            console.print(sentence if len(sentences) == 1 else f"{', '.join(who)}: {sentence}")
        console.print()


def _block(channels: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{channels} {metric}": value for metric, value in values.items()}


def number(value: float, column: str) -> str:
    """A value as it is shown: percents with one decimal, kappa with three, NaN as nothing."""
    return "" if pd.isna(value) else f"{value:z.{_DECIMALS[_metric(column)]}f}"


def _metric(column: str) -> str:
    return column.rsplit(" ", 1)[-1]


def _lines(rows: pd.DataFrame) -> Iterable[tuple[str, str, pd.Series]]:
    """Channels, source and row of what there is of one system, measured above published."""
    for column in rows.columns:
        if not column.endswith(" accuracy"):
            continue
        channels = column.removesuffix(" accuracy")
        there = rows[rows[[f"{channels} {metric}" for metric in METRICS]].notna().any(axis=1)]
        if MEASURED in set(there["source"]):
            for _, row in there.iterrows():
                yield channels, row["source"], row


def stands_on(row: pd.Series) -> str:
    """What a measured row of Table 2 stands on, in words."""
    counted = [
        f"{row[many]:,} {many.removesuffix('s') if row[many] == 1 else many}"
        for many in ("subjects", "recordings", "epochs", "folds", "seeds")
    ]
    counted[1] += f" ({row['skipped']:,} skipped)"
    return ", ".join(counted)
