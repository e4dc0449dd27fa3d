"""Cards of made-up networks and results."""

import json
from dataclasses import replace

import pytest
import yaml

from tests.helpers.recordings import ROOT
from tests.helpers.studies import Study
from tests.helpers.validators import told_by
from xsleep.config.names import STAGER
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.results.model_card import results_card, written
from xsleep.results.table2 import columns, read_csv

RUN = {
    "database": "MASS",
    "window": "whole-night",
    "channels": "EEG-EOG",
    "system": "XSleepNet2",
    "seed": 3,
    "network": {"sequence_length": 20},
    "training": {"model_kept": "best"},
    "steps": 4000,
    "best_step": 2000,
    "device": "cpu",
    "parameters": 5800000,
    "simulated": False,
    "labels": {"EEG": ["C4-A1", "C4|LER"], "EOG": ["ROC-LOC"]},
    "commit": "abc123+",
    "python": "3.11.2",
    "packages": {"xsleep": "0.1", "torch": "2.9"},
}
TABLE2 = {
    source: {"database": "MASS", "window": "whole-night", "system": "XSleepNet2", "source": source}
    | {"subjects": "200", "recordings": "200", "skipped": "0"}
    | {"epochs": "1000", "folds": "20", "seeds": "1"}
    | {column: f"{value + place}" for place, column in enumerate(columns("EEG-EOG"))}
    for source, value in (("measured", 80), ("95 % from", 70), ("95 % to", 90))
}


@pytest.fixture
def card(tmp_path):
    """Function from the name of a database to the card of a network that was trained on it."""

    def made(name, table2=None, **changes):
        (tmp_path / "run.json").write_text(json.dumps(RUN | {"database": name} | changes))
        steps = [
            {"step": step, "raw validation accuracy": 0.1, "joint validation accuracy": step / 5000}
            for step in (0, 2000, 4000)
        ]
        write_csv(tmp_path / "history.csv", steps)
        who = [("training", "a", "a1"), ("training", "a", "a2"), ("training subset", "a", "a1")]
        who += [("training", "b", "b1"), ("validation", "c", "c1")]
        write_csv(
            tmp_path / "split.csv",
            [dict(zip(("role", "subject", "recording"), row, strict=True)) for row in who],
        )
        settings = yaml.safe_load((ROOT / f"config/databases/{name}.yaml").read_text())
        source = source_of(**settings["source"])
        text = written(tmp_path, tmp_path / "split.csv", source, "released", table2 or {})
        front = yaml.safe_load(text.split("---\n")[1])
        return front, text

    return made


def test_it_tells_what_the_network_was_trained_on_and_how(card, tmp_path):
    front, text = card("MASS")
    assert front == {
        "library_name": "xsleep",
        "license": "other",
        "license_name": "terms-of-the-recordings",
        "tags": ["sleep-staging", "polysomnography", "eeg", "eog"],
    }
    lines = text.splitlines()
    for line in (
        "# XSleepNet2 of EEG-EOG, trained on MASS",
        "| trained | subjects: 2, recordings: 3 |",
        "| validated | subjects: 1, recordings: 1 |",
        r"| EEG | `C4-A1`, `C4\|LER` |",
        "| EOG | `ROC-LOC` |",
        "| window | whole-night |",
        "| steps | 4,000; the network is that of step 2,000 |",
        "| accuracy on the validation subjects | 40.0%, by which the step was chosen: no test |",
        "| versions | Python 3.11.2, xsleep 0.1, torch 2.9 |",
        f"    xsleep score night.edf --model {tmp_path}",
    ):
        assert line in lines
    assert "Apply at http://ceams-carsm.ca/mass" in text and "10.1111/jsr.12169" in text
    assert "No licence of the recordings is known" in text
    assert "not a medical device" in text and "never seen sleep" not in text


def test_it_has_the_metrics_of_a_cross_validation_that_has_been_run(card):
    _, text = card("MASS", TABLE2)
    assert "| accuracy | 80 | 70 to 90 |" in text and "| kappa | 81 | 71 to 91 |" in text
    assert "subjects: 200, recordings" in text and "not cross-validated" not in text
    _, text = card("MASS")
    assert "were not cross-validated here" in text
    assert "results/table2.csv --config databases='[MASS]' systems='[XSleepNet2]'" in text


def test_of_the_simulated_cohort_it_says_that_it_has_never_seen_sleep(card):
    front, text = card("simulated", simulated=True)
    assert front["license"] == "bsd-3-clause" and "license_name" not in front
    assert "**This network has never seen sleep.**" in text


def test_a_system_of_prior_work_is_cited(card):
    (_, plain), (_, prior) = card("MASS"), card("MASS", system="TinySleepNet")
    assert "- A. Supratak and Y. Guo, TinySleepNet: an efficient" in prior
    assert "Supratak" not in plain


def test_of_own_recordings_it_does_not_say_what_is_not_known(card):
    _, text = card("own")
    assert (
        "| access | not known to xsleep |" in text and "doi:10.1109/TPAMI.2021.3070057.\n" in text
    )


def test_the_last_network_has_the_accuracy_of_its_step(card):
    _, text = card("MASS", training={"model_kept": "last"})
    assert "that of step 4,000" in text and "80.0%" in text


