"""The recordings come with the table: what is missing is fetched, what is there is used."""

import csv
import hashlib
import re
import shutil
from functools import partial

import pytest

from tests.helpers.recordings import ROOT, write_recording
from tests.helpers.serving import Server
from tests.workflow.test_workflow import TINY, fetched_from, planned, rows, snakemake

NIGHTS = ["SC4001E0", "SC4011E0", "SC4021E0", "SC4031E0"]
FOLDER = "data/recordings/sleep-cassette"
FOLDS = {"folds": 2, "validation": 1, "training_subset": 1}
LIST = "results/SleepEDF-20/recordings.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    for night in NIGHTS:
        write_recording(folder, night)
    return {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def project(files, tmp_path):
    """A copy of the project in which Sleep-EDF consists of these nights alone."""
    folder = tmp_path / "project"
    for name in ("xsleep", "rules", "config", "profiles", "workflow_scripts"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    rows = [f"{name[1:]},{hashlib.sha1(content).hexdigest()}" for name, content in files.items()]
    tables = {"files": ["file,sha1", *rows]}
    tables["lights"] = ["recording,start,lights_off,lights_on"]
    tables["lights"] += [f"{n},22:30,22:30,22:50" for n in NIGHTS]
    for name, lines in tables.items():
        (folder / f"xsleep/databases/sleep_edf_{name}.csv").write_text("\n".join([*lines, ""]))
    return folder


@pytest.fixture
def server(files):
    with Server(files) as server:
        yield server
        server.shutdown()


@pytest.fixture
def config(server):
    settings = fetched_from(server.url)
    settings["SleepEDF-20"] |= {"folds": FOLDS, "windows": ["whole-night"], "channels": ["EEG"]}
    return TINY | {"databases": ["SleepEDF-20"], "database_settings": settings}


def test_missing_recordings_are_fetched_and_the_run_goes_on(server, project, config, tmp_path):
    run = partial(snakemake, tmp_path, LIST, config=config, project=project)
    plan = partial(planned, tmp_path, LIST, config=config, project=project)
    linked = tmp_path / FOLDER / f"{NIGHTS[0]}-PSG.edf"
    linked.parent.mkdir(parents=True)
    write_recording(tmp_path / "mine", NIGHTS[0])
    linked.symlink_to(tmp_path / "mine" / linked.name)
    assert plan()["fetch"] == 1
    server.faults[f"/{NIGHTS[1]}-PSG.edf"] = [("status", 404)]

    status, text = run()
    assert status != 0 and "Traceback" not in text
    assert len(re.findall("^error: 1 of 7 files could not be fetched: .*404", text, re.M)) == 1
    assert not (tmp_path / FOLDER / f"{NIGHTS[1]}-PSG.edf").exists()
    assert not (tmp_path / LIST).exists()

    status, text = run()
    assert status == 0, text
    with (tmp_path / LIST).open() as file:
        skipped = {row["recording"]: row["skipped"] for row in csv.DictReader(file)}
    assert skipped == dict.fromkeys(NIGHTS, "")
    assert linked.is_symlink() and f"/{linked.name}" not in server.asked
    assert sum(server.asked.values()) == 7 + 1
    assert plan() == {}

    log = (tmp_path / "logs/recordings/SleepEDF-20-1.log").read_text()
    assert re.search(f"{NIGHTS[1]}-PSG.edf: fetched, 1 of 1 files, ", log)


def test_another_mirror_reruns_nothing_and_a_recording_taken_away_is_fetched_when_it_is_needed(
    server, project, config, tmp_path
):
    run = partial(snakemake, tmp_path, LIST, project=project)
    assert run(config=config)[0] == 0
    moved = TINY | {"databases": ["SleepEDF-20"]}
    moved["database_settings"] = {
        "SleepEDF-20": config["database_settings"]["SleepEDF-20"]
        | {"source": {"fetch": {"url": "https://mirror.invalid/"}}}
    }
    assert planned(tmp_path, LIST, config=moved, project=project) == {}
    (tmp_path / FOLDER / f"{NIGHTS[1]}-PSG.edf").unlink()
    assert planned(tmp_path, LIST, config=config, project=project) == {}
    for made in ("epochs", "spectrograms", "index"):
        shutil.rmtree(tmp_path / "data" / made)
    status, text = run("--forcerun", "recordings", config=config)
    assert status == 0, text
    assert (tmp_path / FOLDER / f"{NIGHTS[1]}-PSG.edf").exists()
    assert server.asked[f"/{NIGHTS[1]}-PSG.edf"] == 2
    assert server.asked[f"/{NIGHTS[0]}-PSG.edf"] == 1


def test_hypnograms_are_fetched_alone_and_signals_later(server, project, config, tmp_path):
    folds = "results/SleepEDF-20/folds.csv"
    targets = LIST, folds, "results/table1.csv"
    run, plan = (partial(f, tmp_path, *targets, project=project) for f in (snakemake, planned))
    config["database_settings"]["SleepEDF-20"]["windows"] = ["in-bed"]
    alone = config | {"fetch": "hypnograms"}
    status, text = run(config=alone)
    assert status == 0, text
    assert "SleepEDF-20: no signals, scored by its hypnograms alone" in text.splitlines()
    published = [name for name in server.files if name.endswith("-Hypnogram.edf")]
    assert server.asked == dict.fromkeys(published, 1)
    table, (line,) = rows(tmp_path / LIST), rows(tmp_path / "results/table1.csv")
    for row in table:
        assert (row["EEG"], row["epochs"], row["in-bed"]) == ("", "40", "40")
        assert (row["skipped"], row["warnings"]) == ("", "")
    assert (line["recordings"], line["epochs"], line["EEG"]) == ("4", "160", "")
    assert not (tmp_path / "data/epochs").exists()
    assert plan(config=alone) == {}
    text = (tmp_path / folds).read_text()

    assert run(config=config)[0] == 0
    assert server.asked == dict.fromkeys(server.files, 1)
    assert (tmp_path / folds).read_text() == text
    columns = ("epochs", "W", "N1", "N2", "N3", "REM", "in-bed", "lights off", "lights on")
    for before, after in zip(table, rows(tmp_path / LIST), strict=True):
        assert [before[name] for name in columns] == [after[name] for name in columns]
        assert after["EEG"] == "EEG Fpz-Cz"
    assert plan(config=alone) == {}


def test_hypnograms_as_text_give_the_published_recordings_and_folds(reference, tmp_path):
    """Without the recordings, and without a network."""
    name = "SleepEDF-20"
    source = {"hypnograms": str(reference / "sleep_edf_hypnograms.json")}
    windows = ["in-bed", "in-bed+30min-as-published"]
    settings = {name: {"source": source, "windows": windows}}
    config = TINY | {"databases": [name], "database_settings": settings, "fetch": "hypnograms"}
    targets = f"results/{name}/folds.csv", "results/table1.csv"
    status, text = snakemake(tmp_path, *targets, config=config)
    assert status == 0, text
    sizes = ("subjects", "recordings", "skipped", "epochs")
    table = [tuple(row[size] for size in sizes) for row in rows(tmp_path / "results/table1.csv")]
    assert table == [("20", "39", "0", "38155"), ("20", "39", "0", "46241")]
    published = rows(reference / "sleep_edf_recordings.csv")
    tested = {row["recording"]: row["test_fold"] for row in published if row["database"] == name}
    folds = rows(tmp_path / targets[0])
    assert {row["recording"]: row["fold"] for row in folds if row["role"] == "test"} == tested


def test_without_files_and_network_one_line_says_what_to_do(project, config, tmp_path):
    with Server({}) as server:
        url = server.url
        server.shutdown()
    config["database_settings"]["SleepEDF-20"]["source"]["fetch"]["url"] = url
    status, text = snakemake(tmp_path, LIST, config=config, project=project)
    assert status != 0 and "Traceback" not in text
    line = re.search("^error: .*", text, re.M)[0]
    for part in ("no connection to 127.0.0.1", "set source.fetch.url to a mirror", FOLDER):
        assert part in line


def test_what_a_person_put_in_place_is_checked_and_where_to_apply_is_said(tmp_path):
    write_recording(tmp_path / FOLDER, NIGHTS[0])
    (tmp_path / FOLDER / "notes.txt").touch()
    settings = fetched_from(None, apply="https://archive.example/apply")
    config = TINY | {"databases": ["SleepEDF-20"], "database_settings": settings}
    status, text = snakemake(tmp_path, "data/index/SleepEDF-20/batches/SC4001E0.h5", config=config)
    assert status == 0, text
    assert (
        "SleepEDF-20: 76 of 78 files are missing (SC4002E0-PSG.edf, SC4002EC-Hypnogram.edf, "
        "SC4011E0-PSG.edf, ...), 1 are surplus (notes.txt) in data/recordings/sleep-cassette; "
        "apply for access at https://archive.example/apply"
    ) in text.splitlines()
