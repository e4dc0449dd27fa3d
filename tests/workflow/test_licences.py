"""Licences of the locked packages are those that docs/licences.md lists."""

import re
from importlib.metadata import PackageNotFoundError, metadata

import pytest

from tests.helpers.recordings import ROOT

TABLE = re.findall(r"^\| (.+?) \| (.+?) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE)
LISTED = {name: licence for licence, names in TABLE[2:] for name in names.split(", ")}
LOCKS = ("requirements.lock", "requirements-cpu.lock", "requirements-cuda.lock")
LOCKED = {
    name for lock in LOCKS for name in re.findall(r"^([^\s=]+)==", (ROOT / lock).read_text(), re.M)
}
IN_METADATA = {
    "MIT": r"MIT",
    "BSD": r"BSD|matplotlib|^=+$",
    "Apache 2.0": r"Apache",
    "ISC": r"ISC",
    "PSF 2.0": r"PSF|Python Software Foundation",
    "MPL 2.0": r"MPL|Mozilla",
    "ZPL 2.1": r"ZPL",
    "GPL 2.0 or a freer one": r"GPL.*(?:EPL|exception|BSD)|EPL.*GPL|Public Domain",
    "GPL 2.0": r"GPL-2.0-only",
    "NVIDIA": r"NVIDIA|Proprietary",
}


def test_every_locked_package_is_listed_once():
    assert set(LISTED) == LOCKED
    assert len(LISTED) == sum(len(names.split(", ")) for _, names in TABLE[2:])


@pytest.mark.parametrize("package", sorted(LISTED))
def test_licence_is_that_of_the_installed_metadata(package):
    try:
        told = metadata(package)
    except PackageNotFoundError:
        pytest.skip("not for this machine")
    named = [told.get("License-Expression"), (told.get("License") or "").partition("\n")[0]]
    text = " ".join(filter(None, [*named, *told.get_all("Classifier", [])]))
    if any(named) or "License ::" in text:
        assert re.search(IN_METADATA[LISTED[package]], text), text
    else:
        assert package.startswith(("conda-inject", "snakemake-interface-"))  # MIT, in their files


def test_what_xsleep_imports_is_under_no_copyleft():
    """Of the others commands are run, as codespell, or DVC and Snakemake bring them along."""
    project = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dep")[0]
    direct = re.findall(r'^    "([\w-]+)>=', project, re.MULTILINE)
    assert len(direct) > 20
    assert not [name for name in direct if "GPL" in LISTED[name] or LISTED[name] == "NVIDIA"]
