"""Which systems of Table 2 score perturbed recordings, from which files."""

import yaml

from tests.config.test_settings import BASE
from tests.helpers.recordings import ROOT
from xsleep.study.study import Study

CHANGES = [
    {"change": "flat", "channel": "EEG"},
    {"change": "flat", "channel": "EOG"},
    {"change": "derivation", "channel": "EEG", "labels": {"simulated": ["EEG Pz-Oz"]}},
    {"change": "gain", "factor": 0.5},
    {"change": "missing", "share": 0.25, "minutes": 5},
]


def study(**changes):
    settings = {"robustness": {"seed": 1, "perturbations": CHANGES}}
    return Study(BASE | settings | changes, ROOT / "config")


def of(robustness, perturbation, database="simulated"):
    return robustness.scorers({"database": database, "perturbation": perturbation})


def test_every_run_scores_with_its_own_network_from_the_store_that_it_was_trained_on(dreams_folder):
    config = yaml.safe_load((ROOT / "config/dreams.yaml").read_text())
    config["database_settings"]["DREAMS"]["source"]["folder"] = str(dreams_folder)
    robustness = study(**config).robustness
    found = of(robustness, "gain-x0.5", "DREAMS")
    by_system = {}
    for one in found:
        by_system.setdefault(one["row"]["system"], []).append(one)
    trained = ("XSleepNet2", "ARNN+RNN", "FCNN+RNN", "FT-SeqSleepNet+")
    for system in trained:
        assert [one["fold"] for one in by_system[system]] == [*range(1, 8)]
        for one in by_system[system]:
            assert one["kind"] == "network" and f"fold-{one['fold']}/" in one["model"]
            assert one["model"].rpartition("/")[0] == one["predictions"].rpartition("/")[0]
            assert one["index"] in robustness.filterings("DREAMS")
            assert {*one["scoring"]} == {"longest_gap", "scoring_stride"}
    others = {name: [one["kind"] for one in by_system[name]] for name in by_system.keys() - trained}
    assert sorted(kind for (kind,) in others.values()) == [
        "logistic regression",
        "stager",
        "stager",
    ]
    assert all(one["fold"] == 0 for one in found if one["row"]["system"] not in trained)
    notes = {one["system"]: one["note"] for one in robustness.left_out}
    assert len(notes) == 4 and set(notes.values()) == {"not perturbed: reads no signals"}


def test_only_what_reaches_a_system_is_made():
    both = study(database_settings={"simulated": {"channels": ["EEG", "EEG-EOG"]}}).robustness
    names = [path.rpartition("/")[2] for path in both.scores]
    assert names == [
        *("none.csv", "EEG-flat.csv", "EOG-flat.csv", "other-EEG-derivation.csv"),
        *("gain-x0.5.csv", "25-missing-5-min-at-a-time.csv"),
    ]
    assert {one["row"]["channels"] for one in of(both, "EOG-flat")} == {"EEG-EOG"}
    assert {one["row"]["channels"] for one in of(both, "EEG-flat")} == {"EEG", "EEG-EOG"}
    alone = study(database_settings={"simulated": {"channels": ["EEG"]}}).robustness
    assert "EOG-flat.csv" not in [path.rpartition("/")[2] for path in alone.scores]


def test_a_job_reads_the_networks_and_predictions_of_the_systems_that_suffer_alone():
    robustness = study(systems=["ARNN+RNN"]).robustness
    case = {"database": "simulated", "perturbation": "gain-x0.5"}
    files = [path.rpartition("/")[2] for path in robustness.inputs(case)]
    assert files == ["predictions.h5", "model.safetensors"] * 2
    assert robustness.change(case) == {"change": "gain", "factor": 0.5}
    assert robustness.change(case | {"perturbation": "none"}) is None
