import io
from functools import cache

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tests.helpers.studies import Study, epochs
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.results import inference, published
from xsleep.results.formatting import noted, write_csv
from xsleep.results.metrics import METRICS, confusion, measure
from xsleep.results.table2 import channel_sets, confusion_table, faults, measured_metrics, read_csv
from xsleep.results.typeset import summary


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def measured(table):
    return table[table["source"] == "measured"]


def row(table, source, system="XSleepNet2", window="in-bed", database="SleepEDF-20"):
    (found,) = table.query(
        "source == @source and system == @system and window == @window and database == @database"
    ).to_dict("records")
    return found


def test_rows_of_simulated_databases_say_so_in_their_note_and_no_other_does(study, tmp_path):
    study.run("a1", "b1")
    table = study.table()
    write_csv(tmp_path / "table2.csv", noted(table, ["SleepEDF-20"]))
    found = read_csv(tmp_path / "table2.csv")
    marked = found["note"].str.endswith("simulated nights: not sleep")
    assert (marked == (found["database"] == "SleepEDF-20")).all() and not marked.all()
    assert row(found, "measured")["note"].startswith("EEG-EOG: not configured; ")
    assert noted(table, []).equals(table) and noted(table[:0], ["SleepEDF-20"]).empty


def test_folds_are_pooled_within_a_seed_and_seeds_averaged(study):
    first = study.run("a1", "a2", fold=1) + study.run("b1", fold=2)
    second = study.run("a1", "a2", seed=1, fold=1) + study.run("b1", seed=1, fold=2)
    table = study.table()
    for metric, value in measure(*epochs(first)).items():
        values = [value, measure(*epochs(second))[metric]]
        assert row(table, "measured")[f"EEG {metric}"] == pytest.approx(np.mean(values))
        spread = row(table, "deviation over seeds")[f"EEG {metric}"]
        assert spread == pytest.approx(np.std(values, ddof=1))


def test_counts_are_those_of_the_predictions(study):
    study.run("a1", "a2", fold=1)
    study.run("b1", fold=2)
    first = study.table().iloc[0]
    assert first["subjects":"seeds"].tolist() == [2, 3, 1, 60, 2, 1]


def test_what_is_published_stands_beneath_what_was_measured_with_the_difference(study):
    study.run("a1", "b1", system="XSleepNet1")
    study.run("a1", "b1", system="XSleepNet2")
    table = study.table()
    sources = ["measured", "95 % from", "95 % to", "published", "difference"]
    assert table[["system", "source"]].to_numpy().tolist()[:10] == [
        [system, source] for system in ("XSleepNet2", "XSleepNet1") for source in sources
    ]
    assert table.loc[3, "EEG accuracy"] == 83.9
    assert table.loc[3, "subjects":"seeds"].isna().all()
    apart = row(table, "measured")["EEG accuracy"] - 83.9
    assert row(table, "difference")["EEG accuracy"] == pytest.approx(apart)
    assert np.isnan(row(table, "difference")["EEG-EOG accuracy"])


def test_intervals_are_over_subjects_and_hold_what_was_measured(study):
    study.run("a1", "a2", "b1", "d1", "e1")
    table = study.table()
    (result,) = study.results()
    for metric, (low, high) in inference.intervals(result.matrices("subject")).items():
        assert row(table, "95 % from")[f"EEG {metric}"] == low < high
        assert row(table, "95 % to")[f"EEG {metric}"] == high
        assert low <= row(table, "measured")[f"EEG {metric}"] <= high


def test_the_whole_of_table2_is_there_with_earlier_work_quoted(study):
    study.run("a1")
    table = study.table()
    reported = table[table["source"].isin(["published", "quoted"])]
    assert len(reported) == len(published.rows())
    quoted = {
        (r.database, r.window, r.system) for r in published.rows() if r.authors != "this paper"
    }
    names = reported[reported["source"] == "quoted"][["database", "window", "system"]]
    assert set(names.itertuples(index=False, name=None)) == quoted
    assert table.columns[10:-1].tolist() == [
        f"{c} {m}" for c in ("EEG", "EEG-EOG", "EEG-EOG-EMG") for m in METRICS
    ]


def test_channel_sets_of_ones_own_have_columns_after_those_of_the_paper(study, tmp_path):
    nights = study.run("a1", "b1", "d1", "e1", channels="EEG-EEG2")
    study.run("a1", "b1", "d1", "e1", channels="EEG")
    study.run("a1", "b1", channels="EMG", database="own", window="whole-night")
    table = study.table()
    assert channel_sets(table) == ["EEG", "EEG-EOG", "EEG-EOG-EMG", "EEG-EEG2", "EMG"]
    expected = measure(*epochs(nights))
    measures = {metric: row(table, "measured")[f"EEG-EEG2 {metric}"] for metric in METRICS}
    assert measures == pytest.approx(expected)
    assert np.isnan(row(table, "difference")["EEG-EEG2 accuracy"])
    low, high = (row(table, f"95 % {end}")["EEG-EEG2 accuracy"] for end in ("from", "to"))
    assert low < expected["accuracy"] < high
    write_csv(tmp_path / "table2.csv", table)
    found = measured_metrics(read_csv(tmp_path / "table2.csv"))
    assert {*found["SleepEDF-20"]["in-bed"]} == {"EEG", "EEG-EEG2"}
    assert {*found["own"]["whole-night"]} == {"EMG"}


