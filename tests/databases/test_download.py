"""Fetching: parallel, resumable, every file checked; from a server that fails in every way."""

import hashlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import requests

from tests.helpers.serving import Server, two_at_once
from xsleep.core.errors import InputError
from xsleep.databases.base import Published
from xsleep.databases.fetch import download
from xsleep.databases.fetch.download import CHUNK, HASHES, PARALLEL, Patience, fetch, fetch_text

CONTENT = random.Random(7).randbytes(300_000)
CUT = 6 * CHUNK
NIGHT = "/SC4001E0-PSG.edf"
QUICK = Patience(tries=3, pause=0.01, longest_pause=0.5)
STALLED = replace(QUICK, stall=0.3)


@pytest.fixture
def server():
    with Server({NIGHT: CONTENT}) as server:
        yield server
        server.shutdown()


def published(server, path=NIGHT, algorithm="sha1"):
    content = server.files.get(path, b"")
    return Published(server.url + path, path[1:], hashlib.new(algorithm, content).hexdigest())


def get(server, folder, *paths, patience=QUICK):
    """Fetches these files; the lines of the log after the first, which says how much is to come."""
    lines = []
    fetch(folder, [published(server, path) for path in paths or (NIGHT,)], lines.append, patience)
    return lines[1:]


def refused(server, folder, *parts, paths=(NIGHT,), expected=()):
    with pytest.raises(InputError) as error:
        get(server, folder, *paths)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    assert visible(folder) == list(expected)


def visible(folder):
    """Everything that anyone could take for a file of the database."""
    return sorted(path.name for path in folder.rglob("*.edf") if ".fetching" not in path.parts)


def arrived(folder):
    return (folder / f".fetching{NIGHT}.part").read_bytes()


@pytest.mark.parametrize("algorithm", HASHES.values())
def test_every_file_is_checked_against_its_published_hash(server, tmp_path, algorithm):
    lines = []
    fetch(tmp_path, [published(server, algorithm=algorithm)], lines.append, QUICK)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    first, line = lines
    assert re.fullmatch(r"1 files to come, [\d.]+ GB free", first)
    assert line.startswith("SC4001E0-PSG.edf: fetched, 1 of 1 files, 0.3 MB")
    wrong = Published(server.url + NIGHT, "other.edf", "0" * len(published(server).digest))
    with pytest.raises(InputError, match=r"its sha1 is .*, published is 0000.*another mirror"):
        fetch(tmp_path, [wrong], lines.append, QUICK)
    assert not (tmp_path / "other.edf").exists()


