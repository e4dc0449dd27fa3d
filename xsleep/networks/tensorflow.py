"""TensorFlow checkpoints (format V2), found and read without TensorFlow.

A checkpoint is a ``PREFIX.index`` and raw data in ``PREFIX.data-00000-of-00001`` (or several such
files), the value of each variable at an offset. The index is a sorted string table as LevelDB
writes it (https://github.com/google/leveldb/blob/main/doc/table_format.md): blocks of keys, each
without what it shares with the one before, and values that are protocol buffers: of the empty key
``BundleHeaderProto``, of others ``BundleEntryProto``
(tensorflow/core/protobuf/tensor_bundle.proto). Nothing in the files is executed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Singles
from xsleep.core.errors import InputError, reason

MAGIC = 0xDB4775248B80FB57
FOOTER = 48
"""Bytes at the end of a table: two block handles, padding and `MAGIC`."""

FLOAT = 1
"""``DT_FLOAT`` of tensorflow/core/framework/types.proto; the networks have no other variables."""

MASK = 0xA282EAD8
"""Added to stored checksums, which are rotated by 15 bits before."""

STRETCHES = 512
"""Stretches of data of which the checksum is computed at once; a power of two."""

BITS = np.uint32(1) << np.arange(32, dtype=np.uint32)

CRC_TABLE: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
"""CRC-32C (Castagnoli) of single bytes."""
for _ in range(8):
    CRC_TABLE = np.where(CRC_TABLE & 1, np.uint32(0x82F63B78), np.uint32(0)) ^ CRC_TABLE >> 1

OPTIMISER = ("/Adam", "/Adam_1")
"""Ends of the names of the optimiser's variables."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint: its path without ``.index``, and the names of others in the folder given."""

    prefix: Path
    others: tuple[str, ...] = ()

    @property
    def index(self) -> Path:
        """File of the names, shapes and places of the variables."""
        return self.prefix.with_name(f"{self.prefix.name}.index")

    @property
    def files(self) -> list[Path]:
        """The index and the data files that are there."""
        return [self.index, *sorted(self.prefix.parent.glob(f"{self.prefix.name}.data-*-of-*"))]


def find_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint of a path, or ``None`` if there is none.

    Args:
        path: ``PREFIX``, ``PREFIX.index``, or a folder of checkpoints or with a folder
            ``checkpoint`` of them. Of several in a folder it is the one that its file
            ``checkpoint`` names, or ``best_model``, the copy that the released code tests.

    Raises:
        InputError: nothing tells which of several is meant.
    """
    prefix = path.with_suffix("") if path.suffix == ".index" else path
    if (found := Checkpoint(prefix)).index.is_file():
        return found
    if not path.is_dir():
        return None
    names = sorted(index.name.removesuffix(".index") for index in path.glob("*.index"))
    if not names:
        below = path / "checkpoint"
        return find_checkpoint(below) if below.is_dir() else None
    best = [name for name in names if name in ("best_model", "best_model_acc")]
    for chosen in (_newest(path), best, names):
        if len(taken := [name for name in chosen if name in names]) == 1:
            others = tuple(name for name in names if name not in taken)
            return Checkpoint(path / taken[0], others)
    raise InputError(
        f"{path}: holds the checkpoints {', '.join(names)}, and no file checkpoint that names one "
        "of them; name one"
    )


def _newest(folder: Path) -> Sequence[str]:
    """Return the name in a folder's file ``checkpoint``; its path is of the machine that saved."""
    try:
        text = (folder / "checkpoint").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return re.findall(r'^model_checkpoint_path: ".*?([^/\\"]+)"', text, re.MULTILINE)


