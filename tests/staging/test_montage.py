"""EEG, EOG and EMG are found among the signals of a recording, whatever their labels."""

import pytest

from tests.helpers.recordings import SHARED, existing
from xsleep.core.errors import InputError
from xsleep.staging.montage import Described, choices, describe, electrodes, find, resolve
from xsleep.staging.sources import open_source


def signals(*labels, rate=200.0, **facts):
    return describe(Described(label, rate, **facts) for label in labels)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("C4-M1", ("c4", "m1")),
        ("EEG C4-A1", ("c4", "m1")),
        ("eeg c4 - a1", ("c4", "m1")),
        ("C4/A1", ("c4", "m1")),
        ("C4_M1", ("c4", "m1")),
        ("C4:A1", ("c4", "m1")),
        ("EEG C4-LE", ("c4",)),
        ("EEG C3-Ref", ("c3",)),
        ("C4", ("c4",)),
        ("EEG C4-CLE - EEG A1-CLE", ("c4", "m1")),
        ("EEG Fpz-Cz", ("fpz", "cz")),
        ("T7-M2", ("t3", "m2")),
        ("ROC-LOC", ("e2", "e1")),
        ("EOG(L)", ("e1",)),
        ("E1-M2", ("e1", "m2")),
        ("Chin 1-Chin 2", ("chin1", "chin2")),
        ("EMG Chin", ("chin1",)),
        ("EOG horizontal", ()),
        ("ECG", ()),
        ("Saturation", ()),
    ],
)
def test_electrodes_of_a_label_in_any_spelling(label, expected):
    assert electrodes(label) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(
            ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "Resp oro-nasal", "EMG submental"],
            ["EEG Fpz-Cz", "EOG horizontal", "EMG submental"],
            id="Sleep-EDF",
        ),
        pytest.param(
            ["SaO2", "EEG(sec)", "ECG", "EMG", "EOG(L)", "EOG(R)", "EEG"],
            ["EEG(sec)", "EOG(R) - EOG(L)", "EMG"],
            id="SHHS",
        ),
        pytest.param(
            ["EEG C4-LE", "EOG Left Horiz", "EOG Right Horiz", "EMG Chin1", "EMG Chin2"],
            ["EEG C4-LE", "EOG Left Horiz", "EMG Chin1 - EMG Chin2"],
            id="MASS",
        ),
        pytest.param(
            ["F4-M1", "C4-M1", "O2-M1", "E1-M2", "E1", "E2", "Chin1-Chin2"],
            ["C4-M1", "E1-M2", "Chin1-Chin2"],
            id="AASM: a derivation that is there comes before one that is made",
        ),
        pytest.param(
            ["C3", "C4", "M1", "M2", "E1", "E2", "Chin1", "Chin2"],
            ["C4 - M1", "E2 - E1", "Chin1 - Chin2"],
            id="electrodes alone",
        ),
        pytest.param(
            ["C4", "EEG C4-A1", "LOC-A2", "ROC-A1", "EMG"],
            ["EEG C4-A1", "LOC-A2", "EMG"],
            id="Compumedics: the derivation beside the electrode",
        ),
    ],
)
def test_channels_are_found_in_the_montages_of_databases_and_clinics(labels, expected):
    kinds = ("EEG", "EOG", "EMG")
    found = find("x.edf", kinds, signals(*labels), {}, {})
    assert [found[kind][0].label for kind in kinds] == expected


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        (["O2-M1", "C4-M1", "F4-M1", "E1-M2"], {}, ["C4-M1", "F4-M1"]),
        (["C4", "M1", "C4-M1", "O2-M1"], {}, ["C4-M1", "O2-M1"]),
        (["C4-M1", "O2-M1"], {"EEG1": "O2-M1"}, ["O2-M1", "C4-M1"]),
        (["C4-M1", "O2-M1"], {"EEG2": "C4-M1"}, ["O2-M1", "C4-M1"]),
    ],
)
def test_several_channels_of_a_kind_take_signals_of_their_own(labels, given, expected):
    found = find("x.edf", ["EEG1", "EEG2"], signals(*labels), given, {})
    assert [found[channel][0].label for channel in ("EEG1", "EEG2")] == expected


