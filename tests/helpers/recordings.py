"""Files in the formats of the databases, and parts of recordings."""

import datetime
import zlib
from dataclasses import replace
from pathlib import Path

import edfio
import numpy as np
import pytest

from xsleep.config.network import Filtering, NetworkSettings
from xsleep.core.files import sha256
from xsleep.preparation import jobs
from xsleep.preparation.spectrogram import running_sums, spectrogram
from xsleep.store.hdf5 import BLOCK, SEAL
from xsleep.store.recordings import (
    RecordingData,
    RecordingInfo,
    read_stored,
    write_epochs,
    write_spectrograms,
)
from xsleep.training.sequences import Part

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"

NETWORK = NetworkSettings(
    filters=(4, 4),
    kernel=5,
    filter_deviation=0.2,
    gru_units=6,
    filterbank=6,
    frame_units=6,
    attention=5,
    sequence_units=6,
    deepsleepnet_filters=(3, 4),
    deepsleepnet_units=6,
    sequence_length=5,
)
"""Sizes at which a test builds and trains any network in no time."""

RELEASED = Filtering()


def existing(folder):
    if not folder.is_dir():
        pytest.skip(f"{folder.relative_to(ROOT.parent)} is not beside the project")
    return folder


def unsealed(path):
    """Content of an HDF5 file without the SHA-256 before it, as tests change it."""
    content = path.read_bytes()
    return content[BLOCK:] if content.startswith(SEAL) else content


def noise(seconds, rate, seed=0):
    return np.random.default_rng(seed).normal(0, 20, int(seconds * rate))


def edf_signal(label, seconds, rate=100, dimension="uV", values=None):
    # Each label has noise of its own: two channels with one signal are refused.
    values = noise(seconds, rate, zlib.crc32(label.encode())) if values is None else values
    limit = float(np.abs(values).max()) or 1.0
    return edfio.EdfSignal(
        values, rate, label=label, physical_dimension=dimension, physical_range=(-limit, limit)
    )


def write_recording(
    folder, name="SC4001E0", epochs=40, annotations=None, signals=None, start=datetime.time(22, 30)
):
    """A cassette night in Sleep-EDF's format: R&K stages, 30-s records, mixed rates."""
    seconds = 30 * epochs
    folder.mkdir(parents=True, exist_ok=True)
    if signals is None:
        signals = [
            edf_signal("EEG Fpz-Cz", seconds),
            edf_signal("EOG horizontal", seconds),
            edf_signal("EMG submental", seconds, rate=1),
        ]
    header = {
        "recording": edfio.Recording(startdate=datetime.date(1989, 4, 24)),
        "starttime": start,
    }
    edfio.Edf(signals, data_record_duration=30, **header).write(folder / f"{name}-PSG.edf")
    if annotations is None:
        texts = ["W", "1", "2", "3", "4", "R", "2", "W"]
        length = seconds / len(texts)
        annotations = [(i * length, length, f"Sleep stage {t}") for i, t in enumerate(texts)]
        annotations += [(seconds, 300, "Sleep stage ?")]
    edfio.Edf(
        [], annotations=[edfio.EdfAnnotation(o, d or None, t) for o, d, t in annotations], **header
    ).write(folder / f"{name[:7]}C-Hypnogram.edf")


def write_excerpts(folder, *gains):
    """DREAMS excerpts of ten minutes of noise, each with a gain of its own; their folder."""
    folder.mkdir()
    codes = [*[5] * 4, *[2] * 112, *[4] * 4]
    for number, gain in enumerate(gains, start=1):
        signal = edf_signal("C3-A1", 600, values=gain * noise(600, 100, seed=number))
        edfio.Edf([signal]).write(folder / f"excerpt{number}.edf")
        text = "\n".join(["[Hypnogram]", *map(str, codes)])
        (folder / f"Hypnogram_excerpt{number}.txt").write_text(text)
    return folder


def prepare(folder, source, channels, *names, filtering=RELEASED, report=lambda line: None):
    """The index of these recordings of a source, stored in the folder, and why any is skipped."""
    index = folder / "index.h5"
    nights = jobs.prepare(
        source,
        channels,
        filtering,
        names,
        epochs=folder / "epochs",
        spectrograms=folder / "spectrograms",
        index=index,
        seen=folder / "seen.json",
        report=report,
    )
    return index, {night.recording: night.skipped for night in nights if night.skipped}


def make_part(
    folder,
    name="night",
    epochs=40,
    channels=("EEG",),
    places=None,
    seed=0,
    subject="0",
    gain=1,
    chosen=None,
):
    """A part of a night in the store, with signals that tell the stages apart."""
    rng = np.random.default_rng(seed)
    stages = np.repeat(rng.integers(0, 5, epochs // 4 + 1), 4)[:epochs]
    time = np.arange(3000) / 100
    tones = np.sin(2 * np.pi * (2 + 5 * stages[:, None]) * time) * 30
    signals = {c: gain * (tones + rng.normal(0, 10, tones.shape)).astype("f4") for c in channels}
    places = np.arange(epochs) if places is None else np.asarray(places)
    night = RecordingInfo(name, subject, places, 30.0 * places, stages.astype("i1"))
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.h5", folder / f"{name}-tf.h5"
    write_epochs(paths[0], night, signals)
    images = {c: spectrogram(x) for c, x in signals.items()}
    sums = {c: running_sums(x) for c, x in images.items()}
    write_spectrograms(paths[1], images, sums, sha256(paths[0]))
    chosen = np.arange(epochs) if chosen is None else chosen
    part = replace(
        night, places=places[chosen], onsets=night.onsets[chosen], stages=night.stages[chosen]
    )
    return Part(part, RecordingData(read_stored(*paths), tuple(channels), chosen))
