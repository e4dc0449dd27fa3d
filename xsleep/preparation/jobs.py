"""Jobs of the rules up to the folds: files in, files out.

Slow imports are local to the job that needs them.
"""

from __future__ import annotations

import inspect
import json
import os
import random
import traceback
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from xsleep.config.databases import KFold
from xsleep.config.network import Filtering
from xsleep.core.arrays import Rows
from xsleep.core.errors import (
    DamagedError,
    InputError,
    OutputError,
    line_of,
    reason,
    warn,
    warnings_of_inputs,
)
from xsleep.core.files import read_csv, sha256, whole, write_csv
from xsleep.core.recording import EPOCH_SECONDS, Recording
from xsleep.core.stages import UNSCORED
from xsleep.databases import Database, Entry, Source, open_database
from xsleep.databases.formats import plausibility
from xsleep.databases.formats.channels import as_clock
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import check_enough, unusable
from xsleep.store.identity import Seen, below
from xsleep.store.recordings import (
    FORMAT_VERSION,
    PER_EPOCH,
    RecordingInfo,
    Stored,
    open_signals,
    read_index,
    read_stored,
    write_epochs,
    write_index,
    write_spectrograms,
)

COVERED = 0.75
"""Share of a recording with stages below which a warning is issued."""


def fetch_recordings(source: Source, out: Path, report: Callable[[str], None]) -> None:
    """Download the files that are missing in the source's folder, and list them with their hashes.

    The list ``out`` is in the format of ``sha256sum``; ``report`` receives a line for each file.

    Raises:
        InputError: a file could not be downloaded.
    """
    from xsleep.databases.fetch.download import fetch

    database = open_database(source)
    try:
        database.list_files(report)
    except InputError as error:
        raise InputError(f"{error}{source.where_to_apply}") from None
    files = database.to_fetch()
    try:
        fetch(source.folder, files, report, key=database.key())
    except InputError as error:
        raise InputError(
            f"{error} (or set source.fetch.url to a mirror, or put the files into "
            f"{source.folder}{database.stand_in}{source.where_to_apply})"
        ) from None
    database.unpack(files)
    with whole(out) as temporary:
        temporary.write_text("".join(f"{file.digest}  {file.name}\n" for file in files))


def prepare(
    source: Source,
    channels: Sequence[str],
    filtering: Filtering,
    names: Sequence[str],
    *,
    epochs: Path,
    spectrograms: Path,
    index: Path,
    seen: Path,
    report: Callable[[str], None],
) -> list[RecordingInfo]:
    """Store the epochs and spectrograms of recordings, and write their index.

    A recording that cannot be used is stored without epochs, with the reason. One that is already
    stored by the same recipe is left as it is, so that an interrupted job resumes. Of a source
    without signals, recordings are in the index alone.

    Args:
        names: recordings to store.
        epochs, spectrograms: folders of the two files of each recording.
        index: index file to write.
        seen: cache of `Seen` for the hashes of the database's files.
        report: receives a line for each recording and each warning.

    Returns:
        Metadata of the recordings, with the reason if they cannot be used, and with warnings.

    Raises:
        InputError: a file cannot be read any more, as of a network share that vanished.
    """
    database = open_database(source)
    entries = {entry.name: entry for entry in database.entries()}
    settings = {
        "version": FORMAT_VERSION,
        "source": source.model_dump(
            mode="json", exclude={"folder", "fetch", "apply", "hypnograms", "second_hypnogram"}
        ),
        "channels": list(channels),
        "raw_filter": filtering.filter_name,
    }
    if database.version > 1:
        settings["reader_version"] = database.version
    recipe = json.dumps(settings, sort_keys=True)
    known = Seen(seen)
    files = {path for name in names for path in entries[name].files}
    there = {
        path for path in files if path.is_file() and os.access(path, os.R_OK, effective_ids=True)
    }
    recordings = []
    for number, name in enumerate(names, start=1):
        paths = epochs / f"{name}.h5", spectrograms / f"{name}.h5"
        place = f"{number} of {len(names)}: {name}"
        entry = entries[name]
        info = RecordingInfo(
            recording=name,
            subject=entry.subject,
            places=np.empty(0, int),
            onsets=np.empty(0),
            stages=np.empty(0, int),
            hashes=known.hashes(source.folder, entry.files),
            raw_filter=filtering.filter_name,
            recipe=recipe,
        )
        stored = _as_stored(info, entry, *paths) if source.signals else None
        if stored:
            report(f"{place}: stored already")
        else:
            report(place)
            info, signals = _read(database, entry, channels, filtering, info=info, report=report)
            stored = Stored(info)
            if source.signals:
                stored = _store(database, entry, info, signals, paths=paths, report=report)
        if stored.info.skipped:
            _check_readable(there.intersection(entry.files))
            report(f"skipped: {stored.info.skipped}")
        for remark in stored.info.remarks:
            report(f"warning: {remark}")
        recordings.append(stored)
    known.save()
    write_index(index, recordings)
    return [stored.info for stored in recordings]


