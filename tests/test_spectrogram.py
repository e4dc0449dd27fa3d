"""Section 4.2: log-magnitude short-time Fourier transform."""

import numpy as np
from scipy import signal as dsp

from xsleep.preprocessing import IMPOSSIBLE
from xsleep.spectrogram import running_sums, spectrogram

EPOCHS = np.random.default_rng(0).normal(0, 20, (3, 3000)).astype("f4")


def test_sec4_2_stft_has_29_frames_of_129_bins():
    images = spectrogram(EPOCHS)
    assert images.shape == (3, 29, 129)
    assert images.dtype == np.float32


def test_sec4_2_two_second_hamming_windows_half_overlapping_256_point_fft():
    window = np.hamming(200)
    for epoch, image in zip(EPOCHS, spectrogram(EPOCHS), strict=True):
        _, _, spectra = dsp.stft(
            epoch, 100, window, 200, 100, 256, boundary=None, padded=False, scaling="spectrum"
        )
        expected = 20 * np.log10(np.abs(spectra.T) * window.sum())
        assert np.abs(image - expected).max() < 1e-2


def test_a_tone_stands_in_its_bin():
    time = np.arange(3000) / 100
    image = spectrogram(np.sin(2 * np.pi * 12.5 * time)[None])[0]
    assert (image.argmax(1) == 32).all()  # 12.5 Hz = 32 * 100 / 256


def test_digital_silence_is_finite():
    assert np.unique(spectrogram(np.zeros((1, 3000), "f4"))).tolist() == [-120.0]


def test_spectra_and_their_sums_are_finite_up_to_what_no_electrode_gives():
    """Of a tone as high as what `xsleep.preprocessing` refuses."""
    tone = IMPOSSIBLE * np.sin(np.pi / 4 * np.arange(3000))
    images = spectrogram(tone[None].astype("f4"))
    assert np.isfinite(images).all() and np.isfinite(running_sums(images)).all()


def test_more_epochs_than_a_block_are_transformed_alike():
    many = np.tile(EPOCHS, (100, 1))
    assert np.array_equal(spectrogram(many)[-3:], spectrogram(EPOCHS))
