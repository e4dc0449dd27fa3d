"""Cost of the networks beside their accuracy: the table and its figure."""

import json

import pandas as pd
import pytest

from tests.helpers.recordings import NETWORK
from tests.results.figures.conftest import drawn  # noqa: F401
from xsleep.core.errors import InputError
from xsleep.networks import build
from xsleep.results.cost import cost
from xsleep.results.figures import cost as figure
from xsleep.results.footprint import night_operations

CASE = ("SleepEDF-20", "in-bed+30min", "EEG")


def run(folder, system, seconds, device="cpu", scoring=(6.0, 1440)):
    """A folder with the records of a finished run."""
    folder.mkdir(parents=True)
    record = dict(zip(("database", "window", "channels"), CASE, strict=True)) | {
        "system": system,
        "seconds": seconds,
        "device": device,
        "threads": 2,
        "parameters": 123,
        "network": NETWORK.model_dump(mode="json"),
    }
    (folder / "run.json").write_text(json.dumps(record))
    scored = dict(zip(("seconds", "epochs"), scoring, strict=True)) if scoring else {}
    (folder / "scoring.json").write_text(json.dumps({"device": "cpu", "threads": 1} | scored))
    return folder


def table2(**systems):
    """A Table 2 of measured systems and their accuracies."""
    rows = [(*CASE[:2], name, "measured", value, 0.7, 70.0) for name, value in systems.items()]
    names = ["database", "window", "system", "source"]
    return pd.DataFrame(rows, columns=[*names, "EEG accuracy", "EEG kappa", "EEG MF1"])


@pytest.fixture
def table(tmp_path):
    folders = [
        run(tmp_path / f"{n}", "DeepSleepNet", seconds) for n, seconds in enumerate((9, 5, 7))
    ]
    folders += [run(tmp_path / "g", "ARNN+RNN", 1.0, "NVIDIA H100", None)]
    return cost(folders, table2(**{"DeepSleepNet [20]": 80.0, "ARNN+RNN": 75.0}))


def test_a_row_has_medians_over_folds_and_the_accuracy_of_the_quoted_name(table):
    row = table.iloc[0]
    assert tuple(row[["database", "window", "channels"]]) == CASE
    assert (row["system"], row["runs"], row["parameters"]) == ("DeepSleepNet", 3, 123)
    assert (row["training seconds"], row["training device"]) == (7.0, "2 CPU threads")
    assert (row["seconds a night"], row["scoring device"]) == (4.0, "1 CPU thread")  # of 960 epochs
    assert (row["accuracy"], row["kappa"], row["MF1"]) == (80.0, 0.7, 70.0)
    network = build("DeepSleepNet", 1, NETWORK, seed=0)
    assert row["GFLOP a night"] == round(night_operations(network, 1) / 1e9, 2)


def test_times_that_were_not_recorded_are_missing_and_a_device_is_named(table):
    row = table.iloc[1]
    assert row["training device"] == "NVIDIA H100" and pd.isna(row["seconds a night"])


def test_a_damaged_record_is_one_line(tmp_path):
    folder = run(tmp_path / "run", "ARNN+RNN", 1.0)
    (folder / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: unusable .*; delete it and run again"):
        cost([folder], table2())


def test_the_figure_has_a_marker_for_each_system_that_has_the_cost(table, drawn):  # noqa: F811
    figure.draw(table, "unused")
    panels = drawn[0].axes
    assert [panel.get_xlabel().split()[-1] for panel in panels] == [
        "parameters",
        "night",
        "fold",
        "night",
    ]
    assert [len(panel.lines) for panel in panels] == [2, 2, 2, 1]
    assert {line.get_ydata()[0] for line in panels[0].lines} == {75.0, 80.0}
    assert all(panel.get_xscale() == "log" for panel in panels)
    (key,) = drawn[0].legends
    assert [text.get_text() for text in key.get_texts()] == ["ARNN+RNN", "DeepSleepNet"]


def test_costs_of_no_run_and_figures_of_nothing(table, drawn):  # noqa: F811
    figure.draw(table.assign(**{"seconds a night": None}), "unused", ["SleepEDF-20"])
    assert len(drawn[0].axes) == 3
    assert drawn[0].get_suptitle() == "Accuracy and cost (simulated nights: not sleep)"
    with pytest.raises(InputError, match="no system has an accuracy"):
        figure.draw(table.assign(accuracy=None), "unused")
