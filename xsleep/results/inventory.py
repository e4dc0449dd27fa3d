"""Inventory of the data before any training: the table of recordings, and Table 1."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from rich.console import Console

from xsleep.config.databases import Folds
from xsleep.config.names import Window
from xsleep.core.arrays import Integers
from xsleep.core.console_table import console_table
from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.recording import DAY_SECONDS, KINDS
from xsleep.core.settings import Settings
from xsleep.core.stages import STAGES
from xsleep.databases import Entry, Source, open_database
from xsleep.databases.formats.channels import as_clock
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window, unusable
from xsleep.results.formatting import entitled
from xsleep.results.published import size
from xsleep.store.recordings import RecordingInfo, read_index

WINDOWS = tuple(window for window in get_args(Window) if window != "whole-night")
"""Windows with a column of their own; the whole night is the column of all epochs."""

NAMED = 5
"""Number of recordings with warnings of a database that are listed; the others are counted."""

HELD_OUT = {"validation subjects": "validation", "training-subset subjects": "training_subset"}
"""Columns of Table 1 to the roles of a fold."""

SIZES = ("subjects", "recordings", "epochs")


def recordings(
    database: str, source: Source, windows: Sequence[Window], infos: Sequence[RecordingInfo]
) -> pd.DataFrame:
    """Return a row for every recording of a database, including the unusable ones.

    Columns: database, recording, subject, files; the label of each channel in the file and its
    sampling rate in Hz, first EEG, EOG and EMG; hours; clock times of lights off and on; scored
    epochs, in all, per stage and in each window; ``skipped``, the reason why the recording is not
    used (it could not be read, or one of the configured windows has too few epochs), empty if it is
    used; and ``warnings``. A cell is empty if its value is unknown.
    """
    entries = {entry.name: entry for entry in open_database(source).entries()}
    owners: dict[str, str] = {}
    channels, rows = _channels(infos), []
    for info in infos:
        entry = entries[info.recording]
        if source.signals and not info.skipped:
            signals = next(iter(info.hashes.values()), info.recording)
            other = owners.setdefault(signals, info.recording)
            if other != info.recording:
                remark = f"{entry.files[0]}: the same signals as {other}; take one away"
                info = replace(info, remarks=(*info.remarks, remark))
        rows.append({"database": database} | _row(info, entry, windows, channels))
    return pd.DataFrame(rows)


def _channels(infos: Iterable[RecordingInfo]) -> list[str]:
    """Return the channels that tables have columns of: EEG, EOG, EMG, then others by name."""
    return [*KINDS, *sorted({channel for info in infos for channel in info.labels} - {*KINDS})]


def _row(
    info: RecordingInfo, entry: Entry, windows: Sequence[Window], channels: Sequence[str]
) -> dict[str, object]:
    row: dict[str, object] = {"recording": info.recording, "subject": info.subject}
    row["files"] = "; ".join(map(str, entry.files))
    for channel in channels:
        row[channel] = info.labels.get(channel, "")
        row[f"{channel} Hz"] = f"{info.rates[channel]:g}" if channel in info.rates else ""
    row["hours"] = "" if info.seconds is None else f"{info.seconds / 3600:.2f}"
    row["lights off"], row["lights on"] = _lights(info)
    if len(info.stages):
        row |= {"epochs": len(info.stages)} | _per_stage(info.stages)
        row |= {window: _count(info, window) for window in WINDOWS}
    else:
        row |= dict.fromkeys(("epochs", *STAGES, *WINDOWS), "")
    row["skipped"] = unusable(info, windows, entry.files[0])
    return row | {"warnings": " | ".join(info.remarks)}


def _lights(info: RecordingInfo) -> tuple[str, str]:
    if info.lights is None or info.start is None:
        return "", ""
    off, on = ((info.start + seconds) % DAY_SECONDS for seconds in info.lights)
    return as_clock(off), as_clock(on)


def _count(info: RecordingInfo, window: Window) -> int | str:
    try:
        return int(np.count_nonzero(in_window(info, window)))
    except InputError:  # it has no lights times, or no sleep
        return ""


def _per_stage(stages: Integers) -> dict[str, int]:
    return dict(zip(STAGES, np.bincount(stages, minlength=len(STAGES)).tolist(), strict=True))


class Described(Settings):
    """Configuration of a database, the rules that its stages were scored by, its published size.

    The size is that in the database's configuration, where the papers of Phan et al. give none.
    """

    scoring: str
    windows: list[Window]
    folds: Folds
    subjects: int | None = None
    recordings: int | None = None


def table1(
    databases: Mapping[str, Described], indexes: Sequence[Path], recordings: Sequence[Path]
) -> pd.DataFrame:
    """Return Table 1 of the XSleepNet paper: a row for each database and window.

    Columns: database, window, scoring; the label of each channel, with the number of recordings if
    there are several; the number of folds, their origin, and the numbers of validation and
    training-subset subjects of a fold (smallest and largest if they differ; empty if there are too
    few subjects for the folds); used subjects and recordings, and skipped ones; epochs per stage
    and in all, in the window; the published values, the difference in epochs, and a note. NaN if
    nothing is published.

    Args:
        databases: Configuration of each database by name.
        indexes: Index of the store of each database.
        recordings: The ``recordings.csv`` of each database.
    """
    rows: list[dict[str, Any]] = []
    read = [[stored.info for stored in read_index(index).values()] for index in indexes]
    channels = _channels(chain.from_iterable(read))
    for (name, described), infos, path in zip(databases.items(), read, recordings, strict=True):
        reasons = read_table(path).set_index("recording")["skipped"]
        used = [info for info in infos if not reasons[info.recording]]
        subjects = {info.subject for info in used}
        row: dict[str, Any] = {channel: _taken(channel, used) for channel in channels}
        row |= {"folds": fold_tables.count(name, described.folds), "split": _split(described.folds)}
        row |= _held_out(name, described.folds, sorted(subjects))
        row |= {"subjects": len(subjects), "recordings": len(used)}
        row |= {"skipped": len(infos) - len(used)}
        for window in described.windows:
            inside = [info.stages[in_window(info, window)] for info in used]
            stages = np.concatenate([np.empty(0, int), *inside]).astype(int)
            published = size(name, window)
            if published.subjects is None:
                numbers = described.subjects, described.recordings
                published = replace(published, subjects=numbers[0], recordings=numbers[1])
            rows.append(
                {"database": name, "window": window, "scoring": described.scoring}
                | row
                | _per_stage(stages)
                | {"epochs": len(stages), "published split": published.setup}
                | {f"published {c}": getattr(published, role) for c, role in HELD_OUT.items()}
                | {f"published {name}": getattr(published, name) for name in SIZES}
                | {"difference in epochs": published.epochs and len(stages) - published.epochs}
                | {"note": published.note}
            )
    published_numbers = [f"published {column}" for column in (*HELD_OUT, *SIZES)]
    whole_numbers = (*published_numbers, "difference in epochs")
    return pd.DataFrame(rows).astype(dict.fromkeys(whole_numbers, "Int64"))


def _taken(channel: str, infos: Sequence[RecordingInfo]) -> str:
    """Return the labels of the channel in the files, the most frequent first."""
    labels = Counter(info.labels[channel] for info in infos if channel in info.labels)
    if len(labels) == 1:
        return next(iter(labels))
    return "; ".join(f"{label} ({count})" for label, count in labels.most_common())


def _held_out(database: str, folds: Folds, subjects: Sequence[str]) -> dict[str, str]:
    """Return the numbers of validation and of training-subset subjects of a fold."""
    try:
        made = (
            fold_tables.published(database, subjects)
            if folds == "published"
            else fold_tables.k_fold(database, subjects, folds)
        )
    except InputError:  # too few subjects: reported when the folds are made
        return dict.fromkeys(HELD_OUT, "")
    sizes = {name: [len(getattr(fold, role)) for fold in made] for name, role in HELD_OUT.items()}
    return {
        name: "-".join(f"{size}" for size in sorted({min(counts), max(counts)}))
        for name, counts in sizes.items()
    }


def _split(folds: Folds) -> str:
    if folds == "published":
        return folds
    return "seeded" if folds.test is None else f"seeded, {folds.test:.0%} test"


def summary(table: pd.DataFrame, console: Console, simulated: Collection[str]) -> None:
    """Print the number of recordings of each database, and list the skipped ones."""
    numbers = ("subjects", "recordings", "skipped", "hours", "epochs")
    title = entitled("Recordings", table["database"].unique(), simulated)
    shown = console_table(title, ("database",), numbers)
    for database, rows in table.groupby("database", sort=False):
        hours, epochs = (pd.to_numeric(rows[column]).sum() for column in ("hours", "epochs"))
        skipped = int((rows["skipped"] != "").sum())
        counts = rows["subject"].nunique(), len(rows), skipped, round(hours), int(epochs)
        shown.add_row(str(database), *(f"{count:,}" for count in counts))
    console.print(shown)
    for line in skipped_lines(table):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for database, rows in table[table["warnings"] != ""].groupby("database", sort=False):
        for _, row in rows.head(NAMED).iterrows():
            line = f"{database} {row['recording']}: warnings: {row['warnings']}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if len(rows) > NAMED:
            console.print(f"{database}: {len(rows) - NAMED} more have warnings", highlight=False)
    console.print()


def skipped_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield a line for each reason for which recordings are skipped, with all of their names."""
    groups = defaultdict(list)
    for _, row in table[table["skipped"] != ""].iterrows():
        reason = row["skipped"].replace(row["recording"], "*")
        groups[row["database"], reason].append(row)
    for (database, reason), (row, *others) in groups.items():
        if others:
            names = ", ".join(one["recording"] for one in (row, *others))
            yield f"{database}: {1 + len(others)} recordings skipped: {reason} ({names})"
        else:
            yield f"{database} {row['recording']}: skipped: {row['skipped']}"


def summary1(table: pd.DataFrame, console: Console, simulated: Collection[str]) -> None:
    """Print Table 1 in at least 80 columns, without the stages; published values beneath."""
    sizes = ("subjects", "recordings", "skipped", "epochs")
    title = entitled("Table 1", table["database"].unique(), simulated)
    shown = console_table(title, ("database", "window"), sizes)
    for _, row in table.iterrows():
        shown.add_row(row["database"], row["window"], *(_thousands(row[name]) for name in sizes))
        published = [_thousands(row.get(f"published {name}", "")) for name in sizes]
        if any(published):
            shown.add_row("", "published", *published, style="dim")
    console.print(shown)


def _thousands(number: str) -> str:
    return f"{int(number):,}" if number else ""