def test_a_channel_that_no_signal_is_left_for_is_an_error():
    with pytest.raises(InputError, match="no other signal than 'C4-M1' is there for EEG2"):
        find("x.edf", ["EEG", "EEG2"], signals("C4-M1", "E1-M2"), {}, {})


def test_signals_of_other_kinds_are_never_taken():
    others = signals("EMG Leg", "Left Leg", "ECG", "C4 Imp", "Resp", "EMG Tib L")
    assert not any(choices(kind, others) for kind in ("EEG", "EOG", "EMG"))
    assert not choices("EEG", signals("C4-M1", voltage=False))


def test_types_of_the_file_count_where_labels_say_nothing():
    assert [c.label for c in choices("EOG", signals("Kanal 3", kind="EOG"))] == ["Kanal 3"]
    assert choices("EEG", signals("Kanal 3", kind="EEG"))[0].why == "by its type"


def test_what_the_network_was_trained_on_comes_first():
    there = signals("C4-M1", "Fpz-Cz")
    assert choices("EEG", there)[0].label == "C4-M1"
    assert choices("EEG", there, ["EEG Fpz-Cz"])[0].label == "Fpz-Cz"


def test_rates_that_are_too_low_for_a_channel_are_left_out():
    slow = signals("C4-M1", "E1-M2", rate=64.0)
    assert not choices("EEG", slow)
    assert choices("EOG", slow)


@pytest.mark.parametrize(
    ("given", "terms"),
    [
        ("C4-M1", ("C4", "M1")),
        ("C4 - M1", ("C4", "M1")),
        ("eeg c4-a1", ("C4", "M1")),
        ("EEG Fpz-Cz", ("EEG Fpz-Cz",)),
        ("eeg fpz-cz", ("EEG Fpz-Cz",)),
        ("X#2", ("X#2",)),
    ],
)
def test_a_name_is_found_without_regard_to_case_blanks_and_reference(given, terms):
    assert (
        resolve("x.edf", "EEG", given, signals("EEG Fpz-Cz", "C4", "M1", "X", "X")).terms == terms
    )


def test_of_several_signals_with_a_label_one_has_to_be_chosen():
    with pytest.raises(InputError, match=r"2 signals are called 'EEG'; choose one of 'EEG#1'"):
        resolve("x.edf", "EEG", "EEG", signals("EEG", "EEG"))


def test_of_signals_with_one_label_none_is_taken_without_a_number():
    with pytest.raises(InputError, match=r"several signals are called 'EEG'; choose one with --ee"):
        find("x.edf", ("EEG",), signals("EEG", "EEG"), {}, {})


def test_a_signal_that_is_sampled_too_slowly_is_told_so():
    with pytest.raises(InputError, match=r"EEG needs 100 Hz and more, and it has 'C4' at 50 Hz"):
        find("x.edf", ("EEG",), signals("C4", rate=50.0), {}, {})


def test_what_is_not_there_is_answered_with_what_there_is():
    with pytest.raises(InputError, match=r"x.edf: no EOG channel 'EOG'; it has 'C4', 'M1'"):
        resolve("x.edf", "EOG", "EOG", signals("C4", "M1"))
    with pytest.raises(InputError, match=r"recognised as EOG; name another with --eog: 'C4', 'M1'"):
        find("x.edf", ("EOG",), signals("C4", "M1"), {}, {})


def test_a_clinical_export_has_its_channels_found_among_90_signals():
    source = open_source(existing(SHARED / "data" / "noxturnal") / "fragment.edf")
    kinds = ("EEG", "EOG", "EMG")
    found = find(source.name, kinds, source.signals, {}, {})
    assert [found[kind][0].label for kind in kinds] == ["C4-M1", "E1-M2", "1-2"]
    signal = source.read("EEG", found["EEG"][0])
    assert (signal.unit, signal.rate, signal.seconds) == ("V", 200, 120)
    assert 1 < signal.values[:].std() < 1000
