"""Indexes of TensorFlow checkpoints with one variable, made to be changed."""

import struct

import numpy as np

from xsleep.networks import tensorflow


def varint(value):
    low, value = value & 127, value >> 7
    return bytes([low | 128]) + varint(value) if value else bytes([low])


def message(**fields):
    """A protocol buffer of fields ``f1``, ``f2``: numbers or bytes."""
    made = b""
    for name, value in fields.items():
        number = int(name[1:]) << 3
        if isinstance(value, int):
            made += varint(number) + varint(value)
        else:
            made += varint(number | 2) + varint(len(value)) + value
    return made


def index(entry, name=b"seqsleepnet/W"):
    """The table of a variable, whose description is ``entry``, with its checksums."""

    def block(*entries):
        made = b"".join(
            varint(0) + varint(len(key)) + varint(len(value)) + key + value
            for key, value in entries
        )
        return made + struct.pack("<II", 0, 1)

    table, handles = b"", []

    def add(made):
        nonlocal table
        handles.append(varint(len(table)) + varint(len(made)))
        table += made + b"\0" + checksum(made + b"\0")

    add(block((b"", message(f1=1)), (name, entry)))
    add(block())
    add(block((name, handles[0])))
    end = b"".join(handles[1:]).ljust(tensorflow.FOOTER - 8, b"\0")
    return table + end + struct.pack("<Q", tensorflow.MAGIC)


def checksum(content):
    crc = tensorflow.crc32c(np.frombuffer(content, np.uint8))
    return struct.pack("<I", ((crc >> 15 | crc << 17) + tensorflow.MASK) % 2**32)


def variable(shape=(2, 3), offset=0, size=24):
    """A ``BundleEntryProto`` of zeros."""
    dimensions = b"".join(message(f2=message(f1=length)) for length in shape)
    crc = varint(6 << 3 | 5) + checksum(bytes(24))
    return message(f1=1, f2=dimensions, f4=offset, f5=size) + crc
