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


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return what has a name in a group.

    Raises:
        ValueError: it is a link, or its values are in another file; HDF5 would follow it anywhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link, which is not followed")
    found = group[name]
    if isinstance(found, h5py.Dataset) and (found.is_virtual or found.external):
        raise ValueError(f"{name} has its values in other files, which are not read")
    return found


def _address(group: h5py.Group) -> int:
    return int(h5py.h5o.get_info(group.id).addr)


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file that was written here for reading.

    Raises:
        InputError: it is missing, damaged, lacks what is read from it in the block, or is made to
            do harm: with links, values in other files, or more values than it holds.
    """
    try:
        with h5py.File(path, "r") as file:
            groups, seen = [file], {_address(file)}
            while groups:
                group = groups.pop()
                for name in group:
                    if isinstance(one := member(group, name), h5py.Group):
                        if (place := _address(one)) not in seen:
                            groups.append(one)
                            seen.add(place)
                    elif (claimed := one.nbytes) > one.id.get_storage_size():
                        raise ValueError(f"{one.name} claims {claimed:,} bytes and holds fewer")
            yield file
    except (OSError, KeyError, RuntimeError, ValueError) as error:  # what h5py raises for damage
        raise InputError(
            f"{path}: not a readable HDF5 file ({error}); delete it and run again"
        ) from error
