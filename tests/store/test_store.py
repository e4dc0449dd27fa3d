"""The HDF5 files: whole or absent, with units and axes."""

import os
from copy import copy
from dataclasses import replace

import h5py
import numpy as np
import pytest

from tests.helpers.recordings import make_part
from tests.helpers.rounding import DOUBLE, of_sum
from xsleep.core.errors import InputError
from xsleep.core.files import whole
from xsleep.store.predictions import Prediction, read_predictions, read_remarks, write_predictions
from xsleep.store.recordings import (
    RecordingData,
    RecordingInfo,
    read_index,
    read_info,
    read_signals,
    read_stored,
    write_epochs,
    write_index,
    write_spectrograms,
)

RECORDING = RecordingInfo(
    "SC4001E0",
    "00",
    np.array([0, 1, 4]),
    np.array([0.0, 30.0, 120.0]),
    np.array([0, 2, 4], "i1"),
    (30.0, 120.0),
    hashes={"SC4001E0-PSG.edf": "ab"},
    start=58_380.0,
    seconds=79_500.0,
    labels={"EEG": "EEG C4-LER + EEG A2-LER"},
    rates={"EEG": 256.0},
)


def test_a_recording_comes_back_as_it_was_written(tmp_path):
    signals = {"EEG": np.ones((3, 3000), "f4"), "EOG": np.zeros((3, 3000), "f4")}
    write_epochs(tmp_path / "a.h5", RECORDING, signals)
    back = read_info(tmp_path / "a.h5")
    for name, value in vars(RECORDING).items():
        assert np.array_equal(getattr(back, name), value), name
    assert np.array_equal(read_signals(tmp_path / "a.h5")["EEG"], signals["EEG"])


def test_every_dataset_has_its_unit_and_axes(tmp_path):
    make_part(tmp_path, epochs=5)
    prediction = Prediction("n", "0", np.arange(2), np.zeros(2), {"joint": np.ones((2, 5))})
    write_predictions(tmp_path / "predictions.h5", [prediction])
    for path in tmp_path.glob("*.h5"):
        with h5py.File(path) as file:
            found = []
            file.visititems(lambda _, item, found=found: found.append(item))
            datasets = [item for item in found if isinstance(item, h5py.Dataset)]
            assert datasets
            assert all({"unit", "axes"} <= set(dataset.attrs) for dataset in datasets)


def test_predictions_come_back_as_they_were_written(tmp_path):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5), 3).astype("f4")
    one = Prediction("b", "1", np.arange(3), np.array([0, 1, 2]), {"joint": probabilities})
    write_predictions(tmp_path / "p.h5", [one])
    (back,) = read_predictions(tmp_path / "p.h5")
    assert (back.recording, back.subject) == ("b", "1")
    assert np.array_equal(back.probabilities["joint"], probabilities)
    assert (back.fold, back.predicted, read_remarks(tmp_path / "p.h5")) == (None, None, ())


def test_predictions_of_all_folds_without_probabilities_come_back_with_their_remarks(tmp_path):
    stages = np.array([0, 1, 2])
    one = Prediction("b", "1", np.arange(3), stages, {}, fold=7, predicted=stages[::-1])
    write_predictions(tmp_path / "p.h5", [one], ["five epochs are missing"])
    (back,) = read_predictions(tmp_path / "p.h5")
    assert (back.fold, back.predicted.tolist(), back.probabilities) == (7, [2, 1, 0], {})
    assert read_remarks(tmp_path / "p.h5") == ("five epochs are missing",)


def test_a_file_that_is_interrupted_does_not_come_to_be(tmp_path):
    with pytest.raises(RuntimeError), whole(tmp_path / "a.h5") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"a.h5: not a readable HDF5 file .*; delete it"):
        read_info(tmp_path / "a.h5")


