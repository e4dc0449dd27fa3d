"""Questions to servers about their databases: the files and their hashes."""

import json

import pytest

from tests.helpers import serving
from tests.helpers.serving import TOKEN, Server, two_at_once
from xsleep.core.errors import InputError
from xsleep.databases import open_database, source_of
from xsleep.databases.base import Listed
from xsleep.databases.fetch.download import fetch
from xsleep.databases.fetch.servers import LIST, read_list, write_list
from xsleep.databases.physio2018 import SIGNAL_BYTES

RECORD = [f"tr03-0005/tr03-0005.{kind}" for kind in ("arousal", "hea", "mat")]
SHHS = "edfs/shhs1/shhs1-{subject}.edf"
NIGHT = ["annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml", "edfs/shhs1/shhs1-200001.edf"]
SUMS = "/SHA256SUMS.txt"
ZENODO = "/api/records/2650142"
EDFS = "/api/v1/datasets/shhs/files.json?path=polysomnography/edfs/shhs1"


def written(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


@pytest.fixture
def server():
    with Server({}) as server:
        yield server
        server.shutdown()


@pytest.fixture
def physio2018(server, tmp_path):
    served = written(tmp_path / "served", *RECORD, "tr03-0005/tr03-0005-arousal.mat")
    server.files = serving.physionet(served)
    return source(server, tmp_path, "physio2018")


@pytest.fixture
def dreams(server, tmp_path):
    server.files = serving.zenodo(DatabaseSpindles=b"rar", DatabaseSubjects=b"another")
    return source(server, tmp_path, "dreams-subjects-rk")


@pytest.fixture
def shhs(server, tmp_path, monkeypatch):
    monkeypatch.setenv("NSRR_TOKEN", TOKEN)
    server.files = serving.nsrr(written(tmp_path / "served", *NIGHT))
    return source(server, tmp_path, "nsrr", dataset="shhs", recordings=[SHHS])


def source(server, folder, reader, **others):
    fetch = {"url": f"{server.url}/"}
    return source_of(reader=reader, folder=folder / "recordings", labels={}, fetch=fetch, **others)


def refused(source, message):
    with pytest.raises(InputError) as error:
        open_database(source).list_files(print)
    assert message in str(error.value)
    assert "\n" not in str(error.value) and "42-secret" not in str(error.value)
    assert str(error.value).endswith("and set source.fetch to null)")
    assert not (source.folder / LIST).exists()


def test_physionet_publishes_the_sums_of_the_training_records(server, physio2018):
    lines = []
    open_database(physio2018).list_files(lines.append)
    assert lines == [f"asking {server.url} which files there are"]
    (entry,) = open_database(physio2018).entries()
    assert entry.name == "tr03-0005"
    files = {file.name: file for file in open_database(physio2018).to_fetch()}
    assert sorted(files) == RECORD
    file = files[RECORD[2]]
    assert file.url == f"{server.url}/training/{RECORD[2]}"
    assert (len(file.digest), file.size) == (64, SIGNAL_BYTES)
    written(physio2018.folder, *RECORD[:2])
    assert open_database(physio2018).missing([entry]) == [RECORD[2]]


def test_a_server_is_asked_once(server, physio2018):
    for _ in range(2):
        open_database(physio2018).list_files(print)
    assert server.asked == {SUMS: 1}
    open_database(physio2018.model_copy(update={"fetch": None})).list_files(print)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sums: sums.replace("mat\n", "md\n", 1), "does not list hea, mat, arousal of each"),
        (lambda sums: "", "does not list"),
        (lambda sums: serving.PAGE.decode(), "does not list"),
    ],
)
def test_sums_that_lack_a_file_are_not_taken_for_the_list(server, physio2018, change, message):
    sums = server.files[SUMS].decode().replace("-arousal.mat", ".x")
    server.files[SUMS] = change(sums).encode()
    refused(physio2018, message)


def test_zenodo_publishes_the_md5_of_the_archives(server, dreams):
    open_database(dreams).list_files(print)
    (file,) = open_database(dreams).to_fetch()
    assert file.url == f"{server.url}/records/2650142/files/DatabaseSubjects.rar"
    assert file.name == ".fetching/DatabaseSubjects.rar"
    assert (len(file.digest), file.size) == (32, len(b"another"))


def test_an_archive_is_fetched_where_no_recording_is_there(dreams):
    open_database(dreams).list_files(print)
    entries = open_database(dreams).entries()
    assert len(entries) == 20
    written(dreams.folder, "HypnogramR&K_subject1.txt")
    assert open_database(dreams).missing(entries) == [".fetching/DatabaseSubjects.rar"]
    written(dreams.folder, "subject1.edf")
    entries = open_database(dreams).entries()
    assert [entry.name for entry in entries] == ["subject1"]
    assert open_database(dreams).missing(entries) == []
    written(dreams.folder, ".fetching/DatabaseSubjects.rar")  # as in a run that was killed
    assert open_database(dreams).missing(entries) == [".fetching/DatabaseSubjects.rar"]


