"""Folds: the authors' where published, seeded k-fold elsewhere; whole subjects always."""

import json
from itertools import pairwise

import pytest

from xsleep.config.databases import KFold
from xsleep.core.errors import InputError
from xsleep.databases import mass, named
from xsleep.databases.sleep_edf import CASSETTE, TELEMETRY, recordings
from xsleep.preparation.folds import (
    check_published,
    count,
    few,
    k_fold,
    published,
    published_subjects,
)

SUBJECTS = {
    "SleepEDF-20": sorted({name[3:5] for name in recordings(CASSETTE, 20)}),
    "SleepEDF-78": sorted({name[3:5] for name in recordings(CASSETTE)}),
    "SleepEDF-ST": [name[3:5] for name in recordings(TELEMETRY)],
    "MASS": mass.subjects(),
}


@pytest.mark.parametrize(
    ("database", "folds"),
    [("SleepEDF-20", 20), ("SleepEDF-78", 10), ("SleepEDF-ST", 11), ("MASS", 20)],
)
def test_published_folds_are_the_authors(database, folds, reference):
    names = SUBJECTS[database]
    theirs = json.loads((reference / "published_splits.json").read_text())[database]
    ours = published(database, names)
    assert len(ours) == count(database, "published") == folds
    for fold, split in zip(ours, theirs, strict=True):
        for role, key in (
            ("test", "test"),
            ("validation", "validation"),
            ("training_subset", "train_subset"),
        ):
            if split[key] is not None:
                assert list(getattr(fold, role)) == [names[index - 1] for index in split[key]]


def test_a_training_subset_that_is_not_published_is_drawn_the_same_every_time():
    folds = published("SleepEDF-ST", SUBJECTS["SleepEDF-ST"])
    assert folds == published("SleepEDF-ST", SUBJECTS["SleepEDF-ST"])
    assert {len(fold.training_subset) for fold in folds} == {4}
    assert len({fold.training_subset for fold in folds}) > 1


@pytest.mark.parametrize("database", SUBJECTS)
def test_a_training_subset_that_is_published_is_taken_and_folds_keep_their_numbers(database):
    folds = published(database, SUBJECTS[database])
    theirs = named(database).published_folds()
    assert count(database, "published") == len(folds) == len(theirs)
    assert [fold.number for fold in folds] == list(theirs) == list(range(1, len(folds) + 1))
    for fold in folds:
        if subset := theirs[fold.number].get("training subset"):
            assert fold.training_subset == subset
    assert sum("training subset" in roles for roles in theirs.values()) in (0, len(folds))


@pytest.mark.parametrize("database", SUBJECTS)
def test_published_folds_test_every_subject_once(database):
    tested = [subject for fold in published(database, SUBJECTS[database]) for subject in fold.test]
    assert sorted(tested) == SUBJECTS[database] == published_subjects(database)


def folds_of(database):
    if database in SUBJECTS:
        return published(database, SUBJECTS[database])
    return k_fold("X", [str(n) for n in range(11)], KFold(folds=4, validation=2, training_subset=3))


@pytest.mark.parametrize("database", [*SUBJECTS, "k-fold"])
def test_no_subject_is_on_two_sides(database):
    for fold in folds_of(database):
        sides = [set(fold.test), set(fold.validation), set(fold.training)]
        assert sum(map(len, sides)) == len(set.union(*sides))
        assert set(fold.training_subset) <= set(fold.training)


def test_k_fold_tests_every_subject_once_and_covers_all():
    folds = folds_of("k-fold")
    assert [fold.number for fold in folds] == [1, 2, 3, 4]
    assert sorted(int(s) for fold in folds for s in fold.test) == list(range(11))
    for fold in folds:
        assert len(fold.test + fold.validation + fold.training) == 11
        assert (len(fold.validation), len(fold.training_subset)) == (2, 3)


def test_k_fold_depends_on_its_seed_alone():
    names = [str(n) for n in range(9)]
    one = KFold(folds=3, validation=1, training_subset=1, seed=1)
    assert k_fold("X", names, one) == k_fold("X", names[::-1] * 2, one)
    assert k_fold("X", names, one) != k_fold("X", names, one.model_copy(update={"seed": 2}))


