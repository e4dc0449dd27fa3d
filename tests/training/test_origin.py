"""Test what a run says of the code that made it, and of the signals that it was trained on."""

import json
import re
import subprocess
from dataclasses import replace

import pytest

from tests.helpers.recordings import make_part
from xsleep.training import origin


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with a committed xsleep/training/origin.py, which is taken for the running."""

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    code = tmp_path / "xsleep/training/origin.py"
    code.parent.mkdir(parents=True)
    code.touch()
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(origin, "__file__", str(code))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("results/table2.csv", ""),
        ("xsleep/__pycache__/a.pyc", ""),
        ("xsleep/networks/own.py", r"\+"),
        ("config/databases/own.yaml", r"\+"),
        ("xsleep/training/origin.py", r"\+"),
    ],
)
def test_code_that_is_not_committed_marks_the_commit(clone, path, mark):
    assert re.fullmatch(r"[0-9a-f]{40}", origin.commit())
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text("new")
    assert re.fullmatch(rf"[0-9a-f]{{40}}{mark}", origin.commit())


def test_code_outside_a_repository_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "__file__", str(tmp_path / "xsleep.py"))
    assert origin.commit() == "unknown"


def labelled(folder, number, label, reader):
    """A part of a recording with this label of the EEG, of a database with this reader."""
    part = make_part(folder, f"n{number}", epochs=8)
    recipe = json.dumps({"source": {"reader": reader}}) if reader else ""
    return replace(part, info=replace(part.info, labels={"EEG": label}, recipe=recipe))


@pytest.mark.parametrize(
    ("readers", "simulated"),
    [
        (("simulated", "simulated", "simulated"), True),
        (("simulated", "own", "own"), False),
        (("", "", ""), False),
    ],
)
def test_labels_are_told_the_most_frequent_first_and_whether_it_is_all_simulated(
    tmp_path, readers, simulated
):
    labels = ("C3-M2", "C4-M1", "C4-M1")
    parts = [labelled(tmp_path, n, *of) for n, of in enumerate(zip(labels, readers, strict=True))]
    expected = {"simulated": simulated, "labels": {"EEG": ["C4-M1", "C3-M2"], "EOG": []}}
    assert origin.signals(parts, ("EEG", "EOG")) == expected
