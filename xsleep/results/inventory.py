"""Inventory of the data before any training: the table of recordings, and Table 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from rich.console import Console

from xsleep.config.databases import KFold
from xsleep.config.names import Window
from xsleep.core.arrays import Integers
from xsleep.core.console_table import console_table
from xsleep.core.errors import InputError
from xsleep.core.files import read_table
from xsleep.core.recording import DAY_SECONDS
from xsleep.core.stages import STAGES
from xsleep.databases import Entry, Source, open_database
from xsleep.databases.formats.channels import as_clock
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window, unusable
from xsleep.results.published import size
from xsleep.store.recordings import RecordingInfo, read_index

CHANNELS = ("EEG", "EOG", "EMG")
WINDOWS = tuple(window for window in get_args(Window) if window != "whole-night")
"""Windows with a column of their own; the whole night is the column of all epochs."""

NAMED = 5
"""Number of skipped recordings of a database listed on the console; the others are counted."""


def recordings(
    database: str, source: Source, windows: Sequence[Window], nights: Iterable[RecordingInfo]
) -> pd.DataFrame:
    """Return a row for every recording of a database, including the unusable ones.

    Columns: database, recording, subject, files; the label of each channel in the file and its
    sampling rate in Hz; hours; clock times of lights off and on; scored epochs, in all, per stage
    and in each window; ``skipped``, the reason why the recording is not used (it could not be read,
    or one of the configured windows has too few epochs), empty if it is used; and ``warnings``. A
    cell is empty if its value is unknown.
    """
    entries = {entry.name: entry for entry in open_database(source).entries()}
    owners: dict[str, str] = {}
    rows = []
    for night in nights:
        entry = entries[night.recording]
        if not night.skipped:
            signals = next(iter(night.hashes.values()), night.recording)
            other = owners.setdefault(signals, night.recording)
            if other != night.recording:
                remark = f"{entry.files[0]}: the same signals as {other}; take one away"
                night = replace(night, remarks=(*night.remarks, remark))
        rows.append({"database": database} | _row(night, entry, windows))
    return pd.DataFrame(rows)


def _row(night: RecordingInfo, entry: Entry, windows: Sequence[Window]) -> dict[str, object]:
    row: dict[str, object] = {
        "recording": night.recording,
        "subject": night.subject,
        "files": "; ".join(map(str, entry.files)),
    }
    for channel in CHANNELS:
        rate = night.rates.get(channel)
        row[channel] = night.labels.get(channel, "")
        row[f"{channel} Hz"] = "" if rate is None else f"{rate:g}"
    row["hours"] = "" if night.seconds is None else f"{night.seconds / 3600:.2f}"
    row["lights off"], row["lights on"] = _lights(night)
    scored = len(night.stages) > 0
    row["epochs"] = len(night.stages) if scored else ""
    row |= _per_stage(night.stages) if scored else dict.fromkeys(STAGES, "")
    row |= {window: _count(night, window) if scored else "" for window in WINDOWS}
    row["skipped"] = unusable(night, windows, entry.files[0])
    return row | {"warnings": " | ".join(night.remarks)}


def _lights(night: RecordingInfo) -> tuple[str, str]:
    if night.lights is None or night.start is None:
        return "", ""
    off, on = ((night.start + seconds) % DAY_SECONDS for seconds in night.lights)
    return as_clock(off), as_clock(on)


def _count(night: RecordingInfo, window: Window) -> int | str:
    try:
        return int(np.count_nonzero(in_window(night, window)))
    except InputError:  # it has no lights times, or no sleep
        return ""


def _per_stage(stages: Integers) -> dict[str, int]:
    return dict(zip(STAGES, np.bincount(stages, minlength=len(STAGES)).tolist(), strict=True))


@dataclass(frozen=True)
class Described:
    """Configuration of a database.

    Attributes:
        scoring: The rules that its stages were scored by.
        windows, folds: As in `xsleep.config.databases.DatabaseSettings`.
    """

    scoring: str
    windows: Sequence[Window]
    folds: KFold | Literal["published"]


def table1(
    databases: Mapping[str, Described], indexes: Sequence[Path], recordings: Sequence[Path]
) -> pd.DataFrame:
    """Return Table 1 of the XSleepNet paper: a row for each database and window.

    Args:
        databases: Configuration of each database by name.
        indexes: Index of the store of each database.
        recordings: The ``recordings.csv`` of each database.

    Returns:
        Columns: database, window, scoring; the label of each channel, with the number of recordings
        if there are several; the number of folds, their origin, and the numbers of validation and
        training-subset subjects of a fold (smallest and largest if they differ; empty if there are
        too few subjects for the folds); used subjects and recordings, and skipped ones; epochs per
        stage and in all, in the window; the published values, the difference in epochs, and a note.
        NaN if nothing is published.
    """
    rows: list[dict[str, Any]] = []
    for (name, described), index, path in zip(databases.items(), indexes, recordings, strict=True):
        reasons = read_table(path).set_index("recording")["skipped"]
        nights = [stored.info for stored in read_index(index).values()]
        used = [night for night in nights if not reasons[night.recording]]
        subjects = {night.subject for night in used}
        held_out = _held_out(name, described.folds, sorted(subjects))
        for window in described.windows:
            inside = [night.stages[in_window(night, window)] for night in used]
            stages = np.concatenate([np.empty(0, int), *inside]).astype(int)
            published = size(name, window)
            difference = published.epochs and len(stages) - published.epochs
            rows.append(
                {"database": name, "window": window, "scoring": described.scoring}
                | {channel: _taken(channel, used) for channel in CHANNELS}
                | {"folds": fold_tables.count(name, described.folds)}
                | {"split": _split(described.folds)}
                | held_out
                | {"subjects": len(subjects)}
                | {"recordings": len(used), "skipped": len(nights) - len(used)}
                | _per_stage(stages)
                | {"epochs": len(stages)}
                | {
                    "published split": published.setup,
                    "published validation subjects": published.validation,
                    "published training-subset subjects": published.training_subset,
                    "published subjects": published.subjects,
                    "published recordings": published.recordings,
                    "published epochs": published.epochs,
                    "difference in epochs": difference,
                    "note": published.note,
                }
            )
    whole_numbers = [
        name
        for name in rows[0]
        if name.startswith(("published ", "difference ")) and name != "published split"
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(whole_numbers, "Int64"))


def _taken(channel: str, nights: Sequence[RecordingInfo]) -> str:
    """Return the labels of the channel in the files, the most frequent first."""
    labels = Counter(night.labels[channel] for night in nights if channel in night.labels)
    if len(labels) == 1:
        return next(iter(labels))
    return "; ".join(f"{label} ({count})" for label, count in labels.most_common())


def _held_out(
    database: str, folds: KFold | Literal["published"], subjects: Sequence[str]
) -> dict[str, str]:
    """Return the numbers of validation and of training-subset subjects of a fold."""
    try:
        made = (
            fold_tables.published(database, subjects)
            if folds == "published"
            else fold_tables.k_fold(database, subjects, folds)
        )
    except InputError:  # too few subjects: reported when the folds are made
        made = []
    roles = {"validation subjects": "validation", "training-subset subjects": "training_subset"}
    sizes = {name: [len(getattr(fold, role)) for fold in made] for name, role in roles.items()}
    return {
        name: "-".join(f"{size}" for size in sorted({min(counts), max(counts)})) if counts else ""
        for name, counts in sizes.items()
    }


def _split(folds: KFold | Literal["published"]) -> str:
    if folds == "published":
        return folds
    return "seeded" if folds.test is None else f"seeded, {folds.test:.0%} test"


def summary(table: pd.DataFrame, console: Console) -> None:
    """Print the number of recordings of each database, and list the skipped ones."""
    numbers = ("subjects", "recordings", "skipped", "hours", "epochs")
    shown = console_table("Recordings", ("database",), numbers)
    for database, rows in table.groupby("database", sort=False):
        hours, epochs = (pd.to_numeric(rows[column]).sum() for column in ("hours", "epochs"))
        skipped = int((rows["skipped"] != "").sum())
        counts = rows["subject"].nunique(), len(rows), skipped, round(hours), int(epochs)
        shown.add_row(str(database), *(f"{count:,}" for count in counts))
    console.print(shown)
    for column, more in (("skipped", "are skipped"), ("warnings", "have warnings")):
        for database, rows in table[table[column] != ""].groupby("database", sort=False):
            for _, row in rows.head(NAMED).iterrows():
                line = f"{database} {row['recording']}: {column}: {row[column]}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            if len(rows) > NAMED:
                console.print(f"{database}: {len(rows) - NAMED} more {more}", highlight=False)
    console.print()


def summary1(table: pd.DataFrame, console: Console) -> None:
    """Print Table 1 in at least 80 columns, without the stages; published values beneath."""
    sizes = ("subjects", "recordings", "skipped", "epochs")
    shown = console_table("Table 1", ("database", "window"), sizes)
    for _, row in table.iterrows():
        shown.add_row(row["database"], row["window"], *(_thousands(row[name]) for name in sizes))
        published = [_thousands(row.get(f"published {name}", "")) for name in sizes]
        if any(published):
            shown.add_row("", "published", *published, style="dim")
    console.print(shown)


def _thousands(number: str) -> str:
    return f"{int(number):,}" if number else ""
