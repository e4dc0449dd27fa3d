"""Databases that are scored by their hypnograms alone: which, and what is asked of them."""

import json

import pytest

from tests.helpers.recordings import ROOT, write_excerpts
from xsleep.core.errors import InputError
from xsleep.study.planning import configuration, planned
from xsleep.study.study import Study

CONFIG = ROOT / "config"
PREDICTIONS = {
    "SleepEDF-20": {"Other": [{"file": "other.csv", "channels": "EEG", "window": "in-bed"}]}
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Function from changes of the configuration to the study, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def made(fetch_url=..., **changes):
        config = configuration([CONFIG / "config.yaml"], []) | changes
        if fetch_url is not ...:
            config["database_settings"] = {"SleepEDF-20": {"source": {"fetch": fetch_url}}}
        return Study(config, CONFIG)

    return made


@pytest.fixture
def text(tmp_path):
    """Hypnograms as text where the configuration has them."""
    path = tmp_path.parent / "shared/reference/sleep_edf_hypnograms.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"SC4001E0": "W38 213"}))
    yield path
    path.unlink(missing_ok=True)


def test_fetch_hypnograms_is_for_the_selected_databases_and_those_of_predictions(study):
    chosen = study(databases=["simulated", "SleepEDF-78"], fetch="hypnograms")
    assert chosen.databases.names == ["simulated", "SleepEDF-78"]
    assert chosen.databases.with_signals == chosen.databases.trained_on == ["simulated"]
    assert {run["database"] for run in chosen.runs.scratch} == {"simulated"}
    assert {line.database for line in planned(chosen)} == {"simulated"}
    assert chosen.settings.index("SleepEDF-78") == "data/hypnograms/index/SleepEDF-78/all.h5"
    assert chosen.settings.index("simulated") == "data/index/simulated/all.h5"
    assert chosen.databases.files["DREAMS"].signals  # of zero_shot
    assert chosen.table2.not_run()["SleepEDF-78"] == "signals are not fetched"
    assert "simulated" not in chosen.table2.not_run()
    with_predictions = study(predictions=PREDICTIONS, fetch="hypnograms").databases
    assert not with_predictions.files["SleepEDF-20"].signals


def test_only_hypnograms_are_fetched_and_one_job_prepares_them(study):
    files = study(databases=["SleepEDF-20"], fetch="hypnograms").databases.files["SleepEDF-20"]
    assert files.to_fetch
    names = [file.name for file in files.database.to_fetch()]
    assert len(names) == 39 and all(name.endswith("-Hypnogram.edf") for name in names)
    assert [*files.batches] == ["SC4001E0"]


def test_databases_whose_reader_needs_the_signals_are_left_out(study):
    found = study(databases=["SleepEDF-20", "Physio2018"], fetch="hypnograms").databases
    assert found.names == ["SleepEDF-20"]
    assert found.left_out == {
        "Physio2018": "the reader physio2018 needs the signals; leave out fetch: hypnograms"
    }


def test_signals_that_are_there_are_used(study, tmp_path):
    write_excerpts(tmp_path / "dreams", 1, 2)
    there = {"DREAMS": {"source": {"folder": "dreams"}}}
    selected = {"databases": ["SleepEDF-20", "DREAMS"], "fetch": "hypnograms"}
    assert study(**selected, database_settings=there).databases.with_signals == ["DREAMS"]


def test_recordings_that_are_stored_with_signals_keep_them(study, tmp_path):
    selected = {"databases": ["SleepEDF-20"], "fetch": "hypnograms"}
    assert study(**selected).databases.with_signals == []
    (tmp_path / "data/index/SleepEDF-20").mkdir(parents=True)
    (tmp_path / "data/index/SleepEDF-20/all.h5").touch()
    assert study(**selected).databases.trained_on == ["SleepEDF-20"]
    assert study(predictions=PREDICTIONS).databases.files["SleepEDF-20"].signals


def test_another_value_of_fetch_is_one_line(study):
    with pytest.raises(InputError, match=r"^configuration: fetch = 'signals': .* or 'yes'$"):
        study(fetch="signals")


def test_keys_of_hypnograms_alone_are_no_parameters_of_stores_with_signals(study):
    chosen = study(databases=["SleepEDF-20"]).settings
    assert {*chosen.source("SleepEDF-20")} == {"reader", "folder", "labels", "units"}
    alone = study(databases=["SleepEDF-20"], fetch="hypnograms").settings.source("SleepEDF-20")
    assert {*alone} == {"reader", "folder", "labels", "units", "signals", "hypnograms"}


def test_databases_of_predictions_are_scored_by_hypnograms_where_no_signals_can_be_had(study, text):
    selected = {"databases": ["SleepEDF-20"], "predictions": PREDICTIONS}
    assert not study(None, **selected).databases.files["SleepEDF-20"].signals
    assert study(**selected).databases.files["SleepEDF-20"].signals
    left_out = study(None, databases=["SleepEDF-20"], predictions={}).databases
    assert left_out.files["SleepEDF-20"].signals and not left_out.names
    text.unlink()
    assert study(None, **selected).databases.left_out.keys() == {"SleepEDF-20"}


def test_databases_of_predictions_alone_need_no_signals(study):
    assert not study(predictions=PREDICTIONS).databases.files["SleepEDF-20"].signals
    assert study(databases=["SleepEDF-20"], predictions=PREDICTIONS).databases.with_signals
