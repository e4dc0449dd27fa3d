"""One set of versions: ranges in pyproject.toml, the locks within them, and environment.yml."""

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
    read = [re.split(r"\s+--hash=sha256:", entry) for entry in entries]
    pins = [pin.partition(" ;")[0].split("==") for pin, *_ in read]
    return {name: (pin, hashes) for (name, pin), (_, *hashes) in zip(pins, read, strict=True)}


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
def test_project_can_be_installed_beside_other_versions(wanted):
    """A lower limit, and an upper one that keeps out the next major version."""
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
def test_every_locked_package_has_hashes_and_no_address(pins):
    for name, (number, hashes) in pins.items():
        assert re.fullmatch(r"[a-z\d-]+", name) and re.fullmatch(r"[\w.]+(\+cpu)?", number), name
        assert hashes and all(re.fullmatch(r"[\da-f]{64}", text) for text in hashes), name


def test_pytorch_and_the_libraries_of_cuda_are_apart_from_what_every_machine_has():
    """pip, told both, prefers PyPI's build for CUDA to a file of one for the CPU."""
    assert set(CPU) == {"torch"} and CPU["torch"][0] == f"{LOCK['torch']}+cpu"
    assert {"nvidia-cudnn-cu13", "torch", "triton"} <= set(CUDA)
    assert all(name.startswith(("cuda", "nvidia", "torch", "triton")) for name in CUDA)
    assert not set(BASIC) & set(CUDA)


def test_each_build_of_pytorch_for_the_cpu_of_linux_is_locked():
    """Check the wheels of PyTorch for Python 3.11 to 3.14, on x86-64 and AArch64."""
    assert len(set(CPU["torch"][1])) >= 8
