"""TensorFlow checkpoints of format V2, read without TensorFlow."""

import shutil

import numpy as np
import pytest

from tests.helpers.recordings import SHARED, existing
from xsleep.core.errors import InputError
from xsleep.networks.tensorflow import read_checkpoint

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


def test_data_that_are_cut_off_are_one_line(checkpoints, tmp_path):
    for path in (checkpoints / "1chan_eeg" / "checkpoint").glob(f"{NAME}.*"):
        shutil.copyfile(path, tmp_path / path.name)
    data = tmp_path / f"{NAME}.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"index: not a readable checkpoint \("):
        read_checkpoint(tmp_path / NAME)
