"""The release that `make dist` builds, in a clean environment: `make test-release`.

`.venv-release` has the wheel in `dist/` and what its metadata ask for, nothing of this clone.
"""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import TINY
from xsleep import __version__
from xsleep.results.bundle import MANIFEST
from xsleep.workflow import commit

pytestmark = pytest.mark.release

BIN = ROOT / ".venv-release/bin"
WHEEL = ROOT / f"dist/xsleep-{__version__}-py3-none-any.whl"
SDIST = ROOT / f"dist/xsleep-{__version__}.tar.gz"
MADE = {"xsleep/COMMIT", "PKG-INFO"}
"""Files of the build that git does not have."""
CONFIG = TINY | {"systems": ["XSleepNet2"]}
RUN = "results/simulated/in-bed/EEG/XSleepNet2/seed-1/fold-1"
RESULTS = (
    *("results/table2.csv", "results/audit/audit.json", "results/bundle.zip"),
    "results/ro-crate-metadata.json",
)


def call(folder, *words):
    """Return what a command of the clean environment prints, called in a folder."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=folder,
        env=clean | {"PATH": f"{BIN}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def committed():
    found = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return {*found.stdout.splitlines()}


def in_clone(name):
    """Return where a file of the wheel is in the clone."""
    name = name.removeprefix("xsleep/workflow/")
    return name if (ROOT / name).exists() else f"xsleep/workflow/{name}"


def contents(wheel):
    """Return the lines of each file of a wheel, in order unless it is its list of files."""
    with ZipFile(wheel) as archive:
        read = {name: archive.read(name).splitlines() for name in archive.namelist()}
    return {name: sorted(of) if name.endswith("RECORD") else of for name, of in read.items()}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study that `xsleep init` made and `snakemake` finished, with few steps."""
    folder = tmp_path_factory.mktemp("release") / "a study"
    print(call(folder.parent, "xsleep", "init", folder.name))
    config = folder / "config/config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | CONFIG))
    print(call(folder, "snakemake", "--dry-run"))
    print(call(folder, "snakemake", "--cores", "2", "study", *RESULTS))
    return folder


def test_wheel_and_sdist_have_what_git_has_and_no_more():
    with ZipFile(WHEEL) as archive:
        of_wheel = {n for n in archive.namelist() if ".dist-info/" not in n}
    with tarfile.open(SDIST) as archive:
        of_sdist = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    assert {in_clone(name) for name in of_wheel - MADE} <= committed()
    assert of_sdist - MADE == committed()
    folders = ("rules", "workflow_scripts", "captions", "config", "profiles")
    files = ("Snakefile", "environment.yml", "dvc.yaml", ".dvcignore")
    wanted = {n for n in committed() if n.startswith(("xsleep/", "snakemake_logger_plugin"))}
    wanted |= {
        f"xsleep/workflow/{n}" for n in committed() if n in files or n.split("/")[0] in folders
    }
    assert of_wheel - MADE == wanted
    assert WHEEL.stat().st_size < 2e6 and SDIST.stat().st_size < 5e6


def test_the_sdist_builds_the_same_wheel(tmp_path):
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    subprocess.run(["pip", "wheel", *options, "-w", tmp_path, SDIST], check=True)
    one, other = map(contents, (WHEEL, tmp_path / WHEEL.name))
    assert one == other


def test_what_the_wheel_needs_is_named_and_no_more_is_there():
    assert "No broken requirements" in call(ROOT, "pip", "check")
    assert "pytest" not in call(ROOT, "pip", "list", "--disable-pip-version-check")


def test_a_study_of_the_installed_workflow_runs_to_its_bundle(study):
    assert all((study / path).is_file() for path in RESULTS)
    facts = json.loads((study / RUN / "run.json").read_text())
    assert facts["commit"] == commit() and facts["packages"]["xsleep"] == __version__
    with ZipFile(study / "results/bundle.zip") as bundle:
        assert json.loads(bundle.read(MANIFEST))["commit"] == commit()


def test_its_crate_has_the_code_in_the_layout_of_the_clone(study):
    code = study / "results/workflow"
    for name in ("Snakefile", "rules/common.smk", "xsleep/cli/init.py", "captions/table2.rst"):
        assert (code / name).read_bytes() == (ROOT / name).read_bytes()
    assert not (code / "xsleep/workflow/rules").exists()


def test_its_report_is_made(study):
    call(study, "snakemake", "study", "--report", "report.html")
    assert "Table 2" in (study / "report.html").read_text()


def test_an_update_of_the_package_makes_nothing_again(study):
    options = ("--quiet", "--disable-pip-version-check", "--force-reinstall", "--no-deps")
    call(study, "pip", "install", *options, WHEEL)
    assert "Nothing to be done" in call(study, "snakemake", "--dry-run")


def test_a_changed_file_of_the_installation_marks_the_commit(study):
    script = "from xsleep.workflow import commit; print(commit())"
    assert call(study, "python", "-c", script).strip() == commit()
    place = call(study, "python", "-c", "import xsleep.cli.init as one; print(one.__file__)")
    file = Path(place.strip())
    assert file.is_relative_to(BIN.parent)
    text = file.read_text()
    file.write_text(f"{text}\n")
    assert call(study, "python", "-c", script).strip() == f"{commit().removesuffix('+')}+"
    file.write_text(text)


def test_a_recording_is_scored(study, tmp_path):
    recording = next((study / "data/recordings/simulated").glob("*-PSG.edf"))
    shutil.copy(recording, tmp_path / "night.edf")
    text = call(tmp_path, "xsleep", "score", "night.edf", "--model", study / RUN)
    print(text)
    assert {path.name for path in tmp_path.iterdir()} > {"night_hypnogram.tsv", "night.edf"}


def test_the_logger_plugin_is_found_by_snakemake(study):
    script = "import pkgutil; print(*(m.name for m in pkgutil.iter_modules()))"
    assert "snakemake_logger_plugin_xsleep" in call(study, "python", "-c", script).split()
