"""Every recording and Table 1, from files in the formats of the databases."""

import io
import re
import shutil
from collections import Counter
from datetime import time
from functools import cache

import pytest
import yaml
from rich.console import Console

from tests.databases import test_dreams, test_mass, test_own, test_physio2018, test_shhs
from tests.helpers.recordings import ROOT, prepare, write_excerpts, write_recording
from xsleep.config.databases import DatabaseSettings
from xsleep.core.files import read_table, write_csv
from xsleep.core.stages import STAGES
from xsleep.databases import open_database
from xsleep.preparation import folds as fold_tables
from xsleep.results import inventory
from xsleep.results.published import size
from xsleep.store.recordings import read_index

MASS_NIGHTS = {
    "01-01-0001": ("EEG C4-CLE", "EEG A2-CLE"),
    "01-01-0002": ("EEG C4-CLE", "EEG A1-CLE"),
    "01-02-0001": ("EEG C4-CLE", "EEG A1-CLE"),
}


def write_sleep_edf(folder):
    write_recording(folder, "SC4001E0")
    write_recording(folder, "SC4011E0", annotations=[(0, 300, "Sleep stage 9")])


def write_telemetry(folder):
    # Lights off is at 23:01 by the table; lights on is where the scoring ends.
    write_recording(folder, "ST7011J0", start=time(23))
    (folder / "ST7011JC-Hypnogram.edf").rename(folder / "ST7011JP-Hypnogram.edf")


