"""Creating and opening HDF5 files, and writing their datasets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xsleep.core.errors import InputError, reason
from xsleep.core.files import whole

DEPTH = 2
"""Groups below that of the file in which there are others: recording, ``probabilities``."""


def write_dataset(
    group: h5py.Group, name: str, values: NDArray[Any], *, unit: str, axes: str
) -> None:
    """Write a dataset with its unit and the names of its axes as attributes."""
    dataset = group.create_dataset(name, data=values)
    dataset.attrs["unit"] = unit
    dataset.attrs["axes"] = axes


class _Taking(io.FileIO):
    """File that keeps its first error and takes, without writing, all that comes after.

    HDF5 cannot let go of a file that it cannot write, and tells so whenever an object is freed.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        try:
            while left and not self.error:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return memoryview(data).nbytes


@contextmanager
def create_file(path: str | Path) -> Iterator[h5py.File]:
    """Create an HDF5 file, which appears under its name once the block succeeds.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as temporary, _Taking(temporary, "w+b") as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file
        finally:
            if disk.error:
                raise disk.error


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        InputError: it is missing, damaged, or lacks what is read from it in the block.
    """
    try:
        with h5py.File(path, "r") as file:
            _check_links(file)
            yield file
    # What h5py raises for damage, and what follows from values of other types.
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a readable HDF5 file ({reason(error)}); delete it and run again"
        ) from error


def _check_links(group: h5py.Group, depth: int = DEPTH) -> None:
    """Raise a `ValueError` for a link to another file."""
    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            raise ValueError(f"{name} is in another file")
        if depth and group.get(name, getclass=True) is h5py.Group:
            _check_links(group[name], depth - 1)


def values(dataset: Any) -> NDArray[Any]:
    """Return the values of a dataset that `write_dataset` wrote.

    Raises:
        ValueError: it is none, holds less than its shape says, or its values are in another file.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise ValueError("no dataset, or its values are in another file")
    if dataset.nbytes > dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} holds less than its shape {dataset.shape} says")
    found = dataset[()]
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{dataset.name} is no array")
    return found
