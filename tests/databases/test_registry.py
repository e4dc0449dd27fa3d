"""A database is added as ``docs/how-to/extending.md`` says: one module and one YAML file."""

import re
import sys

import pytest
import yaml

from tests.databases.test_own import write_signals
from tests.helpers.recordings import ROOT, prepare
from xsleep import databases
from xsleep.config.databases import DatabaseSettings
from xsleep.core.errors import InputError
from xsleep.databases import base
from xsleep.preparation import folds
from xsleep.preparation.jobs import make_folds
from xsleep.results import published

LABELS = ["0", "1", "2", "3", "4", "5"] * 5


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Settings of the database in the document, with three recordings in its folder."""
    text = (ROOT / "docs/how-to/extending.md").read_text()
    module, configuration = re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)[:2]
    (tmp_path / "lab.py").write_text(module)
    monkeypatch.setattr(databases, "__path__", [*databases.__path__, str(tmp_path)])
    databases.discover()
    content = yaml.safe_load(configuration)
    content["source"]["folder"] = tmp_path / "recordings"
    for name in "abc":
        write_signals(tmp_path / "recordings", name, ("C4-M1",))
        (tmp_path / "recordings" / f"{name}.txt").write_text("\n".join(LABELS))
    yield DatabaseSettings(**content)
    del base.READERS["lab"], base.NAMED["Lab"], sys.modules["xsleep.databases.lab"]


def test_a_database_is_one_module_and_one_yaml_file(lab, tmp_path):
    database = databases.open_database(lab.source)
    first, second, third = database.entries()
    recording = database.read(second, ("EEG",))
    assert recording.subject == "b"
    assert recording.hypnogram.stages[:6].tolist() == [0, 1, 2, 3, 3, 4]
    _, skipped = prepare(tmp_path, lab.source, ("EEG",), first.name, third.name)
    assert not skipped
    assert published.size("Lab", "whole-night").recordings == 3
    assert folds.count("Lab", lab.folds) == 3
    made = folds.published("Lab", folds.published_subjects("Lab"))
    assert [(fold.test, fold.training) for fold in made] == [
        (("a",), ("c",)),
        (("b",), ("a",)),
        (("c",), ("b",)),
    ]


def test_a_fault_of_a_reader_is_told_with_its_line(lab, tmp_path, monkeypatch):
    def faulty(*given):
        raise KeyError("b")

    monkeypatch.setattr(sys.modules["xsleep.databases.lab"], "read_lines", faulty)
    _, skipped = prepare(tmp_path, lab.source, ("EEG",), "a")
    text = (tmp_path / "lab.py").read_text().splitlines()
    line = next(n for n, code in enumerate(text, 1) if "in read_lines(" in code)
    assert (
        f"a.edf: not read, by a fault of the reader Lab, lab.py:{line} (KeyError: 'b')"
        in skipped["a"]
    )


def test_a_missing_file_is_named_though_the_reader_does_not(lab, tmp_path):
    scoring = lab.source.folder / "a.txt"
    scoring.unlink()
    _, skipped = prepare(tmp_path, lab.source, ("EEG",), "a")
    assert skipped["a"].startswith(f"{scoring}: no such file")


def test_published_folds_name_subjects_that_are_there(lab, tmp_path, monkeypatch):
    (tmp_path / "recordings.csv").write_text("recording,subject,skipped\na,a,\nb,b,\n")
    match = r"^Lab: fold 1: there is no training subject 'c' among a, b; correct the published"
    monkeypatch.setattr(folds, "_published", lambda name: {1: {"training": ("c",)}})
    with pytest.raises(InputError, match=match):
        make_folds("Lab", "published", tmp_path / "recordings.csv", tmp_path / "folds.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labls": 1}, "labls is not a known key; choose from reader, folder, labels, units, "),
        ({"cohort": {}}, "cohort belongs to the reader simulated, and only to it"),
        ({"reader": "labb"}, "reader 'labb' is not known; choose from dreams, "),
        ({"fetch": {"url": "https://a"}}, "fetch is for the readers dreams, "),
    ],
)
def test_a_wrong_setting_of_a_source_is_told(lab, change, message):
    with pytest.raises(ValueError, match=message):
        databases.source_of(**lab.source.model_dump() | change)


def test_every_database_says_where_it_is_from_and_what_it_is_called():
    for reader, database in base.READERS.items():
        assert database.reader == reader and database.origin.title
    for path in (ROOT / "config" / "databases").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["source"]["reader"] in base.READERS
