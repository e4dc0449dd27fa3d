"""Predictions of other programs, as files: CSV, npz, MATLAB, and folders of them by fold."""

import gzip
from contextlib import suppress

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.special import softmax

from xsleep.core.errors import InputError, InputWarning
from xsleep.core.stages import STAGES
from xsleep.external import files
from xsleep.external.files import read_foreign

PAPER = ("W", "REM", "N1", "N2", "N3")
"""Order of the classes in the authors' multitask networks."""


@pytest.fixture
def random():
    return np.random.default_rng(0)


def table(random, recordings=("a", "b"), epochs=6):
    """Probabilities of the same epochs of each recording, a line each."""
    lines = pd.MultiIndex.from_product([[*recordings], range(3, 3 + epochs)])
    frame = lines.to_frame(index=False, name=["recording", "epoch"])
    frame[list(STAGES)] = random.dirichlet(np.ones(5), len(frame))
    return frame


def written(path, frame, **form):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, **form)
    return path


def refused(path, **options):
    with pytest.raises(InputError) as error:
        read_foreign(path, **options)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(path))
    return str(error.value)


def same(found, frame):
    assert list(found) == list(dict.fromkeys(frame["recording"]))
    for name, rows in frame.groupby("recording"):
        assert found[name].epochs.tolist() == rows["epoch"].tolist()
        np.testing.assert_array_equal(found[name].probabilities, rows[list(STAGES)])
        assert found[name].stages is None


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", {}),
        ("a.CSV.gz", {"compression": "gzip"}),
        ("a.csv", {"sep": ";", "decimal": ","}),
        ("a.csv", {"sep": "\t", "encoding": "utf-8-sig"}),
    ],
)
def test_probabilities_of_a_csv_are_read_by_recording(tmp_path, random, name, form):
    frame = table(random)
    found = read_foreign(written(tmp_path / name, frame, **form))
    same(found, frame)
    assert found["a"].fold is None and found["a"].file == tmp_path / name


def test_columns_are_found_by_their_headings_in_any_order(tmp_path, random):
    frame = table(random)
    names = {"W": "Wake", "N1": "S1", "N2": "Stage 2", "N3": "NREM3", "REM": "R"}
    other = frame.rename(columns=names | {"recording": "Recording"})
    other.insert(0, "file", "x.edf")
    same(read_foreign(written(tmp_path / "a.csv", other[other.columns[::-1]])), frame)


def test_recordings_that_are_numbers_keep_their_zeros(tmp_path):
    (tmp_path / "a.csv").write_text("recording,epoch,stage\n007,0,W\n")
    assert list(read_foreign(tmp_path / "a.csv")) == ["007"]


@pytest.mark.parametrize("stages", ["W N1 N2 N3 REM", "wake S1 Stage-2 S4 R"])
def test_stages_alone_have_no_probabilities(tmp_path, stages):
    lines = [f"a,{epoch},{stage}" for epoch, stage in enumerate(stages.split())]
    (tmp_path / "a.csv").write_text("\n".join(["recording,epoch,stage", *lines, "a,9,?"]))
    found = read_foreign(tmp_path / "a.csv")["a"]
    assert found.probabilities is None
    assert found.stages.tolist() == [0, 1, 2, 3, 4]
    assert found.epochs.tolist() == [0, 1, 2, 3, 4]  # an epoch without a stage has no prediction


def test_numbers_of_stages_are_read_by_what_others_are_there_and_it_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("recording,epoch,stage\na,0,0\na,1,2\na,2,5\n")
    with pytest.warns(InputWarning, match="its numbers are read as 0 W, 2 N2, 5 REM"):
        assert read_foreign(tmp_path / "a.csv")["a"].stages.tolist() == [0, 2, 4]


