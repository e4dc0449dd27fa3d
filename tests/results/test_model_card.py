"""Model cards of made-up networks."""

import json

import pytest
import yaml

from tests.helpers.recordings import ROOT
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.results.model_card import written
from xsleep.results.table2 import columns

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
