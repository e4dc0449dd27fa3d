"""Epochs of a recording as arrays, equal to those that a network reads."""

import numpy as np
import pytest

import xsleep
from tests.helpers.recordings import edf_signal, write_recording
from tests.staging.test_score import RATE, raw, waves
from xsleep.core.errors import InputError


def test_arrays_have_the_channels_in_the_order_that_is_asked_for():
    made = raw(eeg__C4_M1=waves(), eog__E1_M2=waves(1))
    night = xsleep.epochs(made, ["EOG", "EEG"])
    assert night.signals.shape == (40, 3000, 2)
    assert night.spectrograms.shape == (40, 29, 129, 2)
    assert night.onsets[-1] == 39 * 30
    assert [taken.label for taken in night.channels.values()] == ["E1-M2", "C4-M1"]
    swapped = xsleep.epochs(made, {"EEG": "C4-M1", "EOG": ""})
    np.testing.assert_array_equal(swapped.signals[..., ::-1], night.signals)


def test_bad_epochs_are_marked_and_told():
    values = waves()
    values[: 60 * RATE] = 0
    night = xsleep.epochs(raw(eeg__C4_M1=values))
    assert np.flatnonzero(night.bad).tolist() == [0, 1]
    assert "flat in 2 of 40 epochs" in night.doubts[0]


def test_a_file_is_filtered_as_in_the_pipeline(tmp_path):
    write_recording(
        tmp_path,
        epochs=20,
        signals=[edf_signal("EEG Fpz-Cz", 600, RATE, values=waves(slow=0.3, minutes=10))],
    )
    night = xsleep.epochs(tmp_path / "SC4001E0-PSG.edf")
    spectrum = np.abs(np.fft.rfft(night.signals[..., 0], axis=1)).mean(axis=0)
    hertz = np.fft.rfftfreq(3000, 0.01)
    passed = (hertz > 5) & (hertz < 35)
    assert spectrum[hertz > 45].mean() < 0.02 * spectrum[passed].mean()


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (["ECG"], "ECG: no channel; choose from EEG, EOG, EMG"),
        (["EMG"], "none of its signals is recognised as EMG"),
        ({"EEG": "Oz"}, "no EEG channel 'Oz'; it has 'C4-M1'"),
    ],
)
def test_what_is_not_there_is_one_line(channels, message):
    with pytest.raises(InputError, match=message):
        xsleep.epochs(raw(eeg__C4_M1=waves()), channels)


def test_less_than_an_epoch_is_one_line():
    made = raw(eeg__C4_M1=waves()).crop(0, 20)
    with pytest.raises(InputError, match=r"lasts 20.* s; an epoch is 30 s"):
        xsleep.epochs(made)
