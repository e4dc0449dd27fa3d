from dataclasses import replace

import pandas as pd
import pytest

from tests.helpers.studies import Study, epochs
from xsleep.core.errors import InputError
from xsleep.results.ablation import ablation
from xsleep.results.comparisons import paired
from xsleep.results.figures import ablation as figure
from xsleep.results.figures import style
from xsleep.results.formatting import NOT_SLEEP, write_csv
from xsleep.results.inference import deviation_over_seeds, holm
from xsleep.results.measurements import gather
from xsleep.results.metrics import measure


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_ablation_notes_a_difference_that_was_as_in_the_paper_already(study):
    study.run("a1", "a2", "b1")
    study.run("a1", "a2", "b1")
    runs = {"none": study.runs[:1], "l2": study.runs[:1], "gru_layers": study.runs[1:]}
    settings = {"none": {}, "l2": {"training.l2": 0.0}, "gru_layers": {"network.gru_layers": 1}}
    table = ablation(runs, settings, {"SleepEDF-20": study.recordings("SleepEDF-20")})
    assert table["note"].tolist() == ["", "already", ""]
    assert table["change in kappa"][1] == 0 != table["change in kappa"][2]


def test_ablation_has_a_row_per_difference_and_its_change_against_none(study, tmp_path):
    nights = {
        difference: study.run("a1", "a2", fold=1) + study.run("b1", fold=2)
        for difference in ("none", "units")
    }
    runs = {"none": study.runs[:2], "units": study.runs[2:]}
    settings = {"none": {}, "units": {"network.gru_units": 64, "network.sequence_units": 256}}
    table = ablation(runs, settings, {"SleepEDF-20": study.recordings("SleepEDF-20")})
    assert table["difference"].tolist() == ["none", "units"]
    assert table["setting"].tolist() == ["", "network.gru_units, network.sequence_units"]
    assert table["value"].tolist() == ["", "64, 256"]
    assert table.loc[1, "subjects":"seeds"].tolist() == [2, 3, 1, 60, 2, 1]
    none, units = (measure(*epochs(n)) for n in nights.values())
    for metric in none:
        assert table.loc[1, metric] == pytest.approx(units[metric])
        assert table.loc[0, f"change in {metric}"] == 0
        assert table.loc[1, f"change in {metric}"] == pytest.approx(units[metric] - none[metric])
    write_csv(tmp_path / "ablation.csv", table)
    written = pd.read_csv(tmp_path / "ablation.csv", dtype=str, keep_default_na=False)
    assert written.loc[1, "value"] == "64, 256"
    assert written.loc[1, "change in kappa"] == f"{units['kappa'] - none['kappa']:.3f}"
    assert written.loc[1, "change in MF1"] == f"{units['MF1'] - none['MF1']:.1f}"


def test_changes_have_the_intervals_and_p_of_comparisons(study):
    """Intervals and p are those of pairs of systems; p Holm is over the tested rows."""
    skills = {"none": 0.6, "better": 1.0, "worse": 0.1}
    for skill in skills.values():
        for seed in (1, 2):
            study.run("a1", "b1", "d1", "e1", "f1", "g1", "h1", skill=skill, seed=seed)
    parts = (study.runs[place : place + 2] for place in (0, 2, 4))
    runs = dict(zip(skills, parts, strict=True)) | {"same": study.runs[:2]}
    recordings = {"SleepEDF-20": study.recordings("SleepEDF-20")}
    table = ablation(runs, {name: {} for name in runs}, recordings).set_index("difference")
    named = [replace(run, system=name) for name in skills for run in runs[name]]
    results = {one.system: one for one in gather(named, recordings)}
    for name in ("better", "worse"):
        for metric, expected in paired(results[name], results["none"]).items():
            row, change = table.loc[name], f"change in {metric}"
            assert row[change] == pytest.approx(expected["difference"])
            ends = [row[f"95 % {end} {change}"] for end in ("from", "to")]
            assert ends == [expected["95 % from"], expected["95 % to"]]
            assert row[f"{change}: p Wilcoxon"] == pytest.approx(expected["p Wilcoxon"], rel=0.01)
            spread = deviation_over_seeds(results[name].matrices())[metric]
            assert row[f"deviation over seeds of {metric}"] == spread
    tested = table.loc[["better", "worse"]]
    for metric in ("accuracy", "kappa", "MF1"):
        p, corrected = (tested[f"change in {metric}: p {of}"] for of in ("Wilcoxon", "Holm"))
        assert corrected.to_numpy() == pytest.approx(holm(p.to_numpy()), rel=0.01)
    untested = table.loc[["none", "same"], table.columns.str.contains("95 %|p ")]
    assert untested.isna().all(axis=None)
    assert table["note"].tolist() == ["", "", "", "already"]


def test_the_figure_has_a_row_for_each_change(study, tmp_path, monkeypatch):
    for skill in (0.6, 1.0):
        study.run("a1", "b1", "d1", "e1", skill=skill)
    runs = {"none": study.runs[:1], "better": study.runs[1:], "as it is": study.runs[:1]}
    recordings = {"SleepEDF-20": study.recordings("SleepEDF-20")}
    table = ablation(runs, {name: {} for name in runs}, recordings)
    drawn = []
    monkeypatch.setattr(style, "save", lambda figure, stem: drawn.append(figure))
    figure.draw(table, tmp_path / "ablation", ["SleepEDF-20"])
    (panel,) = drawn[0].axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["better", "as it is"]
    shown = [bars.lines[0].get_data() for bars in panel.containers]
    assert [(*map(float, x), *map(float, y)) for x, y in shown] == [
        (table["change in accuracy"][1], 0),
        (0, 1),
    ]
    assert NOT_SLEEP in drawn[0].get_suptitle()


def test_ablation_of_runs_that_contradict_each_other_is_refused_in_one_line(study):
    study.run("a1")
    study.run("a1")
    study.runs[1].predictions.write_text("junk")
    runs = {"none": study.runs[:1], "l2": study.runs[1:]}
    with pytest.raises(InputError, match="not a readable HDF5 file") as error:
        ablation(runs, {"none": {}, "l2": {}}, {"SleepEDF-20": study.recordings("SleepEDF-20")})
    assert "\n" not in str(error.value)
