"""Results through DVC: a clone has them without computing, and licensed recordings stay."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.databases import test_own, test_shhs
from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import TINY, environment

pytestmark = pytest.mark.dvc
"""The tests take minutes: `make test-dvc`."""

SYSTEM = "ARNN+RNN"
RUN = f"results/simulated/in-bed/EEG/{SYSTEM}/seed-1/fold-1"
SIMULATED = TINY["database_settings"]["simulated"] | {
    "source": {"cohort": {"subjects": 4, "nights": 1, "hours": 3, "seed": 1}},
    "folds": {"folds": 1, "test": 0.5, "validation": 1, "training_subset": 1},
}
CONFIG = TINY | {"systems": [SYSTEM], "database_settings": {"simulated": SIMULATED}}
TABLES = ("results/recordings.csv", "results/table1.csv")
STORES = ("data/epochs", "data/spectrograms", "data/index")
CARRIED = "".join(f"- path: {store}/{{0}}\n" for store in STORES)
"""Lines of ``stores.dvc`` by which the store of a database is carried."""


def run(folder, *arguments):
    """Run a command in the folder of a project and return what it printed."""
    done = attempt(folder, *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def attempt(folder, *arguments):
    """Run a command that may fail in the folder of a project."""
    who = {
        f"GIT_{role}_{what}": "a@b.example"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    return subprocess.run(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment() | who | {"PYTHONPATH": str(ROOT)},
    )


def git(folder, *arguments):
    return run(folder, "git", *arguments)


def dvc(folder, *arguments):
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def snakemake(folder, *arguments):
    return run(folder, sys.executable, "-m", "snakemake", "--cores", "2", *arguments)


def configure(project, **changes):
    path = project / "config/config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def files(*folders):
    """Return the files below these folders, by their contents."""
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.read_bytes(): path for path in found}


def telling(content, public):
    """Return pieces of a file that others have not by chance, as zeros, nor by their format."""
    pieces = [content[i : i + 64] for i in range(0, len(content) - 63, 997)]
    pieces = [piece for piece in pieces if len(set(piece)) > 20]
    pieces = pieces[:: max(1, len(pieces) // 5)]
    return [piece for piece in pieces if not any(piece in other for other in public)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a project whose results were made by Snakemake and pushed, and the remote's folder."""
    pytest.importorskip("dvc", reason="DVC is not installed: pip install -e '.[dvc]'")
    project = tmp_path_factory.mktemp("dvc") / "project"
    for name in ("captions", "config", "profiles", "rules", "workflow_scripts"):
        shutil.copytree(ROOT / name, project / name)
    for name in (".dvcignore", ".gitignore", "dvc.yaml", "environment.yml", "Snakefile"):
        shutil.copy(ROOT / name, project)
    (project / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(ROOT / ".dvc" / name, project / ".dvc")
    configure(project, **CONFIG)
    git(project, "init", "--quiet")
    dvc(project, "remote", "add", "--default", "shared", "../remote")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "start")
    snakemake(project, "all", "results/metrics.json")
    (project / "stores.dvc").write_text("outs:\n" + CARRIED.format("simulated"))
    dvc(project, "commit", "--force")
    git(project, "add", "dvc.lock", "stores.dvc")
    git(project, "commit", "--quiet", "--message", "results")
    dvc(project, "push")
    return project, project.parent / "remote"


@pytest.fixture
def clone(shared):
    """Return a fresh clone beside the project, with the same remote."""
    project = shared[0]
    folder = project.parent / "clone"
    git(project, "clone", "--quiet", str(project), str(folder))
    yield folder
    shutil.rmtree(folder)


def test_a_clone_has_the_results_and_nothing_to_do(shared, clone):
    project, _ = shared
    dvc(clone, "pull")
    assert "Nothing to be done" in snakemake(clone, "--dry-run", "results/table2.csv")
    for path in (
        *("results/table2.csv", "results/table2.html", "results/figures/fig4.svg"),
        *(f"{RUN}/model.safetensors", f"{RUN}/predictions.h5"),
        *("data/epochs/simulated/SC4001E0.h5", "data/index/simulated/all.h5"),
    ):
        assert (clone / path).read_bytes() == (project / path).read_bytes()
    assert not (clone / "data/recordings").exists()
    assert git(clone, "status", "--short") == "" == git(project, "status", "--short")
    # a change is computed from what was pulled, without recordings
    configure(clone, seeds=[2])
    plan = snakemake(clone, "results/table2.csv", "--dry-run", "--quiet", "rules")
    assert set(re.findall(r"^ (\w+) +\d+ *$", plan, re.MULTILINE)) == {"train", "score", "table2"}


def test_repro_after_snakemake_has_nothing_to_do(shared):
    assert "Nothing to be done" in dvc(shared[0], "repro")
    assert git(shared[0], "status", "--short") == ""