def test_stages_that_are_not_the_most_probable_ones_are_counted(tmp_path, random):
    frame = table(random, "a")
    likely = frame[list(STAGES)].to_numpy().argmax(axis=1)
    likely[:2] += 1
    frame["stage"] = np.array(STAGES)[likely % 5]
    with pytest.warns(InputWarning, match="in 2 of 6 epochs stage is not the most probable one"):
        same(read_foreign(written(tmp_path / "a.csv", frame)), frame)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not readable as CSV (No columns to parse from file)"),
        ("recording,epoch,stage\n", "no predictions in it"),
        ("recording,epoch,stage\na,0,W,1\n", "rows have more values than headings"),
        ("epoch,stage\n0,W\n", "no column recording but 'epoch', 'stage'; name the columns"),
        ("recording,epoch,W,N1,N2,N3\na,0,1,0,0,0\n", "no column REM but 'recording'"),
        ("recording,epoch\na,0\n", "no column N1, N2, N3, REM, W but"),
        ("recording,epoch,stage,N1,S1\na,0,W,1,0\n", "two columns for N1; take one out"),
        ("recording,epoch,stage\na,0.5,W\n", "row 1, a: epoch 0.5 is no whole number"),
        ("recording,epoch,stage\na,1,W\na,x,W\n", "row 2, a: epoch x is no whole number"),
        ('recording,epoch,stage\na,"1\n2",W\n', "row 1, a: epoch '1\\n2' is no whole number"),
        ("recording,epoch,stage\na,1e12,W\n", "row 1, a: epoch 1000000000000.0 is no whole number"),
        (
            "recording,epoch,stage\na,0,N2\na,1,Valve\n",
            "row 2, a: stage Valve is not known; write W, N1, N2, N3, REM or a usual spelling",
        ),
        (
            "recording,epoch,Valve,N1,N2,N3,REM\na,0,1,0,0,0,0\n",
            "no column W but 'recording', 'epoch', 'Valve'",
        ),
        ("recording,epoch,stage,fold\na,0,W,1\na,1,W,2\n", "row 1, a: fold 1 is one of several"),
    ],
)
def test_a_table_without_usable_predictions_is_one_line(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert message in refused(path)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("b,0,Valve,1", "stage Valve is not known; write W, N1, N2, N3, REM or a usual spelling"),
        ("b,0.5,W,1", "epoch 0.5 is no whole number"),
        ("b,0,W,2", "fold 2 is one of several"),
        ("b,0,W,", "fold  is no whole number"),
    ],
)
def test_a_recording_with_a_wrong_row_is_left_out_and_the_others_go_on(tmp_path, row, fault):
    path = tmp_path / "a.csv"
    path.write_text(f"recording,epoch,stage,fold\na,0,W,1\n{row}\nb,1,W,1\na,1,N1,1\n")
    with pytest.warns(InputWarning, match=rf"row 2, b: {fault}.*; left out: b$"):
        found = read_foreign(path)
    assert list(found) == ["a"] and found["a"].epochs.tolist() == [0, 1] and found["a"].fold == 1


