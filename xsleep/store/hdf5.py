"""Opening HDF5 files and writing their datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from xsleep.core.errors import InputError


def write_dataset(group: h5py.Group, name: str, values: np.ndarray, unit: str, axes: str) -> None:
    dataset = group.create_dataset(name, data=values)
    dataset.attrs["unit"] = unit
    dataset.attrs["axes"] = axes


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError) as error:  # as h5py meets damage
        raise InputError(
            f"{path}: not a readable HDF5 file ({error}); delete it and run again"
        ) from error
