import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.helpers.studies import Study, epochs
from xsleep.results import inference
from xsleep.results.formatting import write_csv
from xsleep.results.metrics import measure
from xsleep.results.transfer_tables import Transfer, table

FOLDS = (("a1", "a2"), ("b1", "d1"), ("e1", "f1"), ("g1", "h1"))


def transfer(strategy, subjects=None):
    names = {"network": "SeqSleepNet+", "source_channels": "EEG", "channels": "EEG"}
    return Transfer("SleepEDF-20", "in-bed", **names, strategy=strategy, subjects=subjects)


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def finetune(study, skill, folds=FOLDS):
    """Predictions of all folds, and their runs."""
    nights, before = [], len(study.runs)
    for fold, names in enumerate(folds, start=1):
        nights += study.run(*names, fold=fold, system="SeqSleepNet+", skill=skill)
    return nights, study.runs[before:]


def made(study, runs, source="MASS"):
    facts = {
        which: [{"parameters_trained": 7, "training_subjects": 3} for _ in some]
        for which, some in runs.items()
    }
    return table(source, runs, facts, {"SleepEDF-20": study.recordings("SleepEDF-20")})


def test_the_gain_is_that_over_training_from_scratch_on_the_same_subjects(study):
    scratch, all_layers = finetune(study, 0.2), finetune(study, 1.0)
    runs = {transfer("scratch"): scratch[1], transfer("all"): all_layers[1]}
    found, left_out = made(study, runs)
    first, second = (row for _, row in found.iterrows())
    accuracies = [measure(*epochs(nights))["accuracy"] for nights, _ in (scratch, all_layers)]
    assert not left_out
    assert second["accuracy"] == pytest.approx(accuracies[1])
    assert second["gain in accuracy"] == pytest.approx(accuracies[1] - accuracies[0])
    assert second["95 % from gain in accuracy"] < second["gain in accuracy"]
    assert np.isnan(first["gain in accuracy"])
    own = [
        [
            measure(*epochs([n for n in nights if n.subject == subject]))["accuracy"]
            for subject in "abdefgh"
        ]
        for nights, _ in (all_layers, scratch)
    ]
    p = stats.wilcoxon(np.subtract(*own)).pvalue
    assert second["gain in accuracy: p"] == pytest.approx(p, rel=5e-3)
    assert (second["training subjects"], second["parameters trained"]) == (3, 7)


def test_p_is_corrected_for_the_strategies_beside_it(study):
    runs = {transfer("scratch"): finetune(study, 0.2)[1]}
    alone = made(study, runs | {transfer("all"): finetune(study, 1.0)[1]})[0]
    many = {transfer(name): finetune(study, 1.0)[1] for name in ("direct", "softmax", "all")}
    beside = made(study, runs | many)[0]
    p = "gain in accuracy: p"
    assert beside[p].min() == pytest.approx(3 * alone[p].min(), rel=1e-2)


def test_p_has_three_digits_however_small_it_is(study, monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "wilcoxon", lambda differences: 1.23456e-7)
    runs = {transfer(name): finetune(study, 0.5)[1] for name in ("scratch", "all")}
    found, _ = made(study, runs)
    assert found["gain in accuracy: p"][1] == 1.23e-7
    write_csv(tmp_path / "transfer.csv", found)
    assert pd.read_csv(tmp_path / "transfer.csv")["gain in accuracy: p"][1] == 1.23e-7


def test_few_subjects_are_compared_with_training_from_scratch_on_as_few(study):
    runs = {
        transfer("scratch", 1): finetune(study, 0.1)[1],
        transfer("scratch"): finetune(study, 0.9)[1],
        transfer("all", 1): finetune(study, 0.9)[1],
    }
    found, _ = made(study, runs)
    first, _, third = (row for _, row in found.iterrows())
    assert third["gain in accuracy"] == pytest.approx(third["accuracy"] - first["accuracy"])


def test_what_is_published_stands_beside_each_strategy_and_says_where_from(study):
    runs = {transfer(name): finetune(study, 0.5)[1] for name in ("direct", "softmax+SPB", "all")}
    found, _ = made(study, runs)
    assert found["published accuracy"].tolist()[1:] == [85.2, 85.4]
    assert np.isnan(found["published accuracy"][0])
    assert found["published from"].tolist() == ["", "digitised", "digitised"]


def test_nothing_is_published_of_another_source_or_of_fewer_training_subjects(study):
    runs = {transfer("all", 1): finetune(study, 0.5)[1]}
    assert not [name for name in made(study, runs)[0] if name.startswith("published")]
    runs = {transfer("all"): finetune(study, 0.5)[1]}
    assert not [name for name in made(study, runs, "SHHS")[0] if name.startswith("published")]


def test_predictions_that_cannot_be_used_are_a_gap_that_the_row_names(study):
    runs = {transfer(name): finetune(study, 0.5)[1] for name in ("scratch", "all")}
    broken = runs[transfer("all")][0].predictions
    broken.write_text("junk")
    found, (line,) = made(study, runs)
    assert line.startswith(f"{broken}: ")
    assert found["folds"].tolist() == [4, 3] and found["note"].tolist() == ["", line]
