"""Controls: what they predict, and that they know nothing of the test recordings' stages."""

from dataclasses import replace
from typing import get_args

import edfio
import numpy as np
import pytest

from tests.helpers.recordings import edf_signal, prepare
from xsleep.config.external import Control
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.databases import open_database, source_of
from xsleep.external.controls import CONTROLS, NOTES, second_scorer
from xsleep.store.recordings import RecordingInfo, read_index

W, N1, N2, N3, REM = range(5)


def info(stages, name="a", places=None, lights=None):
    places = np.arange(len(stages)) if places is None else np.asarray(places)
    return RecordingInfo(name, name, places, 30.0 * places, np.asarray(stages, "i1"), lights)


def predict(control, tested, training, window="whole-night", seed=1):
    return CONTROLS[control](tested, training, window, seed)


def chances(control, tested, training, **options):
    (prediction,) = predict(control, [tested], training, **options)
    return prediction.probabilities["joint"]


def stages(control, tested, training, **options):
    (prediction,) = predict(control, [tested], training, **options)
    assert prediction.probabilities == {}
    return prediction.predicted


def test_every_control_of_the_configuration_has_a_sentence():
    assert set(NOTES) == set(get_args(Control))
    assert set(CONTROLS) < set(NOTES)


def test_majority_is_the_shares_of_the_training_recordings_in_the_window():
    training = [info([W] * 30 + [N2] * 6), info([N2] * 3 + [REM] * 3, lights=(0, 1e6))]
    training[0] = replace(training[0], lights=(900, 1e6))
    found = chances("majority", info([W] * 4, lights=(0, 1e6)), training, window="in-bed")
    assert found.tolist() == [[0, 0, 0.75, 0, 0.25]] * 4


def test_by_hour_is_the_shares_at_the_same_time():
    training = [info([W] * 120 + [N3] * 120 + [REM] * 120)] * 3
    found = chances("by hour", info([N1] * 480), training)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    # The middle of each hour, and the shares of all where no training recording lasts as long.
    assert found[[60, 180, 300]].argmax(axis=1).tolist() == [W, N3, REM]
    assert found[[60, 180, 300]].max(axis=1).min() > 0.9
    np.testing.assert_allclose(found[-1], [1 / 3, 0, 0, 1 / 3, 1 / 3], atol=0.01)


def test_time_begins_with_the_window():
    training = [info([W] * 120 + [N2] * 120, lights=(3600, 7200))]
    tested = info([W] * 360, lights=(7200, 10800))
    assert (chances("by hour", tested, training, window="in-bed").argmax(axis=1) == N2).all()


def test_markov_chain_has_the_first_stage_and_the_transitions_of_the_training_recordings():
    training = [info([W, N1, N2, N3, REM] * 200)]
    found = stages("Markov chain", info([W] * 50), training)
    assert found[0] == W
    # The pseudo-transition is one of 200 from each stage.
    assert np.mean(np.diff(found) % 5 == 1) > 0.9


def test_transitions_over_a_gap_are_none_and_the_chain_goes_on_in_gaps():
    training = [info([W, N2] * 100, places=np.arange(200) * 2)]
    drawn = stages("Markov chain", info([W] * 300), training)
    # Without any transition, each stage is drawn by its share.
    assert 100 < (drawn == W).sum() < 200
    whole = stages("Markov chain", info([W] * 40), [info([W, N2] * 100)])
    some = stages("Markov chain", info([W] * 3, places=[4, 9, 43]), [info([W, N2] * 100)])
    assert some.tolist() == whole[[0, 5, 39]].tolist()


def test_drawn_controls_are_the_same_again_and_others_for_other_seeds_and_recordings():
    training = [info([W, N1, N2, N2, N3, REM, REM] * 30)]
    for control in ("Markov chain", "shuffled stages"):
        tested = info([W, N1, N2, N3, REM] * 20)
        first = stages(control, tested, training)
        assert (stages(control, tested, training) == first).all()
        assert (stages(control, tested, training, seed=2) != first).any()
        assert (stages(control, replace(tested, recording="b"), training) != first).any()


def test_shuffled_stages_are_those_of_the_recording_and_right_by_chance():
    tested = info([W] * 1000 + [N2] * 3000)
    found = stages("shuffled stages", tested, [])
    assert np.bincount(found).tolist() == [1000, 0, 3000]
    assert np.mean(found == tested.stages) == pytest.approx(0.25**2 + 0.75**2, abs=0.03)


@pytest.mark.parametrize("control", ["majority", "by hour", "Markov chain"])
def test_other_controls_do_not_know_the_stages_of_the_test_recordings(control):
    training = [info([W, N1, N2, N2, N3, REM] * 10)]
    one, other = (predict(control, [info([stage] * 60)], training)[0] for stage in (W, REM))
    if one.predicted is None:
        assert (one.probabilities["joint"] == other.probabilities["joint"]).all()
    else:
        assert (one.predicted == other.predicted).all()


# ------------------------------------------------------------------------------ second scorer


def subjects(folder, aasm, rk, reader="dreams-subjects-aasm", **settings):
    """The only recording of DREAMS Subjects in both scorings, by codes of 5 s; its database."""
    folder.mkdir(exist_ok=True)
    edfio.Edf([edf_signal("C3-A1", 5 * len(aasm))]).write(folder / "subject1.edf")
    for rules, codes in (("AASM", aasm), ("R&K", rk)):
        text = "\n".join(["[Hypnogram]", *map(str, codes)])
        (folder / f"Hypnogram{rules}_subject1.txt").write_text(text)
    return source_of(reader=reader, folder=folder, labels={"EEG": ["C3-A1"]}, **settings)


