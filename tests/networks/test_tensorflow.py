"""TensorFlow checkpoints of format V2, read without TensorFlow."""

import shutil

import numpy as np
import pytest

from tests.helpers.recordings import SHARED, existing
from tests.tensorflow.networks import FOLDER
from xsleep.core.errors import InputError
from xsleep.networks.tensorflow import crc32c, read_checkpoint

NAME = "pretrained_model.ckpt"


@pytest.fixture
def checkpoints():
    return existing(SHARED / "data" / "released_checkpoints")


@pytest.mark.parametrize("network", ["1chan_eeg", "1chan_eog", "2chan_eegeog"])
def test_released_checkpoints_are_the_released_arrays(checkpoints, reference, network):
    found = read_checkpoint(checkpoints / network / "checkpoint" / NAME)
    with np.load(reference / "parity" / f"seqsleepnet_mass_{network}.npz") as expected:
        assert found.keys() == set(expected.files)
        for name, values in found.items():
            assert values.dtype == expected[name].dtype == np.float32
            np.testing.assert_array_equal(values, expected[name], strict=True)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"x.index: no such file; a checkpoint has"):
        read_checkpoint(tmp_path / "x")


@pytest.mark.parametrize("size", [0, 40, 2000, 4480])
def test_a_damaged_index_is_one_line(checkpoints, tmp_path, size):
    for path in (checkpoints / "1chan_eeg" / "checkpoint").glob(f"{NAME}.*"):
        shutil.copyfile(path, tmp_path / path.name)
    index = tmp_path / f"{NAME}.index"
    index.write_bytes(index.read_bytes()[-size:] if size else b"")
    with pytest.raises(InputError, match=r"index: not a readable checkpoint \("):
        read_checkpoint(tmp_path / NAME)


@pytest.fixture
def single(tmp_path):
    for path in (FOLDER / "seqsleepnet_1chan" / "checkpoint").glob("best_model_acc.*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "best_model_acc"


def damage(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_data_that_are_cut_off_are_one_line(single):
    data = single.with_name("best_model_acc.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:1000])
    expected = (
        r"index: not a readable checkpoint \(variable \S+ ends at byte [\d,]+ of 1,000\); fetch"
    )
    with pytest.raises(InputError, match=expected):
        read_checkpoint(single)


@pytest.mark.parametrize("place", [0, 1000, -60])
def test_a_damaged_byte_of_the_index_is_one_line(single, place):
    damage(single.with_name("best_model_acc.index"), place)
    with pytest.raises(InputError, match=r"index: not a readable .* \(a block is damaged: "):
        read_checkpoint(single)


@pytest.mark.parametrize("name", ["filterbank-layer-eeg/Variable", "output_layer/output/biases"])
def test_a_damaged_byte_of_a_variable_is_one_line(single, name):
    data = single.with_name("best_model_acc.data-00000-of-00001")
    damage(data, data.read_bytes().index(read_checkpoint(single)[name].tobytes()) + 3)
    expected = rf"index: not a readable checkpoint \(variable {name} is damaged: it has another"
    with pytest.raises(InputError, match=expected):
        read_checkpoint(single)


def test_the_checksum_is_crc_32c():
    """Check values of RFC 3720, B.4, and of the catalogue of CRC algorithms."""
    known = {b"123456789": 0xE3069283, bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43}
    known |= {bytes(range(32)): 0x46DD794E}
    assert {data: crc32c(np.frombuffer(data, "u1")) for data in known} == known


def test_a_missing_data_file_of_several_is_named(tmp_path):
    for path in (FOLDER / "naive_fusion_1chan" / "checkpoint").glob("best_model.*"):
        shutil.copy(path, tmp_path)
    missing = tmp_path / "best_model.data-00001-of-00002"
    missing.unlink()
    with pytest.raises(InputError, match=f"^{missing}: no such file; a checkpoint has"):
        read_checkpoint(tmp_path / "best_model")
