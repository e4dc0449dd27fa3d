"""Recordings of a fold, as a network reads them out of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xsleep.config.network import NetworkSettings
from xsleep.core.errors import InputError
from xsleep.core.files import read_csv
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import in_window
from xsleep.store.recordings import RecordingData, Stored
from xsleep.training.sequences import Part, amplitude_scale

if TYPE_CHECKING:
    pass


def load_parts(
    folds: Path,
    number: int,
    role: str,
    recordings: Mapping[str, Stored],
    window: str,
    channels: tuple[str, ...],
    network: NetworkSettings,
    subjects: int | None = None,
) -> list[Part]:
    """The recordings of one role of a fold; with ``subjects``, where only so many train."""
    rows = [row for row in read_csv(folds) if row["fold"] == str(number)]
    chosen = [row for row in rows if row["role"] == role]
    if subjects is not None and role.startswith("training"):
        few = fold_tables.few(
            *([r["subject"] for r in rows if r["role"] == "training"], subjects, number)
        )
        # Those of the subset that train; where none does, all who train.
        chosen = [row for row in chosen if row["subject"] in few] or [
            row for row in rows if row["role"] == "training" and row["subject"] in few
        ]
    names = [row["recording"] for row in chosen]
    return [load_part(recordings[name], window, channels, network) for name in names]


def load_part(
    stored: Stored, window: str, channels: tuple[str, ...], network: NetworkSettings
) -> Part:
    """The epochs of one recording that lie in a window, as a network of these settings reads them.

    With ``raw_deviation`` (microvolts) each raw channel is scaled to it over these epochs, so that
    amplitudes compare between subjects.

    Raises:
        InputError: the stored signals are filtered otherwise than the network's.
    """
    night = stored.info
    if night.raw_filter != network.filter_name:
        raise InputError(
            f"{stored.epochs}: filtered by {night.raw_filter}, what the network reads by "
            f"{network.filter_name}; take the epochs stored with that filter"
        )
    chosen = np.flatnonzero(in_window(night, window))
    part = replace(
        night,
        places=night.places[chosen],
        onsets=night.onsets[chosen],
        stages=night.stages[chosen],
    )
    data = RecordingData(stored, channels, chosen)
    raw_scale = None
    if network.raw_deviation is not None:
        raw_scale = amplitude_scale(
            data.raw(0, len(chosen)), network.raw_deviation, night.recording
        )
    return Part(part, data, raw_scale)