def read_checkpoint(prefix: Path) -> dict[str, Singles]:
    """Read the variables of the network in a checkpoint, without those of the optimiser.

    Args:
        prefix: path of the checkpoint without ``.index``.

    Raises:
        InputError: a file is missing or damaged, or a variable is not of type float32.
    """
    index = Checkpoint(prefix).index
    found: dict[str, Singles] = {}
    shards: dict[int, NDArray[np.uint8]] = {}
    count = 1
    try:
        for key, entry in _table(_bytes(index).tobytes()):
            name, fields = key.decode(), dict(_fields(entry))
            if not name:
                count = fields.get(1, 1)  # of BundleHeaderProto
            elif "/" in name and not name.endswith(OPTIMISER):
                shard = fields.get(3, 0)
                if shard not in shards:
                    shards[shard] = _bytes(
                        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{count:05d}")
                    )
                found[name] = _variable(name, shards[shard], fields)
    except InputError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, struct.error) as error:
        raise InputError(
            f"{index}: not a readable checkpoint ({reason(error)}); fetch it again, with its data "
            "file"
        ) from error
    return found


def _bytes(path: Path) -> NDArray[np.uint8]:
    """Return the content of a file of a checkpoint."""
    try:
        return np.fromfile(path, np.uint8)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; a checkpoint has an .index and a .data file"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); fetch it again") from error


def _variable(name: str, data: NDArray[np.uint8], fields: dict[int, Any]) -> Singles:
    """Return the variable that the fields of a ``BundleEntryProto`` describe."""
    # 1 dtype, 2 shape, 4 offset, 5 size, 6 checksum
    if fields[1] != FLOAT:
        raise ValueError(f"variable {name} is not of type float32")
    dimensions = [value for number, value in _fields(fields.get(2, b"")) if number == 2]
    shape = [dict(_fields(dimension)).get(1, 0) for dimension in dimensions]
    start, size = fields.get(4, 0), fields[5]
    values = data[start : start + size]
    if len(values) < size:
        raise ValueError(f"variable {name} ends at byte {start + size:,} of {len(data):,}")
    _check(values, fields[6], f"variable {name}")
    return values.view("<f4").reshape(shape).copy()


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
    _check(table[where.start : where.stop + 1], table[where.stop + 1 : where.stop + 5], "a block")
    (restarts,) = struct.unpack("<I", block[-4:])
    place, end, key = 0, len(block) - 4 * (restarts + 1), b""
    while place < end:
        shared, place = _varint(block, place)
        own, place = _varint(block, place)
        size, place = _varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own + size
        yield key, block[place - size : place]


def _check(data: bytes | NDArray[np.uint8], checksum: bytes, what: str) -> None:
    """Raise a ``ValueError`` if bytes do not have their masked CRC-32C."""
    (masked,) = struct.unpack("<I", checksum)
    rotated = (masked - MASK) % 2**32
    expected = (rotated >> 17 | rotated << 15) % 2**32
    if crc32c(np.frombuffer(data, np.uint8)) != expected:
        raise ValueError(f"{what} is damaged: it has another checksum than when it was saved")


def crc32c(data: NDArray[np.uint8]) -> int:
    """Return the CRC-32C of at least four bytes.

    That of a stretch is linear in its bits, and leading zeros do not count if the register is 0 at
    the start. So the stretches of the data are done at once, beside the 32 single bits followed by
    as many zeros, whose results move that of a stretch across the next one.
    """
    length = -(-len(data) // STRETCHES)
    padded = np.zeros((STRETCHES + 32) * length, np.uint8)
    own = padded[STRETCHES * length - len(data) : STRETCHES * length]
    own[:] = data
    own[:4] ^= 0xFF  # the register is all ones at the start
    state = np.r_[np.zeros(STRETCHES, np.uint32), BITS]
    for column in padded.reshape(-1, length).T:
        state = CRC_TABLE[(state ^ column) & 0xFF] ^ (state >> 8)
    crcs, across = state[:STRETCHES], state[STRETCHES:]
    while len(crcs) > 1:
        crcs = _moved(crcs[::2], across) ^ crcs[1::2]
        across = _moved(across, across)
    return int(crcs[0]) ^ 0xFFFFFFFF


def _moved(crcs: NDArray[np.uint32], across: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return what each CRC becomes, from what each single bit becomes."""
    moved: NDArray[np.uint32] = np.bitwise_xor.reduce(
        np.where(crcs[:, None] & BITS, across, np.uint32(0)), axis=1
    )
    return moved


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
