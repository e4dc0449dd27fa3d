"""`xsleep init`: a study beside the workflow. With a wheel it is tried by tests/release."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import environment
from xsleep import cli
from xsleep.study.planning import write_plan

PARTS = [".dvcignore", ".gitignore", "Snakefile", "config", "dvc.yaml", "profiles"]


def init(*arguments):
    return cli.main(["init", *map(str, arguments)])


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def files(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}


def test_a_study_is_planned_by_the_rules_of_the_package_and_its_own_configuration(tmp_path):
    study = tmp_path / "my {study}"
    assert init(study) == 0
    assert entries(study) == PARTS
    assert files(study / "config") == files(ROOT / "config")
    changed = study / "config/presets/embedded.yaml"
    changed.write_text(changed.read_text().replace("steps: ", "step: ", 1))
    planned = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
    options = {"cwd": study, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    options["env"] = environment() | {"PYTHONPATH": str(ROOT)}
    wrong = subprocess.run(planned, **options)
    assert wrong.returncode and "presets/embedded.yaml: training.step is not" in wrong.stdout
    changed.write_text((ROOT / "config/presets/embedded.yaml").read_text())
    done = subprocess.run(planned, **options)
    assert done.returncode == 0, done.stdout
    for rule in ("study", "train", "table2"):
        assert re.search(rf"^ *{rule} +\d", done.stdout, re.MULTILINE), rule


def test_profiles_leave_finished_files_alone_after_an_update(tmp_path):
    init(tmp_path)
    profiles = [*tmp_path.glob("profiles/*/config.yaml")]
    assert len(profiles) == 4
    for path in profiles:
        given = (ROOT / path.relative_to(tmp_path)).read_text()
        assert path.read_text().startswith(given)
        assert "code" not in yaml.safe_load(path.read_text())["rerun-triggers"]
    assert os.access(tmp_path / "profiles/cluster-generic/submit.py", os.X_OK)


def test_recordings_of_ones_own_are_set_and_the_comments_stay(tmp_path, capsys, monkeypatch):
    nights = tmp_path / 'nights "of: {mine}"'
    nights.mkdir()
    for name in ("b.edf", "a.BDF", "c.edf", "d.edf", "e.edf"):
        (nights / name).touch()
    monkeypatch.chdir(tmp_path)
    assert init("study", "--recordings", nights.name) == 0
    source = (tmp_path / "study/config/databases/own.yaml").read_text()
    assert yaml.safe_load(source)["source"]["folder"] == str(nights)
    config = (tmp_path / "study/config/config.yaml").read_text()
    assert yaml.safe_load(config)["databases"] == ["own"]
    for text, name in ((source, "databases/own.yaml"), (config, "config.yaml")):
        given = (ROOT / "config" / name).read_text().splitlines()
        assert sum(line not in given for line in text.splitlines()) == 1
    assert "b.edf" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "study")
    write_plan([], [], tmp_path / "study/config")
    assert ",own," in (tmp_path / "study/results/plan.csv").read_text()


@pytest.mark.parametrize(
    ("present", "told"), [("Snakefile", "has Snakefile already"), ("config", "has config already")]
)
def test_a_study_that_is_there_is_not_touched(tmp_path, capsys, present, told):
    (tmp_path / present).write_text("mine")
    (tmp_path / "night.edf").touch()
    assert init(tmp_path) == 1
    assert capsys.readouterr().err.count("\n") == 1 and entries(tmp_path) == sorted(
        [present, "night.edf"]
    )
    (tmp_path / present).unlink()
    assert init(tmp_path) == 0
    assert entries(tmp_path) == sorted([*PARTS, "night.edf"])


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_recordings_is_told_before_anything_is_written(tmp_path, capsys, name):
    (tmp_path / "empty").mkdir()
    assert init(tmp_path / "study", "--recordings", tmp_path / name) == 1
    assert f"{name}: no EDF or BDF file there; name" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert init(tmp_path / "file/study") == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}/file/study: cannot be written")
