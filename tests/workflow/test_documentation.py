"""The documentation holds together: links, pages, and what is made of the code (no build)."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from docs.extensions import drawn, generated
from tests.helpers.recordings import ROOT
from xsleep import cli

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
TEXTS = [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("examples/*/*.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(path):
    return str(path.relative_to(ROOT))


def anchors(path):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_links_lead_somewhere(path):
    for target in LINK.findall(
        re.sub(r"`[^`]*`|\$\$.*?\$\$", "", path.read_text(), flags=re.DOTALL)
    ):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists() or there == drawn.FIGURE, target
        assert not anchor or anchor in anchors(there), target
        assert DOCS not in path.parents or there.is_relative_to(DOCS), f"{target}: not in the site"


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_no_line_is_a_comment_to_sphinx(path):
    assert not re.search(r"^ *%", path.read_text(), re.MULTILINE)


def test_every_page_is_in_the_navigation_once():
    listed = Counter()
    for page in PAGES:
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), re.DOTALL):
            entries = [line for line in tree.split() if not line.startswith(":")]
            listed.update((page.parent / f"{entry}.md").resolve() for entry in entries)
    assert listed == Counter(path for path in PAGES if path != DOCS / "index.md")


def test_pages_that_files_name_exist():
    found = subprocess.run(
        ["git", "grep", "-hoIE", r"docs/[A-Za-z0-9_+/-]+\.(md|ipynb)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {page for page in found.stdout.split() if not (ROOT / page).exists()} == set()


def test_every_key_of_the_configuration_is_described():
    """A key without a description in its class is an error there."""
    rows = re.findall(r"^\| `([\w.*]+)` \|.*\| (.*) \|$", generated.configuration(), re.MULTILINE)
    keys, meanings = zip(*rows, strict=True)
    assert {"databases", "source.folder", "network.kernel", "training.l2"} <= {*keys}
    assert all(meanings)


def test_every_command_and_every_module_is_listed():
    text = generated.commands()
    assert all(f"## `xsleep {name}`" in text for name in ("score", "plan", "compare"))
    assert "--normalise" in text
    modules = generated.modules()
    for path in Path(cli.__file__).parents[1].glob("*/[a-z]*.py"):
        assert f"`xsleep.{path.parent.name}.{path.stem}`" in modules


def test_every_rule_says_what_it_makes():
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| `", generated.targets(), re.MULTILINE)
    assert {"table2", "audit", "train", "fetch"} <= {rule for rule, _ in rows}
    assert [rule for rule, said in rows if not said or "{" in said] == []
