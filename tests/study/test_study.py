"""Runs, folders and targets of a configuration."""

import os
import socket
import subprocess
import sys

import pytest

from tests.helpers.recordings import ROOT
from xsleep.core.errors import InputError
from xsleep.study.planning import configuration, planned
from xsleep.study.runs import folder
from xsleep.study.study import Study

CONFIG = ROOT / "config"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Function from changes of the configuration to the study, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def made(*files, **changes):
        config = configuration([CONFIG / name for name in ("config.yaml", *files)], [])
        return Study(config | changes, CONFIG)

    return made


def test_runs_are_all_windows_channels_systems_seeds_and_folds(study):
    runs = study(systems=["ARNN+RNN", "FCNN+RNN"], seeds=[1, 2]).runs.scratch
    assert len(runs) == 2 * 2 * 2
    assert folder(runs[0]) == "results/simulated/in-bed+30min/EEG-EOG/ARNN+RNN/seed-1/fold-1"
    assert len(set(map(folder, runs))) == len(runs)


def test_systems_stand_in_the_order_of_table_2_by_their_names_in_a_path(study):
    chosen = study(systems=["XSleepNet (equal weights)", "Naive Fusion", "XSleepNet2"])
    assert chosen.runs.selected == ["XSleepNet2", "Naive-Fusion", "XSleepNet-equal-weights"]


def test_the_cheapest_system_is_trained_again_for_the_audit(study):
    (run,) = study(systems=["XSleepNet2", "ARNN+RNN", "FCNN+RNN"]).audit.again
    assert (run["system"], run["fold"]) == ("ARNN+RNN", 1)


def test_figures_are_those_that_the_selected_systems_stand_in(study):
    def drawn(*selected):
        paths = study(systems=selected).figures.paths
        return {path.removeprefix("results/figures/").split("/")[0] for path in paths}

    single = "ARNN+RNN", "FCNN+RNN"
    learning = {"fig1", "fig5", "fig6", "gain.svg"}
    assert drawn(*single) & learning == {"fig6"}
    assert drawn("ARNN+RNN", "Naive Fusion") & learning == {"fig1", "fig6"}
    assert drawn(*single, "XSleepNet (equal weights)") & learning == {"fig6", "gain.svg"}
    assert drawn(*single, "XSleepNet2") & learning == learning


def test_making_a_study_reads_no_server_and_changes_no_file(study, tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *address: pytest.fail("a server is asked"))
    found = study("paper.yaml").databases
    physio = found.files["Physio2018"]
    # PhysioNet is to be asked which recordings there are: by a job.
    assert physio.to_fetch and not physio.entries
    assert set(found.left_out) == {"MASS", "SHHS"}
    assert os.listdir(tmp_path) == []


def test_the_start_of_a_job_imports_no_library_of_tables_and_networks():
    program = "import sys, xsleep.study.messages; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert not {"pandas", "sklearn", "scipy", "torch", "matplotlib"} & set(done.stdout.split())


def test_a_database_that_is_not_there_is_left_out_with_the_reason(study):
    chosen = study(databases=["simulated", "MASS"]).databases
    assert chosen.names == ["simulated"]
    assert "apply for access at" in chosen.left_out["MASS"]
    assert chosen.not_run()["MASS"].startswith("no data here: ")
    assert list(chosen.available.databases) == ["simulated"]


def test_planned_runs_are_those_of_all_databases_and_the_pretraining_once(study):
    chosen = study(
        databases=["MASS"],
        systems=["ARNN+RNN", "FT-XSleepNet"],
        source="SHHS",
        target="MASS",
        transfer={
            "networks": ["XSleepNet"],
            "channels": ["EEG"],
            "strategies": ["all"],
            "validation": 10,
            "subjects": [],
            "weights": {},
        },
    )
    counts = {line[:-1]: line.runs for line in planned(chosen)}
    assert counts["train", "MASS", "whole-night", "EEG", "ARNN+RNN"] == 20
    assert counts["finetune", "MASS", "whole-night", "EEG", "XSleepNet1"] == 20
    assert counts["pretrain", "SHHS", "", "EEG", "XSleepNet2"] == 1


def test_a_key_that_is_not_known_is_one_line(study):
    with pytest.raises(InputError, match=r"^configuration: sytems is not a known key"):
        study(sytems=["ARNN+RNN"])


NETWORK = {"window": "in-bed", "channels": "EEG-EOG", "system": "XSleepNet2"}


@pytest.mark.parametrize(("database", "subjects"), [("SleepEDF-20", 4), ("simulated", 2)])
def test_as_many_subjects_validate_a_network_of_all_recordings_as_in_a_fold(
    study, database, subjects
):
    networks = study(databases=[database]).networks
    assert networks.validating(NETWORK | {"database": database}) == subjects
    assert networks.table2(NETWORK | {"database": database}) == {}


def test_a_network_of_a_channel_that_is_not_stored_is_refused(study):
    wanted = NETWORK | {"database": "simulated", "channels": "EEG-EOG-EMG"}
    with pytest.raises(InputError, match=r"^simulated: no EMG is stored; .* choose from EEG, EOG$"):
        study().networks.indexes(wanted)
