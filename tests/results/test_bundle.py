"""Bundles of made-up results, and two of them compared by the command."""

import csv
import json
import os
import shutil
import stat
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pandas as pd
import pytest

from tests.helpers.bundles import DATABASE, FOLDS, Laboratory
from xsleep.cli import main
from xsleep.core.files import sha256
from xsleep.results.bundle import FORMAT, MANIFEST, read_bundle
from xsleep.results.comparisons import paired
from xsleep.results.measurements import gather
from xsleep.store.predictions import read_predictions, read_remarks, write_predictions

SKILLS = {"XSleepNet2": 0.6, "FCNN+RNN": 0.2}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Laboratory(tmp_path_factory.mktemp("ours"), SKILLS)


@pytest.fixture(scope="module")
def a(ours):
    return ours.bundle()


@pytest.fixture
def laboratory(tmp_path):
    """Function from skills to the results of another laboratory."""
    return lambda skills=SKILLS, **options: Laboratory(tmp_path / "theirs", skills, **options)


def compare(capsys, *arguments):
    """Exit status, and what was printed on both streams."""
    status = main(["compare", *map(str, arguments)])
    return status, *capsys.readouterr()


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def rewritten(path, folder, change):
    """A copy of a bundle whose members, name to bytes, were changed."""
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    copy = folder / "changed.zip"
    with ZipFile(copy, "w", ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return copy


def manifest(members, change):
    content = json.loads(members[MANIFEST])
    change(content)
    members[MANIFEST] = json.dumps(content).encode()


# What a bundle holds


def test_the_same_results_make_the_same_bytes_with_sorted_names_and_fixed_times(ours, a):
    os.utime(ours.root / "table2.csv", (0, 0))
    again = ours.bundle("again.zip")
    assert again.read_bytes() == a.read_bytes()
    again.unlink()
    with ZipFile(a) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_manifest_has_the_rows_databases_and_a_hash_of_every_file(ours, a):
    found = read_bundle(a).manifest
    assert {name: file.sha256 for name, file in found.files.items()} == {
        path.relative_to(ours.root).as_posix(): sha256(path)
        for path in ours.root.rglob("*")
        if path.is_file() and path != a
    }
    assert [(row.system, len(row.predictions)) for row in found.rows] == [(s, 2) for s in SKILLS]
    database = found.databases[DATABASE]
    assert "ODC-By" in database.licence and not database.simulated


def test_no_absolute_path_is_in_it_and_the_crate_has_the_hashes_of_what_is(laboratory, tmp_path):
    theirs = laboratory()
    table = theirs.study.table()
    table.loc[0, "note"] = "/data/our nights/SC 1.edf: dead; /home/jane/x/table.csv: 1 of 2"
    theirs.write_table2(table)
    theirs.write_crate()
    run = theirs.study.runs[0].predictions
    remark = f"{tmp_path}/predictions of Jane.csv: 3 epochs are missing"
    write_predictions(run, read_predictions(run), [remark])
    with ZipFile(theirs.bundle()) as archive:
        archive.extractall(tmp_path / "out")
    note = pd.read_csv(tmp_path / "out/table2.csv")["note"][0]
    assert note == "SC 1.edf: dead; table.csv: 1 of 2"
    (said,) = read_remarks(tmp_path / "out" / run.relative_to(theirs.root))
    assert said == "predictions of Jane.csv: 3 epochs are missing"
    for path in (tmp_path / "out").rglob("*.*"):
        content = path.read_bytes() if path.is_file() else b""
        assert b"/data/" not in content and b"/home" not in content, path
        assert str(tmp_path).encode() not in content, path
    crate = json.loads((tmp_path / "out/ro-crate-metadata.json").read_text())
    table2 = tmp_path / "out/table2.csv"
    size = str(table2.stat().st_size)
    assert crate["@graph"] == [{"sha256": sha256(table2), "contentSize": size}]


# Two compared


def test_rows_in_both_are_compared_over_the_common_subjects(ours, a, laboratory, tmp_path, capsys):
    theirs = laboratory({"XSleepNet2": 0.3, "FCNN+RNN": 0.3}, seeds=(2,))
    out = tmp_path / "out.csv"
    status, text, said = compare(capsys, a, theirs.bundle(), "--out", out)
    assert status == 0 and "a side has one seed" in said
    listed = {DATABASE: ours.folder / "recordings.csv"}
    one, other = (gather(lab.study.runs, listed)[0] for lab in (ours, theirs))
    expected = paired(one, other)["accuracy"]
    row = next(row for row in rows(out) if row["metric"] == "accuracy")
    assert (row["in"], row["system"]) == ("both", "XSleepNet2")
    for name in ("difference", "95 % from", "95 % to"):
        assert float(row[name]) == pytest.approx(expected[name], abs=0.006)
    assert (row["subjects"], row["recordings"]) == ("7", "8")
    assert (row["folds"], row["true stages"]) == ("same", "same")
    line = next(line for line in text.splitlines() if "XSleepNet2" in line)
    assert [row[name] for name in ("A", "B", "difference")] == line.split()[2:5]
    assert "Of 2 rows in both bundles" in text and "folds are the same" in text


def test_a_bundle_does_not_differ_from_itself(a, capsys):
    status, text, _ = compare(capsys, a, a)
    assert status == 0
    assert "Of 2 rows in both bundles, none differs in a metric" in text
    assert "of 2 verdicts on claims none differs; folds are the same, true stages are" in text
    assert "Claims: 2 verdicts are the same, 1 of them undecided" in text


def test_a_difference_beyond_chance_is_counted(a, laboratory, capsys):
    _, text, _ = compare(capsys, a, laboratory({"XSleepNet2": -1, "FCNN+RNN": 0.2}).bundle())
    assert "1 differs in a metric" in text


def test_rows_and_claims_of_one_alone_are_listed(a, laboratory, tmp_path, capsys):
    verdicts = {"no system overfits": "contradicted", "another claim": "supported"}
    theirs = laboratory({"XSleepNet2": 0.6, "Naive Fusion": 0.5}, verdicts=verdicts)
    out = tmp_path / "out.csv"
    status, text, _ = compare(capsys, a, theirs.bundle(), "--out", out)
    assert status == 0
    alone = {(row["system"], row["in"]) for row in rows(out)}
    assert alone == {("XSleepNet2", "both"), ("FCNN+RNN", "A alone"), ("Naive Fusion", "B alone")}
    where = "(SleepEDF-20, in-bed, EEG)"
    assert f"Claim: no system overfits {where}: supported in A, contradicted in B\n" in text
    assert f"Claim: another claim {where}: none in A, supported in B\n" in text
    assert "of 1 verdict on claims 1 differs" in text and "2 rows in one alone" in text


def test_other_folds_and_other_true_stages_are_told(a, laboratory, tmp_path, capsys):
    theirs = laboratory(folds=FOLDS[::-1])
    for run in theirs.study.runs:
        nights = read_predictions(run.predictions)
        for night in nights:
            if night.recording == "a1":
                night.stages[0] = (night.stages[0] + 1) % 5
        write_predictions(run.predictions, nights)
    theirs.write_table2(theirs.study.table())
    out = tmp_path / "out.csv"
    _, text, _ = compare(capsys, a, theirs.bundle(), "--out", out)
    assert "folds are not all the same, true stages are not all the same" in text
    assert rows(out)[0]["true stages"] == "different in 1 of 8"


def test_recordings_of_other_subjects_are_not_compared(a, laboratory, tmp_path, capsys):
    theirs = laboratory(folds=[("a1", "b1"), ("d1", "e1")])
    for run in theirs.study.runs:
        nights = [
            type(night)(
                night.recording,
                f"s{night.subject}",
                night.places,
                night.stages,
                night.probabilities,
            )
            for night in read_predictions(run.predictions)
        ]
        write_predictions(run.predictions, nights)
    _, text, _ = compare(capsys, a, theirs.bundle())
    assert "none differs in a metric" in text and "2 cannot be tested" in text


def test_a_table_that_is_not_that_of_its_predictions_is_told(a, laboratory, capsys):
    theirs = laboratory()
    table = theirs.study.table()
    table["EEG accuracy"] += 5
    theirs.write_table2(table)
    _, _, said = compare(capsys, a, theirs.bundle())
    assert "as EEG accuracy of XSleepNet2 on SleepEDF-20, in-bed, but its predictions give" in said


def test_predictions_that_cannot_be_used_are_told_and_the_others_compared(a, laboratory, capsys):
    theirs = laboratory()
    theirs.study.runs[-1].predictions.write_bytes(b"junk")
    status, text, said = compare(capsys, a, theirs.bundle())
    assert status == 0 and "Of 2 rows in both" in text
    assert "left out: run-3/predictions.h5: not a readable HDF5 file" in said


# What is refused, in one line


def one_line(capsys, tmp_path, path, other, words):
    status, text, said = compare(capsys, path, other)
    assert status == 1 and text == "" and said.count("\n") == 1
    assert str(path) in said and words in said


def test_a_file_that_is_not_there_or_no_zip_file_is_one_line(a, tmp_path, capsys):
    path = tmp_path / "x.zip"
    one_line(capsys, tmp_path, path, a, "no such file")
    path.write_text("<html>log in</html>")
    one_line(capsys, tmp_path, path, a, "not a zip file, or damaged")
    path.write_bytes(a.read_bytes()[:-2000])
    one_line(capsys, tmp_path, path, a, "not a zip file, or damaged")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda members: members.pop(MANIFEST), "so not a bundle"),
        (lambda members: members.update({MANIFEST: b"{"}), "cannot be read"),
        (lambda members: members.update({MANIFEST: b"[]"}), "cannot be read"),
        (lambda members: members.update({MANIFEST: b"[" * 9999}), "cannot be read (maximum"),
        (lambda m: manifest(m, lambda c: c.update(format=FORMAT + 1)), "use the same version"),
        (lambda m: manifest(m, lambda c: c.pop("rows")), "rows"),
        (lambda m: manifest(m, lambda c: c["files"].pop("table2.csv")), "table2.csv is not in its"),
        (lambda m: manifest(m, lambda c: c["rows"][0].update(source="x")), "rows.0.source = 'x'"),
        (lambda members: members.pop("claims.csv"), "claims.csv is missing"),
        (lambda members: members.update({"table2.csv": b"changed"}), "table2.csv is not the file"),
        (lambda members: members.update({"../../outside.csv": b""}), "no plain file below"),
        (lambda members: members.update({"/outside.csv": b""}), "no plain file below"),
        (lambda members: members.update({"C:\\outside.csv": b""}), "no plain file below"),
        (lambda members: members.update({"bomb.csv": bytes(10**8)}), "unpacks to more than"),
    ],
)
def test_a_bundle_that_is_not_whole_or_made_to_do_harm_is_one_line(
    a, tmp_path, capsys, change, words
):
    one_line(capsys, tmp_path, rewritten(a, tmp_path, change), a, words)
    assert not list(tmp_path.parent.rglob("outside.csv"))


def test_a_link_in_a_bundle_is_refused(a, tmp_path, capsys):
    path = tmp_path / "linked.zip"
    shutil.copy(a, path)
    info = ZipInfo("link.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with ZipFile(path, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    one_line(capsys, tmp_path, path, a, "no plain file below")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("claims.csv", "x\n1\n"),
        ("table2.csv", "x\n1\n"),
        (f"{DATABASE}/recordings.csv", "x\n1\n"),
        (f"{DATABASE}/recordings.csv", "recording,epochs,skipped\na,inf,\n"),
    ],
)
def test_a_table_without_its_columns_is_one_line(laboratory, a, tmp_path, capsys, name, text):
    theirs = laboratory()
    (theirs.root / name).write_text(text)
    one_line(capsys, tmp_path, theirs.bundle(), a, f"{name}: not ")
