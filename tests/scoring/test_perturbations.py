"""Perturbations of the raw signals."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import signal as dsp

from xsleep.config.robustness import Perturbation
from xsleep.core.recording import Hypnogram, Recording, Signal
from xsleep.core.stages import UNSCORED
from xsleep.scoring.perturbations import DRIFT, amplitude, lost_blocks, perturbed

RATE, EPOCHS = 200, 120
ALL = [
    {"change": "flat", "channel": "EEG"},
    {"change": "noise", "channel": "EEG"},
    {"change": "gain", "factor": 0.5},
    {"change": "mains", "frequency": 50, "relative": 2},
    {"change": "low-pass", "cutoff": 15},
    {"change": "missing", "share": 1 / 3, "minutes": 5},
]


def change(**settings):
    return TypeAdapter(Perturbation).validate_python(settings)


def recording(name="a", rate=RATE, values=None):
    """An hour of white noise in two channels, with an epoch in ten not scored."""
    signals = {
        channel: Signal(np.random.default_rng(seed).normal(3, 20, 30 * EPOCHS * rate), rate)
        for seed, channel in enumerate(("EEG", "EOG"))
    }
    if values is not None:
        signals["EEG"] = Signal(values, rate)
    stages = np.where(np.arange(EPOCHS) % 10, np.arange(EPOCHS) % 5, UNSCORED)
    hypnogram = Hypnogram(30.0 * np.arange(EPOCHS), stages)
    return Recording(name, name, signals, hypnogram, None, (Path("a.edf"),))


def values(night, channel="EEG"):
    return np.asarray(night.signals[channel].values)


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: settings["change"])
def test_the_same_seed_gives_the_same_and_leaves_the_original_as_it_was(settings):
    night, before = recording(), values(recording()).copy()
    one, again, other = (perturbed(night, change(**settings), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(values(one), values(again))
    np.testing.assert_array_equal(values(night), before)
    assert not np.array_equal(values(one), before)
    is_random = settings["change"] in ("noise", "mains", "missing")
    assert np.array_equal(values(one), values(other)) != is_random
    elsewhere = perturbed(recording("b"), change(**settings), 1)
    assert np.array_equal(values(one), values(elsewhere)) != is_random


@pytest.mark.parametrize("kind", ["flat", "noise"])
def test_a_lost_channel_is_lost_alone(kind):
    night = recording()
    lost = perturbed(night, change(change=kind, channel="EOG"), 1)
    assert values(lost) is values(night)
    found = values(lost, "EOG")
    if kind == "flat":
        assert not found.any()
    else:
        assert found.std() == pytest.approx(20, rel=0.01)
        assert abs(np.corrcoef(found, values(night, "EOG"))[0, 1]) < 0.01


def test_the_amplitude_is_that_of_most_of_the_recording():
    signal = values(recording())
    signal[: 10 * 30 * RATE] = 0  # not connected yet
    signal[20 * 30 * RATE : 30 * 30 * RATE] *= 1000  # movement
    assert amplitude(signal, RATE) == pytest.approx(20, rel=0.01)
    assert amplitude(np.zeros(10), RATE) == 0


def test_the_mains_are_a_line_of_the_stated_strength_in_every_channel():
    night = recording()
    hum = perturbed(night, change(change="mains", frequency=50, relative=2), 1)
    for channel in ("EEG", "EOG"):
        added = values(hum, channel) - values(night, channel)
        assert added.std() == pytest.approx(2 * 20, rel=0.01)
        hertz, power = dsp.periodogram(added, RATE)
        assert abs(hertz[power.argmax()] - 50) <= DRIFT + 1 / 3600
    assert not np.array_equal(*(values(hum, c) - values(night, c) for c in ("EEG", "EOG")))


@pytest.mark.parametrize(("rate", "strength"), [(100, 20), (64, 0)])
def test_the_mains_reach_half_the_rate_and_no_further(rate, strength):
    night = recording(rate=rate)
    hum = perturbed(night, change(change="mains", frequency=50, relative=1), 1)
    assert (values(hum) - values(night)).std() == pytest.approx(strength, rel=0.05)


def test_the_low_pass_filter_is_causal_and_3_db_down_at_its_cutoff():
    impulse = np.zeros(30 * EPOCHS * RATE)
    impulse[1000] = 1
    response = values(perturbed(recording(values=impulse), change(change="low-pass", cutoff=15), 1))
    assert not response[:1000].any()
    hertz = np.fft.rfftfreq(len(response), 1 / RATE)
    decibels = 20 * np.log10(np.abs(np.fft.rfft(response)) + 1e-30)
    at_5, at_15, at_40 = np.interp([5, 15, 40], hertz, decibels)
    assert at_5 == pytest.approx(0, abs=0.1) and at_15 == pytest.approx(-3, abs=0.1)
    assert at_40 < -30
    slow = perturbed(recording(rate=25), change(change="low-pass", cutoff=15), 1)
    np.testing.assert_array_equal(values(slow), values(recording(rate=25)))


def test_missing_time_is_in_blocks_without_signals_and_stages():
    night = recording()
    left = perturbed(night, change(change="missing", share=1 / 3, minutes=5), 1)
    gone = left.hypnogram.stages != night.hypnogram.stages
    assert (left.hypnogram.stages[gone] == UNSCORED).all()
    np.testing.assert_array_equal(left.hypnogram.onsets, night.hypnogram.onsets)
    for channel in ("EEG", "EOG"):
        silent = (values(left, channel).reshape(EPOCHS, -1) == 0).all(axis=1)
        # Blocks begin at the first scored epoch, the second.
        blocks = silent[1:-9].reshape(-1, 10)
        assert (blocks.all(axis=1) == blocks.any(axis=1)).all()
        assert silent.sum() in (31, 32, 39, 40) and silent[gone].all()
        kept = values(left, channel).reshape(EPOCHS, -1)[~silent]
        np.testing.assert_array_equal(kept, values(night, channel).reshape(EPOCHS, -1)[~silent])


def test_blocks_are_the_stated_share_without_overlap():
    blocks = lost_blocks(30, 3630, np.random.default_rng(1), share=0.25, minutes=5)
    assert len(blocks) == 3 and (np.diff(blocks, axis=1) == 300).all()
    assert ((blocks[:, 0] - 30) % 300 == 0).all() and (np.diff(blocks[:, 0]) >= 300).all()


def test_another_derivation_is_read_and_stays_as_it_is():
    night = recording()
    other = change(change="derivation", channel="EEG", labels={"simulated": ["EEG Pz-Oz"]})
    assert perturbed(night, other, 1) is night
