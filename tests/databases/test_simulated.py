"""The simulated cohort: files as Sleep-EDF has them, and nights and signals like its own."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pytest
from scipy.signal import welch

from xsleep.core.errors import InputError
from xsleep.core.settings import checked
from xsleep.core.stages import RK_STAGES, STAGES
from xsleep.databases.simulated.cohort import Cohort, generator, hypnogram_name, recordings, traits
from xsleep.databases.simulated.files import write_recording
from xsleep.databases.simulated.hypnogram import WAKE_AROUND, simulate

REFERENCE = Path(__file__).resolve().parents[2] / "../shared/reference"
needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the figures of the real nights (shared/reference) are not here"
)

COHORT = Cohort(subjects=4, nights=2, hours=6, seed=11)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first night of each subject of ``COHORT``."""
    folder = tmp_path_factory.mktemp("simulated")
    for recording in list(recordings(COHORT))[::2]:
        write_recording(folder, recording, COHORT)
    return folder


def scored(path: Path) -> tuple[str, dict[str, float]]:
    """One letter per epoch, and the times of the lights in seconds."""
    letters, lights = "", {}
    for annotation in edfio.read_edf(path).annotations:
        if annotation.text.startswith("Lights"):
            lights[annotation.text] = annotation.onset
            continue
        assert annotation.onset == 30 * len(letters)
        letter = "M" if annotation.text == "Movement time" else annotation.text[-1]
        letters += letter * round(annotation.duration / 30)
    return letters, lights


def nights(count: int, hours: float = 9) -> list:
    cohort = Cohort(subjects=count, nights=1, hours=hours, seed=3)
    return [
        simulate(hours, traits(cohort, n), generator(cohort, n, 1, "night")) for n in range(count)
    ]


def test_names_are_those_of_sleep_edf_in_order():
    assert list(recordings(Cohort(subjects=2, nights=2, hours=9)).items()) == [
        ("SC4001E0", (0, 1)),
        ("SC4002E0", (0, 2)),
        ("SC4011E0", (1, 1)),
        ("SC4012E0", (1, 2)),
    ]


def test_names_extend_to_900_different_recordings():
    names = list(recordings(Cohort(subjects=100, nights=9, hours=9)))
    assert len(names) == 900
    assert names[-1] == "SC4999E0"


@pytest.mark.parametrize(
    "change", [{"subjects": 101}, {"nights": 10}, {"subjects": 0}, {"hours": 2.9}, {"seed": -1}]
)
def test_impossible_cohorts_are_one_line_that_names_the_value(change):
    ((name, value),) = change.items()
    with pytest.raises(InputError) as error:
        checked(Cohort, {"subjects": 2, "nights": 1, "hours": 9, "seed": 0} | change, "cohort")
    assert "\n" not in str(error.value)
    assert f"{name} = {value}: Input should be " in str(error.value)


def test_a_recording_outside_the_cohort_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="SC4041E0"):
        write_recording(tmp_path, "SC4041E0", COHORT)
    assert not list(tmp_path.iterdir())


def test_file_names_are_those_of_sleep_edf(folder):
    expected = {f"SC40{n}1E0-PSG.edf" for n in range(4)}
    expected |= {hypnogram_name(f"SC40{n}1E0") for n in range(4)}
    assert {path.name for path in folder.iterdir()} == expected


def test_psg_has_the_channels_rates_and_units_of_a_cassette(folder):
    psg = edfio.read_edf(folder / "SC4001E0-PSG.edf")
    assert [(s.label, s.sampling_frequency, s.physical_dimension) for s in psg.signals] == [
        ("EEG Fpz-Cz", 100, "uV"),
        ("EEG Pz-Oz", 100, "uV"),
        ("EOG horizontal", 100, "uV"),
        ("Resp oro-nasal", 1, ""),
        ("EMG submental", 1, "uV"),
        ("Temp rectal", 1, "DegC"),
        ("Event marker", 1, ""),
    ]
    assert psg.data_record_duration == 30
    assert psg.duration == 6 * 3600


