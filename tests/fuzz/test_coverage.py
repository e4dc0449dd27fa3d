"""What coverage-guided fuzzing (`coverage_readers.py`) found and does not happen again."""

import gzip
import json
import struct
import subprocess
import sys
import zipfile

import h5py
import mne
import numpy as np
import pytest
import scipy.io

from tests.databases.raw_edf import signal, write
from tests.fuzz.coverage_readers import APART, network_seeds, read_network
from tests.fuzz.table import index, variable
from xsleep.cli import main
from xsleep.config.databases import DatabaseSettings
from xsleep.core.errors import InputError
from xsleep.core.files import read_npz
from xsleep.core.settings import existing, read_named
from xsleep.databases.formats.edf import read_annotations
from xsleep.external.files import read_foreign
from xsleep.networks import tensorflow
from xsleep.networks.importing import import_weights
from xsleep.staging.evaluation import compare
from xsleep.staging.hypnograms import read_scoring
from xsleep.staging.montage import Choice
from xsleep.staging.sources import open_source
from xsleep.staging.writing import MARKS


def npz_with_header(path, header):
    text = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(8)
        archive.writestr("a.npy", content)


@pytest.mark.parametrize(
    "header", [b"{'shape': (5, }", b"{'shape': (5,", b"1 +\n  2\n 3", b"{1: 2, 'shape': 3}"]
)
def test_a_header_of_an_npz_that_is_not_python_is_one_line(tmp_path, header):
    """NumPy reads it with the tokeniser of Python, whose errors are its own."""
    npz_with_header(tmp_path / "a.npz", header)
    with pytest.raises(InputError, match=r"a.npz: not a readable npz file \("):
        read_npz(tmp_path / "a.npz", 10**6)


def test_an_npz_of_python_2_is_read_without_a_warning(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}"
    npz_with_header(tmp_path / "a.npz", header)
    assert read_npz(tmp_path / "a.npz", 10**6)["a"].tolist() == [0]


def test_a_matlab_file_whose_heap_has_no_end_is_one_line(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("score", data=["night"], dtype=h5py.string_dtype())
    content = bytearray((tmp_path / "a.mat").read_bytes())
    struct.pack_into("<HHIQ", content, content.index(b"GCOL") + 16, 2, 0, 0, 2**64 - 16)
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"a.mat: not readable as a MATLAB file \(the heap at"):
        read_foreign(tmp_path / "a.mat")


def test_an_npz_with_characters_that_there_are_not_is_one_line(tmp_path):
    arrays = {"recording": np.array([2**31 - 1], "<u4").view("<U1"), "epoch": np.arange(1)}
    np.savez(tmp_path / "a.npz", **arrays, stage=np.arange(1))
    with pytest.raises(InputError, match=r"a.npz: not readable \("):
        read_foreign(tmp_path / "a.npz")


READ = "import sys; from xsleep.store.hdf5 import open_file\n"
READ += "with open_file(sys.argv[1]) as file: print(file.attrs['name'])"