def test_a_file_that_is_no_predictions_is_one_line(tmp_path):
    assert "no such file or folder" in refused(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("recording,epoch,stage")
    assert "not a .csv, .csv.gz, .npz, .mat file" in refused(tmp_path / "a.txt")
    assert "no .csv, .csv.gz, .npz, .mat file in it" in refused(tmp_path)
    (tmp_path / "a.csv.gz").write_bytes(b"recording,epoch,stage")
    assert "not readable as CSV (Not a gzipped file" in refused(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(bytes(range(256)) * 9)[:50])
    assert "not readable as CSV" in refused(tmp_path / "b.csv.gz")
    assert "classes W, W; give W, N1, N2, N3, REM an order" in refused(tmp_path, classes=("W", "W"))


def test_a_pickle_is_not_read(tmp_path):
    np.savez(tmp_path / "a.npz", recording=np.array([{}], object), epoch=[0], stage=["W"])
    assert "holds pickled objects, which are not read" in refused(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.npz", "a.mat"])
def test_a_file_that_unpacks_to_gigabytes_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(files, "LARGEST", 10**6)
    path, zeros = tmp_path / name, np.zeros((50_000, 5))
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(bytes(2 * 10**6)))
    elif name.endswith("npz"):
        np.savez_compressed(path, recording=zeros)
    else:
        savemat(path, {"score": zeros}, do_compression=True)
    assert path.stat().st_size < 10_000
    assert "unpacks to" in refused(path)


def test_an_npz_has_arrays_of_equal_length_and_classes_in_any_order(tmp_path, random):
    frame = table(random)
    values = frame[list(PAPER)].to_numpy()
    arrays = {"recording": frame["recording"].to_numpy(str), "epoch": frame["epoch"]}
    np.savez(tmp_path / "a.npz", **arrays, probabilities=values)
    same(read_foreign(tmp_path / "a.npz", PAPER), frame)
    swapped = {"epoch": frame["epoch"].to_numpy(">f8"), "probabilities": values.astype(">f8")}
    np.savez(tmp_path / "swapped.npz", **arrays | swapped)
    same(read_foreign(tmp_path / "swapped.npz", PAPER), frame)
    named = arrays | {"recording": arrays["recording"].astype("S")}
    np.savez(tmp_path / "b.npz", **named, stage=np.arange(12) % 5, fold=np.full(12, 4))
    found = read_foreign(tmp_path / "b.npz", PAPER)
    assert found["a"].stages.tolist() == [0, 4, 1, 2, 3, 0] and found["a"].fold == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": None}, "has the arrays recording, stage; give it recording, epoch, and"),
        ({"stage": np.array(["W"])}, "stage of shape (1,), epoch of (2,); give it (2,)"),
        ({"epoch": np.array(0)}, "recording of shape (2,), epoch of ()"),
        ({"probabilities": np.ones((2, 4))}, "probabilities of shape (2, 4), epoch of (2,)"),
        ({"stage": np.array([0, 5])}, "row 2, a: stage place 5 is not known"),
        ({"epoch": np.array(["x", "y"])}, "row 1, a: epoch x is no whole number"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(tmp_path, changes, message):
    arrays = {
        "recording": np.array(["a", "a"]),
        "epoch": np.arange(2),
        "stage": np.array(["W"] * 2),
    }
    arrays |= changes
    np.savez(tmp_path / "a.npz", **{n: v for n, v in arrays.items() if v is not None})
    assert message in refused(tmp_path / "a.npz")


def test_a_folder_is_read_by_fold_and_the_fold_is_the_number_in_the_name(tmp_path, random):
    for fold, recording in ((3, "a"), (11, "b"), (2, "c")):
        name = {3: "fold-3.csv", 11: "n11.csv.gz", 2: "sub-20/f2.csv"}[fold]
        written(tmp_path / "of" / name, table(random, [recording]))
    (tmp_path / "of" / ".DS_Store.csv").write_bytes(b"\0")
    found = read_foreign(tmp_path / "of")
    assert {name: one.fold for name, one in found.items()} == {"a": 3, "b": 11, "c": 2}


def test_a_column_of_folds_counts_more_than_the_name(tmp_path, random):
    written(tmp_path / "fold-3.csv", table(random, "a").assign(fold=5))
    written(tmp_path / "SC4001E0.csv", table(random, "b"))
    found = read_foreign(tmp_path)
    assert (found["a"].fold, found["b"].fold) == (5, None)


def test_a_damaged_file_of_a_folder_and_a_recording_in_two_are_left_out(tmp_path, random):
    written(tmp_path / "fold-1.csv", table(random, ["a", "b"]))
    written(tmp_path / "fold-2.csv", table(random, ["b", "c"]))
    (tmp_path / "fold-3.npz").write_bytes(b"PK")
    with pytest.warns(InputWarning) as told:
        assert list(read_foreign(tmp_path)) == ["a", "c"]
    assert [str(one.message) for one in told] == [
        f"{tmp_path}/fold-3.npz: not a readable npz file (File is not a zip file); write it again; "
        "left out",
        f"{tmp_path}/fold-2.csv: b is in {tmp_path}/fold-1.csv too; left out, take one out",
    ]


def saved(path, **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)
    return path


def test_matlab_files_of_the_authors_have_logits_and_stages_from_1(tmp_path, random):
    logits = random.normal(0, 9, (7, 5))
    path = saved(tmp_path / "n3/test_ret.mat", score=logits, yhat=logits.argmax(1) + 1, acc=0.8)
    (found,) = read_foreign(tmp_path, PAPER).values()
    assert (found.epochs, found.fold, found.file) == (None, 3, path)
    expected = softmax(logits, axis=1)[:, [PAPER.index(stage) for stage in STAGES]]
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-12)


def test_a_matlab_file_of_version_7_3_is_read_like_one_of_version_5(tmp_path, random):
    logits = random.normal(0, 9, (20, 30, 5)).astype("f4")
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["joint_score"], file["joint_yhat"] = logits.T, logits.argmax(-1).T + 1
    saved(tmp_path / "old.mat", joint_score=logits, joint_yhat=logits.argmax(-1) + 1, score=logits)
    new, old = (read_foreign(tmp_path / f"{name}.mat").popitem()[1] for name in ("new", "old"))
    assert new.probabilities.shape == (20, 30, 5)
    np.testing.assert_array_equal(new.probabilities, old.probabilities)


def test_stages_alone_of_a_matlab_file_are_in_the_order_of_its_classes(tmp_path):
    path = saved(tmp_path / "test_ret.mat", yhat=np.array([[1.0, 2, 3, 4, 5]]))
    found = read_foreign(path, PAPER)[str(path)]
    assert found.stages.tolist() == [0, 4, 1, 2, 3] and found.probabilities is None


def test_three_outputs_are_multiplied_as_the_authors_evaluation_does(tmp_path, random):
    scores = random.normal(0, 3, (3, 9, 5))
    variables = {f"score{n}": one for n, one in enumerate(scores, start=1)}
    variables |= {f"yhat{n}": one.argmax(1) + 1 for n, one in enumerate(scores, start=1)}
    path = saved(tmp_path / "test_ret.mat", **variables)
    one, two, three = softmax(scores, axis=2)
    ones = np.ones((1, 5))  # MATLAB: score1 = [score1(2:end,:); ones], score3 = [ones; score3(..)]
    product = np.vstack([one[1:], ones]) * two * np.vstack([ones, three[:-1]])
    found = read_foreign(path)[str(path)]
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-9)


