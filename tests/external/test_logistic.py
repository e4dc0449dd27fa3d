"""Logistic regression on band powers: features, and predictions of each fold."""

import numpy as np
import pytest

from tests.helpers.recordings import make_part, noise
from xsleep.core.errors import InputError
from xsleep.external.logistic import BANDS, Roles, log_powers, logistic_regression
from xsleep.store.recordings import read_stored


def stored(folder, **recordings):
    """Recordings of noise with a tone for each stage, by name."""
    for number, (name, options) in enumerate(recordings.items()):
        make_part(folder, name, seed=number, subject=name, **options)
    return {
        name: read_stored(folder / f"{name}.h5", folder / f"{name}-tf.h5") for name in recordings
    }


def predict(recordings, folds, channels=("EEG",)):
    return logistic_regression(recordings, folds, channels, "whole-night")


def test_a_tone_has_its_power_in_its_band():
    time = np.arange(3000) / 100
    for number, (low, high) in enumerate(BANDS.values()):
        tone = 50 * np.sin(np.pi * (low + high) * time) + noise(30, 100) / 20
        powers = log_powers(np.stack([tone, tone]).astype("f4"))
        assert powers.shape == (2, 5)
        assert powers[0].argmax() == number
        # Standardised, the tone has a power of 1; the average of segments is a corrected median.
        assert powers[0, number] == pytest.approx(0, abs=0.5)


def test_features_do_not_depend_on_the_amplitude_and_a_dead_channel_has_some():
    signal = noise(90, 100).reshape(3, 3000).astype("f4")
    np.testing.assert_allclose(log_powers(8 * signal), log_powers(signal), rtol=1e-4)
    assert np.isfinite(log_powers(np.zeros_like(signal))).all()


def test_each_fold_is_trained_on_its_training_recordings_and_tells_the_stages_apart(tmp_path):
    many = {"epochs": 200}
    recordings = stored(tmp_path, a=many, b=many, c=many, d=many)
    folds = {1: Roles(["a", "b"], ["c", "d"]), 2: Roles(["c", "d"], ["a"])}
    predictions = predict(recordings, folds)
    assert [(p.recording, p.fold) for p in predictions] == [*zip("abcd", [1, 1, 2, 2], strict=True)]
    for one in predictions:
        chances = one.probabilities["joint"]
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        # The tones of N3 and REM, 17 and 22 Hz, are both in the band beta.
        given = chances.argmax(axis=1)
        assert np.mean((given == one.stages) | (given + one.stages == 7)) > 0.95
    # Another training recording makes another model.
    (other, *_) = predict(recordings, {1: Roles(["a"], ["c"])})
    assert (other.probabilities["joint"] != predictions[0].probabilities["joint"]).any()


def test_every_channel_counts(tmp_path):
    both = {"epochs": 100, "channels": ("EEG", "EOG")}
    recordings = stored(tmp_path, a=both, b=both)
    folds = {1: Roles(["a"], ["b"])}
    eeg, two = (predict(recordings, folds, c) for c in (("EEG",), ("EEG", "EOG")))
    assert (eeg[0].probabilities["joint"] != two[0].probabilities["joint"]).any()


def test_a_stage_that_no_training_recording_has_gets_no_probability(tmp_path):
    recordings = stored(tmp_path, a={"epochs": 200}, b={"epochs": 16})
    trained = set(recordings["b"].info.stages)
    assert 1 < len(trained) < 5
    (prediction,) = predict(recordings, {1: Roles(["a"], ["b"])})
    chances = prediction.probabilities["joint"]
    assert {*np.flatnonzero(chances.any(axis=0))} == trained


def test_training_recordings_of_one_stage_are_one_line(tmp_path):
    recordings = stored(tmp_path, a={"epochs": 40}, b={"epochs": 4})
    with pytest.raises(InputError, match="training recordings of fold 3 have one stage alone"):
        predict(recordings, {3: Roles(["a"], ["b"])})
