"""Recordings of a fold in, parts that a network reads from the store out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xsleep.config.names import BLOCKS
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.settings import shown
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.windows import within
from xsleep.store.recordings import RecordingData, Stored
from xsleep.training.sequences import Part, amplitude_scale


@dataclass(frozen=True)
class Data:
    """Recordings of one fold, by role."""

    training: Sequence[Part]
    training_subset: Sequence[Part]
    validation: Sequence[Part]


@dataclass(frozen=True)
class Training:
    """Settings of a training, besides the network that it starts from.

    Attributes:
        system: name of the system, which has the policy of the loss weights.
        channels: names of the network's channels.
        seed: of the order of the sequences and of dropout.
        blocks: blocks of the network that are trained; the parameters of the others are frozen.
            Without any, the network only gets the normalisation of spectrograms, which is always
            that of the training recordings.
    """

    system: str
    channels: tuple[str, ...]
    seed: int
    settings: TrainingSettings
    data: Data
    blocks: Sequence[str] = BLOCKS


def recordings_of_role(
    recordings: Mapping[str, Stored],
    folds: Path,
    number: int,
    role: str,
    *,
    subjects: int | None = None,
) -> list[Stored]:
    """Return the recordings of one role of a fold.

    Args:
        recordings: of the index, by name.
        folds: CSV file of the folds.
        role: ``training``, ``training subset``, ``validation`` or ``test``.
        subjects: how many of the training subjects train; ``None``: all.

    Raises:
        InputError: the folds are damaged, or not of these recordings.
    """
    for row in (table := fold_tables.read(folds)):
        stored = recordings.get(row["recording"])
        if not stored or stored.info.subject != row["subject"]:
            raise InputError(
                f"{folds}: the index has no recording {shown(repr(row['recording']))} of subject "
                f"{shown(repr(row['subject']))}; delete it, run snakemake for it, then again"
            )
    if not (rows := [row for row in table if row["fold"] == str(number)]):
        raise InputError(
            f"{folds}: has no fold {number}; delete it, run snakemake for it, then again"
        )
    chosen = [row for row in rows if row["role"] == role]
    if subjects is not None and role.startswith("training"):
        training = [row for row in rows if row["role"] == "training"]
        few = fold_tables.few([row["subject"] for row in training], subjects, number)
        # The subset's recordings of subjects that train; where there are none, all that train.
        chosen = [row for row in chosen if row["subject"] in few] or [
            row for row in training if row["subject"] in few
        ]
    return [recordings[row["recording"]] for row in chosen]


def load_part(
    stored: Stored, window: str, channels: tuple[str, ...], network: NetworkSettings
) -> Part:
    """Return the epochs of one recording in a window, as a network of these settings reads them.

    With ``raw_deviation`` (microvolts) each raw channel is scaled to this standard deviation over
    these epochs, so that amplitudes are comparable between subjects.

    Raises:
        InputError: the stored signals have another filter than the network's.
    """
    info = stored.info
    if info.raw_filter != network.filter_name:
        raise InputError(
            f"{stored.epochs}: filtered by {info.raw_filter}, what the network reads by "
            f"{network.filter_name}; take the epochs stored with that filter"
        )
    info, chosen = within(info, window)
    data = RecordingData(stored, channels, chosen)
    if network.raw_deviation is None:
        return Part(info, data)
    raw = data.raw(0, len(chosen))
    return Part(info, data, amplitude_scale(raw, network.raw_deviation, info.recording))