def test_an_index_knows_each_recording_as_its_files_do(tmp_path):
    paths = []
    for name, places in (("a", 6), ("b", 0), ("c", 3)):
        info = replace(RECORDING, recording=name, lights=None if name == "c" else RECORDING.lights)
        info = replace(info, **{k: np.arange(places) for k in ("places", "onsets", "stages")})
        signals = {"EEG": np.zeros((places, 3000), "f4")} if places else {}
        paths.append((tmp_path / f"{name}.h5", tmp_path / f"{name}-tf.h5"))
        write_epochs(paths[-1][0], info, signals)
        images = {c: np.zeros((places, 29, 129), "f4") for c in signals}
        write_spectrograms(paths[-1][1], images, {}, "")
    stored = [read_stored(*pair) for pair in paths]
    index = str(tmp_path / "index.h5")
    write_index(index, stored)
    back = read_index(index)
    assert list(back) == ["a", "b", "c"]
    for one, known in zip(stored, back.values(), strict=True):
        for name, value in vars(one.info).items():
            assert np.array_equal(getattr(known.info, name), value), name
        assert {**vars(known), "info": 0} == {**vars(one), "info": 0, "index": index}


def test_values_are_those_that_hdf5_reads(tmp_path):
    data = make_part(tmp_path, epochs=9, channels=("EEG", "EOG"), chosen=np.arange(2, 8)).data
    with h5py.File(tmp_path / "night.h5") as epochs, h5py.File(tmp_path / "night-tf.h5") as images:
        for number, channel in enumerate(("EEG", "EOG")):
            assert np.array_equal(data.raw(1, 4)[..., number], epochs["signals"][channel][3:6])
            found = data.time_frequency(1, 4)[..., number]
            assert np.array_equal(found, images["spectrograms"][channel][3:6])


def test_levels_are_the_means_over_the_frames_of_each_epoch_in_the_window(tmp_path):
    data = make_part(tmp_path, epochs=9, channels=("EEG", "EOG"), chosen=np.arange(2, 8)).data
    images = data.time_frequency(0, 6).astype(float)
    sums = 9 * 29  # differences of running sums over all frames
    bound = of_sum(sums, sums * np.abs(images).max(), DOUBLE) / 29
    np.testing.assert_allclose(data.levels(), images.mean(axis=1), 0, bound)


def test_a_thousand_recordings_are_read_with_a_handful_of_files_open(tmp_path):
    data = make_part(tmp_path, epochs=3).data
    before = len(os.listdir("/proc/self/fd"))
    many = [copy(data) for _ in range(1000)]
    for one in many:
        one.raw(0, 3), one.time_frequency(0, 3)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("damage", [lambda path: os.truncate(path, 20_000), lambda p: p.unlink()])
def test_a_file_of_the_store_that_was_lost_or_cut_is_one_line(tmp_path, damage):
    make_part(tmp_path, epochs=9)
    index = tmp_path / "index" / "all.h5"
    write_index(index, [read_stored(tmp_path / "night.h5", tmp_path / "night-tf.h5")])
    data = RecordingData(read_index(index)["night"], ("EEG",), np.arange(9))
    damage(tmp_path / "night.h5")
    remedy = f"delete it and the folder {tmp_path}/index, run snakemake for {index}, then again"
    with pytest.raises(InputError, match=rf"night.h5: .*{remedy}$"):
        data.raw(0, 9)


@pytest.mark.parametrize("name", ["night.h5", "night-tf.h5"])
def test_a_file_of_the_store_with_a_flipped_bit_is_not_read(tmp_path, name):
    make_part(tmp_path, epochs=9)
    index = tmp_path / "index" / "all.h5"
    write_index(index, [read_stored(tmp_path / "night.h5", tmp_path / "night-tf.h5")])
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: not as it was written .*; delete it and the"):
        RecordingData(read_index(index)["night"], ("EEG",), np.arange(9))


def test_predictions_and_indexes_with_any_flipped_bit_or_cut_short_are_not_read(tmp_path):
    make_part(tmp_path, epochs=3)
    files = {tmp_path / "all.h5": read_index, tmp_path / "predictions.h5": read_predictions}
    index, predictions = files
    write_index(index, [read_stored(tmp_path / "night.h5", tmp_path / "night-tf.h5")])
    one = Prediction("n", "0", np.arange(3), np.zeros(3), {"joint": np.ones((3, 5))})
    write_predictions(predictions, [one])
    for path, read in files.items():
        whole = path.read_bytes()
        flipped = [
            whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
            for at in (*range(80), *range(80, len(whole), 97))
        ]
        for content in (*flipped, *(whole[:size] for size in range(0, len(whole), 997))):
            path.write_bytes(content)
            with pytest.raises(InputError, match=f"^{path}: .*; delete it and run again$"):
                read(path)
