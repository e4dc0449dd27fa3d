"""Croissant metadata of made-up results."""

import json

import pytest
import yaml

from tests.helpers.recordings import ROOT
from tests.helpers.studies import Study
from tests.helpers.validators import told_by
from xsleep.core.files import sha256, write_csv
from xsleep.databases import source_of
from xsleep.results.croissant import croissant

NAMES = ("SleepEDF-20", "simulated", "MASS")
RECORDED = {
    **{"database": "x", "recording": "a1", "subject": "a", "hours": "8.0", "EEG Hz": "100"},
    **{"epochs": "800", "W": "100", "in-bed": "700", "skipped": ""},
}
READ = """
import json, sys
from mlcroissant import Dataset
dataset = Dataset(sys.argv[1])
print(json.dumps([list(dataset.records(name)) for name in sys.argv[2:]], default=bytes.decode))
"""


@pytest.fixture
def made(tmp_path):
    """A folder of results, and the metadata of it."""
    study = Study(tmp_path)
    study.run("a1", "a2")
    study.run("b1", fold=2)
    sources = {}
    for name in NAMES:
        settings = yaml.safe_load((ROOT / f"config/databases/{name}.yaml").read_text())
        sources[name] = source_of(**settings["source"])
        write_csv(tmp_path / name / "recordings.csv", [RECORDED])
        fold = {"fold": "1", "role": "test", "subject": "a", "recording": "a1"}
        write_csv(tmp_path / name / "folds.csv", [fold])
    content = croissant(tmp_path, sources, [run.predictions for run in study.runs])
    (tmp_path / "croissant.json").write_text(json.dumps(content))
    return tmp_path, content


def test_each_file_has_its_hash_and_a_path_beside_the_metadata(made):
    folder, content = made
    files = [one for one in content["distribution"] if one["@type"] == "cr:FileObject"]
    assert {file["contentUrl"] for file in files} == {
        *(f"{name}/{table}.csv" for name in NAMES for table in ("recordings", "folds")),
        *("run-0/predictions.h5", "run-1/predictions.h5"),
    }
    for file in files:
        path = folder / file["contentUrl"]
        assert file["sha256"] == sha256(path)
        assert file["contentSize"] == f"{path.stat().st_size} B"


def test_each_column_is_a_field_with_its_type(made):
    sets = {one["@id"]: one for one in made[1]["recordSet"]}
    types = {field["name"]: field["dataType"] for field in sets["MASS/recordings"]["field"]}
    assert types == {
        **dict.fromkeys(("database", "recording", "subject", "skipped"), "sc:Text"),
        **dict.fromkeys(("hours", "EEG Hz"), "sc:Float"),
        **dict.fromkeys(("epochs", "W", "in-bed"), "sc:Integer"),
    }
    folds = {field["name"]: field["dataType"] for field in sets["MASS/folds"]["field"]}
    assert folds["fold"] == "sc:Integer" and folds["role"] == "sc:Text"
    assert {field["name"] for field in sets["predictions"]["field"]} == {
        *("recording", "subject", "place", "stage", "probabilities")
    }
    assert [line["stages/stage"] for line in sets["stages"]["data"]][3:] == ["N3", "REM"]


def test_what_fields_refer_to_is_there_and_identifiers_are_unique(made):
    content = made[1]
    nodes = [*content["distribution"], *content["recordSet"]]
    fields = [field for one in content["recordSet"] for field in one["field"]]
    known = [node["@id"] for node in (*nodes, *fields)]
    assert len(set(known)) == len(known) and not any(" " in one for one in known)
    for source in (field["source"] for field in fields if "source" in field):
        (target,) = (source[kind]["@id"] for kind in ("fileObject", "fileSet") if kind in source)
        assert target in known


def test_licences_are_those_of_the_databases_or_unknown_and_simulated_nights_are_told(made):
    content = made[1]
    assert content["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert content["license"][0].startswith("SleepEDF-20: Open Data Commons Attribution")
    assert content["license"][2] == "MASS: unknown"
    assert "10.1109/10.867928" in content["citeAs"] and "10.1111/jsr.12169" in content["citeAs"]
    assert "simulated (simulated nights: not sleep)" in content["description"]
    assert "Signals are not included" in content["description"]


def test_its_validator_finds_it_valid_and_reads_the_tables(made):
    wanted = ("stages", "MASS/recordings", "MASS/folds")
    printed = told_by("mlcroissant", READ, made[0] / "croissant.json", *wanted)
    stages, recordings, folds = json.loads(printed.splitlines()[-1])
    assert [one["stages/stage"] for one in stages] == ["W", "N1", "N2", "N3", "REM"]
    assert recordings[0]["MASS/recordings/recording"] == "a1"
    assert recordings[0]["MASS/recordings/epochs"] == 800
    assert folds[0]["MASS/folds/role"] == "test"


def test_its_validator_finds_what_is_wrong(made):
    folder, content = made
    content["recordSet"][1]["field"][0]["source"]["fileObject"]["@id"] = "nowhere"
    (folder / "croissant.json").write_text(json.dumps(content))
    with pytest.raises(AssertionError, match="nowhere"):
        told_by("mlcroissant", READ, folder / "croissant.json", "stages")
