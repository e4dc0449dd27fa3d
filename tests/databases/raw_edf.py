"""EDF and BDF files written field by field, so that any of them can be what it should not be."""

import numpy as np

WIDTHS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "low": 8,
    "high": 8,
    "first": 8,
    "last": 8,
    "filter": 80,
    "samples": 8,
    "reserved": 32,
}
"""Fields of a signal's header and their bytes, in order (EDF, table of the header record)."""


def signal(label="C4", rate=128, values=None, seconds=30, seed=0, **fields):
    """A signal of one second a data record: integers, and what its header says."""
    if values is None:
        values = np.random.default_rng(seed).normal(0, 1000, rate * seconds).round()
    scale = {"low": -500, "high": 500, "first": -32768, "last": 32767, "unit": "uV"}
    known = {"label": label, "samples": rate} | scale | fields
    return known | {"values": np.asarray(values, int)}


def annotations(*lists):
    """A signal of annotations: for each data record, what its annotation lists hold."""
    records = [text.ljust(2 * (max(map(len, lists)) // 2 + 1), b"\0") for text in lists]
    digital = {"low": -1, "high": 1, "first": -32768, "last": 32767}
    label = {"label": "EDF Annotations", "samples": len(records[0]) // 2}
    return label | digital | {"values": np.frombuffer(b"".join(records), "<i2")}


def write(path, *signals, records=None, bits=16, tail=b"", **fields):
    """Write a file; fields: version, date, time, reserved, promised, duration."""
    counts = [len(s["values"]) // s["samples"] for s in signals if s["samples"]]
    records = max(counts, default=0) if records is None else records
    header = {
        "version": ("0", 8),
        "patient": ("X X X X", 80),
        "recording": ("Startdate X X X X", 80),
        "date": ("01.01.01", 8),
        "time": ("22.00.00", 8),
        "length": (256 * (len(signals) + 1), 8),
        "reserved": ("", 44),
        "promised": (records, 8),
        "duration": (1, 8),
        "count": (len(signals), 4),
    }
    if bits == 24:
        fields = {"version": b"\xffBIOSEMI", "reserved": "24BIT"} | fields
    content = [field(fields.get(name, value), width) for name, (value, width) in header.items()]
    for name, width in WIDTHS.items():
        content += [field(s.get(name, ""), width) for s in signals]
    for record in range(records):
        for s in signals:
            values = s["values"][record * s["samples"] : (record + 1) * s["samples"]]
            wide = np.asarray(values, "<i4").view(np.uint8).reshape(-1, 4)
            content.append(wide[:, : bits // 8].tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(content) + tail)
    return path


def field(value, width):
    given = value if isinstance(value, bytes) else str(value).encode("latin-1")
    assert len(given) <= width
    return given.ljust(width)


def microvolts(signal, bits=16):
    """Return the values of a signal of the default scale, in microvolts."""
    return (signal["values"] + 0.5) * 1000 / (2**bits - 1)
