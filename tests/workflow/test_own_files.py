"""Recordings of one's own through the workflow: contents decide what is done, not names."""

import os

import pytest

from tests.databases.raw_edf import signal, write
from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import rows, snakemake
from xsleep.core.files import read_csv

SECONDS = 15 * 60
NAMES = ("s{2}", "$(touch x)", "a b")
HOSTILE = (
    *("`touch x`;touch x|touch x>x", "-n", "=1+1", "{x}{{x}}%s", "a'b\"c*~", "N" * 190, "\\x #ü"),
)
LEFT_OUT = {"a\nb": "its name has characters", "N" * 240: "its name is longer"}
HIDDEN = "..x"
"""Names of files that do harm where a shell, a text or a spreadsheet is made of them."""


def configuration(folder):
    source = {"folder": str(folder), "subject": None}
    settings = {
        "source": source,
        "channels": ["EEG"],
        "folds": {"folds": 3, "validation": 1, "training_subset": 1},
    }
    return {"databases": ["own"], "systems": ["ARNN+RNN"], "database_settings": {"own": settings}}


def score(folder, name, stage):
    lines = [f"{30 * epoch},30,{stage}" for epoch in range(SECONDS // 30)]
    (folder / f"{name}.csv").write_text("\n".join(["onset,duration,stage", *lines]) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study, a folder of recordings beside it, and what its first run printed."""
    folder = tmp_path_factory.mktemp("own")
    recordings = folder / "nights of {mine}"
    for seed, name in enumerate(NAMES):
        write(recordings / f"{name}.edf", signal("C4-M1", seconds=SECONDS, seed=seed))
        score(recordings, name, "N2")
    # As macOS makes them beside files on other file systems.
    (recordings / "._a b.edf").write_bytes(b"\0\5\26\7" + bytes(4092))
    study = folder / "study"
    study.mkdir()
    return study, recordings, run(study, recordings)


def run(study, recordings):
    config = configuration(recordings)
    status, text = snakemake(study, "results/recordings.csv", config=config)
    assert status == 0, text
    return text


def counts(study):
    """Recording to its epochs of N2 and N3."""
    table = rows(study / "results/recordings.csv")
    return {row["recording"]: (row["N2"], row["N3"]) for row in table}


def test_names_and_folders_may_have_any_characters(made):
    study, _, _ = made
    table = rows(study / "results/recordings.csv")
    assert {row["recording"]: row["skipped"] for row in table} == dict.fromkeys(NAMES, "")
    assert not (study / "x").exists()


def everything(folder):
    """Return the files of a folder without those that Snakemake and the workflow write."""
    return sorted(path.name for path in folder.iterdir())


def test_hostile_names_go_through_the_workflow_and_leave_nothing_elsewhere(tmp_path):
    recordings, study = tmp_path / "-r $(touch x)", tmp_path / "study"
    study.mkdir()
    for seed, name in enumerate([*HOSTILE, *LEFT_OUT, HIDDEN]):
        write(recordings / f"{name}.edf", signal("C4-M1", seconds=SECONDS, seed=seed))
        score(recordings, name, "N2")
    given = everything(recordings)
    text = run(study, recordings)
    table = read_csv(study / "results/recordings.csv")
    assert [row["recording"] for row in table if not row["skipped"]] == sorted(HOSTILE)
    skipped = [row["skipped"] for row in table if row["skipped"]]
    for reason in LEFT_OUT.values():
        assert sum(reason in text for text in skipped) == 1
    assert everything(recordings) == given and "Traceback" not in text
    assert everything(tmp_path) == ["-r $(touch x)", "study"]
    expected = {".snakemake", "data", "logs", "results", "tiny.yaml"}
    assert {*everything(study)} == expected
    assert not (ROOT / "x").exists()
    assert ",'=1+1," in (study / "results/recordings.csv").read_text()


def test_hidden_files_of_macos_are_passed_over_with_a_line(made):
    assert "own: 1 hidden files of macOS are passed over (._a b.edf) in " in made[2]


def test_a_scoring_exchanged_for_another_is_read_anew_whatever_its_time_stamp(made):
    study, recordings, _ = made
    first, second, third = NAMES
    old = os.stat(recordings / f"{third}.csv")
    score(recordings, second, "N3")
    os.utime(recordings / f"{second}.csv", (0, 0))
    run(study, recordings)
    assert counts(study) == {first: ("30", "0"), second: ("0", "30"), third: ("30", "0")}

    score(recordings, third, "N3")
    os.utime(recordings / f"{third}.csv", ns=(old.st_atime_ns, old.st_mtime_ns))
    assert os.stat(recordings / f"{third}.csv").st_size == old.st_size
    run(study, recordings)
    assert counts(study) == {first: ("30", "0"), second: ("0", "30"), third: ("0", "30")}

    for name in NAMES:
        os.utime(recordings / f"{name}.edf")
    assert "Nothing to be done" in run(study, recordings)
