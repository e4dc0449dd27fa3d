"""What the rules up to the folds do: files in, files out.

What takes long to import is imported by the rule that needs it.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from xsleep import folds as fold_tables
from xsleep import store
from xsleep.databases import Database, Entry, open_database, to_fetch
from xsleep.errors import InputError
from xsleep.settings import KFold, RawFilter, Source
from xsleep.stages import STAGES
from xsleep.windows import in_window

SHORTEST = 20
"""Scored epochs that a window of a recording must have: one sequence of the paper (L = 20)."""


def fetch_recordings(source: Source, out: Path, report: Callable[[str], None]) -> None:
    """Fetch the files that are missing in the source's folder, and list them."""
    from xsleep.fetching import fetch

    files = to_fetch(source)
    try:
        fetch(source.folder, files, report)
    except InputError as error:
        raise InputError(
            f"{error} (or set source.fetch.url to a mirror, or put the files into {source.folder})"
        ) from None
    with store.whole(out) as temporary:
        temporary.write_text("".join(f"{file.digest}  {file.name}\n" for file in files))


def prepare(
    source: Source,
    channels: Sequence[str],
    raw_filter: RawFilter,
    names: Sequence[str],
    epochs: Path,
    spectrograms: Path,
    index: Path,
    report: Callable[[str], None],
) -> dict[str, str]:
    """Store these recordings in two folders, and write the index of them.

    One that cannot be used is stored without epochs, with the reason, so that the others go on.
    One that is stored as it would be now is left alone, so that what was done is not lost where
    another of them changed or the job was ended. Returns the reasons by recording.
    """
    database = open_database(source)
    entries = {entry.name: entry for entry in database.entries()}
    settings = {
        "version": store.VERSION,
        "source": source.model_dump(mode="json", exclude={"folder", "fetch", "apply"}),
        "channels": list(channels),
        "raw_filter": raw_filter,
    }
    recipe = json.dumps(settings, sort_keys=True)
    recordings = []
    for number, name in enumerate(names, start=1):
        paths = epochs / f"{name}.h5", spectrograms / f"{name}.h5"
        place = f"{number} of {len(names)}: {name}"
        stored = _as_stored(entries[name], recipe, *paths)
        if stored:
            report(f"{place}: stored already")
        else:
            report(place)
            # No name for the values, which would keep them while the next recording is read.
            stored = _store(*_read(database, entries[name], channels, raw_filter, recipe), *paths)
            if stored.night.skipped:
                report(f"skipped: {stored.night.skipped}")
        recordings.append(stored)
    store.write_index(index, recordings)
    nights = [stored.night for stored in recordings]
    return {night.recording: night.skipped for night in nights if night.skipped}


def _as_stored(entry: Entry, recipe: str, epochs: Path, spectrograms: Path) -> store.Stored | None:
    """A recording that is stored, whole, and made of the files that it has now by this recipe."""
    try:
        stored = store.read_stored(epochs, spectrograms)
        source = store.read_spectrograms_source(spectrograms)
    except InputError:  # not there, or damaged
        return None
    same = (
        not stored.night.skipped
        and stored.night.recipe == recipe
        and all(os.access(path, os.R_OK) for path in entry.files)
        and stored.night.hashes == _hashes(entry)
        and source == store.sha256(epochs)
    )
    return stored if same else None


def _read(
    database: Database,
    entry: Entry,
    channels: Sequence[str],
    raw_filter: RawFilter,
    recipe: str,
) -> tuple[store.Night, Mapping[str, np.ndarray]]:
    """A recording and its epochs by channel; none, and why, where it cannot be used."""
    from xsleep.preprocessing import cut

    try:
        recording = database.read(entry, channels)
        epochs = cut(recording, raw_filter)
        _check_enough(entry, len(epochs.stages), "")
    except InputError as error:
        none = np.empty(0)
        return store.Night(entry.name, entry.subject, none, none, none, skipped=str(error)), {}
    night = store.Night(
        entry.name,
        entry.subject,
        epochs.places,
        epochs.onsets,
        epochs.stages,
        recording.lights,
        hashes=_hashes(entry),
        start=recording.start,
        raw_filter=raw_filter,
        recipe=recipe,
    )
    return night, epochs.signals


def _store(
    night: store.Night, signals: Mapping[str, np.ndarray], epochs: Path, spectrograms: Path
) -> store.Stored:
    """Store the epochs of a recording and their time-frequency images."""
    from xsleep.spectrogram import running_sums, spectrogram

    store.write_epochs(epochs, night, signals)
    images = {channel: spectrogram(values) for channel, values in signals.items()}
    sums = {channel: running_sums(values) for channel, values in images.items()}
    store.write_spectrograms(spectrograms, images, sums, store.sha256(epochs))
    return store.read_stored(epochs, spectrograms)


def _hashes(entry: Entry) -> dict[str, str]:
    return {path.name: store.sha256(path) for path in entry.files}


def _check_enough(entry: Entry, epochs: int, window: str) -> None:
    if epochs < SHORTEST:
        raise InputError(
            f"{entry.files[0]}: {epochs} scored epochs{window}; at least {SHORTEST} are needed, "
            "take the recording away or score more of it"
        )


def make_index(batches: Sequence[Path], out: Path) -> None:
    """Store what is known of all recordings of a database, given the indexes of its batches."""
    recordings = [stored for path in batches for stored in store.read_index(path).values()]
    store.write_index(out, recordings)


def make_folds(
    database: str,
    source: Source,
    windows: Sequence[str],
    settings: KFold | Literal["published"],
    index: Path,
    folds_out: Path,
    recordings_out: Path,
) -> list[str]:
    """Write who trains, validates and tests, and what each recording holds.

    A recording is skipped, with its reason, where it could not be read or where one of the
    configured windows has too few epochs. Returns the reasons.
    """
    files = {entry.name: entry for entry in open_database(source).entries()}
    nights = [stored.night for stored in store.read_index(index).values()]
    rows, used = [], []
    for night in nights:
        reason = night.skipped or _unusable(night, files[night.recording], windows)
        counts = Counter(STAGES[stage] for stage in night.stages)
        rows.append(
            {"recording": night.recording, "subject": night.subject, "epochs": len(night.stages)}
            | {stage: counts[stage] for stage in STAGES}
            | {"skipped": reason}
        )
        if not reason:
            used.append(night)
    write_csv(recordings_out, rows)

    subjects = [night.subject for night in used]
    if settings == "published":
        found = fold_tables.published(database, subjects)
    else:
        found = fold_tables.k_fold(database, subjects, settings)
    names = defaultdict(list)
    for night in used:
        names[night.subject].append(night.recording)
    lines = [
        {"fold": fold.number, "role": role.replace("_", " "), "subject": subject, "recording": name}
        for fold in found
        for role in ("test", "validation", "training", "training_subset")
        for subject in getattr(fold, role)
        for name in names[subject]
    ]
    write_csv(folds_out, lines)
    return [row["skipped"] for row in rows if row["skipped"]]


def _unusable(night: store.Night, entry: Entry, windows: Sequence[str]) -> str:
    try:
        for window in windows:
            inside = np.count_nonzero(in_window(night, window))
            _check_enough(entry, int(inside), f" in the window {window}")
    except InputError as error:
        message = str(error)
        return message if str(entry.files[0]) in message else f"{entry.files[0]}: {message}"
    return ""


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that have the same keys, whole."""
    with store.whole(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
