"""docs/reference/licences.md lists the licences that the locked packages' metadata give."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata

from packaging.requirements import Requirement

from tests.helpers.recordings import ROOT

PAGE = (ROOT / "docs/reference/licences.md").read_text()
TABLE = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
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


def in_metadata(package):
    """Return what the metadata of an installed package say of its licence."""
    told = metadata(package)
    named = [told.get("License-Expression"), (told.get("License") or "").partition("\n")[0]]
    of_licences = [text for text in told.get_all("Classifier", []) if text.startswith("License")]
    return " ".join(filter(None, [*named, *of_licences]))


def test_every_locked_package_is_listed_once():
    assert set(LISTED) == LOCKED
    assert len(LISTED) == sum(len(names.split(", ")) for _, names in TABLE[2:])


def test_licences_are_those_of_the_installed_metadata():
    compared = {}
    for package in LISTED:
        try:
            compared[package] = in_metadata(package)
        except PackageNotFoundError:  # of another operating system, or of CUDA
            continue
    assert len(compared) > 200
    silent = {package for package, told in compared.items() if not told}
    assert all(
        re.match(r"(conda-inject|cuda-toolkit|snakemake-interface-)", name) for name in silent
    )
    assert not {
        package: told
        for package, told in compared.items()
        if told and not re.search(IN_METADATA[LISTED[package]], told)
    }


def test_what_xsleep_imports_is_under_no_copyleft():
    """Check imports alone: other packages are run as commands, or come with DVC and Snakemake."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [Requirement(text).name for text in project["dependencies"]]
    assert not [name for name in direct if "GPL" in LISTED[name] or LISTED[name] == "NVIDIA"]