def test_probabilities_in_a_matlab_file_stay_as_they_are(tmp_path, random):
    values = random.dirichlet(np.ones(5), 4) * 0.9
    path = saved(tmp_path / "a.mat", score=values)
    np.testing.assert_allclose(read_foreign(path)[str(path)].probabilities, values, rtol=1e-12)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": [1]}, "no score and no yhat of single epochs"),
        ({"yhat": np.ones((20, 4))}, "no score and no yhat of single epochs"),
        ({"yhat": [[0, 1]]}, "yhat is not 1 to 5 everywhere"),
        ({"score": np.ones((4, 6))}, "score of shape (4, 6); it is (epochs, 5) or"),
        ({"score": np.eye(5), "yhat": [[1, 2, 3, 4, 4]]}, "not the highest of score, counted from"),
        ({"score": np.eye(5), "yhat": [[1, 2]]}, "yhat of shape (1, 2), score of (5, 5)"),
        ({"score1": np.eye(5), "score2": np.eye(5)}, "score3 of shape (0,)"),
        (
            {"score1": np.eye(5)[:4], "score2": np.eye(5), "score3": np.eye(5)},
            "score1 to score3 are not of equal shape",
        ),
        ({"score": np.array(["a"])}, "not readable as a MATLAB file"),
    ],
)
def test_a_matlab_file_of_other_variables_is_one_line(tmp_path, variables, message):
    assert message in refused(saved(tmp_path / "a.mat", **variables))


def test_a_damaged_matlab_file_is_one_line(tmp_path):
    path = saved(tmp_path / "a.mat", score=np.eye(5))
    whole = path.read_bytes()
    for content in (b"", b"x" * 300, whole[:200], whole[:-30]):
        path.write_bytes(content)
        assert "not readable as a MATLAB file" in refused(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_no_byte_of_a_matlab_file_brings_the_reader_down(tmp_path, compressed):
    path = tmp_path / "a.mat"
    savemat(path, {"score": np.eye(5), "yhat": np.arange(1.0, 6)}, do_compression=compressed)
    whole = path.read_bytes()
    for place in range(120, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x33]) + whole[place + 1 :])
        with suppress(InputError):
            read_foreign(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_have_probabilities_that_are_told(tmp_path, value):
    logits = np.zeros((2, 5))
    logits[1, 2:] = value
    path = saved(tmp_path / "a.mat", score=logits)
    first, second = read_foreign(path)[str(path)].probabilities
    assert first.tolist() == pytest.approx([0.2] * 5)
    assert np.isnan(second).any() == (value != -np.inf)


def test_two_files_of_one_fold_are_one_line(tmp_path):
    for name in ("n1/a.mat", "n1/b.mat"):
        saved(tmp_path / name, yhat=[[1]])
    with pytest.raises(InputError, match=r"a.mat and .*b.mat are both of fold 1; take one out"):
        read_foreign(tmp_path)
