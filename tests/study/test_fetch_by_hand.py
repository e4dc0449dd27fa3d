"""A mistyped folder does not become a download of all that a database has."""

import pytest

from tests.helpers.recordings import ROOT
from xsleep.study.planning import configuration
from xsleep.study.study import Study

CONFIG = ROOT / "config"
AMOUNTS = {
    "SleepEDF-20": "2 GB",
    "SleepEDF-78": "7.6 GB",
    "SleepEDF-ST": "0.6 GB",
    "Physio2018": "135 GB",
    "DREAMS": "45 MB",
    "DREAMS-Subjects": "1 GB",
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Function from a database, its folder and ``fetch`` to its files."""
    monkeypatch.chdir(tmp_path)

    def made(name, folder=None, fetch=None):
        settings = {name: {"source": {"folder": folder} if folder else {}}}
        changes = {"databases": ["simulated", name], "database_settings": settings, "fetch": fetch}
        config = configuration([CONFIG / "config.yaml"], []) | changes
        return Study(config, CONFIG).databases.files[name]

    return made


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_folder_set_by_hand_that_does_not_exist_is_told_with_what_would_come(files, name):
    found = files(name, "recrodings/night")
    assert not found.to_fetch and not found.entries
    assert found.fault == (
        "recrodings/night: no such folder; correct source.folder, or give --config fetch=yes to "
        f"fetch {AMOUNTS[name]} into it"
    )


@pytest.mark.parametrize("yes", [True, "yes"])  # YAML takes yes for true
def test_fetch_yes_fetches_into_it(files, yes):
    assert files("Physio2018", "new", fetch=yes).to_fetch


@pytest.mark.parametrize("no", [False, None, "null"])
def test_without_fetch_yes_nothing_is_fetched_into_it(files, no):
    assert not files("Physio2018", "new", fetch=no).to_fetch


def test_the_folder_of_the_database_s_file_and_one_that_exists_are_fetched_into(files, tmp_path):
    assert files("Physio2018").to_fetch
    (tmp_path / "there").mkdir()
    assert files("Physio2018", "there").to_fetch


def test_the_amount_of_sleep_edf_is_known_before_anything_is_fetched(files):
    for name in ("SleepEDF-20", "SleepEDF-78", "SleepEDF-ST"):
        size = sum(file.size for file in files(name).database.to_fetch())
        assert f"{size / 1e9:.1f}".removesuffix(".0") + " GB" in (AMOUNTS[name], "1.9 GB", "7.5 GB")
