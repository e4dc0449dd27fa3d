"""One recording scored: any file that MNE reads, with what is doubtful about it told."""

import json
from datetime import UTC, datetime, time

import edfio
import mne
import numpy as np
import pandas as pd
import pytest

import xsleep
from tests.helpers.recordings import NETWORK
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.networks import build, checkpoints
from xsleep.staging.score import score

RATE, MINUTES = 128, 20
START = datetime(2026, 11, 28, 22, 15, tzinfo=UTC)


def make_network(system, channels=1, seed=3):
    return build(system, channels, NETWORK, seed).eval()


def waves(seed=0, slow=1.0, rate=RATE, minutes=MINUTES):
    """Return (n,) microvolts of noise whose spectrum falls as that of EEG does."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(rate * 60 * minutes))
    frequencies = np.fft.rfftfreq(rate * 60 * minutes, 1 / rate)
    values = np.fft.irfft(spectrum / np.maximum(frequencies, 0.3) ** slow)
    return 25 * values / values.std()


def raw(**channels):
    """Return an `mne.io.Raw` of channels in microvolts; names are type and label, as EEG__C4_M1."""
    names = [name.split("__")[1].replace("_", "-") for name in channels]
    types = [name.split("__")[0] for name in channels]
    info = mne.create_info(names, RATE, types)
    made = mne.io.RawArray(1e-6 * np.array(list(channels.values())), info, verbose="error")
    made.set_meas_date(START)
    return made


def write_edf(path, signals, rate=RATE, unit="uV", scale=1.0):
    made = [
        edfio.EdfSignal(
            scale * values, rate, label=label, physical_dimension=unit,
            physical_range=(scale * -2000, scale * 2000),
        )
        for label, values in signals
    ]  # fmt: skip
    edfio.Edf(made, starttime=START.time()).write(path)
    return path


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, make_network("ARNN+RNN"), "ARNN+RNN", ("EEG",))
    return path


@pytest.fixture
def both(tmp_path):
    path = tmp_path / "both.safetensors"
    checkpoints.save(path, make_network("ARNN+RNN", 2), "ARNN+RNN", ("EEG", "EOG"))
    return path


def test_a_raw_in_memory_and_its_files_have_the_same_stages(tmp_path, model):
    made = raw(eeg__C4_M1=waves())
    expected = score(made, model)
    made.save(tmp_path / "x_raw.fif", verbose="error")
    np.testing.assert_allclose(
        score(tmp_path / "x_raw.fif", model).probabilities, expected.probabilities, atol=1e-4
    )
    for suffix in ("edf", "bdf"):
        mne.export.export_raw(tmp_path / f"x.{suffix}", made, verbose="error", overwrite=True)
        found = score(tmp_path / f"x.{suffix}", model)
        # 16 bits of the range of the signal
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-2)
        assert found.start == START.replace(tzinfo=None)
    assert expected.channels["EEG"].label == "C4-M1"
    assert len(expected.stages) == 2 * MINUTES


def test_brainvision_with_its_marker_file_is_read(tmp_path, model):
    values = waves()
    (tmp_path / "x.eeg").write_bytes((values * 10).astype("<i2").tobytes())
    (tmp_path / "x.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nDataFile=x.eeg\n"
        "[Marker Infos]\nMk1=New Segment,,1,1,0,20261128221500000000\n"
    )
    (tmp_path / "x.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=x.eeg\n"
        "MarkerFile=x.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=1\n"
        f"SamplingInterval={1e6 / RATE}\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n"
        "Ch1=C4,,0.1,uV\n"
    )
    found = score(tmp_path / "x.vhdr", model)
    expected = score(raw(eeg__C4=values), model)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-2)


def test_a_bad_stretch_is_marked_and_has_no_stage(model):
    values = waves()
    values[: 5 * 60 * RATE] = 0.0
    found = score(raw(eeg__C4_M1=values), model)
    assert found.bad.tolist() == [True] * 10 + [False] * 30
    assert found.names[:10] == [None] * 10
    assert np.isnan(found.probabilities[:10]).all()
    assert np.isfinite(found.probabilities[10:]).all()
    assert any(
        "flat in 10 of 40 epochs, not staged (0:00:00-0:05:00)" in doubt for doubt in found.doubts
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        pytest.param(lambda n: 0.3 * np.random.default_rng(1).standard_normal(n), "disconnected"),
        pytest.param(lambda n: 20 * np.random.default_rng(1).standard_normal(n), "noise alone"),
        pytest.param(lambda n: np.clip(30 * waves(1)[:n], -60, 60), "clipped"),
        pytest.param(lambda n: 40 * np.sin(2 * np.pi * 50 * np.arange(n) / RATE), "mains alone"),
    ],
)
def test_a_stretch_that_is_no_eeg_is_bad(model, values, why):
    broken = waves()
    broken[: 5 * 60 * RATE] = values(5 * 60 * RATE)
    found = score(raw(eeg__C4_M1=broken), model)
    assert found.bad.tolist() == [True] * 10 + [False] * 30
    assert any(f"is {why} in 10 of 40 epochs" in doubt for doubt in found.doubts)


def test_what_a_file_marks_as_bad_is_not_scored(model):
    made = raw(eeg__C4_M1=waves(), eeg__C3_M2=waves(1))
    made.set_annotations(mne.Annotations([65], [30], ["BAD_artifact"], orig_time=START))
    made.info["bads"] = ["C4-M1"]
    found = score(made, model)
    assert found.channels["EEG"].label == "C3-M2"
    assert np.flatnonzero(found.bad).tolist() == [2, 3]
    assert "2 epochs are in gaps or marked as bad by the file; not staged" in found.doubts


def test_gaps_of_edf_d_are_bad_epochs_at_their_clock_time(tmp_path, model):
    values, minutes = waves(), np.r_[0:5, 10:20]
    kept = np.concatenate([values[m * 60 * RATE : (m + 1) * 60 * RATE] for m in minutes])
    signal = edfio.EdfSignal(kept, RATE, label="C4-M1", physical_range=(-2000, 2000))
    signal.physical_dimension = "uV"
    annotation = edfio.EdfAnnotation(0, None, "a")
    given = {"annotations": [annotation], "data_record_duration": 60, "starttime": time(23, 57)}
    edfio.Edf([signal], **given).write(tmp_path / "x.edf")
    content = (tmp_path / "x.edf").read_bytes().replace(b"EDF+C", b"EDF+D")
    for place in reversed(range(5, 15)):
        old, new = (f"+{60 * m}\x14\x14\x00".encode() for m in (place, place + 5))
        content = content.replace(old + b"\0" * (len(new) - len(old)), new)
    (tmp_path / "x.edf").write_bytes(content)
    found = score(tmp_path / "x.edf", model)
    assert found.bad.tolist() == [False] * 10 + [True] * 10 + [False] * 20
    hypnogram, *_, lowest = (axes for axes in found.plot().axes)
    assert hypnogram.get_title("right") == "hatched: bad signals, not staged"
    assert lowest.get_xlabel() == "clock time"
    labels = [label.get_text() for label in lowest.get_xticklabels()]
    assert labels == ["23:58", *(f"00:{minute:02}" for minute in range(0, 18, 2))]


def test_stages_of_good_epochs_do_not_depend_on_how_bad_the_bad_ones_are(model):
    flat, clipped = waves(), waves()
    flat[: 5 * 60 * RATE] = 0.0
    clipped[: 5 * 60 * RATE] = 3000.0 * np.sign(waves(1))[: 5 * 60 * RATE]
    one, other = (score(raw(eeg__C4_M1=values), model) for values in (flat, clipped))
    np.testing.assert_array_equal(one.bad, other.bad)
    # the filter's 1 s after the stretch differs
    np.testing.assert_allclose(one.probabilities[12:], other.probabilities[12:], atol=0.05)


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({"eeg__C4_M1": np.zeros(MINUTES * 60 * RATE)}, "constant"),
        ({"eeg__C4_M1": 1e-4 * waves()}, "uV from peak to peak in 30 s"),
        ({"eeg__C4_M1": 1e6 * waves()}, "its numbers look like uV, not V"),
        (
            {"eeg__C4_M1": 40 * np.sin(2 * np.pi * 50 * np.arange(MINUTES * 60 * RATE) / RATE)},
            "mains alone throughout; choose another signal",
        ),
    ],
)
def test_a_signal_that_cannot_be_scored_is_one_line(model, signals, expected):
    with pytest.raises(InputError, match=expected) as error:
        score(raw(**signals), model)
    assert "\n" not in str(error.value)


def test_volts_in_a_signal_labelled_microvolts_are_told_with_the_unit(tmp_path, model):
    path = write_edf(tmp_path / "x.edf", [("C4-M1", waves())], scale=1e-6)
    with pytest.raises(InputError, match=r"its numbers look like V, not uV.*--unit V"):
        score(path, model)
    assert score(path, model, unit="V").channels["EEG"].unit == "V"


def test_one_signal_for_two_channels_is_refused(tmp_path, both):
    path = write_edf(tmp_path / "x.edf", [("C4-M1", waves()), ("E1-M2", waves())])
    with pytest.raises(InputError, match="EEG and EOG are the same signal"):
        score(path, both)


def test_swapped_channels_are_told(both):
    eeg, eog = waves(0, slow=0.8), waves(1, slow=1.6)
    found = score(raw(eeg__C4_M1=eeg, eog__E1_M2=eog), both)
    assert not any("swapped" in doubt for doubt in found.doubts)
    found = score(raw(eeg__C4_M1=eog, eog__E1_M2=eeg), both)
    assert any("may be swapped" in doubt for doubt in found.doubts)


def test_too_short_is_one_line(model):
    with pytest.raises(InputError, match="lasts 300 s; at least 600 s are needed"):
        score(raw(eeg__C4_M1=waves(minutes=5)), model)


def test_a_channel_that_the_network_does_not_read_is_told(model):
    with pytest.raises(InputError, match="reads EEG and no EOG; name signals for"):
        score(raw(eeg__C4_M1=waves()), model, eog="E1")


def test_folds_are_an_ensemble_of_mean_log_probabilities(tmp_path):
    for fold in (1, 2):
        network = make_network("ARNN+RNN", seed=fold)
        network.mean += 1
        path = tmp_path / "seed-1" / f"fold-{fold}" / "model.safetensors"
        checkpoints.save(path, network, "ARNN+RNN", ("EEG",))
        path.with_name("run.json").write_text(json.dumps({"database": "lab"}))
    made = raw(eeg__C4_M1=waves())
    one, two, all_ = (
        score(made, tmp_path / "seed-1" / name).probabilities for name in ("fold-1", "fold-2", "")
    )
    mean = np.sqrt(one * two)
    np.testing.assert_allclose(all_, mean / mean.sum(axis=1, keepdims=True), atol=1e-6)
    found = score(made, tmp_path / "seed-1")
    assert (found.network["networks"], found.network["trained_on"]) == (2, "lab")
    assert found.normalisation == "training"
    assert score(made, tmp_path / "seed-1", normalise="night").normalisation == "night"


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".edf", ".png"])
def test_the_answer_is_written_in_each_format_and_replaces_only_its_own(tmp_path, model, suffix):
    found = score(raw(eeg__C4_M1=waves()), model)
    path = tmp_path / f"x_hypnogram{suffix}"
    assert path in found.save(path)
    found.save(path)
    if suffix != ".png":
        path.write_text("mine")
        with pytest.raises(InputError, match="exists and was not written by xsleep"):
            found.save(path)
        assert path.read_text() == "mine"


def test_dollar_signs_in_names_are_no_formula_in_the_picture(tmp_path, model):
    write_edf(tmp_path / "$_$.edf", [("EEG $x_$", waves())])
    found = score(tmp_path / "$_$.edf", model, eeg="EEG $x_$")
    assert found.save(tmp_path / "$_$.png")


def test_bids_events_have_their_sidecar(tmp_path, model):
    values = waves()
    values[: 60 * RATE] = 0
    found = score(raw(eeg__C4_M1=values), model)
    tsv, sidecar = found.save(tmp_path / "x_hypnogram.tsv")
    table = pd.read_csv(tsv, sep="\t")
    assert [*table] == ["onset", "duration", "stage", *STAGES, "confidence", "bad"]
    assert table["bad"].sum() == table["stage"].isna().sum() == 2
    told = json.loads(sidecar.read_text())
    assert set(table) == told.keys() - {"xsleep", "statistics"}
    assert told["xsleep"]["channels"]["EEG"]["label"] == "C4-M1"
    assert told["statistics"]["TIB"] == MINUTES
    assert told["xsleep"]["normalisation"] == "night"


def test_edf_annotations_are_read_by_mne_and_edfio(tmp_path, model):
    found = score(raw(eeg__C4_M1=waves()), model)
    found.save(tmp_path / "x_hypnogram.edf")
    read = mne.read_annotations(tmp_path / "x_hypnogram.edf")
    spelled = [f"Sleep stage {'R' if name == 'REM' else name}" for name in found.names]
    assert read.description.tolist() == spelled
    np.testing.assert_array_equal(read.onset, found.onsets)
    file = edfio.read_edf(tmp_path / "x_hypnogram.edf")
    assert [annotation.text for annotation in file.annotations] == spelled
    assert file.starttime == START.time().replace(tzinfo=None)


def test_stages_are_mne_annotations_and_a_yasa_hypnogram(model):
    made = raw(eeg__C4_M1=waves())
    found = score(made, model)
    made.set_annotations(found.annotations())
    assert len(made.annotations) == len(found.onsets)
    hypnogram = found.hypnogram()
    assert hypnogram.n_epochs == len(found.onsets)
    assert found.statistics()["TIB"] == MINUTES
    assert found.to_frame()["confidence"].between(0.2, 1).all()


def test_the_package_scores(model):
    assert xsleep.score(raw(eeg__C4_M1=waves()), model=model).network["system"] == "ARNN+RNN"
