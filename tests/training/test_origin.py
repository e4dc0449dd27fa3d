"""Test what a run says of the code that made it."""

import re
import subprocess

import pytest

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