def test_psg_has_the_header_of_the_real_fragment(folder):
    path = REFERENCE.parent / "data/sleep_edf_fragment/SC4001E0_first300s_short_psg.edf"
    if not path.is_file():
        pytest.skip("the real fragment (shared/data/sleep_edf_fragment) is not here")
    simulated, real = edfio.read_edf(folder / "SC4001E0-PSG.edf"), edfio.read_edf(path)
    for ours, theirs in zip(simulated.signals, real.signals, strict=True):
        for field in (
            "label", "sampling_frequency", "physical_dimension", "physical_range",
            "digital_range", "transducer_type", "prefiltering",
        ):  # fmt: skip
            assert getattr(ours, field) == getattr(theirs, field), (ours.label, field)


def test_psg_and_hypnogram_start_together(folder):
    psg = edfio.read_edf(folder / "SC4001E0-PSG.edf")
    hypnogram = edfio.read_edf(folder / hypnogram_name("SC4001E0"))
    assert psg.startdate == hypnogram.startdate
    assert psg.starttime == hypnogram.starttime


def test_hypnogram_covers_the_record_without_gaps_in_runs(folder):
    for path in folder.glob("*-Hypnogram.edf"):
        letters, _ = scored(path)
        assert len(letters) == 6 * 120
        texts = [a.text for a in edfio.read_edf(path).annotations if a.duration]
        assert all(a != b for a, b in pairwise(texts))


