"""Test what is known before any job."""

import json
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.helpers.recordings import ROOT
from xsleep import systems
from xsleep.core.errors import InputError, OutputError
from xsleep.core.files import sha256, write_csv
from xsleep.databases import open_database, source_of
from xsleep.preparation.jobs import make_folds
from xsleep.results import inventory
from xsleep.store.recordings import RecordingInfo, Stored, write_index
from xsleep.study import beforehand
from xsleep.study.messages import Messages
from xsleep.study.planning import configuration
from xsleep.study.study import Study
from xsleep.training import origin

RUN = "{}/simulated/in-bed+30min/EEG-EOG/TinySleepNet/seed-1/fold-1"
"""Folder of the first run of the first channel set."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(folder):
    return Study(configuration([ROOT / "config/config.yaml"], []), ROOT / "config")


def test_a_package_without_metadata_is_one_line_before_any_job(folder, monkeypatch):
    def version(package):
        raise origin.PackageNotFoundError(package)

    monkeypatch.setattr(origin, "version", version)
    with pytest.raises(InputError, match=r"^torch: not installed for .*; install the locked"):
        beforehand.check()


def test_each_package_of_the_project_is_needed_before_any_job(tmp_path):
    beforehand.check_dependencies(ROOT / "pyproject.toml")
    (project := tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["not-there>=1,<2"]'
    )
    with pytest.raises(InputError, match=r"^not-there: not installed for "):
        beforehand.check_dependencies(project)


def test_a_script_from_the_future_is_one_line(tmp_path):
    """Snakemake would make all that it made again, at every call."""
    (script := tmp_path / "train.py").touch()
    beforehand.check_clock(tmp_path)
    os.utime(script, (4e9, 4e9))
    with pytest.raises(InputError, match=rf"^{script}: from the future, .* 2096; set the clock"):
        beforehand.check_clock(tmp_path)


FOLDS = """fold,role,subject,recording
1,test,a,a1
1,validation,b,b1
1,training,c,c1
1,training subset,c,c1
"""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("results/simulated/recordings.csv", "recording,subject\na1,"),
        ("results/simulated/folds.csv", FOLDS.replace("validation", "validatioo")),
        ("results/simulated/folds.csv", ""),
        ("results/pretraining/simulated/split.csv", "role,database\ntraining"),
        ("data/index/simulated/all.h5", "SHA-256 of something else"),
        ("data/index/simulated/all.h5", None),
        ("data/index/simulated/batches/SC4001E0.h5", ""),
    ],
)
def test_a_damaged_source_of_trainings_is_one_line_before_snakemake_deletes_them(
    study, folder, path, content
):
    (folder / path).parent.mkdir(parents=True)
    beforehand.check_sources(study)
    if content is None:
        (folder / path).mkdir()
    else:
        (folder / path).write_text(content)
    with pytest.raises(InputError, match=rf"^{path}: .*; delete it, run snakemake for .*, then"):
        beforehand.check_sources(study)


@pytest.mark.parametrize("changed", ("recordings", "folds"))
def test_recordings_and_folds_that_anyone_else_changed_are_one_line(study, folder, changed):
    """Saved by a spreadsheet, for example: Snakemake would train all anew."""
    one, index = Path("results/simulated"), Path(study.settings.index("simulated"))
    settings = study.workflow.sources["simulated"]
    source = source_of(**study.settings.source("simulated"))
    places, lights = np.arange(40), (0.0, 1200.0)
    infos = [
        RecordingInfo(e.name, e.subject, places, 30.0 * places, places % 5, lights)
        for e in open_database(source).entries()
    ]
    write_index(index, [Stored(info) for info in infos])
    table = inventory.recordings("simulated", source, settings.windows, infos)
    write_csv(one / "recordings.csv", table)
    make_folds("simulated", settings.folds, one / "recordings.csv", one / "folds.csv")
    run = one / "in-bed/EEG/ARNN+RNN/seed-1/fold-1/run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"inputs": {"folds.csv": sha256(one / "folds.csv")}}))
    os.utime(one / "recordings.csv", (4e9, 4e9))
    beforehand.check_sources(study)
    path = one / f"{changed}.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    os.utime(one / "recordings.csv", (4e9, 4e9))
    with pytest.raises(
        InputError, match=rf"^{path}: not as it was written; delete it, run snakemake for {path},"
    ):
        beforehand.check_sources(study)


def test_predictions_and_networks_that_are_not_there_are_told_before_any_job(folder):
    given = {"file": "absent.csv", "channels": "EEG", "window": "in-bed+30min"}
    config = configuration([ROOT / "config/config.yaml"], []) | {
        "predictions": {"simulated": {"Theirs": given}},
        "stagers": {"simulated": {"Nobody": {"stager": "nothing"}, "YASA": {"stager": "yasa"}}},
    }
    first, second = beforehand.gaps(Study(config, ROOT / "config"))
    assert first.endswith("simulated: Theirs: will be a gap: absent.csv: no such file or folder")
    assert second.startswith("stagers: simulated: Nobody: will be a gap: nothing: no such network;")


def ablated(monkeypatch, name, variants):
    """Return a study of the ablation of a system with these variants."""
    content = systems.registry()[name].model_dump() | {"variants": variants}
    changed = systems.System.model_validate(content)
    monkeypatch.setitem(systems.registry(), name, changed)
    monkeypatch.setitem(systems.by_slug(), changed.slug, changed)
    config = configuration([ROOT / "config/config.yaml"], []) | {"systems": [name]}
    return Study(config, ROOT / "config")


def test_a_variant_whose_network_cannot_be_built_is_one_line_before_any_job(folder, monkeypatch):
    variants = {"small": {"network": {"filters": 4}}, "misspelt": {"network": {"filter": 4}}}
    study = ablated(monkeypatch, "TinySleepNet", variants)
    what = "ablation: TinySleepNet, variant 'misspelt': network.own.TinySleepNet: filter is not a "
    with pytest.raises(InputError, match=re.escape(what)) as error:
        beforehand.check_variants(study)
    assert "\n" not in str(error.value)
    run = RUN.format("results/ablation/small")
    jobs = SimpleNamespace(needrun_jobs=lambda: [SimpleNamespace(output=[run])])
    messages = object.__new__(Messages)  # nothing is shown
    messages.study = study
    with pytest.raises(InputError, match="misspelt"):
        messages.on_start(jobs)


def test_the_variants_of_every_system_can_be_built(folder, monkeypatch):
    for name, system in systems.registry().items():
        if system.variants:
            beforehand.check_variants(ablated(monkeypatch, name, system.variants))


def test_runs_of_variants_have_their_settings_and_those_that_change_nothing_are_shared(
    folder, monkeypatch
):
    variants = {"few (4)": {"network": {"filters": 4}}, "as it is": {"network": {"filters": 16}}}
    study = ablated(monkeypatch, "TinySleepNet", variants)
    assert study.ablation.switched == ["few (4)"]
    names = [name for name, _ in study.ablation.runs]
    assert [*dict.fromkeys(names)] == ["none", *variants]
    run = study.ablation.runs[0][1]
    own, few, same = (study.ablation.folder(name, run) for name in ("none", *variants))
    assert own == same == RUN.format("results")
    assert few == RUN.format("results/ablation/few-4")
    assert re.fullmatch(study.constraints["root"], "results/ablation/few-4")
    roots = ("results", "results/ablation/few-4")
    found = [study.settings.record(run | {"root": root}) for root in roots]
    sizes = [one["network"]["own"]["TinySleepNet"].pop("filters") for one in found]
    assert sizes == [16, 4] and found[0] == found[1]


@pytest.mark.parametrize("name", ("results", "data", "logs"))
def test_a_folder_that_is_none_is_one_line_before_any_job(folder, name):
    beforehand.check()
    assert not any(folder.iterdir())
    (folder / name).touch()
    with pytest.raises(OutputError, match=rf"^{folder / name}: cannot be written \("):
        beforehand.check()


def test_stores_that_do_not_fit_are_one_line(study, folder, monkeypatch):
    """There are 24 simulated recordings of 6 h, 720 epochs of 2 channels of 6741 values each."""
    free = SimpleNamespace(free=9e8)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    assert beforehand.room(study) == (
        f"{folder}: about 0.932 GB of epochs and spectrograms are to come, and 0.9 GB are free; "
        "make room (df -h), or link data to a larger disk"
    )
    (folder / "data/epochs/simulated").mkdir(parents=True)
    with (folder / "data/epochs/simulated/SC4001E0.h5").open("wb") as stored:
        stored.truncate(10**8)  # what is stored already takes no more room
    assert not beforehand.room(study)