def scored_twice(tmp_path, source):
    database = open_database(source)
    names = [entry.name for entry in database.entries()]
    index, skipped = prepare(tmp_path / "store", source, ["EEG"], *names)
    assert not skipped
    return second_scorer(database, list(read_index(index).values()), "whole-night")


AASM = [*[5] * 30, *[2] * 90, *[4] * 60]  # 5, 15 and 10 epochs of 30 s
RK = [*[5] * 28, *[3] * 4, *[2] * 84, *[-1] * 4, *[4] * 60]  # of 20 s: 7, 1, 21, 1 and 15


def test_second_scorer_of_dreams_subjects_is_the_majority_of_codes_in_30_s(tmp_path):
    source = subjects(tmp_path / "in", AASM, RK)
    (prediction,), remarks = scored_twice(tmp_path, source)
    # The epoch at 135 s is R&K W until 140 s and N1 then; that at 570 s is N2 for 10 s, then none.
    assert remarks == ["1 epoch without a stage of the second scorer left out (subject1)"]
    assert prediction.predicted.tolist() == [W] * 5 + [N2] * 14 + [REM] * 10
    assert prediction.stages.tolist() == [W] * 5 + [N2] * 14 + [REM] * 10
    assert prediction.places.tolist() == [*range(19), *range(20, 30)]


def test_second_scorer_of_the_other_scoring_needs_its_grid_of_30_s(tmp_path):
    reader = "dreams-subjects-rk"
    source = subjects(tmp_path / "in", AASM, RK, reader)
    with pytest.raises(InputError, match=r"R&K_subject1\.txt: .* 20 s.*; set source\.grid: 30"):
        scored_twice(tmp_path, source)
    (prediction,), _ = scored_twice(tmp_path, subjects(tmp_path / "in", AASM, RK, reader, grid=30))
    assert (prediction.predicted == prediction.stages).all()
    assert len(prediction.stages) == 29


def test_database_of_one_scorer_is_one_line(tmp_path, dreams_folder):
    source = source_of(reader="dreams", folder=dreams_folder, labels={"EEG": ["C3-A1", "CZ-A1"]})
    with pytest.raises(InputError, match=r"excerpt1\.edf: the reader dreams has no second scorer"):
        scored_twice(tmp_path, source)


def own(folder, table, second, **files):
    folder.mkdir()
    edfio.Edf([edf_signal("C4-M1", 900)]).write(folder / "a.edf")
    (folder / "a.csv").write_text(table)
    for name, text in files.items():
        (folder / f"a-{name}.csv").write_text(text)
    first = {"file": "{name}.csv", "stages": {s: s for s in STAGES} | {"?": None}}
    labels = {"EEG": ["C4-M1"]}
    return source_of(
        reader="own", folder=folder, labels=labels, hypnogram=first, second_hypnogram=second
    )


EPOCHS = "onset,stage,other\n" + "".join(
    f"{30 * n},N2,{'?' if n < 2 else 'N2' if n < 20 else 'N3'}\n" for n in range(30)
)


def test_second_scorer_of_own_recordings_is_a_column(tmp_path):
    source = own(tmp_path / "in", EPOCHS, {"columns": {"stage": "other"}})
    (prediction,), remarks = scored_twice(tmp_path, source)
    assert prediction.predicted.tolist() == [N2] * 18 + [N3] * 10
    assert (prediction.places[0], set(prediction.stages)) == (2, {N2})
    assert remarks == ["2 epochs without a stage of the second scorer left out (a)"]


def test_second_scorer_of_own_recordings_is_another_file(tmp_path):
    later = "onset,stage\n" + "".join(f"{30 * n},REM\n" for n in range(10, 30))
    source = own(tmp_path / "in", EPOCHS, {"file": "{name}-b.csv"}, b=later)
    (prediction,), _ = scored_twice(tmp_path, source)
    assert prediction.places.tolist() == list(range(10, 30))
    assert (prediction.predicted == REM).all()


def test_second_scorers_annotations_are_no_recording_of_their_own(tmp_path):
    source = own(tmp_path / "in", EPOCHS, {"file": "{name}-b.edf"})
    stages = [edfio.EdfAnnotation(30 * n, 30, "N3") for n in range(30)]
    edfio.Edf([], annotations=stages).write(tmp_path / "in/a-b.edf")
    (prediction,), _ = scored_twice(tmp_path, source)
    assert prediction.recording == "a"
    assert prediction.predicted.tolist() == [N3] * 30


def test_naming_a_second_scorer_prepares_no_recording_anew(tmp_path):
    source = own(tmp_path / "in", EPOCHS, None)
    prepare(tmp_path / "store", source, ["EEG"], "a")
    with pytest.raises(InputError, match=r"a\.edf: the reader own has no second scorer"):
        scored_twice(tmp_path, source)
    told = []
    second = source_of(
        **source.model_dump() | {"second_hypnogram": {"columns": {"stage": "other"}}}
    )
    prepare(tmp_path / "store", second, ["EEG"], "a", report=told.append)
    assert told == ["1 of 1: a: stored already"]


def test_epochs_of_the_second_scorer_are_never_shifted(tmp_path):
    shifted = "onset,stage\n" + "".join(f"{30 * n + 7},REM\n" for n in range(29))
    source = own(tmp_path / "in", EPOCHS, {"file": "{name}-b.csv"}, b=shifted)
    with pytest.raises(InputError, match=r"a\.edf: no epoch has a stage of both scorers"):
        scored_twice(tmp_path, source)
