"""Tables and figures of one selection are kept when those of another replace them."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.recordings import ROOT
from xsleep.study import earlier
from xsleep.study.planning import configuration
from xsleep.study.study import Study

FILES = ("table2.csv", "figures/fig4.png", "explorer/data/a.js", "audit/index.html")
OUTPUTS = [f"results/{name}" for name in (*FILES[:2], "explorer/data", FILES[3])]
RUN = "results/simulated/in-bed/EEG/ARNN+RNN/seed-1/fold-1/predictions.h5"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Function from changes of the configuration to the lines of a call that makes all again."""
    monkeypatch.chdir(tmp_path)

    def made(content, makes=OUTPUTS, plans=None, **changes):
        config = configuration([ROOT / "config/config.yaml"], [])
        jobs = [SimpleNamespace(output=[*OUTPUTS, RUN])]
        needed = [SimpleNamespace(output=[*(plans or makes), RUN])]
        dag = SimpleNamespace(jobs=jobs, needrun_jobs=lambda: needed)
        lines = earlier.keep(Study(config | changes, ROOT / "config"), dag)
        for path in (path for one in (*makes, RUN) for path in map(Path, files_of(one))):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(content)
        return lines

    return made


def files_of(output):
    return [f"{output}/a.js"] if output.endswith("data") else [output]


def settings():
    return sorted(Path("results/earlier").glob(f"*/{earlier.SETTINGS}"))


def of_folder(folder):
    """Content of what is kept in a folder, by path."""
    paths = (p for p in folder.rglob("*") if p.is_file() and p.name != earlier.SETTINGS)
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def kept():
    """Content of what is kept, by folder and path."""
    return {
        (folder.name, path): content
        for folder in Path("results/earlier").glob("*")
        for path, content in of_folder(folder).items()
    }


def test_what_another_selection_made_is_kept_whole_and_told_in_a_line(call):
    assert call("one") == [] and call("one again") == []
    (line,) = call("two", makes=OUTPUTS[:1], seeds=[1, 2])
    (folder,) = {folder for folder, _ in kept()}
    assert line == (
        "tables, figures and pages of another selection are replaced, and kept in "
        f"results/earlier/{folder} (seeds [1], now [1, 2])"
    )
    assert folder.startswith("simulated-")
    assert kept() == {(folder, name): "one again" for name in FILES}
    assert Path(OUTPUTS[0]).read_text() == "two" and Path(OUTPUTS[1]).read_text() == "one again"
    settings = json.loads(Path("results/earlier", folder, earlier.SETTINGS).read_text())
    assert settings["seeds"] == [1] and settings["simulated training.steps"] == 300


def test_going_back_and_forth_keeps_each_selection_once(call):
    for content in ("a", "b", "c", "d"):
        call(content, seeds=[1 + (content in "bd")])
    found = kept()
    assert len({folder for folder, _ in found}) == 2
    assert {content for (_, name), content in found.items() if name in FILES} == {"b", "c"}


def test_what_an_interrupted_call_did_not_make_stays_with_the_selection_that_made_it(call):
    call("one")
    call("two", makes=OUTPUTS[:1], plans=OUTPUTS, seeds=[1, 2])
    call("three", seeds=[3])
    found = {json.loads(p.read_text())["seeds"][-1]: p.parent for p in settings()}
    assert {seed: of_folder(folder) for seed, folder in found.items()} == {
        1: dict.fromkeys(FILES, "one"),
        2: {FILES[0]: "two"},
    }
    assert call("four", seeds=[3]) == []


def test_the_line_names_what_differs_of_available_databases(call):
    call("one")
    slower = {"embedded": {"training": {"steps": 500}}}
    (line,) = call("two", preset_settings=slower)
    assert line.endswith("(simulated training.steps 300, now 500)")
    (line,) = call("three", databases=["simulated", "MASS"], seeds=[1, 2])
    assert line.endswith("(seeds [1], now [1, 2]; simulated training.steps 500, now 300)"), line


def test_files_without_a_record_are_kept_and_a_copy_will_do_without_links(call, monkeypatch):
    def refused(*_):
        raise OSError("no links here")

    call("one")
    Path("results/selections.json").write_text("junk")
    monkeypatch.setattr(os, "link", refused)
    (line,) = call("two")
    assert line == (
        "tables, figures and pages whose selection is not known are replaced, and kept in "
        "results/earlier/unrecorded"
    )
    assert kept() == {("unrecorded", name): "one" for name in FILES}


def test_a_call_that_makes_runs_alone_says_nothing_and_keeps_nothing(call, tmp_path):
    call("one")
    jobs = SimpleNamespace(jobs=[SimpleNamespace(output=[RUN])], needrun_jobs=list)
    assert earlier.keep(None, jobs) == []
    assert kept() == {}
