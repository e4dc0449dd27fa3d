"""Memory does not grow with a recording, but for what is kept of each epoch."""

import tracemalloc

import edfio
import numpy as np
import pytest

import xsleep
from tests.helpers.recordings import edf_signal, noise, prepare
from xsleep.databases import source_of
from xsleep.databases.formats import edf

RATE = 200
LABELS = {"EEG": ["C4 - M1"], "EOG": ["E1"]}
SHORT, LONG = 1, 4
"""Hours."""
BLOCK_BYTES = 2**19
"""Bytes of a file that are read at a time: eight minutes of three signals."""

NOISE = 1e6
"""Bytes by which two calls may differ."""


def make(folder, hours, others=0):
    """Write a recording that is the same minute over and over, and its hypnogram."""
    folder.mkdir()
    frequencies = np.fft.rfftfreq(60 * RATE, 1 / RATE)
    signals = []
    for label in ["C4", "M1", "E1", *(f"x{n}" for n in range(others))]:
        spectrum = np.fft.rfft(noise(60, RATE, len(signals))) / np.maximum(frequencies, 1)
        signals.append(edf_signal(label, 60, RATE, values=3 * np.fft.irfft(spectrum)))
    path = folder / "night.edf"
    edfio.Edf(signals, data_record_duration=1).write(path)
    content, size = path.read_bytes(), 256 * (1 + len(signals))
    records = f"{3600 * hours:<8}".encode()
    path.write_bytes(content[:236] + records + content[244:size] + content[size:] * (60 * hours))
    rows = [f"{30 * n},30,W" for n in range(120 * hours)]
    (folder / "night.csv").write_text("\n".join(["onset,duration,stage", *rows]) + "\n")
    return folder


def prepared(folder):
    hypnogram = {"file": "{name}.csv", "epoch": 30, "stages": {"W": "W"}}
    source = source_of(reader="own", folder=folder, labels=LABELS, hypnogram=hypnogram)
    _, skipped = prepare(folder, source, tuple(LABELS), "night")
    assert not skipped


def held(folder):
    night = xsleep.epochs(folder / "night.edf", {"EEG": "C4-M1", "EOG": "E1"})
    assert not night.bad.any()


def peak(function, folder):
    tracemalloc.start()
    try:
        function(folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("function", "per_hour"),
    [
        (prepared, 120 * (2 * 129 * 8 + 500)),  # the sums of the spectrograms, and the hypnogram
        (held, 360_000 * 4),  # the filtered signal
    ],
)
def test_only_what_is_kept_of_the_channels_used_grows(tmp_path, monkeypatch, function, per_hour):
    """At the rate of the recording, a signal would take 2.9 MB an hour."""
    monkeypatch.setattr(edf, "BLOCK_BYTES", BLOCK_BYTES)
    function(make(tmp_path / "imports", SHORT))
    peaks = {
        (hours, others): peak(function, make(tmp_path / f"{hours}-{others}", hours, others))
        for hours, others in ((SHORT, 0), (SHORT, 9), (LONG, 0))
    }
    print(peaks)
    assert peaks[SHORT, 9] - peaks[SHORT, 0] < NOISE
    assert peaks[LONG, 0] - peaks[SHORT, 0] < len(LABELS) * per_hour * (LONG - SHORT) + NOISE