def test_a_checkout_of_a_commit_without_lock_deletes_no_store(clone):
    dvc(clone, "pull")
    carried = files(clone / "results", *(clone / store for store in STORES))
    kept = [
        clone / "data" / name / "night.h5"
        for name in ("epochs/SHHS", "unfiltered/epochs/simulated", "recordings/shhs")
    ]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text(str(path))
    git(clone, "checkout", "--quiet", "HEAD~1")
    assert not (clone / "dvc.lock").exists()
    assert "Checkout failed" in attempt(clone, sys.executable, "-m", "dvc", "checkout").stdout
    assert all(path.read_text() == str(path) for path in kept)
    git(clone, "checkout", "--quiet", "-")
    dvc(clone, "checkout")
    assert carried.keys() <= files(clone / "results", *(clone / store for store in STORES)).keys()


def test_the_tables_can_be_pulled_alone(clone):
    dvc(clone, "pull", "results", ".snakemake/metadata")
    assert not (clone / "data").exists()
    assert "Nothing to be done" in snakemake(clone, "--dry-run", "results/table2.csv")


def test_metrics_params_and_figures_are_compared_between_commits_and_offline(clone):
    dvc(clone, "pull")
    assert json.loads(dvc(clone, "metrics", "diff", "HEAD", "--json")) == {}
    path = clone / "results/metrics.json"
    metrics = json.loads(path.read_text())
    measured = metrics["simulated"]["in-bed"]["EEG"][SYSTEM]
    accuracy, measured["accuracy"] = measured["accuracy"], 99.0
    path.write_text(json.dumps(metrics))
    steps = {"embedded": {"training": {"steps": 8}}}
    configure(clone, preset_settings=steps)
    dvc(clone, "commit", "--force")
    git(clone, "commit", "--quiet", "--all", "--message", "more steps")
    diff = json.loads(dvc(clone, "metrics", "diff", "HEAD~1", "HEAD", "--json"))
    name = f"simulated.in-bed.EEG.{SYSTEM}.accuracy"
    assert diff["results/metrics.json"][name] == {
        **{"old": accuracy, "new": 99.0, "diff": 99.0 - accuracy}
    }
    diff = json.loads(dvc(clone, "params", "diff", "HEAD~1", "HEAD", "--json"))
    steps = diff["config/config.yaml"]["preset_settings.embedded.training.steps"]
    assert steps == {"old": 4, "new": 8, "diff": 4}
    other = "results/figures/confusion/simulated/in-bed/EEG.svg"
    for path, targets in (("results/figures/fig4.svg", ()), (other, ("--targets", other))):
        dvc(clone, "plots", "diff", "HEAD~1", "HEAD", *targets)
        page = (clone / "dvc_plots/index.html").read_text()
        assert "http" not in page
        images = re.findall('<img src="(.*?)">', page)
        assert {name.partition("_results_")[2] for name in images} == {
            path.removeprefix("results/").replace("/", "_")
        }
        assert all((clone / "dvc_plots" / name).is_file() for name in images)


def test_licensed_recordings_enter_the_remote_only_where_they_are_asked_for(shared):
    project, remote = shared
    licensed, private = project / "data/recordings/shhs", project / "data/recordings/own"
    test_shhs.write_edf(licensed)
    test_shhs.write_xml(licensed)
    test_own.write_recording(private)
    sources = {"SHHS": {"source": {"folder": "data/recordings/shhs"}}, "simulated": SIMULATED}
    configure(project, databases=["simulated", "SHHS", "own"], database_settings=sources)
    snakemake(project, *TABLES)
    shown = project / "results/explorer/data/night.js"
    shown.parent.mkdir(parents=True)
    shutil.copy(project / "data/spectrograms/own/s1_1.h5", shown)
    dvc(project, "commit", "--force")
    dvc(project, "push")

    recordings = files(licensed, private)
    stores = {n: files(*(project / store / n for store in STORES)) for n in ("SHHS", "own")}
    assert len(recordings) == 4 and all(len(stores[name]) > 2 for name in stores)
    kept = recordings | stores["SHHS"] | stores["own"]
    there = files(remote)
    public = files(*(project / store / "simulated" for store in STORES))
    assert public.keys() <= there.keys()
    assert (project / "results/recordings.csv").read_bytes() in there
    for content, path in kept.items():
        pieces = telling(content, public)
        assert pieces and not any(piece in other for piece in pieces for other in there), path
    assert not (kept.keys() & files(project / ".dvc/cache").keys())

    with (project / "stores.dvc").open("a") as file:
        file.write(CARRIED.format("SHHS"))
    dvc(project, "commit", "--force")
    dvc(project, "push")
    there = files(remote).keys()
    assert stores["SHHS"].keys() <= there
    assert not (recordings | stores["own"]).keys() & there
