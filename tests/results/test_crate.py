import json
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from tests.helpers.crates import faults
from tests.helpers.recordings import ROOT, prepare, write_excerpts
from xsleep.config.workflow import load
from xsleep.core.files import sha256
from xsleep.databases import source_of
from xsleep.results.provenance.crate import copy_code, write_crate
from xsleep.results.provenance.runs import Run

CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
ADDRESS = {
    "database": "DREAMS",
    "window": "whole-night",
    "channels": "EEG",
    "system": "XSleepNet2",
    "seed": 1,
    "fold": 2,
}


class Finished:
    """The results of a run: a table, and one training."""

    def __init__(self, folder):
        self.folder = folder / "results"
        self.run = self.folder / "DREAMS" / "fold-2"
        self.run.mkdir(parents=True)
        (self.folder / "table2.csv").write_text("database\nDREAMS\n")
        outputs = {}
        for name in ("model.safetensors", "history.csv"):
            (self.run / name).write_text(f"content of {name}")
            outputs[name] = sha256(self.run / name)
        facts = {"commit": "c0ffee+", "python": "3.11.7", "device": "cpu", "outputs": outputs}
        facts["packages"] = {"torch": "2.13.0+cpu", "xsleep": "0.1.0"}
        (self.run / "run.json").write_text(json.dumps(ADDRESS | facts))
        self.source = source_of(
            reader="dreams", folder=write_excerpts(folder / "dreams", 1), labels={"EEG": ["C3-A1"]}
        )
        self.index, _ = prepare(folder / "store", self.source, ["EEG"], "excerpt1")

    def crate(self, times=(0.0, 3600.0)):
        """The metadata of its crate, by identifier."""
        copy_code(CONFIG, self.folder / "workflow")
        path = self.folder / "ro-crate-metadata.json"
        write_crate(
            path,
            code=self.folder / "workflow",
            sources={"DREAMS": (self.source, self.index)},
            outputs=[self.folder / "table2.csv", *sorted(self.run.iterdir())],
            runs=[Run.read(self.run)],
            times=times,
            snakemake="9.27.1",
        )
        return {entity["@id"]: entity for entity in json.loads(path.read_text())["@graph"]}


@pytest.fixture
def finished(tmp_path):
    return Finished(tmp_path)


def ids(value):
    return {entity["@id"] for entity in (value if isinstance(value, list) else [value])}


def test_crate_is_valid_by_its_validator(finished, tmp_path):
    finished.crate()
    assert faults(finished.folder, tmp_path) == []


def test_validator_finds_what_is_missing(finished, tmp_path):
    finished.crate()
    path = finished.folder / "ro-crate-metadata.json"
    content = json.loads(path.read_text())
    content["@graph"] = [e for e in content["@graph"] if e["@id"] != "#run"]
    path.write_text(json.dumps(content))
    assert any("instrument" in fault for fault in faults(finished.folder, tmp_path))


def test_outputs_have_size_and_hash_and_say_which_run_they_are_of(finished):
    crate = finished.crate()
    path = finished.run / "model.safetensors"
    model = crate["DREAMS/fold-2/model.safetensors"]
    assert (model["contentSize"], model["sha256"]) == (str(path.stat().st_size), sha256(path))
    assert model["name"] == (
        "model.safetensors of XSleepNet2, DREAMS, whole-night, EEG, seed 1, fold 2"
    )
    assert crate["table2.csv"]["description"].startswith("Table 2 of the XSleepNet paper")
    assert {"table2.csv", model["@id"]} <= ids(crate["#run"]["result"])


def test_recordings_are_described_by_name_and_hash_and_not_included(finished):
    crate = finished.crate()
    recordings = crate["#recordings-DREAMS"]
    files = [crate[name] for name in ids(recordings["hasPart"])]
    expected = {path.name: sha256(path) for path in finished.source.folder.iterdir()}
    assert {file["name"]: file["sha256"] for file in files} == expected
    assert not list(finished.folder.rglob("excerpt1*"))
    assert "non-commercial" in recordings["conditionsOfAccess"]
    assert ids(recordings["citation"]) == {"https://doi.org/10.5281/zenodo.2650142"}


def test_run_says_when_by_what_code_and_with_which_packages(finished):
    crate = finished.crate((1.7e9, 1.7e9 + 3600))
    run = crate["#run"]
    begin, end = (datetime.fromisoformat(run[name]) for name in ("startTime", "endTime"))
    assert (begin.timestamp(), (end - begin).total_seconds()) == (1.7e9, 3600)
    assert "c0ffee+" in run["description"]
    workflow = crate["workflow/Snakefile"]
    assert ids(workflow["softwareRequirements"]) == {
        "https://pypi.org/project/torch/2.13.0/",
        "https://www.python.org/downloads/release/python-3117/",
    }


def test_time_that_is_not_recorded_is_left_out(finished):
    run = finished.crate(times=None)["#run"]
    assert not {"startTime", "endTime"} & run.keys()
    assert "not recorded" in run["description"]


def test_code_is_copied_with_a_configuration_that_can_be_run(finished):
    finished.crate()
    code = finished.folder / "workflow"
    config = yaml.safe_load((code / "configuration.yaml").read_text())
    assert load(config, code / "config") == load(CONFIG, ROOT / "config")
    assert (code / "Snakefile").read_text() == (ROOT / "Snakefile").read_text()
    assert not list(code.rglob("__pycache__"))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.json", "{", "cannot be read"),
        ("run.json", "[]", "cannot be read"),
        ("model.safetensors", "another", "is not the file"),
        ("model.safetensors", None, "is missing"),
    ],
)
def test_gap_is_one_line_and_the_rest_is_described(finished, file, content, said):
    path = finished.run / file
    path.unlink()
    if content is not None:
        path.write_text(content)
    (gap,) = Run.read(finished.run).gaps
    assert str(Path(file)) in gap and said in gap and "\n" not in gap
    crate = finished.crate()
    assert gap in crate["./"]["description"]
    assert "DREAMS/fold-2/history.csv" in crate
