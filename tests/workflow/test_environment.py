"""One set of versions: pyproject.toml, requirements.lock and environment.yml."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines())


def pins(requirements):
    parsed = [Requirement(text) for text in requirements]
    return {r.name: re.fullmatch(r"==([\w.]+)", str(r.specifier))[1] for r in parsed}


EXTRAS = PROJECT["optional-dependencies"]
OF_JOBS = pins(PROJECT["dependencies"] + EXTRAS["dvc"])
DIRECT = OF_JOBS | pins(EXTRAS["dev"])


def test_lock_holds_every_pin_of_the_project():
    assert {name: LOCK.get(name) for name in DIRECT} == DIRECT


def test_conda_environment_names_the_pins_without_those_of_the_tests():
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python, pip, listed = dependencies
    assert python == "python=3.11" and pip == "pip"
    assert pins(listed["pip"]) == OF_JOBS


@pytest.mark.parametrize("name", DIRECT)
def test_installed_version_is_the_pinned_one(name):
    assert version(name).split("+")[0] == DIRECT[name]


def test_lock_names_no_local_build():
    assert not [name for name, pin in LOCK.items() if "+" in pin]
