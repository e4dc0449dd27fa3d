"""Licensed databases: what was put in place is checked, by what is missing and what is surplus."""

import pytest

from xsleep.databases import open_database, source_of
from xsleep.databases.base import Entry
from xsleep.databases.fetch.placement import placement


@pytest.fixture
def entries(tmp_path):
    """Five nights of two files each in folders of their own, all there."""
    entries = []
    for number in range(5):
        files = tuple(tmp_path / f"SS1/0{number}.{kind}" for kind in ("edf", "xml"))
        entries.append(Entry(f"0{number}", str(number), files))
        for path in files:
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return entries


def test_nothing_is_said_of_what_is_complete(tmp_path, entries):
    (tmp_path / ".fetching").mkdir()
    (tmp_path / ".fetching/lock").touch()
    (tmp_path / "SS1/.DS_Store").touch()
    assert placement(tmp_path, entries) == ""


def test_what_is_missing_and_what_is_surplus_is_counted_and_the_first_are_named(tmp_path, entries):
    for number in (1, 2, 3, 4):
        entries[number].files[0].unlink()
    (tmp_path / "SS1/notes.txt").touch()
    assert placement(tmp_path, entries) == (
        "4 of 10 files are missing (01.edf, 02.edf, 03.edf, ...), 1 are surplus (notes.txt)"
    )


def test_a_link_to_nowhere_is_missing(tmp_path, entries):
    path = entries[0].files[1]
    path.unlink()
    path.symlink_to(tmp_path / "unmounted")
    assert placement(tmp_path, entries) == "1 of 10 files are missing (00.xml)"


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("reader", "names", "line"),
    [
        (
            "mass",
            ["SS1/01-01-0001 PSG.edf", "SS1/01-01-0001 Base.edf", "SS2/01-02-0001 PSG.edf"],
            "397 of 400 files are missing (01-01-0002 Base.edf, 01-01-0002 PSG.edf, "
            "01-01-0003 Base.edf, ...)",
        ),
        (
            "nsrr",
            [
                *("edfs/shhs1/shhs1-200001.edf", "edfs/shhs1/shhs1-200002.edf"),
                "annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml",
                "annotations-events-nsrr/shhs1/shhs1-200003-nsrr.xml",
            ],
            "1 of 4 files are missing (shhs1-200002-nsrr.xml), 1 are surplus "
            "(shhs1-200003-nsrr.xml)",
        ),
        (
            "physio2018",
            [
                "tr03-0005/tr03-0005.hea",
                "tr03-0005/tr03-0005.mat",
                "tr03-0005/tr03-0005-arousal.mat",
            ],
            "1 of 3 files are missing (tr03-0005.arousal), 1 are surplus (tr03-0005-arousal.mat)",
        ),
        (
            "own",
            ["01.edf", "01.csv", "02.edf", "03.csv"],
            "1 of 4 files are missing (02.csv), 1 are surplus (03.csv)",
        ),
        (
            "dreams-subjects-aasm",
            [
                *("subject1.edf", "HypnogramAASM_subject1.txt", "HypnogramR&K_subject1.txt"),
                "subject2.edf",
            ],
            "1 of 4 files are missing (HypnogramAASM_subject2.txt), 1 are surplus "
            "(HypnogramR&K_subject1.txt)",
        ),
    ],
)
def test_of_every_database_a_signal_without_scoring_and_the_reverse_is_noticed(
    tmp_path, reader, names, line
):
    put(tmp_path, *names)
    others = {
        "own": {"hypnogram": {"file": "{name}.csv", "stages": {"W": "W"}}},
        "nsrr": {"dataset": "shhs", "recordings": ["edfs/shhs1/shhs1-{subject}.edf"]},
    }
    source = source_of(reader=reader, folder=tmp_path, labels={}, **others.get(reader, {}))
    assert placement(tmp_path, open_database(source).entries()) == line
