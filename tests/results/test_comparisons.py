from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.helpers.studies import Study
from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.comparisons import compare, rounded, subjects_ratio
from xsleep.results.metrics import measure

FOLDS = (("a1", "a2"), ("b1", "d1"), ("e1", "f1"), ("g1", "h1"))
RATIOS = {"SleepEDF-20": 0.4}


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def train(study, system, skill=0.5, folds=FOLDS, **options):
    nights = []
    for fold, names in enumerate(folds, start=1):
        nights += study.run(*names, fold=fold, system=system, skill=skill, **options)
    return nights


def accuracy(nights):
    true, predicted = (
        np.concatenate(values)
        for values in zip(
            *((n.stages, n.probabilities["joint"].argmax(1)) for n in nights), strict=True
        )
    )
    return measure(true, predicted)["accuracy"]


def test_a_pair_is_compared_by_subject_and_by_fold(study):
    ours, theirs = train(study, "XSleepNet2", 1), train(study, "XSleepNet1", 0.3)
    row = compare(study.results(), RATIOS).iloc[0]
    assert (row["system"], row["against"], row["metric"]) == (
        "XSleepNet2",
        "XSleepNet1",
        "accuracy",
    )
    assert row["of system"] == pytest.approx(accuracy(ours))
    assert row["difference"] == pytest.approx(accuracy(ours) - accuracy(theirs))
    assert row["95 % from"] < row["difference"] < row["95 % to"]
    by_subject, by_fold = (
        [
            accuracy([n for n in ours if chosen(n)]) - accuracy([n for n in theirs if chosen(n)])
            for chosen in choices
        ]
        for choices in (
            [lambda n, s=s: n.subject == s for s in "abdefgh"],
            [lambda n, names=names: n.recording in names for names in FOLDS],
        )
    )
    assert row["p Wilcoxon"] == pytest.approx(stats.wilcoxon(by_subject).pvalue)
    assert row["p corrected t"] == pytest.approx(inference.corrected_t(np.array(by_fold), 0.4))
    assert (row["subjects"], row["folds"], row["seeds"]) == (7, 4, 1)


def test_the_same_seeds_in_another_order_are_no_difference_in_any_figure(study):
    for seed in range(3):
        train(study, "XSleepNet2", seed=seed)
    (ours,) = study.results()
    turned = ours.counts.rename({0: 1, 1: 2, 2: 0}, level="seed").sort_index()
    rows = compare([ours, replace(ours, system="Naive Fusion", counts=turned)], RATIOS)
    # Other seeds of either might differ, as the deviation over them says; subjects do not.
    assert rows["95 % from"].to_numpy() == pytest.approx(-rows["95 % to"].to_numpy(), rel=0.15)
    assert (rows["95 % from"] < 0).all()
    assert (rows["p Wilcoxon"] == 1).all() and (rows["p corrected t"] == 1).all()
    text = rounded(rows)
    assert set(text["difference"]) == {"0.00", "0.0000"}


def test_small_p_values_keep_their_digits(study, monkeypatch):
    monkeypatch.setattr(inference, "wilcoxon", lambda differences: 1.23456e-7)
    train(study, "XSleepNet2")
    train(study, "Naive Fusion")
    assert set(rounded(compare(study.results(), RATIOS))["p Holm"]) == {"1.23e-07"}


def test_holm_counts_the_pairs_of_a_metric_within_a_channel_set(study):
    for channels in ("EEG", "EEG-EOG"):
        for skill, system in enumerate(("XSleepNet2", "XSleepNet1", "Naive Fusion")):
            train(study, system, skill / 5, channels=channels)
    table = compare(study.results(), RATIOS)
    assert len(table) == 2 * 3 * 3
    for _, block in table.groupby(["channels", "metric"]):
        p = block["p Wilcoxon"].to_numpy()
        assert block["p Holm"].to_numpy() == pytest.approx(inference.holm(p))
        assert block["p Holm"].min() == pytest.approx(min(3 * p.min(), 1))


def test_systems_are_compared_on_what_both_tested(study):
    train(study, "XSleepNet2")
    train(study, "XSleepNet1", folds=FOLDS[:2])
    train(study, "FCNN+RNN", folds=FOLDS[:1])
    study.runs[-1].predictions.write_text("junk")
    table = compare(study.results(), RATIOS)
    assert set(table["against"]) == {"XSleepNet1"}
    assert (table["subjects"].unique(), table["folds"].unique()) == ([3], [2])


def test_a_single_fold_has_no_test_over_folds(study):
    train(study, "XSleepNet2", folds=FOLDS[:1])
    train(study, "XSleepNet1", folds=FOLDS[:1])
    text = rounded(compare(study.results(), RATIOS))
    assert text[["p corrected t", "95 % from"]].eq("").all(axis=None)  # one subject as well
    assert text["of system"].str.fullmatch(r"\d\d\.\d\d|0\.\d{4}").all()


def test_training_and_testing_subjects_are_counted_in_the_folds(tmp_path):
    path = tmp_path / "folds.csv"
    lines = ["1,test,a,a1", "1,test,a,a2", "1,training,b,b1", "1,training,d,d1"]
    lines += ["1,validation,e,e1", "1,validation,f,f1", "2,validation,e,e1"]
    path.write_text(
        "\n".join(["fold,role,subject,recording", *lines, "2,test,b,b1", "2,training,a,a\n"])
    )
    assert subjects_ratio(path) == pytest.approx((1 / 2 + 1 / 1) / 2)
    assert subjects_ratio(path, "validation") == pytest.approx((2 / 2 + 1 / 1) / 2)
    path.write_text("junk")
    with pytest.raises(InputError, match=r"folds\.csv: not as it was written .*; delete it"):
        subjects_ratio(path)
