"""Resampling, band-pass and epochs (Section 4.1, released data preparation)."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal as dsp

from tests.helpers.rounding import SINGLE
from xsleep.config.network import Filtering
from xsleep.core.errors import InputError
from xsleep.core.recording import Hypnogram, Recording, Signal
from xsleep.preparation import preprocessing
from xsleep.preparation.preprocessing import cut, filtered

DATABASES = (50, 100, 125, 128, 200, 250, 256, 500, 512, 1000)
ODD = (
    *(99.999, 100.004, 199.995, 512.0001, 333.3333, 1000 / 3, 9999.7, 1_000_000 / 7813),
    *(100 * math.sqrt(2), *(100 * 10 ** np.random.default_rng(0).uniform(0, 2, 8)).tolist()),
)
RIPPLE = 10 ** -((preprocessing.KAISER / 0.1102 + 8.7) / 20)
"""Ripple of the anti-alias filter by Kaiser's formula for the shape, 54 dB. A tone below half a
rate has an image above it, so that what comes out may be off by two of them."""


def tone(frequency, rate, seconds=60):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def recording(stages, seconds=None, rate=100):
    seconds = 30 * len(stages) if seconds is None else seconds
    values = np.random.default_rng(0).normal(0, 20, int(seconds * rate)).astype("f4")
    hypnogram = Hypnogram(30.0 * np.arange(len(stages)), np.array(stages, "i1"))
    return Recording("a", "0", {"EEG": Signal(values, rate)}, hypnogram, None, ("a.edf",))


@pytest.mark.parametrize("samples", [2000, 6000, 24_011, 30_001])  # within, at edges of blocks
def test_released_filter_is_101_taps_forwards_and_backwards(samples):
    x = np.random.default_rng(0).normal(0, 30, samples)
    taps = dsp.firwin(101, (0.3, 40), pass_zero=False, fs=100)
    expected = dsp.filtfilt(taps, 1, x)  # in double precision, as ours, which is then rounded
    assert np.abs(filtered(Signal(x, 100)) - expected).max() < SINGLE * np.abs(expected).max()


@pytest.mark.parametrize("rate", [100, 128, 200, 256, 500])
def test_alpha_keeps_its_height_and_phase_at_any_rate(rate):
    out = filtered(Signal(tone(10, rate), rate))
    assert len(out) == 6000
    assert np.abs(out - tone(10, 100))[300:-300].max() < 0.02


def test_frequencies_above_50_hz_do_not_fold_into_the_band():
    alias = filtered(Signal(tone(90, 256), 256))  # would appear at 10 Hz
    assert np.abs(alias[300:-300]).max() < 0.01


@pytest.mark.parametrize("rate", DATABASES)
@pytest.mark.parametrize("samples", [1, 37, 20_011])
def test_rates_of_the_databases_give_the_values_of_resample_poly(monkeypatch, rate, samples):
    """Bit for bit, in one block or in many: what is stored and published rests on them."""
    x = np.random.default_rng(0).normal(0, 30, samples).astype("f4")
    divisor = math.gcd(rate, 100)
    whole = dsp.resample_poly(x.astype(float), 100 // divisor, rate // divisor).astype("f4")
    for block in (preprocessing.RESAMPLED, 1000):
        monkeypatch.setattr(preprocessing, "RESAMPLED", block)
        assert np.array_equal(filtered(Signal(x, rate), "none"), whole)


@pytest.mark.parametrize("rate", ODD)
@pytest.mark.parametrize("frequency", [1, 10, 25, 40])
def test_tones_keep_their_height_and_phase_at_rates_that_are_no_round_fraction(rate, frequency):
    out = filtered(Signal(tone(frequency, rate), rate), "none")
    assert 5999 <= len(out) <= 6001
    # The second is a shift by what a fraction may be off.
    tolerance = 2 * RIPPLE + 2 * np.pi * frequency * preprocessing.DRIFT / 100
    assert np.abs(out[:5999] - tone(frequency, 100)[:5999])[20:-20].max() < tolerance


@pytest.mark.parametrize("rate", [50.0003, 62.5, 99.9, 99.999])
def test_tones_keep_their_height_and_phase_at_rates_below_100_hz(rate):
    for frequency in (1, 10, 0.4 * rate):
        out = filtered(Signal(tone(frequency, rate), rate), "none")
        assert np.abs(out[:5999] - tone(frequency, 100)[:5999])[40:-40].max() < 2 * RIPPLE


@pytest.mark.parametrize("rate", [rate for rate in ODD if rate > 120])
def test_nothing_folds_into_the_band_at_rates_that_are_no_round_fraction(rate):
    for frequency in np.linspace(59, rate / 2, 7):
        out = filtered(Signal(tone(frequency, rate, 20), rate), "none")
        assert np.abs(out[20:-20]).max() < 2 * RIPPLE


@pytest.mark.parametrize("rate", [50, *DATABASES[2:], 10_000])
def test_nothing_jumps_where_the_method_changes(monkeypatch, rate):
    """The filter is the same but for its sum, which differs between points by ripple at most."""
    monkeypatch.setattr(preprocessing, "DRIFT", 1e-9)
    x = np.random.default_rng(0).normal(0, 30, 20 * rate).astype("f4")
    ours, theirs = (filtered(Signal(x, r), "none")[:2000] for r in (rate * (1 + 1e-9), rate))
    assert not np.array_equal(ours, theirs)
    assert np.abs(ours - theirs).max() < RIPPLE * np.abs(theirs).max()


def test_an_event_lies_where_it_was_after_three_days():
    """A shift by one sample would change a burst of 10 Hz by 0.6 of its height."""
    rate, seconds = 99.999, 3 * 24 * 3600
    values = np.zeros(int(seconds * rate), "f4")
    events = np.sort(np.random.default_rng(0).uniform(2, seconds - 2, 200))
    for event in events:
        around = np.arange(int((event - 1) * rate), int((event + 1) * rate))
        values[around] += burst(around / rate - event)
    out = filtered(Signal(values, rate), "none")
    expected = np.zeros_like(out)
    for event in events:
        around = np.arange(int((event - 1) * 100), int((event + 1) * 100))
        expected[around] += burst(around / 100 - event)
    assert np.abs(out - expected).max() < 2 * RIPPLE


def burst(seconds):
    return np.cos(2 * np.pi * 10 * seconds) * np.exp(-((seconds / 0.15) ** 2))


@pytest.mark.parametrize("rate", [100, 128, 333.3333])
def test_a_slice_is_that_of_the_whole_wherever_it_lies(rate):
    signal = Signal(np.random.default_rng(0).normal(0, 30, int(241 * rate)).astype("f4"), rate)
    notches = Filtering(raw_filter={"EMG": "high-pass-and-notches"})
    whole = filtered(signal, "high-pass-and-notches")
    for start, stop in ((0, 10), (20_900, 24_090), (23_999, 24_001), (24_000, 30_000), (5, 5)):
        part = preprocessing.filtered_channel("a.edf", "EMG", signal, notches)[start:stop]
        assert np.array_equal(part, whole[start:stop])


@pytest.mark.parametrize("rate", [1000, 999.97, 1000 / 1.0007])
def test_resampling_takes_less_memory_than_the_signal(rate):
    signal = Signal(np.zeros(10_000_000, "f4"), rate)
    tracemalloc.start()
    filtered(signal)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < signal.values.nbytes


def test_what_is_above_the_pass_band_is_removed():
    assert np.abs(filtered(Signal(tone(48, 100), 100))[300:-300]).max() < 0.01


def test_sec4_1_signals_are_resampled_and_not_filtered():
    x = np.random.default_rng(0).normal(0, 30, 6000)
    assert np.array_equal(filtered(Signal(x, 100), "none"), x.astype("f4"))
    drift, fast = tone(0.1, 200), tone(44, 200)  # both outside the pass band
    out = filtered(Signal(drift + fast, 200), "none")
    assert np.abs(out - tone(0.1, 100) - tone(44, 100))[300:-300].max() < 0.05
    alias = filtered(Signal(tone(90, 256), 256), "none")
    assert np.abs(alias[300:-300]).max() < 0.01


def test_epochs_are_cut_from_the_signal_with_the_filter_that_is_named():
    recorded = recording([0, 1, 2])
    for raw_filter in preprocessing.FILTERS:
        whole = filtered(recorded.signals["EEG"], raw_filter)
        epochs = cut(recorded, Filtering(raw_filter={"EEG": raw_filter}))
        assert np.array_equal(epochs.signals["EEG"], whole.reshape(3, 3000))


def test_a_channel_is_filtered_by_its_own_filter_at_the_rate_that_is_named():
    recorded = recording([0, 1, 2], rate=256)
    eeg = recorded.signals["EEG"]
    recorded = replace(recorded, signals={"EEG": eeg, "EMG": eeg, "EMG2": eeg})
    for rate in ("resampled", "recorded"):
        epochs = cut(recorded, Filtering(filter_rate=rate))
        for channel, name in (("EEG", "band-pass"), ("EMG", "high-pass"), ("EMG2", "high-pass")):
            whole = filtered(eeg, name, as_recorded=rate == "recorded")
            assert np.array_equal(epochs.signals[channel], whole.reshape(3, 3000))


def down(raw_filter, rate, frequency):
    """Decibels by which filtering forwards and backwards damps a tone, from the taps."""
    steps = preprocessing.taps_of(raw_filter, rate)
    phases = np.exp(-2j * np.pi * frequency / rate * np.arange(preprocessing.TAPS))
    return -sum(2 * 20 * math.log10(abs(taps @ phases)) for taps in steps)


@pytest.mark.parametrize(("rate", "expected"), [(256, 2.3), (100, 6.1)])
def test_released_band_pass_is_another_filter_at_another_rate(rate, expected):
    """At 0.3 Hz; MASS is filtered at 256 Hz for the most, Sleep-EDF at 100 Hz."""
    assert down("band-pass", rate, 0.3) == pytest.approx(expected, abs=0.05)
    low = filtered(Signal(tone(0.3, rate, 300), rate), as_recorded=True)[3000:-3000]
    measured = -20 * math.log10(np.sqrt(2) * low.std())  # over whole periods
    assert measured == pytest.approx(expected, abs=0.05)


def test_released_mass_filters_at_256_hz_and_resamples_afterwards():
    x = np.random.default_rng(0).normal(0, 30, 60 * 256)
    taps = dsp.firwin(101, (0.3, 40), pass_zero=False, fs=256)
    expected = dsp.resample_poly(dsp.filtfilt(taps, 1, x), 25, 64)
    ours = filtered(Signal(x, 256), "band-pass", as_recorded=True)
    assert np.abs(ours - expected).max() < 1e-4
    assert np.abs(filtered(Signal(x, 256)) - expected).max() > 1


def test_released_mass_emg_is_notched_at_50_and_60_hz_and_high_passed_at_10_hz():
    x = np.random.default_rng(0).normal(0, 30, 60 * 256)
    expected = x
    for edges, low in (((49, 51), True), ((59, 61), True), (10, False)):
        taps = dsp.firwin(101, edges, pass_zero=low, fs=256)
        expected = dsp.filtfilt(taps, 1, expected)
    expected = dsp.resample_poly(expected, 25, 64)
    ours = filtered(Signal(x, 256), "high-pass-and-notches", as_recorded=True)
    assert np.abs(ours - expected).max() < 1e-4


@pytest.mark.parametrize("rate", [100, 128, 256])
def test_a_recording_at_100_hz_is_filtered_alike_at_either_rate(rate):
    x = Signal(np.random.default_rng(0).normal(0, 30, 6000), rate)
    same = np.array_equal(filtered(x), filtered(x, as_recorded=True))
    assert same == (rate == 100)


def test_what_lies_above_half_the_rate_is_not_there_to_filter():
    assert [len(preprocessing.taps_of("high-pass-and-notches", r)) for r in (256, 100)] == [3, 2]
    (eog,) = preprocessing.taps_of("band-pass", 50)  # that of SHHS: a high-pass is left
    assert np.array_equal(eog, dsp.firwin(101, 0.3, pass_zero=False, fs=50))


def test_epochs_are_3000_samples_from_their_onset():
    epochs = cut(recording([0, 1, 2]))
    whole = filtered(recording([0, 1, 2]).signals["EEG"])
    assert np.array_equal(epochs.signals["EEG"], whole.reshape(3, 3000))


def test_dropped_epochs_leave_their_place_in_the_recording():
    epochs = cut(recording([0, -1, 2, -1, -1, 4]))
    assert epochs.places.tolist() == [0, 2, 5]
    assert epochs.stages.tolist() == [0, 2, 4]


def test_an_epoch_that_the_signal_does_not_cover_is_dropped():
    assert cut(recording([0, 1, 2], seconds=80)).places.tolist() == [0, 1]


def test_an_epoch_whose_samples_the_signal_has_is_kept():
    """At 333.3333 Hz sixty seconds are 19,999.998 samples, of which a file has 19,999."""
    recorded = recording([0, 1], rate=333.3333)
    assert recorded.signals["EEG"].seconds < 60
    assert cut(recorded).places.tolist() == [0, 1]


def test_an_epoch_begins_at_the_sample_nearest_to_its_onset():
    recorded = recording([0, 1, 2], seconds=100)
    whole = filtered(recorded.signals["EEG"])
    for shift, samples in ((0.004, 0), (0.006, 1), (0.014, 1), (9.996, 1000), (-0.004, 0)):
        onsets = recorded.hypnogram.onsets + shift
        epochs = cut(replace(recorded, hypnogram=Hypnogram(onsets, recorded.hypnogram.stages)))
        assert np.array_equal(
            epochs.signals["EEG"], whole[samples : samples + 9000].reshape(3, 3000)
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e13, 1e38])
@pytest.mark.parametrize("rate", [100, 99.999, 256])
@pytest.mark.parametrize("raw_filter", ["band-pass", "none"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_voltage_is_refused(value, rate, raw_filter):
    recorded = recording([0, 1, 2], rate=rate)
    recorded.signals["EEG"].values[int(40 * rate)] = value
    with pytest.raises(InputError, match=r"a\.edf: EEG \(''\) is \S+ uV near second [34]\d, "):
        cut(recorded, Filtering(raw_filter=raw_filter)).signals["EEG"][:]


def test_a_recording_without_a_scored_epoch_is_refused():
    with pytest.raises(InputError, match="no epoch is scored"):
        cut(recording([-1, -1]))
