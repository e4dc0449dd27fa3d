"""Section 4.2: log-magnitude short-time Fourier transform."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal as dsp

from tests.helpers.rounding import SINGLE
from xsleep.preparation.preprocessing import IMPOSSIBLE
from xsleep.preparation.spectrogram import running_sums, spectrogram

EPOCHS = np.random.default_rng(0).normal(0, 20, (3, 3000)).astype("f4")
WINDOW = np.hamming(200)

LOGARITHM = 8 * SINGLE
"""Error of the decibels: numpy's logarithm is off by up to four units in the last place."""


def rounding(epochs, magnitudes):
    """Decibels by which single precision can be off, (n, 29, 129).

    A transform of 256 points is off by at most 8 * 6.7 half units of the length of its result, 16
    times that of the windowed frame (Higham, Accuracy and Stability of Numerical Algorithms, 2nd
    ed., theorem 24.2); the window and its product are off by one unit of each of 200 values.
    """
    frames = sliding_window_view(epochs.astype(float), 200, axis=1)[:, ::100] * WINDOW
    lengths = np.linalg.norm(frames, axis=2, keepdims=True)
    off = SINGLE * (8 * 6.7 / 2 * 16 + 200**0.5) * lengths
    decibels = 20 * np.log10(magnitudes)
    return 20 * np.log10(1 + off / magnitudes) + LOGARITHM * np.abs(decibels)


def test_sec4_2_stft_has_29_frames_of_129_bins():
    images = spectrogram(EPOCHS)
    assert images.shape == (3, 29, 129)
    assert images.dtype == np.float32


def test_sec4_2_two_second_hamming_windows_half_overlapping_256_point_fft():
    _, _, spectra = dsp.stft(
        *(EPOCHS.astype(float), 100, WINDOW, 200, 100, 256),
        boundary=None,
        padded=False,
        scaling="spectrum",
    )
    magnitudes = np.abs(spectra.swapaxes(1, 2)) * WINDOW.sum()
    bound = rounding(EPOCHS, magnitudes)
    assert (np.abs(spectrogram(EPOCHS) - 20 * np.log10(magnitudes)) <= bound).all()
    assert np.median(bound) < 1e-3


def test_a_tone_stands_in_its_bin():
    time = np.arange(3000) / 100
    image = spectrogram(np.sin(2 * np.pi * 12.5 * time)[None])[0]
    assert (image.argmax(1) == 32).all()  # 12.5 Hz = 32 * 100 / 256


def test_digital_silence_is_finite():
    image = spectrogram(np.zeros((1, 3000), "f4"))
    assert image == pytest.approx(np.full(image.shape, -120.0), rel=LOGARITHM)


def test_spectra_and_their_sums_are_finite_up_to_what_no_electrode_gives():
    """Spectra of a tone at the amplitude from which preprocessing refuses signals are finite."""
    tone = IMPOSSIBLE * np.sin(np.pi / 4 * np.arange(3000))
    images = spectrogram(tone[None].astype("f4"))
    assert np.isfinite(images).all() and np.isfinite(running_sums(images)).all()


def test_more_epochs_than_a_block_are_transformed_alike():
    image = spectrogram(EPOCHS)
    many = spectrogram(np.tile(EPOCHS, (100, 1))).reshape(100, *image.shape)
    assert (np.abs(many - image) <= 2 * rounding(EPOCHS, 10 ** (image.astype(float) / 20))).all()
