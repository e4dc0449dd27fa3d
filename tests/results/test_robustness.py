"""Table of what each system loses under each perturbation."""

import numpy as np
import pytest

from xsleep.core.files import write_csv
from xsleep.results.formatting import write_csv as write_table
from xsleep.results.inference import intervals
from xsleep.results.robustness import COUNTS, robustness

SUBJECTS = "abcdef"


def line(system, subject, right, perturbation="none", signals="as recorded", seed=1, **facts):
    """Forty epochs, half of them W, of which so many are right and the others called N1."""
    counts = dict.fromkeys(COUNTS, 0)
    counts |= {"W as W": right // 2, "W as N1": 20 - right // 2}
    counts |= {"N2 as N2": right // 2, "N2 as N1": 20 - right // 2}
    address = {"database": "X", "window": "in-bed", "channels": "EEG", "system": system}
    where = {"seed": seed, "fold": 1, "subject": subject, "recording": f"{subject}1"}
    facts = {"warned": 0, "refused": 0, "fault": ""} | facts
    what = {"perturbation": perturbation, "signals": signals}
    return (
        address | where | what | facts | (dict.fromkeys(COUNTS, "") if facts["fault"] else counts)
    )


def made(folder, lines, **options):
    write_csv(folder / "scores.csv", lines)
    systems = {"net": "Net", "slow": "Slow", "other": "Other"}
    table = robustness([folder / "scores.csv"], systems, ["flat", "gain"], **options)
    return table.set_index(["system", "perturbation"])


def both(system, subject, recorded, changed, perturbation="gain", **facts):
    return [
        line(system, subject, recorded, perturbation, **facts),
        line(system, subject, changed, perturbation, "perturbed", **facts),
    ]


def test_the_loss_is_paired_over_the_subjects(tmp_path):
    """Subjects differ by far more than each of them loses."""
    lines = []
    for number, subject in enumerate(SUBJECTS):
        right = 10 + 4 * number
        lines += [line("net", subject, right), *both("net", subject, right, right - 4)]
    table = made(tmp_path, lines)
    none, gain = table.loc["Net", "none"], table.loc["Net", "gain"]
    assert none["accuracy"] == pytest.approx(50) and np.isnan(none["loss of accuracy"])
    assert gain["accuracy"] == pytest.approx(40)
    assert gain["loss of accuracy"] == pytest.approx(10)
    ends = [gain["95 % from loss of accuracy"], gain["95 % to loss of accuracy"]]
    assert ends == pytest.approx([10, 10])
    assert (gain["subjects"], gain["epochs"], gain["seeds"]) == (6, 240, 1)
    assert gain["kappa"] == pytest.approx(none["kappa"] - gain["loss of kappa"])


def test_of_the_same_trainings_the_seeds_vary_together(tmp_path):
    """Seeds that differ, and lose the same, widen the interval of two systems, not of one."""
    random = np.random.default_rng(1)
    matrices = random.multinomial(40, np.full(25, 0.04), (3, 8)).reshape(3, 8, 5, 5)
    shift = np.zeros((3, 1, 5, 5), int)
    shift[:, 0, 0, 0] = [0, 30, 90]
    one, other = matrices + shift, matrices + shift + np.eye(5, dtype=int)
    apart, together = (intervals(other, one, same_seeds=same)["accuracy"] for same in (False, True))
    assert np.ptp(together) < 0.5 * np.ptp(apart)


def test_recordings_without_scores_of_a_seed_are_left_out_of_all_and_the_reason_is_told(tmp_path):
    lines = [line("net", s, 20, seed=seed) for s in SUBJECTS for seed in (1, 2)]
    for subject in SUBJECTS:
        lines += both("net", subject, 20, 10, seed=1, refused=1)
        if subject == "a":
            lines += [line("net", subject, 0, "gain", "perturbed", seed=2, fault="a.edf: no EEG")]
        else:
            lines += both("net", subject, 20, 10, seed=2, refused=1)
    gain = made(tmp_path, lines).loc["Net", "gain"]
    assert (gain["recordings"], gain["seeds"], gain["refused"]) == (5, 2, 5)
    assert gain["note"] == "1 recordings without scores: a.edf: no EEG"


def test_a_system_without_any_score_and_one_that_reads_no_signals_say_why(tmp_path):
    lines = [line("net", "a", 20, "flat", "perturbed", fault="nothing: not known")]
    address = {"database": "X", "window": "in-bed", "channels": "EEG", "system": "other"}
    table = made(tmp_path, lines, left_out=[address | {"note": "not perturbed: reads no signals"}])
    assert np.isnan(table.loc["Net", "flat"]["accuracy"])
    assert table.loc["Net", "flat"]["note"].endswith("nothing: not known")
    assert table.loc["Other"]["note"].tolist() == ["not perturbed: reads no signals"]
    write_table(tmp_path / "table.csv", table.reset_index())
    assert "not perturbed: reads no signals" in (tmp_path / "table.csv").read_text()


def test_rows_are_in_the_order_of_the_configuration_and_of_table_2(tmp_path):
    lines = []
    for system in ("slow", "net"):
        for name in ("gain", "flat"):
            lines += both(system, "a", 20, 10, name)
        lines += [line(system, "a", 20)]
    assert [*made(tmp_path, lines).index] == [
        (system, name) for system in ("Net", "Slow") for name in ("none", "flat", "gain")
    ]
