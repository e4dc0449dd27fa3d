"""HDF5 files made to do harm: no link is followed, and no more is read than a file holds."""

import h5py
import numpy as np
import pytest

from tests.helpers.recordings import unsealed
from xsleep.core.errors import InputError
from xsleep.external.files import read_foreign
from xsleep.store.predictions import Prediction, read_predictions, write_predictions
from xsleep.store.recordings import read_index

HUGE = 10**12
ELSEWHERE = "secret.h5"


def external(group, name, folder):
    group[name] = h5py.ExternalLink(str(folder / ELSEWHERE), "/values")


def soft(group, name, folder):
    group["real"] = np.zeros((3, 5))
    group[name] = h5py.SoftLink("/real")


def virtual(group, name, folder):
    layout = h5py.VirtualLayout((3, 5), "f8")
    layout[:] = h5py.VirtualSource(str(folder / ELSEWHERE), "values", (3, 5))
    group.create_virtual_dataset(name, layout)


def raw(group, name, folder):
    group.create_dataset(name, (3, 5), "f8", external=[(str(folder / ELSEWHERE), 0, 120)])


def chunked(group, name, folder):
    group.create_dataset(name, (HUGE,), "f8", chunks=(2**20,), compression="gzip")


def unwritten(group, name, folder):
    group.create_dataset(name, (HUGE,), "f8")


FAULTS = {
    external: "is a link, which is not followed",
    soft: "is a link, which is not followed",
    virtual: "has its values in other files, which are not read",
    raw: "has its values in other files, which are not read",
}
BOMBS = {chunked: "bytes and holds fewer", unwritten: "bytes and holds fewer"}


@pytest.fixture
def folder(tmp_path):
    with h5py.File(tmp_path / ELSEWHERE, "w") as file:
        file["values"] = np.ones((3, 5))
    return tmp_path


@pytest.mark.parametrize("make", [*FAULTS, *BOMBS], ids=lambda make: make.__name__)
@pytest.mark.parametrize("place", ["/", "n", "n/probabilities"])
def test_predictions_that_lead_elsewhere_or_claim_too_much_are_one_line(folder, make, place):
    path = folder / "predictions.h5"
    one = Prediction("n", "0", np.arange(3), np.zeros(3), {"joint": np.ones((3, 5))})
    write_predictions(path, [one])
    assert read_predictions(path)
    with h5py.File(path, "a") as file:
        make(file[place], "more", folder)
    path.write_bytes(unsealed(path))  # who made it does not tell its SHA-256
    with pytest.raises(InputError) as error:
        read_predictions(path)
    assert {**FAULTS, **BOMBS}[make] in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("make", [*FAULTS, *BOMBS], ids=lambda make: make.__name__)
def test_matlab_files_that_lead_elsewhere_or_claim_too_much_are_one_line(folder, make):
    path = folder / "test_ret.mat"
    with h5py.File(path, "w") as file:
        make(file, "score", folder)
    with pytest.raises(InputError) as error:
        read_foreign(path)
    assert FAULTS.get(make, "unpacks to more than 0.1 GB") in str(error.value)
    assert "\n" not in str(error.value)


def test_groups_in_circles_and_nested_deeply_end(folder):
    path = folder / "all.h5"
    with h5py.File(path, "w") as file:
        file["a/b"] = np.arange(3)
        file["a/back"] = file["a"]
        file["a/root"] = file["/"]
        group = file
        for _ in range(2000):
            group = group.create_group("g")
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        read_index(path)
