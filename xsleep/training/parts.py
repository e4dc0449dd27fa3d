"""Recordings of a fold in, parts that a network reads from the store out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window
from xsleep.store.recordings import RecordingData, Stored
from xsleep.training.sequences import Part, amplitude_scale


@dataclass(frozen=True)
class Data:
    """Recordings of one fold, by role."""

    training: Sequence[Part]
    training_subset: Sequence[Part]
    validation: Sequence[Part]


def load_parts(
    folds: Path,
    number: int,
    role: str,
    recordings: Mapping[str, Stored],
    *,
    window: str,
    channels: tuple[str, ...],
    network: NetworkSettings,
    subjects: int | None = None,
) -> list[Part]:
    """Return the recordings of one role of a fold.

    Args:
        folds: CSV file of the folds.
        number: of the fold.
        role: ``training``, ``training subset``, ``validation`` or ``test``.
        recordings: the store's index.
        window, channels, network: as of `load_part`.
        subjects: how many of the training subjects train; ``None``: all.
    """
    rows = [row for row in read_csv(folds) if row["fold"] == str(number)]
    chosen = [row for row in rows if row["role"] == role]
    if subjects is not None and role.startswith("training"):
        training = [row["subject"] for row in rows if row["role"] == "training"]
        few = fold_tables.few(training, subjects, number)
        # The subset's recordings of subjects that train; where there are none, all that train.
        chosen = [row for row in chosen if row["subject"] in few] or [
            row for row in rows if row["role"] == "training" and row["subject"] in few
        ]
    names = [row["recording"] for row in chosen]
    return [load_part(recordings[name], window, channels, network) for name in names]


def load_part(
    stored: Stored, window: str, channels: tuple[str, ...], network: NetworkSettings
) -> Part:
    """Return the epochs of one recording in a window, as a network of these settings reads them.

    With ``raw_deviation`` (microvolts) each raw channel is scaled to this standard deviation over
    these epochs, so that amplitudes are comparable between subjects.

    Raises:
        InputError: the stored signals have another filter than the network's.
    """
    night = stored.info
    if night.raw_filter != network.filter_name:
        raise InputError(
            f"{stored.epochs}: filtered by {night.raw_filter}, what the network reads by "
            f"{network.filter_name}; take the epochs stored with that filter"
        )
    chosen = np.flatnonzero(in_window(night, window))
    part = replace(
        night, places=night.places[chosen], onsets=night.onsets[chosen], stages=night.stages[chosen]
    )
    data = RecordingData(stored, channels, chosen)
    raw_scale = None
    if network.raw_deviation is not None:
        raw_scale = amplitude_scale(
            data.raw(0, len(chosen)), network.raw_deviation, night.recording
        )
    return Part(part, data, raw_scale)
