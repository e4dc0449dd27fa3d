"""What coverage-guided fuzzing found, and a short run without coverage (`coverage_readers.py`)."""

import contextlib
import random
import struct
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from tests.databases.raw_edf import signal, write
from tests.fuzz.coverage_readers import APART, TARGETS, TOKENS, checkpoint_seeds, fault
from xsleep.config.databases import DatabaseSettings
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.files import read_npz
from xsleep.core.settings import existing, read_named
from xsleep.databases.formats.edf import read_annotations
from xsleep.networks import tensorflow
from xsleep.networks.importing import import_weights
from xsleep.staging.hypnograms import read_scoring


def npz_with_header(path, header):
    text = header.ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + bytes(8)
        archive.writestr("a.npy", content)


@pytest.mark.parametrize("header", [b"{'shape': (5, }", b"{'shape': (5,", b"1 +\n  2\n 3"])
def test_a_header_of_an_npz_that_is_not_python_is_one_line(tmp_path, header):
    """NumPy reads it with the tokeniser of Python, whose errors are its own."""
    npz_with_header(tmp_path / "a.npz", header)
    with pytest.raises(InputError, match=r"a.npz: not a readable npz file \("):
        read_npz(tmp_path / "a.npz", 10**6)


def test_an_npz_of_python_2_is_read_without_a_warning(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1L,)}"
    npz_with_header(tmp_path / "a.npz", header)
    assert read_npz(tmp_path / "a.npz", 10**6)["a"].tolist() == [0]


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
    index, _, data = next(checkpoint_seeds()).partition(APART)
    (tmp_path / "a.data-00000-of-00001").write_bytes(data)
    # DT_FLOAT, then the shape: as a message, and as a number
    (tmp_path / "a.index").write_bytes(index.replace(b"\x08\x01\x12", b"\x08\x01\x10"))
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


def changed(content, draw):
    """A valid file with some bytes replaced, and perhaps the end cut off."""
    made = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(len(made) + 1)
        made[start : start + draw.randint(0, 8)] = draw.choice([*TOKENS, draw.randbytes(2)])
    if not draw.randrange(5):
        del made[draw.randrange(len(made) + 1) :]
    return bytes(made)


def is_read(read):
    with contextlib.suppress(InputError), warnings_of_inputs():
        read()
        return True


@pytest.mark.parametrize("target", TARGETS)
def test_changed_files_end_in_documented_errors(tmp_path, monkeypatch, target):
    monkeypatch.setattr(zipfile.ZipExtFile, "_update_crc", zipfile.ZipExtFile._update_crc)
    monkeypatch.setattr(tensorflow, "_check", tensorflow._check)
    seeds, reads = TARGETS[target]
    files, draw = list(seeds()), random.Random(1)
    assert any(map(is_read, reads(tmp_path / "file", files[0])))
    for _ in range(40):
        content = changed(draw.choice(files), draw)
        for read in reads(tmp_path / "file", content):
            assert not (found := fault(read)), (found, content)