def test_a_truncated_file_is_gone_on_with_from_where_it_was_cut(server, tmp_path):
    server.faults[NIGHT] = [("truncate", CUT), ("truncate", CUT // 2)]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    assert server.parts[NIGHT] == [None, f"bytes={CUT}-", f"bytes={CUT * 3 // 2}-"]


def test_a_file_that_stays_truncated_is_never_taken_for_whole_and_goes_on_in_the_next_run(
    server, tmp_path
):
    server.faults[NIGHT] = [("truncate", CUT)] + [("truncate", 0)] * 9
    refused(server, tmp_path, "1 of 1 files could not be fetched", "breaks off", "run again")
    assert server.asked[NIGHT] == QUICK.tries
    assert arrived(tmp_path) == CONTENT[:CUT]
    server.faults.clear()
    server.parts.clear()
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    assert server.parts[NIGHT] == [f"bytes={CUT}-"]


@pytest.mark.parametrize("address", ["http://mirror.invalid/a.edf", "//mirror.invalid/a.edf"])
def test_nothing_is_sent_on_to_an_address_without_tls(server, tmp_path, address):
    server.faults[NIGHT] = [("sent_on", address)]
    refused(server, tmp_path, f"{server.url}{NIGHT}: it is sent on to an address that is not https")
    assert server.asked == {NIGHT: 1}


def test_a_file_that_is_elsewhere_on_this_machine_is_followed_and_checked(server, tmp_path):
    server.files["/elsewhere"] = CONTENT
    server.faults[NIGHT] = [("sent_on", "/elsewhere")]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


def test_tries_are_counted_from_the_last_progress(server, tmp_path):
    server.faults[NIGHT] = [("truncate", 30_000)] * (QUICK.tries + 4)
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


def test_a_file_cut_without_a_word_is_noticed_by_its_hash(server, tmp_path):
    server.faults[NIGHT] = [("cut_without_saying", CUT)]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    server.faults["/b.edf"] = [("cut_without_saying", 100)] * 9
    server.files["/b.edf"] = CONTENT
    with pytest.raises(InputError, match="its sha1 is"):
        get(server, tmp_path, "/b.edf")
    assert server.asked["/b.edf"] == 2
    assert visible(tmp_path) == [NIGHT[1:]]


def test_a_server_that_stalls_is_left_and_asked_again(server, tmp_path):
    """It would stall until it is left."""
    server.faults[NIGHT] = [("stall", CUT), ("stall", 0)]
    get(server, tmp_path, patience=STALLED)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    server.faults["/b.edf"] = [("stall", 0)] * 9
    server.files["/b.edf"] = CONTENT
    with pytest.raises(InputError, match=r"sends nothing for 0\.3 s"):
        get(server, tmp_path, "/b.edf", patience=STALLED)


def test_404_is_one_line_at_once_and_the_others_are_fetched_all_the_same(server, tmp_path):
    refused(
        server,
        tmp_path,
        "1 of 2 files",
        "answers 404",
        paths=("/none.edf", NIGHT),
        expected=[NIGHT[1:]],
    )
    assert server.asked == {"/none.edf": 1, NIGHT: 1}
    server.files["/none.edf"] = b"late"
    get(server, tmp_path, "/none.edf", NIGHT)
    assert visible(tmp_path) == [NIGHT[1:], "none.edf"]
    assert server.asked == {"/none.edf": 2, NIGHT: 1}


@pytest.mark.parametrize("code", [429, 503])
def test_429_and_503_are_asked_again_when_they_say(server, tmp_path, monkeypatch, code):
    pauses = []
    monkeypatch.setattr(download._Client, "pause", lambda _, s=0: pauses.append(s) if s else None)
    server.headers["Retry-After"] = "7"
    server.faults[NIGHT] = [("status", code)]
    get(server, tmp_path, patience=replace(QUICK, longest_pause=8))
    assert pauses == [7]
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [429, 503, 500])
def test_a_server_that_stays_busy_is_left_after_so_many_tries(server, tmp_path, code):
    server.faults[NIGHT] = [("status", code)] * 9
    refused(server, tmp_path, f"answers {code}")
    assert server.asked[NIGHT] == QUICK.tries


@pytest.mark.parametrize(
    "form", [str, lambda s: format_datetime(datetime.now(UTC) + timedelta(0, s))]
)
def test_a_wait_that_is_too_long_is_not_waited(server, tmp_path, form):
    server.headers["Retry-After"] = form(3600)
    server.faults[NIGHT] = [("status", 503)] * 2
    refused(server, tmp_path, "answers 503, too busy; run again in 3")
    assert server.asked[NIGHT] == 1


@pytest.mark.parametrize("value", ["soon", "-1", "Mon, 99 Foo 2024"])
def test_a_wait_that_makes_no_sense_is_passed_over(server, tmp_path, value):
    server.headers["Retry-After"] = value
    server.faults[NIGHT] = [("status", 429)]
    get(server, tmp_path)


def test_a_login_page_in_place_of_a_file_is_recognised(server, tmp_path):
    server.faults[NIGHT] = [("login",)]
    refused(server, tmp_path, "a web page in place of the file", "log in")
    assert server.asked[NIGHT] == 1
    server.faults[NIGHT] = [("login", "application/octet-stream")] * 9
    refused(server, tmp_path, "its sha1 is")
    assert arrived(tmp_path) == b""


def test_a_login_page_does_not_spoil_what_has_arrived(server, tmp_path):
    server.faults[NIGHT] = [("truncate", CUT), ("login",)]
    refused(server, tmp_path, "a web page")
    assert arrived(tmp_path) == CONTENT[:CUT]
    get(server, tmp_path)


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranges = False
    server.faults[NIGHT] = [("truncate", CUT)]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    assert server.asked[NIGHT] == 2


def test_another_part_than_asked_for_is_not_appended(server, tmp_path):
    server.faults[NIGHT] = [("truncate", CUT), ("another_part",)]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
    assert server.parts[NIGHT] == [None, f"bytes={CUT}-", None]


@pytest.mark.parametrize("old", [CONTENT, CONTENT + b"more", b"another version of the file"])
def test_what_is_left_of_another_run_is_not_trusted(server, tmp_path, old):
    (tmp_path / ".fetching").mkdir()
    (tmp_path / f".fetching{NIGHT}.part").write_bytes(old)
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


def test_bytes_changed_on_the_way_are_fetched_anew_once(server, tmp_path):
    server.faults[NIGHT] = [("changed",)]
    get(server, tmp_path)
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


def test_files_that_are_there_are_used_as_they_are(server, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"my own copy")
    (tmp_path / NIGHT[1:]).symlink_to(elsewhere)
    assert get(server, tmp_path) == []
    assert not server.asked
    assert (tmp_path / NIGHT[1:]).read_bytes() == b"my own copy"


def test_files_arrive_in_parallel(server, tmp_path):
    paths = [f"/{number}.edf" for number in range(2 * PARALLEL)]
    server.files = dict.fromkeys(paths, b"night")
    # none is sent before so many are asked for
    together = threading.Barrier(PARALLEL)
    server.faults = {path: [("hold", together.wait)] for path in paths}
    get(server, tmp_path, *paths)
    assert len(visible(tmp_path)) == len(paths)


def test_without_a_connection_it_is_one_line_and_the_rest_is_not_tried(tmp_path, monkeypatch):
    asked = set()
    ask = requests.get
    monkeypatch.setattr(requests, "get", lambda url, **more: asked.add(url) or ask(url, **more))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        files = [Published(f"{url}/{n}.edf", f"{n}.edf", "0" * 40) for n in range(1000)]
        with pytest.raises(InputError, match=r"^http://.*: no connection to 127\.0\.0\.1:\d+"):
            fetch(tmp_path, files, print, QUICK)
    assert len(asked) < len(files)


def test_a_folder_that_cannot_be_written_to_is_one_line(server, tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(InputError, match="folder: cannot be written to"):
        get(server, tmp_path / "folder")


def test_what_does_not_fit_on_the_disk_is_not_begun(server, tmp_path, monkeypatch):
    size = 135 * 10**9
    part = tmp_path / f".fetching{NIGHT}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:CUT])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=9**9))
    file = replace(published(server), size=size)
    with pytest.raises(
        InputError, match=r"1 files of about 135\.0 GB are to come, and 0\.4 GB are"
    ):
        fetch(tmp_path, [file], print, QUICK)
    assert not server.asked
    with pytest.raises(InputError, match=r"0\.00 GB are to come, and 0\.00 GB are free; make room"):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=9))
        fetch(tmp_path, [published(server)], print, QUICK)
    assert arrived(tmp_path) == CONTENT[:CUT]


