import csv
import math
from pathlib import Path

import pytest

from xsleep.metrics import METRICS
from xsleep.models import SYSTEMS
from xsleep.published import database_windows, published, rows, systems

REFERENCE = Path(__file__).parents[2] / "shared/reference/table2_published.csv"


def test_table2_sleepedf_20_in_bed_eeg_of_xsleepnet2():
    values = published("SleepEDF-20", "in-bed", "XSleepNet2", "EEG")
    assert values == dict(zip(METRICS, (83.9, 0.771, 78.7, 78.6, 95.5), strict=True))


def test_what_the_paper_does_not_report_is_none_and_a_single_metric_nan():
    assert published("SleepEDF-20", "in-bed", "XSleepNet2", "EEG-EOG-EMG") is None
    assert published("SHHS", "whole-night", "FCNN+RNN", "EEG") is None
    assert math.isnan(published("SleepEDF-20", "in-bed+30min", "XSleepNet2", "EEG")["kappa"])


def test_the_30min_figures_are_those_of_the_windows_as_published_too():
    defined, wrapped = (
        published("SleepEDF-78", window, "XSleepNet2", "EEG-EOG")
        for window in ("in-bed+30min", "in-bed+30min-as-published")
    )
    assert defined == wrapped and defined["accuracy"] > 80


def test_systems_and_databases_are_in_the_order_of_table2():
    assert systems() == (*SYSTEMS, "FT-XSleepNet")
    assert [name for name, _ in database_windows()] == [
        *["SleepEDF-20"] * 2, *["SleepEDF-78"] * 2, "MASS", "Physio2018", "SHHS",
    ]  # fmt: skip


def test_every_row_is_named_once():
    names = [(row.database, row.window, row.system) for row in rows()]
    assert len(set(names)) == len(names)


@pytest.mark.skipif(not REFERENCE.exists(), reason="needs the reference facts in ../shared")
def test_every_published_value_agrees_with_the_reference():
    by_name = {(row.database, row.window, row.system): row for row in rows()}
    with REFERENCE.open(encoding="utf-8") as file:
        reference = list(csv.DictReader(file))
    for line in reference:
        row = by_name[line["database"], line["window"], line["system"]]
        kind = {"this paper": "this-paper", "earlier work": "prior-work"}[row.authors]
        assert line["kind"] == kind + ("-transfer" if row.training == "transfer" else "")
        assert line["note"] in (row.note, "clear")
        for metric, value in row.values[line["channels"]].items():
            given = line[metric.lower()]
            assert math.isnan(value) if given == "" else value == float(given)
    assert sum(len(row.values) for row in rows()) == len(reference)