def test_a_run_json_that_cannot_be_read_is_one_line(card, tmp_path):
    card("MASS")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: not JSON .*; delete it to train again"):
        written(
            tmp_path,
            tmp_path / "split.csv",
            source_of(reader="mass", folder=".", labels={}),
            "released",
            {},
        )


# The model index of both kinds of cards


def index_of(text):
    """Each result of a card, by model, and its metrics by type."""
    front = yaml.safe_load(text.split("---\n")[1])
    return {
        model["name"]: [
            (result, {metric["type"]: metric["value"] for metric in result["metrics"]})
            for result in model["results"]
        ]
        for model in front["model-index"]
    }


def sources_of(*names):
    settings = {n: yaml.safe_load((ROOT / f"config/databases/{n}.yaml").read_text()) for n in names}
    return {name: source_of(**of["source"]) for name, of in settings.items()}


@pytest.fixture
def results(tmp_path):
    """Card of a Table 2 with two systems, of which one was run on two channel sets."""
    study = Study(tmp_path)
    for seed in (1, 2):
        study.run("a1", "a2", "b1", seed=seed)
        study.run("d1", "e1", seed=seed, fold=2)
    study.run("a1", "a2", channels="EEG-EOG")
    study.run("a1", "a2", system="YASA")
    study.runs[-1] = replace(study.runs[-1], source=STAGER)
    table = study.table()
    table.loc[table.index[table["source"] == STAGER], "note"] = "version 0.8.1; trained elsewhere"
    write_csv(tmp_path / "table2.csv", table)
    return results_card(read_csv(tmp_path / "table2.csv"), sources_of("SleepEDF-20"))


def test_results_have_an_entry_for_each_measured_system_and_what_it_stands_on(results):
    index = index_of(results)
    assert {name: len(of) for name, of in index.items()} == {"XSleepNet2": 2, "YASA": 1}
    result, metrics = index["XSleepNet2"][0]
    assert result["task"]["name"] == "Sleep staging"
    assert result["dataset"]["name"] == "SleepEDF-20, in-bed, EEG"
    assert result["dataset"]["args"] == {
        **{"window": "in-bed", "channels": "EEG", "subjects": 4, "recordings": 5, "skipped": 1},
        **{"epochs": 100, "folds": 2, "seeds": 2},
    }
    assert {*metrics} == {"accuracy", "cohen_kappa", "f1", "recall", "specificity"}
    assert not any(metric["verified"] for metric in result["metrics"])
    (yasa, _), *_ = index["YASA"]
    assert yasa["source"]["name"] == "Table 2 of xsleep: measured by another stager"
    assert "| SleepEDF-20 | in-bed | EEG | YASA | measured by another stager | " in results


def test_results_have_the_values_and_intervals_of_table2(results, tmp_path):
    row = read_csv(tmp_path / "table2.csv").query("source == 'measured'").iloc[0]
    _, metrics = index_of(results)["XSleepNet2"][0]
    assert metrics["accuracy"] == row["EEG accuracy"] and metrics["cohen_kappa"] == row["EEG kappa"]
    assert f"| measured | {row['EEG accuracy']:.1f} [" in results
    assert "\n- SleepEDF-20, in-bed, YASA: version 0.8.1; trained elsewhere\n" in results


def test_a_card_of_results_says_what_is_simulated_and_which_licence_is_unknown(tmp_path):
    study = Study(tmp_path)
    study.run("a1", database="simulated")
    cards = {
        names: results_card(study.table(), sources_of(*names))
        for names in (("simulated",), ("simulated", "MASS"), ("simulated", "SleepEDF-20"))
    }
    card = cards["simulated",]
    assert "**The database simulated has simulated nights: not sleep.**" in card
    ((result, _),) = index_of(card)["XSleepNet2"]
    assert result["dataset"]["name"].endswith("(simulated nights: not sleep)")
    licences = [yaml.safe_load(text.split("---\n")[1])["license"] for text in cards.values()]
    assert licences == ["bsd-3-clause", "unknown", "other"]
    assert "  - licence: unknown\n" in cards["simulated", "MASS"]


def test_a_card_of_nothing_measured_has_no_model_index(tmp_path):
    card = results_card(Study(tmp_path).table(), sources_of("SleepEDF-20"))
    assert "model-index" not in card and "Nothing was measured" in card


def test_a_network_has_the_values_of_its_kind_in_cross_validation(card):
    _, text = card("MASS", TABLE2)
    ((result, metrics),) = index_of(text)["XSleepNet2"]
    assert result["dataset"]["name"] == "MASS, whole-night, EEG-EOG"
    assert result["source"]["name"] == "Table 2 of xsleep: measured in cross-validation"
    assert metrics["accuracy"] == 80 and metrics["cohen_kappa"] == 81


HUB = """
import sys
from huggingface_hub import ModelCard
for path in sys.argv[1:]:
    card = ModelCard.load(path)
    for one in card.data.eval_results:
        print(one.dataset_name, one.metric_type, one.metric_value, one.verified, one.source_url)
"""


def test_cards_are_read_by_the_hub_s_own_library_a_validator(results, card, tmp_path):
    (tmp_path / "card.md").write_text(results)
    (tmp_path / "README.md").write_text(card("MASS", TABLE2)[1])
    printed = told_by("huggingface_hub", HUB, tmp_path / "card.md", tmp_path / "README.md")
    assert len(printed.splitlines()) == 4 * 5
    assert "MASS, whole-night, EEG-EOG accuracy 80.0 False table2.csv" in printed
