"""Signals that cannot be what they are taken for are refused, doubtful ones are told."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.recordings import noise
from xsleep.core.errors import InputError, InputWarning
from xsleep.core.recording import Signal
from xsleep.databases.formats.plausibility import check

PATH = Path("night.edf")
SECONDS = 600


def eeg(label="C4", factor=1.0, unit="uV", seed=0):
    return Signal((factor * noise(SECONDS, 100, seed)).astype("f4"), 100, label, unit)


def checked(signals, stated=None):
    check(PATH, signals, stated or {})


def refused(expected, signals, stated=None):
    with pytest.raises(InputError, match=f"^night.edf: {expected}") as error:
        checked(signals, stated)
    assert "\n" not in str(error.value)


def test_eeg_of_20_microvolts_is_nothing_to_tell(recwarn):
    checked({"EEG": eeg(), "EOG": eeg("E1", 5, seed=1), "EMG": eeg("EMG", 0.05, seed=2)})
    assert not recwarn.list


def test_a_constant_channel_is_refused():
    for value in (0, 7):
        signal = Signal(np.full(60_000, value, "f4"), 100, "EOG horizontal")
        expected = rf"EOG channel 'EOG horizontal' is constant \({value} uV\)"
        refused(expected, {"EEG": eeg(), "EOG": signal})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    signal = eeg()
    signal.values[[7, 50_000]] = value
    refused("EEG channel 'C4' has 2 values that are no number; copy", {"EEG": signal})


@pytest.mark.parametrize(
    ("unit", "factor", "looks"),
    [("uV", 1e-6, "V"), ("uV", 1e-3, "mV"), ("uV", 1e3, "nV"), ("mV", 1e3, "uV"), ("V", 1e4, "mV")],
)
def test_an_amplitude_that_is_impossible_is_refused_with_the_unit_that_would_mend_it(
    unit, factor, looks
):
    given = {"EEG": eeg(unit=unit, factor=factor)}
    refused(rf".* its numbers look like {looks}, not {unit}: .*\{{EEG: {looks}\}}.*--unit", given)
    with pytest.warns(InputWarning, match=f"it is read in {unit}, as stated"):
        checked(given, {"EEG": unit})


@pytest.mark.parametrize("share", [0.04, 0.5])
def test_a_channel_that_is_flat_for_a_while_is_told(share, recwarn):
    signal = eeg()
    signal.values[: round(share * len(signal.values))] = 3
    checked({"EEG": signal})
    told = [str(one.message) for one in recwarn.list]
    assert told == (["night.edf: EEG channel 'C4' is flat for 0:05:00 of 0:10:00"] * (share == 0.5))


def test_a_channel_that_is_clipped_is_told():
    signal = eeg()
    signal.values.clip(-30, None, out=signal.values)  # 1.5 deviations: 7 % of a normal's
    with pytest.warns(InputWarning, match="'C4' is clipped: 7% of its samples are -30 uV"):
        checked({"EEG": signal})


def test_slow_drifts_are_no_amplitude(recwarn):
    """Amplifiers for direct current drift by far more than the signal has."""
    signal = eeg()
    signal.values[:] += np.linspace(0, 1e5, len(signal.values))
    checked({"EEG": signal})
    assert not recwarn.list


def test_one_signal_for_two_channels_is_refused():
    refused(r"EEG and EOG are the same signal \('C4', 'E1'\)", {"EEG": eeg(), "EOG": eeg("E1")})


@pytest.mark.parametrize(
    ("one", "other"),
    [("EOG horizontal", "EEG Fpz-Cz"), ("E1-M2", "C4-M1"), ("ROC", "F3"), ("EOG1", "Fp1")],
)
def test_channels_that_were_swapped_are_refused(one, other):
    signals = {"EEG": eeg(one), "EOG": eeg(other, seed=1)}
    refused(f"'{one}' is taken for EEG, and its label says EOG; name another", signals)


@pytest.mark.parametrize(
    ("channel", "label", "says"), [("EEG", "EMG Chin1", "EMG"), ("EMG", "ECG II", "ECG")]
)
def test_a_label_that_says_another_kind_is_refused(channel, label, says):
    refused(f"'{label}' is taken for {channel}, .* says {says}", {channel: eeg(label)})


def test_one_of_several_channels_of_a_kind_is_held_against_its_kind(recwarn):
    refused("EEG and EEG2 are the same signal", {"EEG": eeg(), "EEG2": eeg("EEG O2", -1)})
    refused("'EOG' is taken for EEG2, .* says EOG", {"EEG": eeg(), "EEG2": eeg("EOG", seed=1)})
    swapped = {"EOG2": eeg("C4-M1"), "EEG2": eeg("E1-M2", seed=1)}
    refused("'C4-M1' is taken for EOG2, .* says EEG", swapped)
    checked({"EEG": eeg("EEG C4"), "EEG2": eeg("EEG O2", seed=1), "EOG2": eeg("ROC", seed=2)})
    assert not recwarn.list


def test_an_electrode_that_is_mostly_used_for_another_kind_is_told():
    with pytest.warns(InputWarning, match="'Fp1-A2' is taken for EOG, and its label says EEG"):
        checked({"EOG": eeg("Fp1-A2")})


@pytest.mark.parametrize("label", ["EOG(L) - EOG(R)", "E2 - E1", "EOG Right Horiz", "P8-A1", "x"])
def test_labels_of_databases_are_nothing_to_tell(label, recwarn):
    checked({"EOG": eeg(label)})
    assert not recwarn.list


@pytest.mark.parametrize("factor", [-1, 0.5])
def test_one_signal_for_two_channels_is_refused_whatever_its_sign_and_gain(factor):
    signals = {"EEG": eeg(), "EOG": eeg("E1", factor)}
    refused(r"EEG and EOG are the same signal \('C4', 'E1'\)", signals)


@pytest.mark.parametrize("label", ["EEG LOC-REF", "EEG E1-M2"])
def test_a_program_that_calls_every_electrode_eeg_is_believed_for_both(label, recwarn):
    checked({"EOG": eeg(label)})
    checked({"EEG": eeg(label)})
    assert not recwarn.list
