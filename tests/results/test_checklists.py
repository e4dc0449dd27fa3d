import re
from dataclasses import replace

import pandas as pd
import pytest
import yaml

from tests.helpers.recordings import ROOT, prepare, write_excerpts
from xsleep.config.workflow import load
from xsleep.core.files import read_table
from xsleep.databases import source_of
from xsleep.results.provenance.checklists import (
    ML_REPRODUCIBILITY,
    REFORMS,
    Facts,
    duplicates,
    shared_subjects,
    written,
)
from xsleep.results.provenance.runs import Run

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
ROLES = ("training,a", "training subset,a", "validation,b", "test,c")
RUN = {
    **{"system": "XSleepNet2", "channels": "EEG-EOG", "parameters": 407963, "threads": 1},
    **{"duration_seconds": 90.0, "peak_memory_mb": 482, "device": "cpu", "commit": "c0ffee"},
    **{"python": "3.11.7", "packages": {"torch": "2.13.0"}},
}


def write_folds(path, *roles):
    lines = [f"1,{role},{role[-1]}1" for role in roles]
    path.write_text("\n".join(["fold,role,subject,recording", *lines]) + "\n")
    return read_table(path)


@pytest.fixture
def facts(tmp_path):
    source = source_of(
        reader="dreams", folder=write_excerpts(tmp_path / "dreams", 1, 2), labels={"EEG": ["C3-A1"]}
    )
    index, _ = prepare(tmp_path, source, ["EEG"], "excerpt1", "excerpt2")
    size = dict.fromkeys(["W", "N1", "N2", "N3", "REM", "subjects", "recordings"], "4")
    recording = {"database": "simulated", "recording": "r", "hours": "6.00", "epochs": "720"}
    return Facts(
        workflow=load(CONFIG, ROOT / "config"),
        runs=[Run(tmp_path / "run", RUN)],
        table1=pd.DataFrame(
            [size | {"database": "simulated", "window": "in-bed", "epochs": "20", "scoring": "R&K"}]
        ),
        recordings=pd.DataFrame(
            [recording | {"skipped": ""}, recording | {"skipped": "too short"}]
        ),
        folds={"simulated": write_folds(tmp_path / "folds.csv", *ROLES)},
        indexes={"simulated": index},
    )


def items(text):
    """Return the text under each item's heading, by its number."""
    parts = re.split(r"^### (\w+)\. .*$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize(
    ("checklist", "numbers"),
    [
        (ML_REPRODUCIBILITY, [str(n) for n in range(1, 22)]),
        (
            REFORMS,
            [
                f"{module}{letter}"
                for module, letters in enumerate(
                    ["abc", "abcde", "abcdefg", "abc", "abcdef", "abc", "abc", "ab"], start=1
                )
                for letter in letters
            ],
        ),
    ],
)
def test_every_item_is_there_and_filled_in_or_named_as_open(facts, checklist, numbers):
    text = written(checklist, facts)
    found = items(text)
    assert list(found) == numbers
    assert all("\n- " in answer for answer in found.values())
    opened = re.search("in part: (.*)\\.", text)[1].split(", ")
    assert opened == [number for number, answer in found.items() if "**Open:**" in answer]
    assert ".." not in text
    assert text.partition("\n")[0].endswith(" (simulated nights: not sleep)")


def test_answers_are_those_of_the_configuration(facts):
    changed = CONFIG | {
        "seeds": [7, 8],
        "preset_settings": {
            "embedded": {"training": {"batch_size": 5}, "network": {"raw_filter": "none"}}
        },
        "database_settings": {"simulated": {"folds": {"validation": 3, "seed": 11}}},
    }
    workflow = load(changed, ROOT / "config")
    before, after = (
        items(written(ML_REPRODUCIBILITY, f)) for f in (facts, replace(facts, workflow=workflow))
    )
    for number, text in {
        "7": "seed 11; validation subjects: 3",
        "8": "filters EEG none, EOG none, EMG none",
        "16": "batches of 5 sequences",
        "17": "2 seed(s)",
        "19": "variation between seeds, whose standard deviation",
    }.items():
        assert text in after[number] and text not in before[number]


def test_answers_are_those_of_the_results(facts):
    found = items(written(ML_REPRODUCIBILITY, facts))
    for number, text in {
        "1": "407,963 parameters with EEG-EOG",
        "6": "4 subjects, 4 recordings, 20 epochs (W 4,",
        "8": "1 of 2 recordings are not used.\n- simulated r: too short",
        "12": "c0ffee",
        "20": "90 s a training",
        "21": "at most 482 MB",
    }.items():
        assert text in found[number]


def test_gap_is_named_and_the_rest_is_filled_in(facts):
    gap = "results/run.json: cannot be read; delete it to make the run again"
    text = written(REFORMS, replace(facts, runs=[Run(facts.runs[0].folder, {}, [gap])]))
    assert f"Not known: {gap}." in text
    assert "in no more than one" in items(text)["6b"]


def test_subject_who_trains_and_tests_is_found(facts, tmp_path):
    leaking = write_folds(tmp_path / "leaking.csv", *ROLES, "test,a")
    assert shared_subjects(leaking) == ["subject a in fold 1 (test, training)"]
    found = items(written(REFORMS, replace(facts, folds={"simulated": leaking})))
    assert "in more than one: subject a in fold 1" in found["6b"]


@pytest.mark.parametrize(
    ("second", "found"), [("excerpt2", []), ("excerpt1", ["excerpt1 and excerpt2"])]
)
def test_recordings_with_the_same_signals_are_found(tmp_path, second, found):
    folder = write_excerpts(tmp_path / "dreams", 1, 2)
    source = source_of(reader="dreams", folder=folder, labels={"EEG": ["C3-A1"]})
    (folder / "excerpt2.edf").write_bytes((folder / f"{second}.edf").read_bytes())
    hypnogram = folder / "Hypnogram_excerpt2.txt"
    hypnogram.write_text(hypnogram.read_text().replace("2", "3"))
    index, _ = prepare(tmp_path, source, ["EEG"], "excerpt1", "excerpt2")
    assert duplicates(index) == found
