"""A night of one's own: from an EDF file to a hypnogram, by a trained network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from xsleep.compute import device
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.databases.formats import edf, plausibility
from xsleep.databases.formats.channels import Channels
from xsleep.networks import checkpoints
from xsleep.preparation.preprocessing import SAMPLES, filtered_channel
from xsleep.preparation.spectrogram import spectrogram
from xsleep.scoring.probabilities import score
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import Part, amplitude_scale, normalisation_of_images

HEADER = ("epoch", "onset", "stage", *STAGES)


@dataclass(frozen=True)
class HeldData:
    """What `xsleep.store.hdf5.RecordingData` reads from disk, in memory.

    Attributes:
        channels: in the order of the last axis.
        signals: (n, 3000, C) microvolts.
        images: (n, 29, 129, C) decibels.
    """

    channels: tuple[str, ...]
    signals: np.ndarray
    images: np.ndarray

    def raw(self, start: int, stop: int, out: None = None) -> np.ndarray:
        return self.signals[start:stop]

    def time_frequency(self, start: int, stop: int, out: None = None) -> np.ndarray:
        return self.images[start:stop]


def score_night(
    model: Path, recording: Path, labels: Sequence[str], units: Sequence[str], out: Path
) -> str:
    """Score every whole 30-s epoch of an EDF or BDF file and write a hypnogram.

    What is doubtful about the signals is warned of (`xsleep.core.errors.InputWarning`).

    Args:
        model: a checkpoint.
        labels: of the signals in the file, in the order of the network's channels.
        units: of the numbers of these signals, in place of what the file says: none, one for all
            of them, or one for each.
        out: CSV with a line per epoch: number, onset in seconds, stage, and the probability of
            each stage.

    Returns:
        One line on what was scored.

    Raises:
        InputError: the checkpoint or the recording cannot be used, or ``out`` is something else
            than an earlier hypnogram of this function's, in one line.
    """
    _check_free(out)
    if not recording.is_file():
        what = "a folder" if recording.is_dir() else "no such file"
        raise InputError(f"{recording}: {what}; name the EDF file of the night")
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
    every = units * len(channels) if len(units) == 1 else units
    stated: Mapping[str, str] = dict(zip(channels, every, strict=False))
    named = {channel: [label] for channel, label in zip(channels, labels, strict=True)}
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
    night = RecordingInfo(str(recording), "", places, onsets, np.full(epochs, UNSCORED, "i1"))

    remark = ""
    if "time-frequency" in network.views and not network.mean.any():
        # Released weights come without the statistics of the set that they were trained on.
        statistics = normalisation_of_images(images, network.settings.normalisation, str(recording))
        network.set_normalisation(*map(torch.from_numpy, statistics))
        remark = "; spectrograms normalised over this night, as the checkpoint has no statistics"
    network.to(device.best())
    part = Part(night, HeldData(channels, raw, images))
    (prediction,) = score(network, [part], None)
    probabilities = prediction.probabilities[network.branches[-1]]
    rows = [
        (number, f"{onset:g}", STAGES[row.argmax()], *(f"{value:.4f}" for value in row))
        for number, (onset, row) in enumerate(zip(onsets, probabilities, strict=True), start=1)
    ]
    write_csv(out, [dict(zip(HEADER, row, strict=True)) for row in rows])
    return f"{out}: {epochs} epochs of {recording} scored by {system}{remark}"


def _check_free(out: Path) -> None:
    """Not a recording, a network or a person's scoring, given in the wrong place."""
    header = ",".join(HEADER).encode()
    try:
        with out.open("rb") as file:
            ours = file.read(len(header)) == header
    except FileNotFoundError:
        return
    except OSError:
        ours = False
    if not ours:
        raise InputError(f"{out}: is there, and not by xsleep score; give another name")
