"""What the rules up to the folds do: files in, files out.

What takes long to import is imported by the rule that needs it.
"""

from __future__ import annotations

import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from xsleep import folds as fold_tables
from xsleep import store
from xsleep.databases import Database, Entry, open_database, to_fetch
from xsleep.errors import InputError
from xsleep.settings import KFold, RawFilter, Source
from xsleep.windows import check_enough


def fetch_recordings(source: Source, out: Path, report: Callable[[str], None]) -> None:
    """Fetch the files that are missing in the source's folder, and list them."""
    from xsleep.databases import dreams
    from xsleep.fetching import fetch
    from xsleep.servers import key_of, list_files
    from xsleep.unpacking import unpack

    list_files(source, report)
    files = to_fetch(source)
    try:
        fetch(source.folder, files, report, key=key_of(source))
    except InputError as error:
        raise InputError(
            f"{error} (or set source.fetch.url to a mirror, or put the files into "
            f"{source.folder}{source.where_to_apply})"
        ) from None
    if source.reader in dreams.COLLECTIONS:
        for file in files:
            packed = dreams.COLLECTIONS[source.reader].packed
            unpack(source.folder / file.name, source.folder, packed)
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

    none = np.empty(0)
    night = store.Night(
        *(entry.name, entry.subject, none, none, none), raw_filter=raw_filter, recipe=recipe
    )
    try:
        recording = database.read(entry, channels)
        night = replace(
            night,
            lights=recording.lights,
            start=recording.start,
            seconds=min(signal.seconds for signal in recording.signals.values()),
            labels={channel: signal.label for channel, signal in recording.signals.items()},
            rates={channel: signal.rate for channel, signal in recording.signals.items()},
        )
        epochs = cut(recording, raw_filter)
        check_enough(entry.files[0], len(epochs.stages))
    except InputError as error:
        return replace(night, skipped=str(error)), {}
    night = replace(
        night,
        places=epochs.places,
        onsets=epochs.onsets,
        stages=epochs.stages,
        hashes=_hashes(entry),
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


def make_index(batches: Sequence[Path], out: Path) -> None:
    """Store what is known of all recordings of a database, given the indexes of its batches."""
    recordings = [stored for path in batches for stored in store.read_index(path).values()]
    store.write_index(out, recordings)


def make_folds(
    database: str, settings: KFold | Literal["published"], recordings: Path, out: Path
) -> None:
    """Write who trains, validates and tests, of the recordings that are not skipped."""
    names = defaultdict(list)
    with recordings.open(newline="") as file:
        for row in csv.DictReader(file):
            if not row["skipped"]:
                names[row["subject"]].append(row["recording"])
    if not names:
        raise InputError(
            f"{database}: none of its recordings can be used; mend what {recordings} says of each"
        )
    if settings == "published":
        found = fold_tables.published(database, list(names))
    else:
        found = fold_tables.k_fold(database, list(names), settings)
    lines = [
        {"fold": fold.number, "role": role.replace("_", " "), "subject": subject, "recording": name}
        for fold in found
        for role in ("test", "validation", "training", "training_subset")
        for subject in getattr(fold, role)
        for name in names[subject]
    ]
    store.write_csv(out, lines)