def test_table2_fcnn_rnn_on_shhs_is_beside_its_digitised_row(study):
    study.run("a1", "b1", database="SHHS", window="whole-night", system="FCNN+RNN")
    table = study.table()
    where = {"system": "FCNN+RNN", "window": "whole-night", "database": "SHHS"}
    assert row(table, "published", **where)["EEG accuracy"] == 86.7
    assert "digitised" in row(table, "published", **where)["note"]
    assert "not published" not in row(table, "measured", **where)["note"]
    apart = row(table, "measured", **where)["EEG kappa"] - 0.813
    assert row(table, "difference", **where)["EEG kappa"] == pytest.approx(apart)


def test_table2_the_other_finetuned_systems_are_beside_what_is_quoted_of_them(study):
    study.run("a1", "b1", system="FT-SeqSleepNet+")
    table = study.table()
    assert row(table, "quoted", "FT-SeqSleepNet+")["EEG accuracy"] == 85.2
    apart = row(table, "measured", "FT-SeqSleepNet+")["EEG accuracy"] - 85.2
    assert row(table, "difference", "FT-SeqSleepNet+")["EEG accuracy"] == pytest.approx(apart)
    assert len(table.query("system == 'FT-SeqSleepNet+' and source == 'quoted'")) == 1
    printed = io.StringIO()
    summary(table, Console(file=printed, width=80), ())
    assert "FT-SeqSleepNet+ EEG quoted 85.2" in " ".join(printed.getvalue().split())


def test_what_was_not_run_says_why(study):
    study.run("a1", channels="EEG-EOG")
    table = study.table(MASS="no data in data/recordings/mass")
    assert row(table, "measured")["note"] == "EEG: not configured"
    assert row(table, "not run", "XSleepNet1")["note"] == "not configured"
    mass = row(table, "not run", window="whole-night", database="MASS")
    assert mass["note"] == "no data in data/recordings/mass"
    table = study.table(**{"FT-XSleepNet": "no recordings to pretrain on"})
    finetuned = row(table, "not run", "FT-XSleepNet")
    assert finetuned["note"] == "no recordings to pretrain on"
    ours = [r for r in published.rows() if r.authors == "this paper"]
    assert (table["source"] == "not run").sum() == len(ours) - 1


def test_a_window_as_published_takes_the_place_of_the_papers(study):
    study.run("a1", window="in-bed+30min-as-published")
    table = study.table()
    assert not len(table.query("database == 'SleepEDF-20' and window == 'in-bed+30min'"))
    beside = table.query("window == 'in-bed+30min-as-published'")
    assert set(beside["source"]) >= {"measured", "published", "not run", "quoted"}


def test_a_difference_is_taken_from_the_window_that_the_published_figures_are_of(study):
    for window in ("in-bed+30min", "in-bed+30min-as-published"):
        study.run("a1", window=window)
    table = study.table().query("database == 'SleepEDF-20' and system == 'XSleepNet2'")
    sources = {window: set(rows["source"]) for window, rows in table.groupby("window")}
    assert "difference" in sources["in-bed+30min-as-published"]
    assert {"measured", "published"} <= sources["in-bed+30min"]
    assert "difference" not in sources["in-bed+30min"]
    note = measured(table).set_index("window")["note"]
    assert "published figures are of in-bed+30min-as-published" in note["in-bed+30min"]


def test_measured_rows_come_first_in_the_order_of_the_paper_and_what_it_lacks_last(study):
    study.run("a1", database="Simulated")
    study.run("a1", database="MASS", window="whole-night")
    study.run("a1", window="whole-night")
    study.run("a1", window="in-bed")
    study.run("a1", window="in-bed+30min", system="ARNN+RNN")
    study.run("a1", window="in-bed+30min", system="Naive Fusion")
    table = study.table()
    assert measured(table)[["database", "window", "system"]].to_numpy().tolist() == [
        ["SleepEDF-20", "in-bed+30min", "Naive Fusion"],
        ["SleepEDF-20", "in-bed+30min", "ARNN+RNN"],
        ["SleepEDF-20", "in-bed", "XSleepNet2"],
        ["SleepEDF-20", "whole-night", "XSleepNet2"],
        ["MASS", "whole-night", "XSleepNet2"],
        ["Simulated", "in-bed", "XSleepNet2"],
    ]
    places = list(dict.fromkeys(table[["database", "window"]].itertuples(index=False, name=None)))
    assert places[5:] == [
        ("SleepEDF-78", "in-bed+30min"),
        ("SleepEDF-78", "in-bed"),
        ("Physio2018", "whole-night"),
        ("SHHS", "whole-night"),
    ]