@pytest.mark.parametrize(
    ("number", "size"), [(0, 0), (2, 2**64 - 16), (2, 2**64 - 1)], ids=("free", "16", "1")
)
def test_an_hdf5_file_whose_heap_has_no_end_is_one_line(tmp_path, number, size):
    """HDF5 reads it for ever, and cannot be interrupted; so it would be in a process of its own."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["name"] = "night"
    content = bytearray(path.read_bytes())
    free = content.index(b"GCOL") + 40  # after "night" and the headers
    assert struct.unpack_from("<HHIQ", content, free) == (0, 0, 0, 4096 - 40)
    command = [sys.executable, "-c", READ, path]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"night\n"
    struct.pack_into("<HHIQ", content, free, number, 0, 0, size)
    path.write_bytes(content)
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"{path}: not a readable HDF5 file (the heap at byte" in found.stderr.splitlines()[-1]


def test_a_tensorflow_entry_of_numbers_for_messages_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorflow, "_check", lambda *_: None)
    (tmp_path / "a.data-00000-of-00001").write_bytes(bytes(24))
    # DT_FLOAT, then the shape: as a message, and as a number
    table = index(variable()).replace(b"\x08\x01\x12", b"\x08\x01\x10")
    (tmp_path / "a.index").write_bytes(table)
    with pytest.raises(InputError, match=r"a.index: not a readable checkpoint \("):
        tensorflow.read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize(
    ("shape", "fault"), [((10**6,), "a network of 72,0.. GB"), ((0, 10**9), "no value;")], ids=str
)
def test_a_small_file_of_a_huge_network_takes_no_memory(tmp_path, shape, fault):
    name = "epoch_rnn_layer/gru_cell/candidate/" + ("bias" if len(shape) == 1 else "kernel")
    np.savez_compressed(tmp_path / "a.npz", **{name: np.zeros(shape, "f4")})
    with pytest.raises(InputError, match=f"a.npz: .*{fault}"):
        import_weights(tmp_path / "a.npz", tmp_path / "a.safetensors")


def test_an_edf_file_without_samples_has_no_annotations(tmp_path):
    path = write(tmp_path / "a.edf", signal(samples=0, values=[]), records=2)
    assert read_annotations(path) == []


def test_an_edf_plus_file_whose_records_are_empty_has_no_gaps(tmp_path):
    path = write(
        tmp_path / "a.edf",
        signal(samples=0, values=[]),
        signal("EDF Annotations", samples=0, values=[]),
        records=2,
        reserved="EDF+C",
    )
    assert read_annotations(path) == []


@pytest.mark.parametrize(("option", "told"), [("--channels", "C4"), ("", "1 signal at 0 Hz")])
def test_an_edf_file_of_no_samples_in_no_time_is_told_as_it_is(tmp_path, capsys, option, told):
    path = write(tmp_path / "a.edf", signal(samples=0, values=[]), records=2, duration=0)
    assert main(["info", str(path), *option.split()]) == 0
    assert told in capsys.readouterr().out
    with pytest.raises(InputError, match="holds no samples"):
        open_source(path).read("EEG", Choice(("C4",), ""))


@pytest.mark.parametrize("row", [b"0\xff", b"0\t" * 20])
def test_stages_of_xsleep_score_that_are_damaged_are_one_line(tmp_path, row):
    (tmp_path / "a.tsv").write_bytes(MARKS[".tsv"].encode() + b"\n0\n" + row + b"\n")
    with pytest.raises(InputError, match=r"a.tsv: not readable \("):
        compare("a", tmp_path / "a.tsv", tmp_path / "b.csv")


def test_a_table_that_begins_nearly_as_that_of_xsleep_score_is_one_line(tmp_path):
    (tmp_path / "a.tsv").write_text(f" {MARKS['.tsv']}\n0\n")
    with pytest.raises(InputError, match=r"a.tsv: not written by xsleep score"):
        compare("a", tmp_path / "a.tsv", tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ("2020-02-01=1T22:00:00", "nothing tells when the recording of .*a.tsv begins"),
        ("2020-02-01T23:00:00+00:00", r"can be compared \(1 before or after the scoring\)"),
    ],
)
def test_a_start_in_the_json_of_xsleep_score_is_a_time_or_none(tmp_path, start, fault):
    row = "0\t30\tW" + "\t0.2" * 7
    (tmp_path / "a.tsv").write_text(f"{MARKS['.tsv']}\n{row}\n")
    (tmp_path / "a.json").write_text(json.dumps({"xsleep": {"start": start}}))
    (tmp_path / "b.csv").write_text("onset,stage\n1/2/2020 22:00:00,W\n1/2/2020 22:00:30,N2\n")
    with pytest.raises(InputError, match=fault):
        compare("a", tmp_path / "a.tsv", tmp_path / "b.csv")


@pytest.mark.parametrize("name", ["a_raw.fif", "a_raw.fif.gz"])
@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [(12, 36, "36 comes again"), (8, 2**31 - 1, "56 is longer than the file"), (8, -16, "56 is")],
)
def test_a_fif_file_whose_tags_have_no_end_is_one_line(tmp_path, name, place, value, fault):
    """MNE follows them for ever, and takes more and more memory."""
    raw = mne.io.RawArray(np.zeros((1, 300)), mne.create_info(["C4"], 100, "eeg"), verbose="error")
    raw.save(tmp_path / "whole_raw.fif", verbose="error")
    content = bytearray((tmp_path / "whole_raw.fif").read_bytes())
    struct.pack_into(">i", content, 56 + place, value)  # size of the third tag, or what follows
    open_file = gzip.open if name.endswith("gz") else open
    with open_file(tmp_path / name, "wb") as file:
        file.write(content)
    for read in (open_source, read_scoring):
        with pytest.raises(
            InputError, match=rf"{name}: not readable by MNE \(the tag at byte {fault}"
        ):
            read(tmp_path / name)


def test_an_eeglab_file_that_ends_scipy_is_one_line(tmp_path):
    """SciPy 1.17 ends the process with a segmentation fault."""
    scipy.io.savemat(tmp_path / "a.mat", {"EEG": np.zeros(3)})
    content = (tmp_path / "a.mat").read_bytes()
    damaged = content.replace(struct.pack("<II", 9, 24), struct.pack("<II", 14, 24))  # a matrix
    assert damaged != content
    (tmp_path / "a.set").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a.set: not readable by MNE \(SciPy ends with SIG"):
        open_source(tmp_path / "a.set")


def test_signals_of_mne_may_be_of_any_rate_and_size():
    raw = mne.io.RawArray([[1e300]], mne.create_info(["C4"], 1e-4, "eeg"), verbose="error")
    assert open_source(raw).read("EEG", Choice(("C4",), "")).values[:].tolist() == [np.inf]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("database", [1]),
        ("labels", None),
        ("labels", {"EEG": 1}),
        ("inputs", None),
        ("inputs", {"a.edf": []}),
        ("steps", "nine"),
        ("seconds", 1e400),
    ],
)
def test_a_run_json_of_another_structure_is_one_line(tmp_path, capsys, key, value):
    header, _, run = next(network_seeds()).partition(APART)
    changed = json.dumps(json.loads(run) | {key: value}).encode()
    [*read_network(tmp_path / "a", header + APART + changed)]
    assert main(["info", str(tmp_path / "a.safetensors")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "not a run's JSON" in line or "of another version of xsleep" in line


@pytest.mark.parametrize("facts", [[], {"channels": [1]}, {"channels": {"EEG": 1}}])
def test_a_json_of_others_beside_a_hypnogram_is_passed_over(tmp_path, capsys, facts):
    (tmp_path / "a.csv").write_text("onset,duration,stage\n0,30,W\n30,30,N2\n")
    (tmp_path / "a.json").write_text(json.dumps({"xsleep": facts}))
    assert main(["info", str(tmp_path / "a.csv")]) == 0
    assert "scored by" not in capsys.readouterr().out


def test_an_onset_that_is_infinite_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("onset,duration,stage\n0,30,W\n6e3082,30,N1\n60,30,N2\n")
    with pytest.raises(InputError, match=r"a.csv: '6e3082' in the column 'onset' is no time"):
        read_scoring(tmp_path / "a.csv")


@pytest.mark.parametrize("source", ["{reader: {}}", "{reader: own, 1: 2}"])
def test_a_reader_or_a_key_that_is_no_text_is_one_line(tmp_path, source):
    (tmp_path / "a.yaml").write_text(f"source: {source}")
    with pytest.raises(InputError, match=r"a.yaml: source"):
        read_named(DatabaseSettings, tmp_path, "a", {})


def test_a_name_longer_than_any_file_has_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"databases: 'xxx.*is not known"):
        existing(tmp_path, 999 * "x", "databases")
