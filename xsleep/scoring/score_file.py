"""Scoring of a single file: an EDF file and a trained network in, a hypnogram out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xsleep.compute import device
from xsleep.core.arrays import Doubles, Singles
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.core.recording import EPOCH_SECONDS, SAMPLES
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases.formats import edf, plausibility
from xsleep.databases.formats.channels import Channels
from xsleep.networks import checkpoints
from xsleep.preparation.preprocessing import filtered_channel
from xsleep.preparation.spectrogram import spectrogram
from xsleep.scoring.probabilities import score
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import Part, amplitude_scale, normalisation

HEADER = ("epoch", "onset", "stage", *STAGES)
"""Columns of a hypnogram."""


@dataclass(frozen=True)
class HeldData:
    """Epochs of a recording in memory (`xsleep.training.sequences.Epochs`).

    Signals are (n, 3000, C) microvolts, images (n, 29, 129, C) decibels; there are no files that
    have hashes.
    """

    channels: tuple[str, ...]
    signals: Singles
    images: Singles
    hashes: Mapping[str, str] = field(default_factory=dict)

    def raw(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        return self.signals[start:stop]

    def time_frequency(self, start: int, stop: int, out: Singles | None = None) -> Singles:
        return self.images[start:stop]

    def sums(self) -> Doubles:
        squares = np.einsum("nftc,nftc->tc", self.images, self.images, dtype=np.float64)
        return np.stack([self.images.sum((0, 1), dtype=np.float64), squares])


def score_file(
    model: Path, recording: Path, out: Path, *, labels: Sequence[str], units: Sequence[str] = ()
) -> str:
    """Score every whole 30-s epoch of an EDF or BDF file, write a hypnogram and say so in a line.

    Doubtful signals are warned of (`xsleep.core.errors.InputWarning`).

    Args:
        model: checkpoint of the network.
        labels: of the signals in the file, in the order of the network's channels.
        units: of these signals, in place of what the file says: none, one for all of them, or one
            for each.

    Raises:
        InputError: the checkpoint or the recording cannot be used, or ``out`` is a file other than
            an earlier hypnogram.
    """
    _check_free(out)
    if not recording.is_file():
        what = "a folder" if recording.is_dir() else "no such file"
        raise InputError(f"{recording}: {what}; name the EDF file of the recording")
    network, system, channels = checkpoints.load(model)
    if len(labels) != len(channels):
        raise InputError(
            f"{model}: reads {'-'.join(channels)}, and --label is given {len(labels)} times; "
            "give it once for each channel, in this order"
        )
    if len(units) not in (0, 1, len(channels)):
        raise InputError(
            f"--unit is given {len(units)} times; give it once for all channels, or once for each "
            f"of {', '.join(channels)}, in this order"
        )
    every = [*units] * len(channels) if len(units) == 1 else units
    stated: Mapping[str, str] = dict(zip(channels, every, strict=False))
    named = {channel: (label,) for channel, label in zip(channels, labels, strict=True)}
    signals = edf.read_channels(edf.open_edf(recording), Channels(named, stated), channels)
    if min(signal.seconds for signal in signals.values()) < EPOCH_SECONDS:
        raise InputError(f"{recording}: shorter than an epoch of {EPOCH_SECONDS} s; nothing scored")
    plausibility.check(recording, signals, stated)
    values = [
        filtered_channel(recording, channel, signal, network.settings)
        for channel, signal in signals.items()
    ]
    epochs = min(map(len, values)) // SAMPLES
    values = [one[: epochs * SAMPLES].reshape(epochs, SAMPLES) for one in values]
    raw = np.stack(values, axis=-1)
    if network.settings.raw_deviation is not None:
        scale = amplitude_scale(raw, network.settings.raw_deviation, str(recording))
        raw *= scale.astype(np.float32)
    images = np.stack([spectrogram(one) for one in values], axis=-1)
    places = np.arange(epochs)
    onsets = places * float(EPOCH_SECONDS)
    info = RecordingInfo(str(recording), "", places, onsets, np.full(epochs, UNSCORED, "i1"))
    part = Part(info, HeldData(channels, raw, images))

    remark = ""
    if "time-frequency" in network.views and not network.mean.any():
        # Released weights come without the statistics of their training set.
        network.set_normalisation(*normalisation([part], network.settings.normalisation))
        remark = "; spectrograms normalised over this file, as the checkpoint has no statistics"
    network.to(device.best())
    (prediction,) = score(network, [part], None)
    probabilities = prediction.probabilities[network.branches[-1]]
    rows = [
        (number, f"{onset:g}", STAGES[row.argmax()], *(f"{value:.4f}" for value in row))
        for number, (onset, row) in enumerate(zip(onsets, probabilities, strict=True), start=1)
    ]
    write_csv(out, [dict(zip(HEADER, row, strict=True)) for row in rows])
    return f"{out}: {epochs} epochs of {recording} scored by {system}{remark}"


def _check_free(out: Path) -> None:
    """Raise `InputError` where ``out`` is a file other than a hypnogram of `score_file`."""
    header = ",".join(HEADER).encode()
    try:
        with out.open("rb") as file:
            ours = file.read(len(header)) == header
    except FileNotFoundError:
        return
    except OSError:
        ours = False
    if not ours:
        raise InputError(f"{out}: exists and was not written by xsleep score; give another name")
