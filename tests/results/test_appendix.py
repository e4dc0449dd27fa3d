import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sklearn

from tests.helpers.studies import Study, epochs, write_history
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import appendix
from xsleep.results.formatting import write_csv
from xsleep.results.metrics import CLASS_WISE, METRICS, measure

BRANCHES = ("raw", "time-frequency", "joint")


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_appendix_b_has_mean_and_deviation_over_folds(study, tmp_path):
    folds = [study.run("a1", "a2", fold=1), study.run("b1", fold=2), study.run("d1", "e1", fold=3)]
    (row,) = appendix.b(study.results()).to_dict("records")
    for metric in METRICS:
        values = [measure(*epochs(nights))[metric] for nights in folds]
        assert row[f"mean {metric}"] == pytest.approx(np.mean(values))
        assert row[f"deviation of {metric}"] == pytest.approx(np.std(values, ddof=1))
    assert (row["folds"], row["seeds"], row["note"]) == (3, 1, "")
    write_csv(tmp_path / "b.csv", appendix.b(study.results()))
    text = pd.read_csv(tmp_path / "b.csv", dtype=str)
    assert text["mean kappa"][0] == f"{row['mean kappa']:.3f}"


def test_appendix_b_averages_the_seeds_of_a_fold_and_one_fold_has_no_deviation(study):
    seeds = [study.run("a1", seed=seed) for seed in (1, 2)]
    (row,) = appendix.b(study.results()).to_dict("records")
    values = [measure(*epochs(nights))["kappa"] for nights in seeds]
    assert row["mean kappa"] == pytest.approx(np.mean(values))
    assert np.isnan(row["deviation of kappa"]) and row["seeds"] == 2


def test_appendix_c_agrees_with_scikit_learn(study, tmp_path):
    true, predicted = epochs(study.run("a1", "b1", fold=1) + study.run("d1", fold=2))
    table = appendix.c(study.results())
    assert table["true stage"].tolist() == list(STAGES)
    counts = table[[f"called {stage}" for stage in STAGES]].to_numpy()
    assert (counts == sklearn.confusion_matrix(true, predicted)).all()
    assert (table["epochs"] == counts.sum(axis=1)).all()
    expected = sklearn.precision_recall_fscore_support(true, predicted)
    for name, values in zip(("precision", "sensitivity", "F1"), expected[:3], strict=True):
        assert table[name].to_numpy() == pytest.approx(100 * values)
    write_csv(tmp_path / "c.csv", table)
    text = pd.read_csv(tmp_path / "c.csv", dtype=str)
    assert text[list(CLASS_WISE)].map(lambda value: value[-2] == ".").all(axis=None)


def test_appendix_c_has_the_confusion_of_each_seed(study):
    for seed in (1, 2):
        study.run("a1", seed=seed)
    assert appendix.c(study.results()).groupby("seed")["epochs"].sum().tolist() == [20, 20]


def ensembles(study):
    table = appendix.d(study.runs, {"SleepEDF-20": study.recordings("SleepEDF-20")})
    return table.set_index("decided by")


def by(nights, weights):
    """Accuracy where the weighted sum of the branches decides."""
    true = np.concatenate([n.stages for n in nights])
    added = [
        sum(w * n.probabilities[b].astype("f4") for b, w in zip(BRANCHES, weights, strict=True))
        for n in nights
    ]
    return measure(true, np.concatenate(added).argmax(axis=1))


def test_appendix_d_adds_the_branches_as_they_are_and_as_they_were_weighted(study):
    weights = {1: (0.7, 0.1, 0.2), 2: (0.05, 0.9, 0.05)}
    folds = {}
    for fold, names in ((1, ("a1", "a2", "b1")), (2, ("d1", "e1"))):
        folds[fold] = study.run(*names, fold=fold, branches=BRANCHES, skill=0.2)
        write_history(study.runs[-1], [1, 1], weights[fold])
    table = ensembles(study)
    assert table.index.tolist() == [*BRANCHES, *appendix.ENSEMBLES]
    nights = folds[1] + folds[2]
    for place, branch in enumerate(BRANCHES):
        assert table.loc[branch, "accuracy"] == pytest.approx(
            by(nights, np.eye(3)[place])["accuracy"]
        )
    for metric in ("accuracy", "kappa", "MF1"):
        unweighted = by(nights, (1, 1, 1))[metric]
        assert table.loc["ensemble, unweighted", metric] == pytest.approx(unweighted)
        row = table.loc["ensemble, weighted as trained"]
        assert row[f"from {metric}"] <= row[metric] <= row[f"to {metric}"]
    # each fold with the weights of its own network
    hits = sum(
        by(folds[fold], weights[fold])["accuracy"] * sum(len(n.stages) for n in folds[fold])
        for fold in folds
    )
    assert row["accuracy"] == pytest.approx(hits / sum(len(n.stages) for n in nights))
    assert len({table.loc[name, "accuracy"] for name in appendix.ENSEMBLES}) == 2


@pytest.mark.parametrize(("kept", "best", "raw"), [("best", 10, 0.2), ("last", 10, 0.3)])
def test_weights_are_those_of_the_network_that_was_kept(study, kept, best, raw):
    study.run("a1")
    write_history(study.runs[0], [1, 1, 1], best_step=best, kept=kept)
    folder = study.runs[0].predictions.parent
    history = pd.read_csv(folder / "history.csv")
    history["raw weight"] = [0.1, 0.2, 0.3]
    history.to_csv(folder / "history.csv", index=False)
    assert appendix.kept_weights(folder)["raw"] == raw


@pytest.mark.parametrize("name", ["run.json", "history.csv"])
def test_a_run_that_does_not_say_its_weights_is_a_gap_of_that_ensemble_alone(study, name):
    for fold, recording in enumerate(("a1", "b1"), start=1):
        study.run(recording, fold=fold, branches=BRANCHES)
        write_history(study.runs[-1], [1, 1])
    folder = study.runs[0].predictions.parent
    (folder / name).write_text("junk")
    with pytest.raises(
        InputError, match=r"(do not give the weights|not as it was written) .*; delete"
    ):
        appendix.kept_weights(folder)
    table = ensembles(study)
    assert table["folds"].tolist() == [2, 2, 2, 2, 1]
    assert str(folder) in table["note"].iloc[-1]
    assert table["note"].iloc[:-1].eq("").all()