def test_shhs_split_tests_30_percent_and_validates_with_100_subjects():
    names = [str(200001 + n) for n in range(5791)]
    settings = KFold(folds=1, test=0.3, validation=100, training_subset=100)
    (fold,) = k_fold("SHHS", names, settings)
    sizes = [len(getattr(fold, role)) for role in ("test", "validation", "training")]
    assert sizes == [1737, 100, 3954]
    assert sorted(fold.test + fold.validation + fold.training) == names
    assert len(fold.training_subset) == 100 and set(fold.training_subset) <= set(fold.training)
    assert k_fold("SHHS", names[::-1], settings) == [fold]
    assert k_fold("SHHS", names, settings.model_copy(update={"seed": 2}))[0].test != fold.test


def test_split_of_too_few_subjects_is_one_line():
    settings = KFold(folds=1, test=0.3, validation=2, training_subset=1)
    with pytest.raises(InputError, match="SHHS: fold 1 leaves 2 subjects for 2 validation and 1"):
        k_fold("SHHS", ["1", "2", "3"], settings)


def test_fewer_subjects_than_folds_is_one_line():
    settings = KFold(folds=5, validation=1, training_subset=1)
    with pytest.raises(InputError, match="DREAMS: 3 usable subjects for 5 folds; set folds to at"):
        k_fold("DREAMS", ["1", "2", "3"], settings)


def test_too_few_subjects_left_to_train_is_one_line():
    settings = KFold(folds=3, validation=2, training_subset=1)
    with pytest.raises(InputError) as error:
        k_fold("X", ["1", "2", "3"], settings)
    assert str(error.value) == (
        "X: fold 1 leaves 2 subjects for 2 validation and 1 training-subset subjects; lower these "
        "in the database's folds"
    )


def test_as_many_subjects_as_the_roles_need_are_enough():
    settings = KFold(folds=3, validation=1, training_subset=1)
    assert count("X", settings) == 3
    for fold in k_fold("X", ["1", "2", "3"], settings):
        assert fold.training == fold.training_subset
        assert {*fold.test, *fold.validation, *fold.training} == {"1", "2", "3"}


def test_published_fold_without_validation_subjects_is_one_line():
    with pytest.raises(InputError, match="SleepEDF-20: fold 1 has no validation subject among"):
        published("SleepEDF-20", ["00", "01"])


def test_published_fold_without_subjects_of_the_training_subset_is_one_line():
    first = published("SleepEDF-20", SUBJECTS["SleepEDF-20"])[0]
    subjects = [s for s in SUBJECTS["SleepEDF-20"] if s not in first.training_subset]
    with pytest.raises(InputError) as error:
        published("SleepEDF-20", subjects)
    assert str(error.value) == (
        f"SleepEDF-20: fold 1 has no training subset subject among the {len(subjects)} usable "
        "ones; add recordings or give k-fold settings instead of folds: published"
    )


def test_a_published_subject_that_the_database_does_not_have_is_one_line():
    subjects = SUBJECTS["SleepEDF-20"]
    check_published("SleepEDF-20", subjects)
    first = published("SleepEDF-20", subjects)[0].test[0]
    others = [subject for subject in subjects if subject != first]
    with pytest.raises(InputError) as error:
        check_published("SleepEDF-20", others[::-1])
    assert str(error.value) == (
        f"SleepEDF-20: fold 1: there is no test subject '{first}' among {', '.join(others)}; "
        "correct the published folds, or list its recordings in `entries`, though missing"
    )


def test_few_training_subjects_are_among_the_more():
    subjects = [f"s{n}" for n in range(9)]
    chosen = [few(subjects, count, seed=3) for count in range(1, 10)]
    assert [len(names) for names in chosen] == [*range(1, 10)]
    assert all(fewer < more for fewer, more in pairwise(chosen))
    assert chosen[3] != few(subjects, 4, seed=4)
    with pytest.raises(InputError, match="fold 3: 10 of 9 training subjects; lower"):
        few(subjects, 10, seed=3)
