"""TensorFlow checkpoints (format V2), read without TensorFlow.

A checkpoint is a ``PREFIX.index`` and raw data in ``PREFIX.data-00000-of-00001``, the value of each
variable at an offset. The index is a sorted string table as LevelDB writes it
(https://github.com/google/leveldb/blob/main/doc/table_format.md): blocks of keys, each without what
it shares with the one before, and values that are protocol buffers of type ``BundleEntryProto``
(tensorflow/core/protobuf/tensor_bundle.proto). Nothing in the files is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Singles
from xsleep.core.errors import InputError

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
"""Bytes at the end of a table: two block handles, padding and `MAGIC`."""

FLOAT = 1
"""``DT_FLOAT`` of tensorflow/core/framework/types.proto; the networks have no other variables."""

OPTIMISER = ("/Adam", "/Adam_1")
"""Ends of the names of the optimiser's variables."""


def read_checkpoint(prefix: Path) -> dict[str, Singles]:
    """Read the variables of the network in a checkpoint, without those of the optimiser.

    Args:
        prefix: path of the checkpoint without ``.index``.

    Raises:
        InputError: a file is missing or damaged, or a variable is not of type float32.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    for path in (index, data):
        if not path.is_file():
            raise InputError(f"{path}: no such file; a checkpoint has an .index and a .data file")
    values = np.fromfile(data, np.uint8)
    found = {}
    try:
        for key, entry in _table(index.read_bytes()):
            name = key.decode()
            if "/" in name and not name.endswith(OPTIMISER):
                found[name] = _variable(values, entry)
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise InputError(f"{index}: not a readable checkpoint ({error}); fetch it again") from error
    return found


def _variable(values: NDArray[np.uint8], entry: bytes) -> Singles:
    """Return the variable that a ``BundleEntryProto`` describes."""
    fields = dict(_fields(entry))  # 1 dtype, 2 shape, 3 shard, 4 offset, 5 size
    if fields[1] != FLOAT or 3 in fields:
        raise ValueError("a variable that is not float32, or in a second data file")
    dimensions = [value for number, value in _fields(fields.get(2, b"")) if number == 2]
    shape = [dict(_fields(dimension)).get(1, 0) for dimension in dimensions]
    start, size = fields.get(4, 0), fields[5]
    return np.frombuffer(values[start : start + size].tobytes(), "<f4").reshape(shape).copy()


def _table(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a sorted string table."""
    if len(table) < FOOTER or struct.unpack("<Q", table[-8:])[0] != MAGIC:
        raise ValueError("no table ends there")
    _, place = _handle(table, len(table) - FOOTER)  # of the meta-index
    where, _ = _handle(table, place)
    for _, block in _entries(table, where):
        yield from _entries(table, _handle(block, 0)[0])


def _handle(data: bytes, place: int) -> tuple[slice, int]:
    """Return where a block is, from its handle at ``place``, and the place after the handle."""
    start, place = _varint(data, place)
    size, place = _varint(data, place)
    return slice(start, start + size), place


def _entries(table: bytes, where: slice) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block."""
    block = table[where]
    if table[where.stop] or len(block) != where.stop - where.start:
        raise ValueError("a block that is compressed or cut off")
    (restarts,) = struct.unpack("<I", block[-4:])
    place, end, key = 0, len(block) - 4 * (restarts + 1), b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        size, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own + size
        yield key, block[place - size : place]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and values of the fields of a protocol buffer."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        value: Any
        match tag & 7:
            case 0:
                value, place = _varint(message, place)
            case 2:
                size, place = _varint(message, place)
                value, place = message[place : place + size], place + size
            case 5:
                value, place = message[place : place + 4], place + 4
            case wire:
                raise ValueError(f"a field of wire type {wire}")
        yield tag >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at ``place``, seven bits a byte, and the place after it."""
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
