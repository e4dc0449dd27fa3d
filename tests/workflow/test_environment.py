"""One set of versions: pyproject.toml, the locks and environment.yml."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def locked(name):
    """Return the version and the hashes of each package of a lock."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().replace(" \\\n", "\n").strip())
    return {pin: (number, hashes) for pin, number, *hashes in map(read, entries)}


def read(entry):
    pin, *hashes = re.split(r"\s+--hash=sha256:", entry)
    return *pin.partition(" ;")[0].split("=="), *hashes


BASIC, CPU, CUDA = map(
    locked, ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock")
)
LOCK = {name: number for name, (number, _) in (BASIC | CUDA).items()}
OF_JOBS = [Requirement(text) for text in PROJECT["dependencies"] + EXTRAS["dvc"]]
DIRECT = OF_JOBS + [Requirement(text) for text in EXTRAS["dev"]]


@pytest.mark.parametrize(
    "wanted", DIRECT + [Requirement(text) for text in EXTRAS["kernels"]], ids=str
)
def test_lock_is_within_the_ranges_of_the_project(wanted):
    assert wanted.specifier.contains(LOCK[wanted.name])


@pytest.mark.parametrize("wanted", OF_JOBS, ids=str)
def test_who_installs_the_project_beside_other_packages_may_choose_versions(wanted):
    """One limit below and one above, so that a new major version is asked for."""
    assert sorted(limit.operator for limit in wanted.specifier) == ["<", ">="]


def test_conda_environment_has_the_locked_versions_without_those_of_the_tests():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python, pip, listed = dependencies
    assert python == "python=3.11" and pip == "pip"
    assert listed["pip"] == [f"{wanted.name}=={LOCK[wanted.name]}" for wanted in OF_JOBS]


@pytest.mark.parametrize("wanted", DIRECT, ids=str)
def test_installed_version_is_the_locked_one(wanted):
    assert version(wanted.name).split("+")[0] == LOCK[wanted.name]


@pytest.mark.parametrize("pins", [BASIC, CPU, CUDA], ids=["all", "CPU", "CUDA"])
def test_every_locked_file_has_a_hash_and_is_of_any_registry(pins):
    for name, (number, hashes) in pins.items():
        assert re.fullmatch(r"[a-z\d-]+", name) and re.fullmatch(r"[\w.]+(\+cpu)?", number), name
        assert hashes and all(re.fullmatch(r"[\da-f]{64}", text) for text in hashes), name


def test_pytorch_and_the_libraries_of_cuda_are_apart_from_what_every_machine_has():
    """pip rejects a package without a hash, and needs those libraries with PyPI's build alone."""
    assert set(CPU) == {"torch"} and CPU["torch"][0] == f"{LOCK['torch']}+cpu"
    assert {"nvidia-cudnn-cu13", "torch", "triton"} <= set(CUDA)
    assert all(name.startswith(("cuda", "nvidia", "torch", "triton")) for name in CUDA)
    assert not set(BASIC) & set(CUDA)
