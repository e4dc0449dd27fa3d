import pandas as pd
import pytest

from tests.helpers.studies import Study, epochs
from xsleep.core.errors import InputError
from xsleep.results.ablation import ablation
from xsleep.results.formatting import write_csv
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


def test_ablation_of_runs_that_contradict_each_other_is_refused_in_one_line(study):
    study.run("a1")
    study.run("a1")
    study.runs[1].predictions.write_text("junk")
    runs = {"none": study.runs[:1], "l2": study.runs[1:]}
    with pytest.raises(InputError, match="not a readable HDF5 file") as error:
        ablation(runs, {"none": {}, "l2": {}}, {"SleepEDF-20": study.recordings("SleepEDF-20")})
    assert "\n" not in str(error.value)