def content(folder: Path, entries: Sequence[Entry], index: Path, seen: Path) -> str:
    """Return a token that changes when stored recordings were made from other contents.

    ``entries`` are the recordings of an index, ``folder`` that of the database; ``index`` and
    ``seen`` are as in `prepare`.
    """
    known = Seen(seen)
    try:
        recordings = read_index(index)
    except InputError:  # not there yet, or damaged
        return known.content(None, {})
    token = known.content(
        {name: dict(stored.info.hashes) for name, stored in recordings.items()},
        {entry.name: known.hashes(folder, entry.files) for entry in entries},
    )
    known.save()
    return token


def _as_stored(
    info: RecordingInfo, entry: Entry, epochs: Path, spectrograms: Path
) -> Stored | None:
    """Return the recording if it is stored, undamaged, by the same recipe from the same files."""
    try:
        stored = read_stored(epochs, spectrograms)
    except InputError:  # not there, or damaged
        return None
    same = (
        not stored.info.skipped
        and stored.info.recipe == info.recipe
        and stored.info.hashes == info.hashes
        and len(info.hashes) == len(entry.files)
        and not entry.fault
        and stored.hashes[str(epochs)] == sha256(epochs)
    )
    return stored if same else None


def _read(
    database: Database,
    entry: Entry,
    channels: Sequence[str],
    filtering: Filtering,
    *,
    info: RecordingInfo,
    report: Callable[[str], None],
) -> tuple[RecordingInfo, Mapping[str, Rows]]:
    """Read a recording and its epochs by channel; no epochs, and the reason, if it is unusable.

    Epochs of signals that are read from the file where they are asked for are computed then.
    """
    from xsleep.preparation.preprocessing import cut

    signals: Mapping[str, Rows] = {}
    with warnings_of_inputs() as remarks:
        try:
            if entry.fault:
                raise InputError(entry.fault)
            recording = _recording(database, entry, channels)
            seconds = _seconds(recording)
            if seconds < EPOCH_SECONDS:
                raise InputError(
                    f"{entry.files[0]}: lasts {seconds:g} s, less than an epoch of "
                    f"{EPOCH_SECONDS} s; take it away"
                )
            plausibility.check(entry.files[0], recording.signals, database.source.units)
            _tell_coverage(recording, seconds)
            info = replace(
                info,
                lights=recording.lights,
                start=recording.start,
                seconds=seconds,
                labels={channel: signal.label for channel, signal in recording.signals.items()},
                rates={channel: signal.rate for channel, signal in recording.signals.items()},
            )
            epochs = cut(recording, filtering)
            check_enough(entry.files[0], len(epochs.stages))
            info = replace(info, places=epochs.places, onsets=epochs.onsets, stages=epochs.stages)
            signals = epochs.signals
        except Exception as error:
            info = replace(info, skipped=_reason(database, entry, error, report))
    return replace(info, remarks=tuple(remarks)), signals


def _check_readable(files: Collection[Path]) -> None:
    """Raise an `InputError` if a file cannot be read, whatever is in it."""
    for path in sorted(files):
        try:
            sha256(path)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read any more ({error.strerror}); see that its disk is there, "
                "and give the same command again"
            ) from error


def _recording(database: Database, entry: Entry, channels: Sequence[str]) -> Recording:
    if database.source.signals:
        return database.read(entry, channels)
    return database.read_scoring(entry)


def _seconds(recording: Recording) -> float:
    """Return the duration of the shortest signal, or without signals that of the hypnogram."""
    if recording.signals:
        return min(signal.seconds for signal in recording.signals.values())
    onsets = recording.hypnogram.onsets
    return float(onsets[-1]) + EPOCH_SECONDS if len(onsets) else 0.0


def _reason(
    database: Database, entry: Entry, error: Exception, report: Callable[[str], None]
) -> str:
    """Return why a recording is unusable; a damaged file that can be fetched is to be deleted.

    An unexpected error of this program, or of a library, makes only that recording unusable.
    """
    if not isinstance(error, InputError):
        report(traceback.format_exc())
        at = line_of(error, inspect.getfile(type(database)))
        what = f"the reader {type(database).__name__}, {at}" if at else "this program"
        fault = f"a fault of {what} ({type(error).__name__}: {reason(error)})"
        advice = "correct it, or report it with the log of its preparation"
        missing = [path for path in entry.files if not path.exists()]
        if missing:
            return f"{missing[-1]}: no such file; put it there"
        return f"{entry.files[0]}: not read, by {fault}; {advice}"
    if isinstance(error, DamagedError):
        there = database.published()
        for path in entry.files:
            if error.fault.startswith(f"{path}: ") and below(database.folder, path) in there:
                return f"{error.fault}; delete it, and it is fetched again"
    return str(error)


