"""Opening HDF5 files and writing their datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from xsleep.core.errors import InputError


def write_dataset(
    group: h5py.Group, name: str, values: NDArray[Any], *, unit: str, axes: str
) -> None:
    """Write a dataset with its unit and the names of its axes as attributes."""
    dataset = group.create_dataset(name, data=values)
    dataset.attrs["unit"] = unit
    dataset.attrs["axes"] = axes


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        InputError: it is missing, damaged, or lacks what is read from it in the block.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, ValueError) as error:  # what h5py raises for damage
        raise InputError(
            f"{path}: not a readable HDF5 file ({error}); delete it and run again"
        ) from error
