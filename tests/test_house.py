"""Test the order of the packages, what they say of themselves, and the one version."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

import xsleep

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "xsleep").rglob("*.py"))
LAYERS = ["core", "workflow", "systems", "compute", "databases", "config", "store", "preparation"]
LAYERS += ["networks", "training", "scoring", "results", "staging", "external", "study", "cli"]
MISNAMED = {"views", "statistics", "outcomes", "feeding", "nights", "pipeline"}


def imported(path):
    """Return the packages of xsleep that a file imports, at any depth."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "xsleep":
            names += [f"xsleep.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "xsleep" and len(part) > 1} & set(LAYERS)


def layer(path):
    return path.relative_to(ROOT / "xsleep").parts[0].removesuffix(".py").replace("__main__", "cli")


def test_imports_only_go_downhill():
    uphill = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        if layer(path) != "__init__"
        for name in sorted(imported(path))
        if LAYERS.index(name) > LAYERS.index(layer(path))
    ]
    assert uphill == []


def test_every_package_has_its_layer():
    assert {layer(path) for path in SOURCES} - {"__init__"} == set(LAYERS)


@pytest.mark.parametrize(
    "package", sorted(path.parent for path in SOURCES if path.stem == "__init__")
)
def test_package_says_what_it_is(package):
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()))
    assert text and len(text.splitlines()[0]) > 20


def test_no_module_has_a_misleading_name():
    assert [path for path in SOURCES if path.stem in MISNAMED] == []


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    codemeta = json.loads((ROOT / "codemeta.json").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    changes = (ROOT / "CHANGELOG.md").read_text()
    number, date = re.search(r"^## \[(\d.*)\] - (\S+)$", changes, re.MULTILINE).groups()
    for one in (citation["version"], codemeta["version"], zenodo["version"], number):
        assert one == xsleep.__version__
    for one in (str(citation["date-released"]), codemeta["datePublished"]):
        assert one == zenodo["publication_date"] == date