def _tell_coverage(recording: Recording, seconds: float) -> None:
    """Warn if the hypnogram has stages for only a part of the recording."""
    onsets, stages = recording.hypnogram.onsets, recording.hypnogram.stages
    step = float(np.median(np.diff(onsets))) if len(onsets) > 1 else float(EPOCH_SECONDS)
    scored = float(np.count_nonzero(stages != UNSCORED) * step)
    if scored < COVERED * seconds:
        part = f"{as_clock(scored)} of {as_clock(seconds)}"
        warn(recording.files[-1], f"has stages for {part}; the rest is not used")


def _store(
    database: Database,
    entry: Entry,
    info: RecordingInfo,
    signals: Mapping[str, Rows],
    *,
    paths: tuple[Path, Path],
    report: Callable[[str], None],
) -> Stored:
    """Store the epochs of a recording and their spectrograms; none if they cannot be computed."""
    epochs, spectrograms = paths
    try:
        write_epochs(epochs, info, signals)
    except OutputError:
        raise
    except Exception as error:
        skipped = _reason(database, entry, error, report)
        none = {name: getattr(info, name)[:0] for name in PER_EPOCH}
        write_epochs(epochs, replace(info, skipped=skipped, **none), {})
    return add_spectrograms(epochs, spectrograms)


def add_spectrograms(epochs: Path, spectrograms: Path) -> Stored:
    """Store the spectrograms of stored epochs, and return the recording."""
    from xsleep.preparation.spectrogram import Spectrograms, running_sums

    with open_signals(epochs) as stored:
        images = {channel: Spectrograms(values) for channel, values in stored.items()}
        sums = {channel: running_sums(values) for channel, values in images.items()}
        write_spectrograms(spectrograms, images, sums, sha256(epochs))
    return read_stored(epochs, spectrograms)


def make_index(batches: Sequence[Path], out: Path) -> None:
    """Write the index of a database, given the indexes of its batches."""
    write_index(out, [stored for path in batches for stored in read_index(path).values()])


def make_folds(
    database: str, settings: KFold | Literal["published"], recordings: Path, out: Path
) -> None:
    """Write ``folds.csv``: the role of each recording of ``recordings.csv`` that is not skipped.

    Raises:
        InputError: no recording can be used, or the folds and the subjects do not fit.
    """
    names = defaultdict(list)
    for row in (rows := read_csv(recordings)):
        if not row["skipped"]:
            names[row["subject"]].append(row["recording"])
    if not names:
        raise InputError(
            f"{database}: none of its recordings can be used; mend what {recordings} says of each"
        )
    if settings == "published":
        fold_tables.check_published(database, {row["subject"] for row in rows})
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
    write_csv(out, lines)


def make_source_split(
    databases: Mapping[str, tuple[Path, str]], validation: int, seed: int, out: Path
) -> None:
    """Write which subjects of the pooled databases train and which validate; none test.

    The CSV file ``out`` has a line per recording and role.

    Args:
        databases: name to the index of its store and the window that is trained on.
        validation: number of subjects that validate. As many of the others, all of which train,
            are the training subset.
        seed: of the random choice.

    Raises:
        InputError: there are too few subjects.
    """
    usable = [
        (name, stored.info)
        for name, (index, window) in databases.items()
        for stored in read_index(index).values()
        if not unusable(stored.info, [window], Path(stored.epochs))
    ]
    subjects = sorted({(name, info.subject) for name, info in usable})
    if len(subjects) < 2 * validation:
        raise InputError(
            f"{', '.join(databases)}: {len(subjects)} usable subjects, too few for {validation} to "
            f"validate and as many to train; lower validation (of transfer, or of the "
            f"database's folds) to at most {len(subjects) // 2} or add recordings"
        )
    order = random.Random(seed).sample(subjects, len(subjects))
    roles = {
        "validation": order[:validation],
        "training": order[validation:],
        "training subset": order[validation : 2 * validation],
    }
    lines = [
        {"role": role, "database": name, "subject": info.subject, "recording": info.recording}
        for role, who in roles.items()
        for name, info in usable
        if (name, info.subject) in who
    ]
    write_csv(out, lines)
