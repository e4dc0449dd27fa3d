import re
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.studies import HEADER, Study, night
from xsleep.core.errors import InputError
from xsleep.results.measurements import gather
from xsleep.results.metrics import confusion
from xsleep.store.predictions import write_predictions


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_counts_are_the_confusion_matrices_of_subjects_folds_and_all(study):
    a, b = study.run("a1", "a2", fold=1), study.run("b1", fold=2)
    (result,) = study.results()

    def matrix(*nights):
        return sum(confusion(n.stages, n.probabilities["joint"].argmax(1)) for n in nights)

    assert (result.matrices("subject")[0] == [matrix(*a), matrix(*b)]).all()
    assert (result.matrices("recording")[0] == [matrix(n) for n in (*a, *b)]).all()
    assert (result.matrices("fold")[0] == [matrix(*a), matrix(*b)]).all()
    assert (result.matrices()[0] == matrix(*a, *b)).all()


def spoil(study, number, **fields):
    name = fields.pop("recording", "a1")
    write_predictions(study.runs[number].predictions, [replace(night(name, 0), **fields)])


def with_nan(study):
    study.run("a1")
    spoil(study, 0, probabilities={"joint": np.full((20, 5), np.nan)})


def twice_over_folds(study):
    study.run("a1", fold=1)
    study.run("a1", fold=2)


def other_epochs(study):
    study.run("a1")
    study.run("a1", system="XSleepNet1")
    short = slice(0, 18)
    full = night("a1", 0)
    spoil(
        study, 1, places=full.places[short], stages=full.stages[short],
        probabilities={"joint": full.probabilities["joint"][short]},
    )  # fmt: skip


def other_stages(study):
    study.run("a1")
    study.run("a1", channels="EEG-EOG")
    spoil(study, 1, stages=np.zeros(20, int))


def other_fold(study):
    study.run("a1")
    study.run("a1", system="XSleepNet1", fold=2)


def epochs_that_do_not_exist(study):
    study.run("a1")
    full = night("a1", 0)
    spoil(
        study, 0, places=np.arange(40), stages=np.tile(full.stages, 2),
        probabilities={"joint": np.tile(full.probabilities["joint"], (2, 1))},
    )  # fmt: skip


def places_out_of_order(study):
    study.run("a1")
    spoil(study, 0, places=np.arange(20)[::-1])


def no_epochs(study):
    study.run("a1")
    none = {"joint": np.zeros((0, 5))}
    spoil(study, 0, places=np.arange(0), stages=np.arange(0), probabilities=none)


def stages_of_two_axes(study):
    study.run("a1")
    spoil(study, 0, stages=np.zeros((20, 2)))


def other_system(study):
    study.run("a1")
    full = night("a1", 0, branches=("raw", "time-frequency"))
    spoil(study, 0, probabilities=full.probabilities)


def missing_fold(study):
    study.run("a1", fold=1)
    study.run("b1", fold=2)
    study.run("a1", fold=1, seed=1)


def not_hdf5(study):
    study.run("a1")
    study.runs[0].predictions.write_text("junk")


def empty(study):
    study.run("a1")
    write_predictions(study.runs[0].predictions, [])


@pytest.mark.parametrize(
    ("spoiled", "file", "names"),
    [
        (with_nan, 0, "a1: joint probability .*nan.* in epoch 0; .*train again"),
        (twice_over_folds, 1, "a1 is tested in .*run-0/.* too; make the folds anew"),
        (other_epochs, 1, r"a1 does not have the places of .* \(18 epochs, there 20\); delete"),
        (other_stages, 1, "a1 does not have the stages of .*run-0/.*; delete"),
        (other_fold, 1, "a1 does not have the fold of .*run-0/.*; delete"),
        (epochs_that_do_not_exist, 0, "a1 has 40 epochs but 20 in .*csv; delete"),
        (places_out_of_order, 0, "a1: 20 places of 20 epochs, or not in their order; delete"),
        (no_epochs, 0, r"a1: true stages of shape \(0,\); delete the file"),
        (stages_of_two_axes, 0, r"a1: true stages of shape \(20, 2\); delete the file"),
        (other_system, 0, "a1: branches raw, time-frequency, none of them joint"),
        (missing_fold, 2, "seed 1 does not test b1.*; run all folds"),
        (lambda study: study.run("c1"), 0, "c1 was tested but is skipped in .*csv; delete"),
        (lambda study: study.run("x1"), 0, "x1 was tested but is missing in .*csv; delete"),
        (not_hdf5, 0, "not a readable HDF5 file.*; delete it and run again"),
        (empty, 0, "no recordings; delete the file and run the fold again"),
    ],
)
def test_bad_predictions_are_a_gap_in_one_line_with_file_value_and_advice(
    study, spoiled, file, names
):
    spoiled(study)
    (gap,) = [gap for result in study.results() for gap in result.gaps]
    bad = study.runs[file].predictions
    assert gap.startswith(f"{bad}: ") and gap.count(f"{bad}") == 1
    assert "\n" not in gap
    assert re.search(names, gap)


def test_the_files_that_agree_are_kept_and_the_one_that_does_not_is_left_out(study):
    for system in ("XSleepNet2", "XSleepNet1", "Naive Fusion"):
        study.run("a1", system=system)
    spoil(study, 0, stages=np.zeros(20, int))  # the first that is read
    results = study.results()
    assert [len(result.gaps) for result in results] == [1, 0, 0]
    assert [result.epochs() for result in results] == [0, 20, 20]


def test_a_seed_without_all_recordings_is_left_out_and_the_fullest_kept(study):
    missing_fold(study)
    (result,) = study.results()
    assert result.counts.index.unique("seed").tolist() == [0]
    assert (result.number("recording"), result.epochs()) == (2, 40)


@pytest.mark.parametrize(
    "text",
    ["", "recording,reason\na1,\n", f"{HEADER}\na1,,,,,,,,\n", f"{HEADER}\na1,a,2,,,,,,\n" * 2],
)
def test_a_bad_table_of_recordings_is_one_line(study, tmp_path, text):
    study.run("a1")
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.csv: not a table of recordings") as error:
        gather(study.runs, {"SleepEDF-20": path})
    assert "\n" not in str(error.value)


def test_a_database_without_a_table_of_recordings_is_named(study):
    study.run("a1")
    with pytest.raises(InputError, match=r"SleepEDF-20: no recordings\.csv"):
        gather(study.runs, {})