def test_nsrr_lists_the_first_visit_with_sizes(server, shhs):
    open_database(shhs).list_files(print)
    (entry,) = open_database(shhs).entries()
    assert entry.name == "shhs1-200001"
    files = {file.name: file for file in open_database(shhs).to_fetch()}
    assert sorted(files) == NIGHT
    shown = f"{server.url}/datasets/shhs/files/polysomnography/{NIGHT[1]}"
    assert files[NIGHT[1]].url == shown
    assert (len(files[NIGHT[1]].digest), files[NIGHT[1]].size) == (32, len(NIGHT[1]))
    assert open_database(shhs).key().use(shown).removeprefix(server.url) in server.files


def test_a_recording_without_published_scoring_is_named_and_fetched_once(server, shhs):
    address = next(name for name in server.files if "path=polysomnography/edfs" in name)
    (file, folder) = json.loads(server.files[address])
    other = file | {"full_path": file["full_path"].replace("200001", "200002")}
    server.files[address] = json.dumps([file, other, folder]).encode()
    open_database(shhs).list_files(print)
    written(shhs.folder, *NIGHT, NIGHT[1].replace("200001", "200002"))
    entries = open_database(shhs).entries()
    assert len(entries) == 2 and open_database(shhs).missing(entries) == []


def test_without_a_token_one_line_says_where_to_get_it(server, shhs, monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN")
    refused(shhs, "NSRR_TOKEN is not set; set this environment variable to your token from https:")
    assert not server.asked


@pytest.mark.parametrize("fault", [("status", 401), ("status", 403), ("redirect",), ("login",)])
def test_a_token_that_is_not_accepted_is_one_line_at_once(server, shhs, fault):
    address = next(name for name in server.files if "path=polysomnography/edfs" in name)
    server.faults[address] = [fault]
    refused(shhs, f"{EDFS}: the server does not accept the token in NSRR_TOKEN")
    assert server.asked[address] == 1


def test_what_the_library_logs_of_an_address_does_not_show_the_token(server, shhs, caplog):
    caplog.set_level("DEBUG")
    open_database(shhs).list_files(print)
    files = open_database(shhs).to_fetch()
    for address in server.files:
        server.faults[address] = [("damaged_header",)]
    fetch(shhs.folder, files, print, key=open_database(shhs).key())
    assert open_database(shhs).missing(open_database(shhs).entries()) == []
    assert "42-secret" not in caplog.text


@pytest.mark.parametrize(
    ("reader", "where"), [("physio2018", SUMS), ("dreams", ZENODO), ("shhs", EDFS)]
)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (("truncate", 9), "breaks off"),
        (("cut_without_saying", 9), "without saying how long it is"),
        (("status", 404), "answers 404"),
        (("status", 429), "answers 429, too busy"),
        (("status", 503), "answers 503, too busy"),
        (("login", "text/plain"), ": "),
    ],
)
def test_a_list_that_does_not_come_whole_is_none(
    server, request, monkeypatch, reader, where, fault, message
):
    source = request.getfixturevalue(reader)
    monkeypatch.setattr("xsleep.databases.fetch.download._Client.pause", lambda *_: None)
    address = next(name for name in server.files if name.startswith(where))
    server.faults[address] = [fault] * 9
    refused(source, f"{server.url}{where}: ")
    server.faults[address] = [fault] * 9
    refused(source, message)


@pytest.mark.parametrize("answer", ["{}", "[]", "[{}]", "[1]", "null", '{"files": []}', "no JSON"])
@pytest.mark.parametrize(("reader", "where"), [("dreams", ZENODO), ("shhs", EDFS)])
def test_an_answer_that_is_no_list_is_one_line(server, request, reader, where, answer):
    source = request.getfixturevalue(reader)
    address = next(name for name in server.files if name.startswith(where))
    server.files[address] = answer.encode()
    refused(source, f"{where}: ")


def test_a_list_that_was_cut_short_or_changed_anywhere_is_no_list(tmp_path):
    written = {f"{name}.edf": Listed(name * 32, size) for name, size in {"a": 7, "b": 0}.items()}
    write_list(tmp_path, written)
    content = (tmp_path / LIST).read_bytes()
    for place in range(len(content) - 1):  # without the last line feed it is still whole
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        for damaged in (content[:place], changed):
            (tmp_path / LIST).write_bytes(damaged)
            with pytest.raises(InputError, match=r"\.published\.csv: is not the list .* delete it"):
                read_list(tmp_path)
    (tmp_path / LIST).write_bytes(content)
    assert read_list(tmp_path) == written


def test_two_runs_ask_for_the_list_one_after_the_other(server, physio2018, monkeypatch):
    """The answer comes only once the second waits, too."""
    sums = next(name for name in server.files if name.endswith("SHA256SUMS.txt"))
    two_at_once(server, sums, monkeypatch, lambda: open_database(physio2018).list_files(print))
    assert server.asked[sums] == 1 and read_list(physio2018.folder)


def test_a_list_that_was_damaged_is_one_line(tmp_path):
    write_list(tmp_path, {"a.edf": Listed("0" * 32, 7)})
    assert read_list(tmp_path) == {"a.edf": Listed("0" * 32, 7)}
    for content in ("file,hash,bytes\na.edf,00,many\n", "file\na.edf\n", "\xff"):
        (tmp_path / LIST).write_text(content, encoding="latin-1")
        with pytest.raises(InputError, match=r"\.published\.csv: is not the list .* delete it"):
            read_list(tmp_path)
