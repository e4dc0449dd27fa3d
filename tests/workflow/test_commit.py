"""The commit of the running code: of a clone, of a wheel or sdist, or not known."""

import re
import subprocess
from importlib.metadata import FileHash, PackageNotFoundError, PackagePath
from types import SimpleNamespace

import pytest

from xsleep import workflow


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with a committed xsleep/core/files.py, which is taken for the running."""

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    code = tmp_path / "xsleep/core/files.py"
    code.parent.mkdir(parents=True)
    code.touch()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").touch()
    (tmp_path / ".gitignore").write_text("__pycache__\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(workflow, "PACKAGE", tmp_path / "xsleep")
    monkeypatch.setattr(workflow, "COMMIT", tmp_path / "xsleep/COMMIT")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "mark"),
    [
        ("results/table2.csv", ""),
        ("xsleep/__pycache__/a.pyc", ""),
        ("xsleep/networks/own.py", r"\+"),
        ("config/databases/own.yaml", ""),
        ("config/config.yaml", ""),
        ("xsleep/core/files.py", r"\+"),
    ],
)
def test_code_that_is_not_committed_marks_the_commit(clone, path, mark):
    assert re.fullmatch(r"[0-9a-f]{40}", workflow.commit())
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text("new")
    assert re.fullmatch(rf"[0-9a-f]{{40}}{mark}", workflow.commit())


def test_code_outside_a_repository_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(workflow, "PACKAGE", tmp_path)
    assert workflow.commit() == "unknown"


def distribution(folder, **contents):
    """Write the files of a package, and return what its metadata say of them."""
    files = []
    for name, text in contents.items():
        file = PackagePath(f"xsleep/{name}.py")
        file.dist = SimpleNamespace(locate_file=lambda path: folder / path)
        file.hash = FileHash(f"sha256={HASH_OF_EMPTY}")
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
        files.append(file)
    return SimpleNamespace(files=files)


HASH_OF_EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize(
    ("built", "content", "told"),
    [("c0ffee", "", "c0ffee"), ("c0ffee", "mine", "c0ffee+"), ("c0ffee+", "", "c0ffee+")],
)
def test_a_wheel_has_the_commit_and_a_mark_where_a_file_was_changed(
    tmp_path, monkeypatch, built, content, told
):
    (tmp_path / "COMMIT").write_text(f"{built}\n")
    monkeypatch.setattr(workflow, "COMMIT", tmp_path / "COMMIT")
    of = distribution(tmp_path, one="", other=content)
    monkeypatch.setattr(workflow, "distribution", lambda name: of)
    assert workflow.commit() == told
    (tmp_path / "xsleep/one.py").unlink()
    assert workflow.commit() == f"{built.removesuffix('+')}+"


def test_an_unpacked_sdist_has_its_commit(tmp_path, monkeypatch):
    def not_installed(name):
        raise PackageNotFoundError(name)

    (tmp_path / "COMMIT").write_text("c0ffee\n")
    monkeypatch.setattr(workflow, "COMMIT", tmp_path / "COMMIT")
    monkeypatch.setattr(workflow, "distribution", not_installed)
    assert workflow.commit() == "c0ffee"
