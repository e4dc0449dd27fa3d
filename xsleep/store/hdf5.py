"""Creating and opening HDF5 files, and writing their datasets."""

from __future__ import annotations

import hashlib
import io
import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from xsleep.core.arrays import Rows
from xsleep.core.errors import InputError, OutputError, reason
from xsleep.core.files import whole

BLOCK = 512
"""Bytes of the user block before a sealed file's content: `SEAL`, SHA-256 of the content."""

SEAL = b"SHA-256 "

ROWS = 256
"""Rows of a dataset that are written at a time."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""Beginning of a file that is not sealed."""

HEAP, HEAP_BYTES = re.compile(rb"GCOL\x01\0{3}"), 8
"""Beginning of a heap of texts (HDF5 File Format Specification 3.0, III.E)."""
SEARCHED = 2**20
"""Bytes that are searched for heaps at a time."""


def write_dataset(group: h5py.Group, name: str, values: Rows, *, unit: str, axes: str) -> None:
    """Write a dataset, some rows at a time, with its unit and the names of its axes."""
    dataset = group.create_dataset(name, values.shape, values[:0].dtype)
    for start in range(0, len(values), ROWS):
        dataset[start : start + ROWS] = values[start : start + ROWS]
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
def create_file(path: str | Path, *, sealed: bool = False) -> Iterator[h5py.File]:
    """Create an HDF5 file, which appears under its name once the block succeeds.

    ``sealed`` files begin with the SHA-256 of their content, which `open_file` compares.

    Raises:
        OutputError: it cannot be written.
    """
    with whole(path) as temporary, _Taking(temporary, "w+b") as disk:
        try:
            with h5py.File(disk, "w", userblock_size=BLOCK if sealed else 0) as file:
                yield file
            if sealed:
                disk.seek(BLOCK)
                seal = _seal(disk)
                disk.seek(0)
                disk.write(seal)
        finally:
            if disk.error:
                raise disk.error


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file that was written here for reading.

    Raises:
        InputError: it is missing, damaged, not as it was written, lacks what is read from it in
            the block, or is made to do harm: with links, values in other files, or more values than
            it holds.
    """
    try:
        _check_seal(path)
        check_heaps(path)
        with h5py.File(path, "r") as file:
            _check_members(file)
            yield file
    except OutputError:  # of a file that is written in the block
        raise
    # What h5py raises for damage, and what follows from values of other types.
    except (
        *(OSError, LookupError, RuntimeError, ValueError),
        *(TypeError, AttributeError, SystemError),
    ) as error:
        raise InputError(
            f"{path}: not a readable HDF5 file ({reason(error)}); delete it and run again"
        ) from error


def _seal(content: BinaryIO | io.FileIO) -> bytes:
    """Return the user block of a file with this content."""
    digest = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
    return (SEAL + digest.encode() + b"\n").ljust(BLOCK, b"\0")


def _check_seal(path: str | Path) -> None:
    """Raise a ``ValueError`` if a file's content is not what its seal says."""
    with open(path, "rb") as file:
        block = file.read(BLOCK)
        if not block.startswith(SIGNATURE) and block != _seal(file):
            raise ValueError("not as it was written: another SHA-256")


def is_whole(path: str | Path) -> bool:
    """Return whether a file can be read, and its content is what its seal says if it has one."""
    try:
        _check_seal(path)
    except (OSError, ValueError):
        return False
    return True


def check_heaps(path: str | Path) -> None:
    """Raise a ``ValueError`` if an object in a heap has no size: HDF5 would read it for ever."""
    if not Path(path).stat().st_size:
        return
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for heap in _heaps(file):
            size = int.from_bytes(content[heap + 8 : heap + 16], "little")
            place, end = heap + 16, min(heap + size, len(content)) - 16
            while place <= end:
                number, length = struct.unpack_from("<H6xQ", content, place)
                step = (16 + -(-length // 8) * 8) % 2**64 if number else length
                if not step:
                    raise ValueError(f"the heap at byte {heap:,} is damaged")
                place += step


def _heaps(file: BinaryIO) -> Iterator[int]:
    """Yield the bytes of a file at which heaps begin, without mapping it as a whole."""
    end, before = 0, b""
    while block := file.read(SEARCHED):
        content = before + block
        end += len(block)
        yield from (end - len(content) + heap.start() for heap in HEAP.finditer(content))
        before = content[1 - HEAP_BYTES :]


def _check_members(file: h5py.File) -> None:
    """Raise a ``ValueError`` if a member at any depth is a link or claims more than it holds."""
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
