"""Epochs of a recording as arrays: what the networks read, for other tools too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xsleep.config.network import Filtering
from xsleep.core.arrays import Floats, Singles
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.recording import EPOCH_SECONDS, SAMPLES
from xsleep.databases.formats import plausibility
from xsleep.preparation.preprocessing import filtered_channel
from xsleep.preparation.spectrogram import spectrogram
from xsleep.staging import montage, quality
from xsleep.staging.held import BLOCK
from xsleep.staging.scored import Taken
from xsleep.staging.sources import Source, open_source
from xsleep.training.sequences import blocks

if TYPE_CHECKING:
    from mne.io import BaseRaw


@dataclass(frozen=True)
class HeldEpochs:
    """The 30-s epochs of a recording, filtered, at 100 Hz.

    Attributes:
        filtered: channel to (n, 3000) microvolts.
        bad: (n,) epochs whose signals cannot be scored.
        channels: channel to the signal that was taken for it.
        doubts: what is doubtful about the signals, a line each.
    """

    filtered: Mapping[str, Singles] = field(repr=False)
    bad: NDArray[np.bool_] = field(repr=False)
    channels: dict[str, Taken]
    doubts: tuple[str, ...]

    @property
    def onsets(self) -> Floats:
        """(n,) start of each epoch in seconds from the first sample."""
        return np.arange(len(self.bad)) * float(EPOCH_SECONDS)

    @property
    def signals(self) -> Singles:
        """(n, 3000, C) microvolts, channels in the order that was asked for."""
        return np.stack([*self.filtered.values()], axis=-1)

    @property
    def spectrograms(self) -> Singles:
        """(n, 29, 129, C) decibels of 2-s windows, 0 to 50 Hz; not normalised."""
        return np.stack([spectrogram(values) for values in self.filtered.values()], axis=-1)

    @property
    def spectrum(self) -> Floats:
        """(n, 129) mean decibels of each epoch of the first channel."""
        first, *_ = self.filtered.values()
        ranges = blocks(len(first), BLOCK)
        return np.concatenate([spectrogram(first[a:b]).mean(axis=1) for a, b in ranges])


def epochs(
    recording: str | Path | BaseRaw,
    channels: Sequence[str] | Mapping[str, str] = ("EEG",),
    unit: str = "",
) -> HeldEpochs:
    """Return the epochs of a recording as `score` prepares them for a network.

    Args:
        recording: path of a file that MNE reads, or an `mne.io.Raw`.
        channels: ``EEG``, ``EOG`` and ``EMG`` in the order of the last axis, or each with the label
            of its signal, or a derivation as in ``C4-M1``, in place of what is found.
        unit: of the signals' numbers (nV, uV, mV, V), in place of what the file says.

    Raises:
        InputError: the recording cannot be used; the line says why.
    """
    source = open_source(recording)
    if isinstance(channels, str):
        channels = [channels]
    labels = dict(channels) if isinstance(channels, Mapping) else dict.fromkeys(channels, "")
    if unknown := labels.keys() - montage.LOWEST_RATE.keys():
        raise InputError(
            f"{min(unknown)}: no channel; choose from {', '.join(montage.LOWEST_RATE)}"
        )
    if source.seconds < EPOCH_SECONDS:
        raise InputError(
            f"{source.name}: lasts {source.seconds:g} s; an epoch is {EPOCH_SECONDS} s"
        )
    given = {channel: label for channel, label in labels.items() if label}
    choices = montage.find(source.name, [*labels], source.signals, given, {})
    return hold(source, choices, unit, Filtering())


def hold(
    source: Source, choices: Mapping[str, Sequence[montage.Choice]], unit: str, filtering: Filtering
) -> HeldEpochs:
    """Read, look at and filter the signals of a recording, one after the other.

    Args:
        source: the recording.
        choices: channel to what fits it, of which the first is read.
        unit: of the signals' numbers, in place of what the file says.
        filtering: of the network.

    Raises:
        InputError: a signal cannot be read or scored, or two are the same.
    """
    taken, looks, filtered = {}, {}, {}
    count = int(source.seconds // EPOCH_SECONDS)
    path = Path(source.name)
    with warnings_of_inputs() as warned:
        plausibility.check_kinds(path, {c: found[0].label for c, found in choices.items()})
        for channel, (choice, *others) in choices.items():
            signal = source.read(channel, choice, unit)
            looks[channel] = quality.look(source.name, channel, signal, count, bool(unit))
            values = filtered_channel(path, channel, signal, filtering)
            filtered[channel] = values[: count * SAMPLES].reshape(count, SAMPLES)
            fitting = tuple(other.label for other in others)
            taken[channel] = Taken(signal.label, choice.why, signal.unit, signal.rate, fitting)
        compared = quality.compare(source.name, looks)
    seen = [doubt for found in looks.values() for doubt in found.doubts]
    bad = np.any([found.bad for found in looks.values()], axis=0)
    onsets = np.arange(count) * EPOCH_SECONDS
    marked = np.zeros(count, bool)
    for onset, duration in source.marked:
        marked |= (onsets < onset + duration) & (onsets + EPOCH_SECONDS > onset)
    if marked.any():
        seen.append(f"{marked.sum()} epochs are in gaps or marked as bad by the file; not staged")
    bad |= marked
    if bad.all():
        doubts = "; ".join(seen)
        raise InputError(
            f"{source.name}: no epoch has good signals ({doubts}); choose other signals"
        )
    return HeldEpochs(filtered, bad, taken, (*warned, *seen, *compared))