def test_lights_go_off_before_on_with_35_minutes_of_wake_around(folder):
    for path in folder.glob("*-Hypnogram.edf"):
        letters, lights = scored(path)
        off, on = (int(lights[text] // 30) for text in ("Lights off", "Lights on"))
        assert WAKE_AROUND <= off < on
        assert set(letters[:off]) == {"W"}
        assert letters[on : on + WAKE_AROUND] == "W" * WAKE_AROUND


@pytest.mark.parametrize("hours", [3, 6, 9, 24])
def test_time_in_bed_is_7_to_9_hours_where_it_fits(hours):
    for night in nights(5, hours):
        in_bed = (night.lights_on - night.lights_off) / 120
        assert in_bed <= 9
        assert in_bed >= min(7, 0.97 * hours - 2 * WAKE_AROUND / 120 - 0.02)
        assert night.lights_off >= WAKE_AROUND


def test_every_stage_occurs_and_both_s3_and_s4():
    letters = set(np.concatenate([night.scored for night in nights(12)]))
    assert letters == set("W1234R?M")


def test_the_same_recording_is_the_same_bytes_whoever_else_is_in_the_cohort(folder, tmp_path):
    fewer = Cohort(subjects=2, nights=1, hours=COHORT.hours, seed=COHORT.seed)
    write_recording(tmp_path, "SC4011E0", fewer)
    written = sorted(tmp_path.iterdir())
    assert len(written) == 2
    for path in written:
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_another_seed_is_another_night(folder, tmp_path):
    write_recording(tmp_path, "SC4011E0", COHORT.model_copy(update={"seed": COHORT.seed + 1}))
    name = "SC4011E0-PSG.edf"
    assert (tmp_path / name).read_bytes() != (folder / name).read_bytes()


def test_traits_persist_over_a_subjects_recordings(folder, tmp_path):
    """Spectra of N2 are closer in two nights of one subject than in those of two."""
    people = range(COHORT.subjects)
    for n in people:
        write_recording(tmp_path, f"SC40{n}2E0", COHORT)
    first = [n2_spectrum(folder, f"SC40{n}1E0") for n in people]
    second = [n2_spectrum(tmp_path, f"SC40{n}2E0") for n in people]
    distances = np.array([[np.abs(a - b).mean() for b in second] for a in first])
    own = np.diag(distances).mean()
    others = distances[~np.eye(len(distances), dtype=bool)].mean()
    assert own < 0.7 * others
    headers = [
        str(edfio.read_edf(path).patient)
        for path in (folder / "SC4011E0-PSG.edf", tmp_path / "SC4012E0-PSG.edf")
    ]
    assert headers[0] == headers[1]


def epochs(folder: Path, recording: str, channel: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3000) microvolts and (n,) labels, -1 without a stage."""
    letters, _ = scored(folder / hypnogram_name(recording))
    labels = np.array([STAGES.index(RK_STAGES[s]) if s in RK_STAGES else -1 for s in letters])
    signal = edfio.read_edf(folder / f"{recording}-PSG.edf").get_signal(channel).data
    return signal.reshape(-1, 3000), labels


def n2_spectrum(folder: Path, recording: str) -> np.ndarray:
    spectra = []
    for channel in ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"):
        signal, labels = epochs(folder, recording, channel)
        hz, density = welch(signal[labels == 2], 100, nperseg=400)
        spectra.append(np.log(density[:, (hz > 4) & (hz < 30)]).mean(axis=0))
    return np.concatenate(spectra)


def test_n3_has_slow_waves_of_75_to_200_microvolts(folder):
    signal, labels = epochs(folder, "SC4001E0", "EEG Fpz-Cz")
    swings = np.ptp(signal[labels == 3].reshape(-1, 10, 300), axis=2)
    assert 75 < np.median(swings) < 200


def test_rem_has_little_chin_muscle_tone(folder):
    letters, _ = scored(folder / hypnogram_name("SC4001E0"))
    emg = edfio.read_edf(folder / "SC4001E0-PSG.edf").get_signal("EMG submental").data
    tone = emg.reshape(-1, 30).mean(axis=1)
    letters = np.array(list(letters))
    assert tone[letters == "R"].mean() < tone[letters == "2"].mean() < tone[letters == "W"].mean()


@needs_reference
def test_stage_shares_in_bed_are_those_of_the_real_nights():
    table = pd.read_csv(REFERENCE / "sleep_edf_recordings.csv")
    real = table[table.database == "SleepEDF-78"].filter(regex="^in_bed_").to_numpy()
    letters = "".join("".join(n.scored[n.lights_off : n.lights_on]) for n in nights(60))
    shares = [sum(letters.count(s) for s in stage) for stage in ("W", "1", "2", "34", "R")]
    assert np.allclose(np.divide(shares, sum(shares)), real.sum(axis=0) / real.sum(), atol=0.04)


@needs_reference
def test_steps_from_stage_to_stage_are_those_of_the_real_nights():
    real = json.loads((REFERENCE / "sleep_edf_hypnograms.json").read_text()).values()
    expected = asleep_steps("".join(r[0] * int(r[1:]) for r in runs.split()) for runs in real)
    found = asleep_steps("".join(night.scored) for night in nights(60))
    found, expected = (steps / steps.sum(axis=1, keepdims=True) for steps in (found, expected))
    assert np.abs(found - expected)[1:].max() < 0.05


def asleep_steps(hypnograms) -> np.ndarray:
    """(5, 5) counts of steps between the first and the last epoch of sleep, naps included."""
    steps = np.zeros((5, 5))
    for letters in hypnograms:
        labels = np.array([STAGES.index(RK_STAGES[s]) if s in RK_STAGES else -1 for s in letters])
        asleep = np.flatnonzero(labels > 0)
        labels = labels[asleep[0] : asleep[-1] + 1]
        known = (labels[:-1] >= 0) & (labels[1:] >= 0)
        np.add.at(steps, (labels[:-1][known], labels[1:][known]), 1)
    return steps


@needs_reference
def test_band_powers_of_the_eeg_are_like_the_real_ones_within_1_5_deviations(folder):
    """Ratios of powers, so that the normalisation of the real figures drops out.

    The cohort here is small; ``benchmarks/simulated_realism.py`` checks all cells closely.
    """
    real = pd.read_csv(REFERENCE / "sleep_edf_band_powers.csv")
    real = real.set_index(["channel", "stage", "band"])
    bands = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 12), "sigma": (12, 16)}
    bands["beta"] = (16, 30)
    off = []
    for channel in ("EEG Fpz-Cz", "EEG Pz-Oz"):
        powers = {stage: [] for stage in STAGES}
        for n in range(COHORT.subjects):
            signal, labels = epochs(folder, f"SC40{n}1E0", channel)
            hz, density = welch(signal, 100, "hamming", 400, average="median")
            power = np.log(
                [density[:, (hz >= a) & (hz < b)].sum(axis=1) / 4 for a, b in bands.values()]
            )
            for label, stage in enumerate(STAGES):
                powers[stage].append(power[:, labels == label].mean(axis=1))
        mean = np.array([np.mean(powers[stage], axis=0) for stage in STAGES])
        cells = [[real.loc[channel, stage, band] for band in bands] for stage in STAGES]
        expected = np.array([[cell.log_power_mean for cell in row] for row in cells])
        deviation = np.array(
            [[cell.log_power_sd_between_subjects for cell in row] for row in cells]
        )
        difference = mean - expected
        off.append((difference - difference.mean()) / deviation)
    assert np.abs(off).max() < 1.5
