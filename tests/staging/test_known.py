"""Networks that are known by name: fetched once, checked, and read without TensorFlow."""

import pytest

from tests.helpers.recordings import SHARED, existing
from tests.helpers.serving import Server
from xsleep.cli import main
from xsleep.core.errors import InputError
from xsleep.staging.ensemble import open_model
from xsleep.staging.known import ENDS, PREFIX, known


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the authors' files, and an empty cache."""
    monkeypatch.setenv("XSLEEP_CACHE", str(tmp_path / "cache"))
    folder = existing(SHARED / "data" / "released_checkpoints")
    files = {
        f"/{path.relative_to(folder)}": path.read_bytes() for path in folder.glob(f"*/*/{PREFIX}*")
    }
    with Server(files) as server:
        networks = {
            name: network.model_copy(update={"source": f"{server.url}/"})
            for name, network in known().items()
        }
        monkeypatch.setattr("xsleep.staging.ensemble.known", lambda: networks)
        monkeypatch.setattr("xsleep.cli.models.known", lambda: networks)
        yield server


def test_a_network_is_fetched_once_and_its_licence_told_before(server):
    told = []
    for _ in range(2):
        model = open_model("seqsleepnet-mass-eeg-eog", told.append)
    assert model.channels == ("EEG", "EOG")
    assert model.facts["licence"] == "CC BY-NC 4.0"
    assert not model.has_statistics
    (line,) = told
    assert "licence CC BY-NC 4.0" in line and "MASS" in line
    assert max(server.asked.values()) == 1


def test_a_file_that_is_not_the_published_one_is_refused_and_not_kept(server):
    path = next(
        path for path in server.files if path.endswith(f"1chan_eeg/checkpoint/{PREFIX}.index")
    )
    server.files[path] += b"x"
    with pytest.raises(InputError, match=r"cannot be fetched \(SHA256 hash of downloaded file"):
        open_model("seqsleepnet-mass-eeg", lambda line: None)
    assert not known()["seqsleepnet-mass-eeg"].installed
    assert not known()["seqsleepnet-mass-eeg"].prefix.with_suffix(".ckpt.index").exists()


def test_without_a_network_connection_one_line_says_where_to_put_the_files(server):
    server.files.clear()
    with pytest.raises(
        InputError, match=r"cannot be fetched .*; put this file into .*1chan_eeg, or name"
    ):
        open_model("seqsleepnet-mass-eeg", lambda line: None)


def test_networks_are_listed_fetched_and_removed_by_the_command(server, capsys):
    name = "seqsleepnet-mass-eog"
    assert main(["models", "--fetch", name]) == 0
    assert main(["models"]) == 0
    told = capsys.readouterr().out
    assert told.count("fetched     yes") == 1 and told.count("fetched     no") == 2
    assert main(["models", "--remove", name]) == 0
    assert not known()[name].installed
    assert main(["models", "--fetch", "nosuch"]) == 1
    assert "nosuch: no network is known by this name" in capsys.readouterr().err


def test_the_files_of_a_known_network_are_pinned():
    for network in known().values():
        assert set(network.sha256) == set(ENDS)
        assert "/d6983bb5d7584c521993513b0bb2b82b6db8fe52/" in network.source
