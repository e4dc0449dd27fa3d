"""Databases whose server says which files there are: one command fetches them and goes on."""

import re
from functools import partial

import pytest

from tests.databases.test_physio2018 import write_record
from tests.databases.test_shhs import nsrr, write_edf, write_xml
from tests.helpers import serving
from tests.helpers.recordings import write_excerpts
from tests.helpers.serving import TOKEN, Server
from tests.workflow.test_workflow import TINY, planned, snakemake
from xsleep.store.recordings import read_index

RECORDS = ["tr03-0005", "tr03-0029", "tr03-0052"]
NIGHTS = ["shhs1-200001", "shhs1-200002"]
APPLY = "apply for access at https://sleepdata.org/datasets/shhs"


@pytest.fixture
def server():
    with Server({}) as server:
        yield server
        server.shutdown()


def settings(database, folder, server):
    """The configuration of one database, fetched from the server."""
    source = {"folder": str(folder), "fetch": {"url": server.url}}
    return TINY | {
        "databases": [database],
        "fetch": "yes",  # into this folder, which is not there at first
        "database_settings": {database: {"source": source, "channels": ["EEG"]}},
    }


def read(index):
    """Recordings in the index, and why each is skipped."""
    return {name: stored.info.skipped for name, stored in read_index(index).items()}


def failed(run, *parts):
    """Runs what cannot succeed; the one line that says so."""
    status, text = run()
    assert status != 0 and "Traceback" not in text, text
    shown = re.sub(r"^\s*\d\d:\d\d:\d\d .*", "", text, flags=re.M)  # logs, which Snakemake repeats
    (line,) = [line for line in shown.splitlines() if parts[0] in line]
    for part in parts:
        assert part in line
    return text


def test_physio2018_is_listed_fetched_and_read(server, tmp_path):
    for name in RECORDS:
        write_record(tmp_path / "served", name, epochs=30, notes=[(0, "W"), (9, "N2")])
    server.files = serving.physionet(tmp_path / "served")
    folder = tmp_path / "recordings"
    write_record(folder, RECORDS[0], epochs=30, notes=[(0, "W"), (9, "N2")])  # my own
    config = settings("Physio2018", folder, server)
    target = "data/index/Physio2018/all.h5"
    run = partial(snakemake, tmp_path, target, config=config)
    plan = partial(planned, tmp_path, target, config=config)

    # A dry run asks no server, so it does not know yet which recordings there are.
    assert plan() == {"fetch": 1, "index": 1}
    assert not server.asked and not (folder / ".published.csv").exists()

    signals = f"/training/{RECORDS[1]}/{RECORDS[1]}.mat"
    server.faults[signals] = [("truncate", 99_999)]
    server.faults[f"/training/{RECORDS[2]}/{RECORDS[2]}.mat"] = [("login",)]
    failed(run, "error: 1 of 6 files could not be fetched: ", "a web page in place of the file")
    assert sorted(path.name for path in folder.rglob("*.mat") if ".fetching" not in path.parts) == [
        f"{name}.mat" for name in RECORDS[:2]
    ]
    assert server.parts[signals][0] is None and len(server.parts[signals]) == 2

    status, text = run()
    assert status == 0, text
    assert re.search(rf"^{folder}: 1 files to come, about 0\.1 GB, [\d.]+ GB free$", text, re.M)
    assert read(tmp_path / target) == dict.fromkeys(RECORDS, "")
    assert server.asked["/SHA256SUMS.txt"] == 1
    assert not [path for path in server.asked if RECORDS[0] in path]
    assert plan() == {}


def test_physio2018_without_list_and_network_is_one_line_and_without_fetch_what_is_there_is_used(
    tmp_path,
):
    with Server({}) as server:
        server.shutdown()
    folder = tmp_path / "recordings"
    write_record(folder, RECORDS[0])
    config = settings("Physio2018", folder, server)
    target = "data/index/Physio2018/all.h5"
    run = partial(snakemake, tmp_path, target, config=config)
    failed(run, "no connection to 127.0.0.1", f"put the files into {folder} and set source.fetch")
    config["database_settings"]["Physio2018"]["source"]["fetch"] = None
    assert planned(tmp_path, target, config=config) == {"prepare": 1, "index": 1}


def test_dreams_is_fetched_as_an_archive_and_unpacked(server, tmp_path):
    excerpts = serving.tree(write_excerpts(tmp_path / "served", 1, 1, 1))
    packed = serving.rar(excerpts | {"Visual_scoring1_excerpt1.txt": b"", "excerpt1.txt": b""})
    server.files = serving.zenodo(DatabaseSpindles=packed, DatabaseSubjects=b"")
    folder = tmp_path / "recordings"
    config = settings("DREAMS", folder, server)
    target = "data/index/DREAMS/batches/excerpt1.h5"
    run = partial(snakemake, tmp_path, target, config=config)
    archive = "/records/2650142/files/DatabaseSpindles.rar"

    assert planned(tmp_path, target, config=config)["fetch"] == 1 and not server.asked
    server.faults[archive] = [("truncate", 99_999), ("changed",), ("changed",)]
    failed(run, f"error: 1 of 1 files could not be fetched: {server.url}{archive}: its md5 is")
    assert all(path.name.startswith(".") for path in folder.iterdir())

    status, text = run()
    assert status == 0, text
    there = {name: content for name, content in serving.tree(folder).items() if name[0] != "."}
    assert there == excerpts
    assert read(tmp_path / target) == {"excerpt1": ""}
    assert planned(tmp_path, target, config=config) == {}


def test_shhs_is_fetched_with_the_token_which_is_written_nowhere(server, tmp_path, monkeypatch):
    for name in NIGHTS:
        write_edf(tmp_path / "served", name, seconds=900)
        events = [("Wake|0", "0.0", "60.0"), ("Stage 2 sleep|2", "60.0", "840.0")]
        write_xml(tmp_path / "served", nsrr(events), name)
    server.files = serving.nsrr(tmp_path / "served")
    lists = {path for path in server.files if path.startswith("/api")}
    signals = {path for path in server.files if path.endswith(".edf")}
    folder = tmp_path / "run/recordings"
    (tmp_path / "run").mkdir()
    config = settings("SHHS", folder, server)
    target = "data/index/SHHS/all.h5"
    run = partial(snakemake, tmp_path / "run", target, config=config)
    printed = []

    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    printed.append(failed(run, "NSRR_TOKEN is not set", "https://sleepdata.org/token", APPLY))
    assert not server.asked

    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    server.faults = {path: [("redirect",)] for path in lists}
    printed.append(failed(run, "does not accept the token in NSRR_TOKEN", APPLY))
    server.faults = {path: [("redirect",)] for path in signals}
    printed.append(failed(run, "error: http", "does not accept the token in NSRR_TOKEN", APPLY))
    assert not [path for path in folder.rglob("*.edf") if ".fetching" not in path.parts]
    server.faults = {path: [("status", 404)] for path in signals}
    printed.append(failed(run, "error: 2 of ", "answers 404", APPLY))

    server.faults = {path: [("truncate", 99_999), ("damaged_header",)] for path in signals}
    status, text = run()
    assert status == 0, text
    assert read(tmp_path / "run" / target) == dict.fromkeys(NIGHTS, "")
    printed.append(text)

    written = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any(path.name == "SHHS-1.log" for path in written)
    found = [*printed, *(path.read_text(encoding="latin-1") for path in written)]
    for secret in (TOKEN, serving.quote(TOKEN, safe=""), "42-secret"):
        assert not [text for text in found if secret in text]