def test_channel_sets_on_other_recordings_get_a_measured_row_of_their_own(study):
    study.run("a1", "b1", channels="EEG")
    study.run("a1", channels="EEG-EOG")
    rows = measured(study.table())
    assert rows["recordings"].tolist() == [2, 1]
    assert rows["EEG accuracy"].notna().tolist() == [True, False]
    assert rows["EEG-EOG accuracy"].notna().tolist() == [False, True]


def test_csv_has_fixed_decimals_empty_cells_and_the_same_bytes_every_time(study, tmp_path):
    study.run("a1", "b1")
    table = study.table()
    for name in ("one.csv", "two.csv"):
        write_csv(tmp_path / name, table)
    lines = (tmp_path / "one.csv").read_text().splitlines()
    assert lines[4] == (
        "SleepEDF-20,in-bed,XSleepNet2,published,,,,,,,"
        "83.9,0.771,78.7,78.6,95.5,83.3,0.762,77.3,76.4,95.2,,,,,,"
    )
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    decimals = {c: 3 if c.endswith("kappa") else 1 for c in table.columns[10:-1]}
    pd.testing.assert_frame_equal(read_csv(tmp_path / "one.csv"), table.round(decimals))


def test_a_fold_that_cannot_be_used_is_a_gap_and_the_other_rows_go_on(study):
    for system in ("XSleepNet2", "XSleepNet1"):
        study.run("a1", "a2", fold=1, system=system)
        study.run("b1", fold=2, system=system)
    study.runs[1].predictions.write_text("junk")
    table = study.table()
    broken, fine = row(table, "measured"), row(table, "measured", "XSleepNet1")
    assert (broken["folds"], broken["subjects"], broken["epochs"]) == (1, 1, 40)
    assert (fine["folds"], fine["subjects"], fine["epochs"]) == (2, 2, 60)
    assert f"{study.runs[1].predictions}: not a readable HDF5 file" in broken["note"]
    (line,) = faults(study.results())
    assert line in broken["note"] and line not in fine["note"]


def test_a_system_without_a_usable_file_has_a_row_with_nothing_but_the_reason(study):
    study.run("a1")
    study.run("a1", system="XSleepNet1")
    study.runs[0].predictions.unlink()
    table = study.table()
    empty = row(table, "measured")
    assert (empty["subjects"], empty["epochs"]) == (0, 0)
    assert np.isnan(empty["EEG accuracy"]) and "run-0/predictions.h5" in empty["note"]
    assert row(table, "measured", "XSleepNet1")["EEG accuracy"] > 0


def test_a_misspelt_system_of_the_published_table_is_named_and_compared_with_nothing(
    study, tmp_path, monkeypatch
):
    text = published.TABLE.read_text(encoding="utf-8")
    misspelt = tmp_path / "published_table2.csv"
    misspelt.write_text(
        text.replace("SleepEDF-20,in-bed,XSleepNet2", "SleepEDF-20,in-bed,XSlepNet2")
    )
    monkeypatch.setattr(published, "TABLE", misspelt)
    monkeypatch.setattr(published, "rows", cache(published.rows.__wrapped__))  # read anew
    study.run("a1")
    table = study.table()
    (line,) = faults(study.results())
    assert line.startswith(
        "published_table2.csv: SleepEDF-20, in-bed: the system 'XSlepNet2' is not known; correct"
    )
    assert row(table, "published", "XSlepNet2")["note"] == line
    assert row(table, "measured")["note"] == "not published"
    assert row(table, "measured")["EEG accuracy"] > 0
    assert not len(table.query("source == 'difference'"))


def test_metrics_to_compare_commits_by_are_what_was_measured_and_nothing_else(study):
    study.run("a1", "b1", system="XSleepNet1")
    study.run("a1", "b1", system="XSleepNet2")
    table = study.table()
    found = measured_metrics(table)
    (windows,) = found.values()
    assert set(windows["in-bed"]) == {"EEG"}
    assert list(windows["in-bed"]["EEG"]) == ["XSleepNet2", "XSleepNet1"]
    assert windows["in-bed"]["EEG"]["XSleepNet1"] == {
        metric: row(table, "measured", "XSleepNet1")[f"EEG {metric}"] for metric in METRICS
    }


def test_the_confusion_of_all_recordings_has_their_metrics_in_its_last_line(study):
    nights = study.run("a1", "b1")
    table = confusion_table(nights)
    true, predicted = epochs(nights)
    assert [line["true stage"] for line in table] == [*STAGES, "all"]
    counts = [[line[stage] for stage in STAGES] for line in table]
    matrix = confusion(true, predicted)
    assert counts == [*matrix.tolist(), matrix.sum(axis=0).tolist()]
    assert table[-1]["accuracy"] == f"{measure(true, predicted)['accuracy']:.1f}"
    assert table[-1]["epochs"] == 40 and table[0]["accuracy"] == ""


def test_without_recordings_there_is_no_confusion():
    with pytest.raises(InputError, match="no recordings"):
        confusion_table([])
