"""The images are of the locked environment. They are linted, not built: that takes a registry."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.helpers.recordings import ROOT

CONTAINERS = ROOT / "containers"
DOCKERFILE, APPTAINER, INSTALL = (
    (CONTAINERS / name).read_text() for name in ("Dockerfile", "apptainer.def", "install.sh")
)


def test_both_have_the_python_of_the_environment():
    python = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"][0]
    version = python.removeprefix("python=")
    images = re.findall(r"^From:? (.+)$", DOCKERFILE + APPTAINER, re.IGNORECASE | re.MULTILINE)
    assert images == [f"python:{version}-slim-bookworm"] * 2


def test_both_install_the_lock_and_pin_nothing_themselves():
    assert "--require-hashes --no-deps" in INSTALL
    for name in ("requirements", "requirements-$2"):
        assert f'--requirement "$1/{name}.lock"' in INSTALL
    for text in (DOCKERFILE, APPTAINER):
        assert re.search(r'install\.sh /opt/\w+ "[${ ]+TORCH[ }]*"$', text, re.MULTILINE)
        options = "--no-cache-dir --no-deps --no-build-isolation --editable"
        assert f"pip install {options} /opt/xsleep" in text
    assert "==" not in DOCKERFILE + APPTAINER + INSTALL


def test_both_take_the_cpu_builds_of_pytorch_unless_told_otherwise():
    builds = re.findall(r"^\s*(?:ARG )?TORCH=(.+)$", DOCKERFILE + APPTAINER, re.MULTILINE)
    assert builds == ["cpu"] * 2
    assert (ROOT / "requirements-cpu.lock").exists() and (ROOT / "requirements-cuda.lock").exists()


def test_what_git_ignores_is_not_copied():
    """Docker means the top folder where git means any."""
    ignored = (ROOT / ".dockerignore").read_text().replace("**/", "")
    assert ignored == (ROOT / ".gitignore").read_text()


def test_files_that_are_copied_are_there():
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("linter", "file"), [("hadolint", "Dockerfile"), ("shellcheck", "install.sh")]
)
def test_linters_find_nothing(linter, file):
    if not shutil.which(linter):
        pytest.skip(f"no {linter} here; pip install {linter}-{'bin' if linter[0] == 'h' else 'py'}")
    done = subprocess.run([linter, CONTAINERS / file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