def write_mass(folder):
    for name, labels in MASS_NIGHTS.items():
        subset = folder / f"SS{name[4]}"
        epoch = test_mass.EPOCH_SECONDS[int(name[4])]
        test_mass.write_psg(subset, name, labels, seconds=900)
        test_mass.write_scoring(subset, "W1234R" * (150 // epoch), epoch, name)


def write_subjects(folder):
    folder.mkdir()
    test_dreams.write_subject(folder)


def write_physio2018(folder):
    test_physio2018.write_record(folder, epochs=30, gain="1000/mV")


def write_shhs(folder):
    test_shhs.write_edf(folder)
    test_shhs.write_xml(folder)


def write_ears(folder):
    test_own.write_signals(folder, "01", ["cEEGrid", "EEG", "EOG"])
    test_own.write_csv(folder / "01.csv", [(0, 900, "N2")])


WRITE = {
    "SleepEDF-20": write_sleep_edf,
    "SleepEDF-ST": write_telemetry,
    "MASS": write_mass,
    "Physio2018": write_physio2018,
    "SHHS": write_shhs,
    "DREAMS": lambda folder: write_excerpts(folder, 1),
    "DREAMS-Subjects": write_subjects,
    "Surrey-cEEGrid": write_ears,
    "Surrey-PSG": write_ears,
    "own": test_own.write_recording,
}


class Written:
    """A database with its delivered settings, of a few nights in its format, prepared."""

    def __init__(self, name, folder):
        content = yaml.safe_load((ROOT / "config/databases" / f"{name}.yaml").read_text())
        content["source"] |= {"folder": folder / "files"}
        content["source"].pop("fetch", None)
        self.settings = DatabaseSettings.model_validate(content)
        WRITE[name](folder / "files")
        database = open_database(self.settings.source)
        self.scoring = database.scoring
        there = [e.name for e in database.entries() if e.files[0].exists()]
        self.index, _ = prepare(folder, self.settings.source, self.settings.stored_channels, *there)
        self.nights = [stored.info for stored in read_index(self.index).values()]
        self.recordings = folder / "recordings.csv"
        table = inventory.recordings(name, self.settings.source, self.settings.windows, self.nights)
        write_csv(self.recordings, table)

    def rows(self):
        return read_table(self.recordings).set_index("recording")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return cache(lambda name: Written(name, tmp_path_factory.mktemp(name)))


def table1(written, *names):
    """Table 1 of these databases as it is written, by database and window."""
    chosen = {name: written(name) for name in names}
    described = {
        name: inventory.Described(
            scoring=one.scoring, windows=one.settings.windows, folds=one.settings.folds
        )
        for name, one in chosen.items()
    }
    table = inventory.table1(
        described,
        [one.index for one in chosen.values()],
        [one.recordings for one in chosen.values()],
    )
    path = chosen[names[0]].index.with_name("table1.csv")
    write_csv(path, table)
    return read_table(path).set_index(["database", "window"])


@pytest.mark.parametrize(
    ("name", "recording", "channels"),
    [
        ("SleepEDF-20", "SC4001E0", {"EEG": "EEG Fpz-Cz 100", "EOG": "EOG horizontal 100"}),
        (
            *("MASS", "01-01-0001"),
            {
                "EEG": "EEG C4-CLE + EEG A2-CLE 256",
                "EOG": "EOG Right Horiz - EOG Left Horiz 256",
                "EMG": "EMG Chin1 - EMG Chin2 128",
            },
        ),
        ("Physio2018", "tr03-0005", {"EEG": "C3-M2 200", "EOG": "E1-M2 200"}),
        ("SHHS", "shhs1-200001", {"EEG": "EEG 125", "EOG": "EOG(R) - EOG(L) 50"}),
        ("DREAMS-Subjects", "subject1", {"EEG": "CZ-A1 200", "EOG": "EOG1 - EOG2 200"}),
        ("Surrey-cEEGrid", "01", {"EEG": "cEEGrid 128", "EOG": "EOG 128"}),
        ("Surrey-PSG", "01", {"EEG": "EEG 128", "EOG": "EOG 128"}),
        ("own", "s1_1", {"EEG": "C4 - M1 128", "EMG": " "}),
    ],
)
def test_each_channel_has_its_label_and_rate_of_the_file(written, name, recording, channels):
    row = written(name).rows().loc[recording]
    assert {c: f"{row[c]} {row[f'{c} Hz']}" for c in channels} == channels


def test_a_recording_has_its_files_length_lights_and_counts(written):
    one = written("SleepEDF-20")
    row = one.rows().loc["SC4001E0"]
    folder = one.settings.source.folder
    assert row["files"] == f"{folder}/SC4001E0-PSG.edf; {folder}/SC4001EC-Hypnogram.edf"
    # 20 minutes from 22:30 on; lights went off at 0:38 the next day.
    assert (row["hours"], row["lights off"], row["lights on"]) == ("0.33", "0:38:00", "6:59:00")
    (night,) = (night for night in one.nights if night.recording == "SC4001E0")
    counts = Counter(STAGES[stage] for stage in night.stages)
    assert {stage: int(row[stage]) for stage in STAGES} == counts
    assert (row["epochs"], row["in-bed"], row["sleep+30min"]) == ("40", "0", "40")


def test_a_window_with_too_few_epochs_is_said_and_its_count_shown(written):
    row = written("SleepEDF-20").rows().loc["SC4001E0"]
    assert row["skipped"].endswith(
        "SC4001E0-PSG.edf: 0 scored epochs in the window in-bed; at least 20 are needed, take "
        "the recording away or score more of it"
    )


def test_what_could_not_be_read_is_there_with_the_reason_and_nothing_else(written):
    row = written("SleepEDF-20").rows().loc["SC4011E0"]
    assert "unknown annotation 'Sleep stage 9' at 0:00:00" in row["skipped"]
    assert {name for name, value in row.items() if value} == {
        *("database", "subject", "files", "skipped")
    }


def test_one_of_several_channels_of_a_kind_has_columns_after_those_of_every_database(tmp_path):
    test_own.write_recording(tmp_path)
    source = test_own.source(tmp_path, labels={"EEG": ["C4"], "EEG2": ["M1"]})
    index, _ = prepare(tmp_path, source, ["EEG", "EEG2"], "s1_1")
    infos = [stored.info for stored in read_index(index).values()]
    table = inventory.recordings("own", source, ["whole-night"], infos)
    channels = [f"{name}{of}" for name in ("EEG", "EOG", "EMG", "EEG2") for of in ("", " Hz")]
    assert table.columns[4:13].tolist() == [*channels, "hours"]
    assert table.loc[0, channels].tolist() == ["C4", "128", "", "", "", "", "M1", "128"]
    write_csv(tmp_path / "recordings.csv", table)
    folds = {"folds": 2, "validation": 1, "training_subset": 1}
    described = inventory.Described(scoring="", windows=["whole-night"], folds=folds)
    table = inventory.table1({"own": described}, [index], [tmp_path / "recordings.csv"])
    assert table.columns[3:7].tolist() == ["EEG", "EOG", "EMG", "EEG2"]
    assert table.loc[0, "EEG2"] == "M1"


def test_a_recording_of_which_no_epoch_is_scored_still_tells_its_channels(tmp_path):
    write_recording(tmp_path, annotations=[(0, 1200, "Sleep stage ?")])
    settings = yaml.safe_load((ROOT / "config/databases/SleepEDF-20.yaml").read_text())
    source = DatabaseSettings.model_validate(settings).source
    source = source.model_copy(update={"folder": tmp_path, "fetch": None})
    index, _ = prepare(tmp_path, source, ["EEG"], "SC4001E0")
    (stored,) = read_index(index).values()
    (row,) = inventory.recordings("X", source, [], [stored.info]).to_dict("records")
    assert (row["EEG"], row["EEG Hz"], row["hours"]) == ("EEG Fpz-Cz", "100", "0.33")
    assert "no epoch is scored" in row["skipped"] and row["epochs"] == ""


@pytest.mark.parametrize(
    ("name", "scoring"),
    [
        ("SleepEDF-20", "R&K"),
        ("SleepEDF-ST", "R&K"),
        ("MASS", "AASM, R&K"),
        ("Physio2018", "AASM"),
        ("SHHS", "R&K"),
        ("DREAMS", "R&K"),
        ("DREAMS-Subjects", "AASM"),
        ("own", ""),
    ],
)
def test_table1_names_the_rules_of_scoring(written, name, scoring):
    assert set(table1(written, name)["scoring"]) == {scoring}


def test_table1_counts_what_is_used_and_what_is_skipped(written):
    table = table1(written, "MASS", "SleepEDF-20")
    row = table.loc["MASS", "whole-night"]
    assert (row["subjects"], row["recordings"], row["skipped"]) == ("3", "3", "0")
    # 20-s epochs are taken with 5 s before and after: that of the first is missing.
    assert [row[stage] for stage in STAGES] == ["16", "17", "17", "34", "17"]
    assert row["epochs"] == "101"
    row = table.loc["SleepEDF-20", "in-bed"]
    assert (row["subjects"], row["recordings"], row["skipped"]) == ("0", "0", "2")


def test_table1_names_what_was_taken_for_a_channel_and_how_often(written):
    row = table1(written, "MASS").loc["MASS", "whole-night"]
    assert row["EEG"] == "EEG C4-CLE - EEG A1-CLE (2); EEG C4-CLE + EEG A2-CLE (1)"
    assert row["EOG"] == "EOG Right Horiz - EOG Left Horiz"


def test_table1_counts_the_epochs_of_each_window(written):
    table = table1(written, "SleepEDF-ST")
    one = written("SleepEDF-ST").rows().loc["ST7011J0"]
    row = table.loc["SleepEDF-ST", "in-bed"]
    assert (row["epochs"], one["in-bed"], one["epochs"]) == ("38", "38", "40")
    assert sum(int(row[stage]) for stage in STAGES) == int(row["epochs"])


def test_table1_is_beside_the_published_sizes(written):
    table = table1(written, "SleepEDF-20", "Physio2018", "DREAMS")
    columns = [f"published {what}" for what in ("subjects", "recordings", "epochs")]
    row = table.loc["SleepEDF-20", "in-bed+30min"]
    assert row[columns].tolist() == ["20", "39", "46241"]
    assert row["difference in epochs"] == str(int(row["epochs"]) - 46241)
    row = table.loc["Physio2018", "whole-night"]
    assert row[columns].tolist() == ["994", "994", ""] and row["difference in epochs"] == ""
    assert set(table.loc["DREAMS", "whole-night"][columns]) == {""}


@pytest.mark.parametrize(
    ("name", "folds", "split"),
    [
        *(("SleepEDF-20", "20", "published"), ("MASS", "20", "published")),
        *(("Physio2018", "5", "seeded"), ("SHHS", "1", "seeded, 30% test")),
    ],
)
def test_table1_says_how_many_folds_there_are_and_how_they_come_about(written, name, folds, split):
    table = table1(written, name)
    assert set(zip(table["folds"], table["split"], strict=True)) == {(folds, split)}


def test_table1_has_validation_and_training_subset_beside_the_published(written):
    table = table1(written, "SleepEDF-ST", "DREAMS", "MASS")
    columns = ["validation subjects", "training-subset subjects"]
    published = ["published split", *(f"published {column}" for column in columns)]
    # Of one subject no fold can be made.
    assert table.loc["SleepEDF-ST", "in-bed"][columns].tolist() == ["", ""]
    assert table.loc["DREAMS", "whole-night"][published].tolist() == ["", "", ""]
    assert table.loc["MASS", "whole-night"][published].tolist() == ["20-fold CV", "10", "10"]


DIVIDED = ("SleepEDF-20", "SleepEDF-78", "MASS", "Physio2018", "SHHS")


@pytest.mark.parametrize("name", DIVIDED)
def test_table1_folds_as_delivered_have_the_published_validation_and_training_subset(name):
    content = yaml.safe_load((ROOT / "config/databases" / f"{name}.yaml").read_text())
    settings = DatabaseSettings.model_validate(content)
    (found,) = {size(name, window) for window in settings.windows[:1]}
    subjects = (
        fold_tables.published_subjects(name)
        if settings.folds == "published"
        else [f"{number:04d}" for number in range(found.subjects)]
    )
    assert inventory._held_out(name, settings.folds, subjects) == {
        "validation subjects": f"{found.validation}",
        "training-subset subjects": f"{found.training_subset}",
    }
    if name != "SHHS":
        assert found.setup == f"{fold_tables.count(name, settings.folds)}-fold CV"
    else:
        assert found.setup == "train/test: 0.7/0.3" and settings.folds.test == 0.3


def test_folds_that_differ_in_size_have_the_fewest_and_the_most():
    subjects = fold_tables.published_subjects("SleepEDF-78")
    first = fold_tables.published("SleepEDF-78", subjects)[0].validation[0]
    held_out = inventory._held_out("SleepEDF-78", "published", [s for s in subjects if s != first])
    assert held_out["validation subjects"] == "6-7"


def test_published_epochs_are_those_of_the_authors_lists(reference):
    table = read_table(reference / "sleep_edf_recordings.csv")
    for database, rows in table.groupby("database"):
        for window in ("in-bed", "in-bed+30min"):
            column = f"published_{window.replace('-', '_').replace('+', '_')}_epochs"
            found = size(database, window)
            assert found.epochs == rows[column].astype(int).sum()
            assert found.recordings == len(rows)


def test_published_sizes_hold_in_another_window_but_for_the_epochs():
    assert size("SleepEDF-78", "in-bed+30min-as-published") == size("SleepEDF-78", "in-bed+30min")
    found = size("SleepEDF-78", "whole-night")
    assert (found.subjects, found.recordings, found.epochs) == (79, 153, None)


def test_the_console_shows_sizes_and_names_what_is_skipped(written):
    names = ("MASS", "SleepEDF-20")
    console = Console(file=io.StringIO(), width=80)
    for name in names:
        inventory.summary(read_table(written(name).recordings), console, ["MASS"])
    inventory.summary1(table1(written, *names).reset_index(), console, ["MASS"])
    text = console.file.getvalue()
    assert "Recordings (simulated nights: not sleep)" in text and text.count("not sleep") == 2
    assert "Table 1 (database MASS: simulated nights: not sleep)" in text
    assert "SleepEDF-20 SC4011E0: " in text and "unknown annotation 'Sleep stage 9'" in text
    assert re.search(r"MASS +whole-night +3 +3 +0 +101 *\n +published +200 +200 *\n", text)
    assert re.search(r"SleepEDF-20 +in-bed\+30min +0 .*\n +published +20 +39 +46,241", text)


def test_one_recording_under_two_names_is_told(tmp_path):
    """It would train and test at once."""
    folder = tmp_path / "files"
    test_own.write_recording(folder, "s1_1")
    for suffix in ("edf", "csv"):
        shutil.copy(folder / f"s1_1.{suffix}", folder / f"s2_1.{suffix}")
    source = test_own.source(folder)
    index, _ = prepare(tmp_path, source, ["EEG"], "s1_1", "s2_1")
    nights = [stored.info for stored in read_index(index).values()]
    table = inventory.recordings("own", source, ["whole-night"], nights)
    expected = f"{folder / 's2_1.edf'}: the same signals as s1_1; take one away"
    assert table["warnings"].tolist() == ["", expected]