def test_a_disk_that_fills_up_is_one_line(server, tmp_path):
    part = tmp_path / f".fetching{NIGHT}.part"
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    refused(server, tmp_path, "cannot be written to (No space left on device); what has arrived is")


def test_a_text_without_a_hash_comes_whole_or_not_at_all(server):
    def text(patience=STALLED):
        return fetch_text(f"{server.url}/sums", patience)

    server.files["/sums"] = b"one\ntwo\n" * 9999
    server.faults["/sums"] = [("truncate", 8), ("stall", 80), ("status", 503)]
    assert text(replace(STALLED, tries=4)).encode() == server.files["/sums"]
    assert server.parts["/sums"] == [None] * 4
    for fault, message in (
        (("truncate", 8), "breaks off, or sends nothing for 0.3 s"),
        (("cut_without_saying", 8), "without saying how long it is"),
        (("stall", 8), "breaks off, or sends nothing for 0.3 s"),
        (("status", 404), "answers 404"),
        (("status", 429), "answers 429, too busy"),
        (("login",), "answers with a web page in place of the file"),
        (("status", 403), "answers 403"),
    ):
        server.faults["/sums"] = [fault] * QUICK.tries
        with pytest.raises(InputError, match=rf"^http://[^\n]*/sums: [^\n]*{message}"):
            text()
    server.files["/sums"] = b"\xff"
    server.faults.clear()
    with pytest.raises(InputError, match="something else than text"):
        text()


def test_the_part_of_a_file_that_was_put_in_its_place_is_removed(server, tmp_path):
    folder = tmp_path / ".fetching"
    folder.mkdir()
    for name in (NIGHT[1:], "another.edf"):
        (folder / f"{name}.part").write_bytes(CONTENT[:CUT])
    (tmp_path / NIGHT[1:]).write_bytes(CONTENT)
    fetch(tmp_path, [published(server)], print, QUICK)
    assert {path.name for path in folder.iterdir()} == {"another.edf.part", "lock"}


def test_two_runs_fetch_into_a_folder_one_after_the_other(server, tmp_path, monkeypatch):
    """The first gets its file only once the second waits, too."""
    two_at_once(server, NIGHT, monkeypatch, lambda: get(server, tmp_path))
    assert server.asked[NIGHT] == 1
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT


def test_a_run_that_is_killed_leaves_nothing_that_looks_whole(server, tmp_path):
    server.faults[NIGHT] = [("stall", CUT)]
    program = (
        "import sys; from pathlib import Path; from xsleep.databases.fetch import download;"
        "from xsleep.databases.base import Published;"
        "download._Bar.add_bytes = lambda *_: print('bytes', flush=True);"
        "download.fetch(Path(sys.argv[1]), [Published(*sys.argv[2:])], lambda line: None)"
    )
    file = published(server)
    run = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), file.url, file.name, file.digest],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert run.stdout.readline() == b"bytes\n"
    run.kill()
    run.communicate()
    part = tmp_path / f".fetching{NIGHT}.part"
    assert visible(tmp_path) == []
    assert CONTENT.startswith(part.read_bytes()) and part.stat().st_size > 0
    server.parts.clear()
    get(server, tmp_path)
    assert server.parts[NIGHT] != [None]
    assert (tmp_path / NIGHT[1:]).read_bytes() == CONTENT
