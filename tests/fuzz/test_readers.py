"""Test that broken and hostile files end in one documented line, in bounded memory and time.

Files are valid ones, changed at random. `pytest tests/fuzz --hypothesis-profile minutes` tries a
thousand changes of each, `long` a million.
"""

import io
import json
import random
import resource
import struct
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path

import edfio
import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field
from safetensors.torch import save

from tests.helpers.recordings import NETWORK, make_part, unsealed
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.settings import Settings, read_named
from xsleep.databases.formats import edf, nsrr_xml
from xsleep.databases.formats.channels import Channels
from xsleep.external.files import read_foreign
from xsleep.networks import build, checkpoints
from xsleep.networks import tensorflow as tensorflow_files
from xsleep.networks.importing import import_weights
from xsleep.staging.hypnograms import read_scoring
from xsleep.staging.montage import Choice
from xsleep.staging.sources import open_source
from xsleep.store import predictions, recordings

MEMORY = 2**30
"""Bytes that a reader may take for a file of some kilobytes."""
SECONDS = 20

HOSTILE = [b"-1", b"0", b"1e9", b"1e308", b"nan", b"-inf", b"99999999", b"1_0", b"\xff\xfe", b"\0"]
HOSTILE += ["²".encode(), b"'", b'"', b"<", b"&lol;", b"$(touch x)", b"../x", b"=1+1", b"\n", b""]


@contextmanager
def bounded():
    """Let the block take so much memory and time; warnings other than of inputs are errors."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    began = time.process_time()
    try:
        with warnings_of_inputs() as told:
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert time.process_time() - began < SECONDS
    assert not any("\n" in line for line in told)


def only_documented(read, path):
    """Read a file; whatever it holds, the error is one line that names the file."""
    try:
        with bounded():
            read(path)
    except InputError as error:
        line = str(error)
        assert "\n" not in line and len(line) < 2000, line
        assert path.stem in line, line


@st.composite
def changed(draw, content, places=None):
    """Content that is cut, and has some stretches replaced."""
    made = bytearray(content)
    places = places or [(0, len(content))]
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.sampled_from(places))
        if draw(st.booleans()) or (start, length) == (0, len(content)):
            start += draw(st.integers(0, max(length - 1, 0)))
            length = draw(st.integers(0, 8))
        new = draw(st.sampled_from(HOSTILE) | st.binary(max_size=8))
        if places != [(0, len(content))]:  # fields keep their width
            new = new[:length].ljust(length)
        made[start : start + length] = new
    if draw(st.integers(0, 4)) == 0:
        del made[draw(st.integers(0, len(made))) :]
    return bytes(made)


def edf_fields(count):
    """Place and width of each field in the header of an EDF file of so many signals."""
    place = 0
    for width in edf.MAIN_HEADER.values():
        yield place, width
        place += width
    for width in edf.SIGNAL_HEADER.values():
        for _ in range(count):
            yield place, width
            place += width


def edf_file(folder, annotations=()):
    values = 100 * np.sin(np.arange(6000) / 7)
    signal = edfio.EdfSignal(
        values, 100, label="C4-M1", physical_dimension="uV", physical_range=(-500, 500)
    )
    path = folder / "seed.edf"
    edfio.Edf([signal], annotations=annotations, data_record_duration=10).write(path)
    content = path.read_bytes()
    path.unlink()
    return content


def read_edf(path):
    edf.read_annotations(path)
    file = edf.open_edf(path)
    edf.read_channels(file, Channels({"EEG": tuple(file.named)[:1] or ("x",)}), ("EEG",))
    source = open_source(path)
    source.read("EEG", Choice((source.signals[0].label,), ""))


ANNOTATIONS = [edfio.EdfAnnotation(30 * n, 30, f"Sleep stage {n}") for n in range(2)]
PLACES = [*edf_fields(2)]


@given(st.data())
def test_edf(tmp_path, data):
    path = tmp_path / "file.edf"
    path.write_bytes(data.draw(changed(edf_file(tmp_path, ANNOTATIONS), PLACES)))
    only_documented(read_edf, path)
    only_documented(read_scoring, path)


def edited(content, **fields):
    """An EDF file of one signal with fields of its header replaced."""
    names = [*edf.MAIN_HEADER, *edf.SIGNAL_HEADER]
    widths = [*edf.MAIN_HEADER.values(), *edf.SIGNAL_HEADER.values()]
    made = bytearray(content)
    for name, value in fields.items():
        number = names.index(name.replace("_", " "))
        start = sum(widths[:number])
        made[start : start + widths[number]] = value.encode().ljust(widths[number])
    return bytes(made)


@pytest.mark.parametrize(
    "fields",
    [
        {"signals": "999999999"},
        {"signals": "9999", "length": "2560000"},
        {"record_seconds": "1000000"},
        {"records": "99999999"},
        {"records": "-1", "record_seconds": "1e-300"},
        {"samples": "99999999"},
        {"samples": "9999999", "record_seconds": "0.0001"},
    ],
    ids=str,
)
def test_a_header_that_claims_more_than_the_file_holds(tmp_path, fields):
    path = tmp_path / "file.edf"
    path.write_bytes(edited(edf_file(tmp_path), **fields))
    only_documented(read_edf, path)


def test_a_small_file_with_a_gap_of_weeks_takes_no_memory(tmp_path):
    """With the gap filled, the signal at 20 kHz would be 80 GB."""
    values = 100 * np.sin(np.arange(4000.0))
    signal = edfio.EdfSignal(
        values, 20_000, label="C4-M1", physical_dimension="uV", physical_range=(-500, 500)
    )
    path = tmp_path / "file.edf"
    edfio.Edf([signal], annotations=ANNOTATIONS[:1], data_record_duration=0.1).write(path)
    late = b"+999999\x14\x14"
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D")
    path.write_bytes(content.replace(b"+0.1\x14\x14".ljust(len(late), b"\0"), late))
    source = open_source(path)
    with pytest.raises(InputError, match=r"its gaps are nearly all of 999999 s, .*"), bounded():
        source.read("EEG", Choice(("C4-M1",), ""))


CSV = b"""onset,duration,stage
0,30,W
30,30,N1
60,30,N2
90,30,N3
120,30,REM
"""
LINES = b"W\nN1\nN2\nN3\nREM\n" * 3
XML = b"""<?xml version="1.0"?>
<PSGAnnotation><ScoredEvents>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0.0</Start><Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 2 sleep|2</EventConcept>
<Start>30.0</Start><Duration>600.0</Duration></ScoredEvent>
<ScoredEvent><EventConcept>Recording Start Time</EventConcept>
<ClockTime>00.00.00 21.45.00</ClockTime></ScoredEvent>
</ScoredEvents></PSGAnnotation>
"""


@given(content=changed(CSV) | changed(LINES) | changed(XML) | st.binary(max_size=300))
@pytest.mark.parametrize("suffix", ("csv", "txt", "xml"))
def test_hypnograms(tmp_path, suffix, content):
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(content)
    only_documented(read_scoring, path)


@pytest.mark.parametrize("stretch", (b"0,1e300,W", b"1e300,30,W", b"0,99999999,W", b"-1e9,30,W"))
def test_a_stage_that_lasts_for_ages_takes_no_memory(tmp_path, stretch):
    path = tmp_path / "file.csv"
    path.write_bytes(b"onset,duration,stage\n" + stretch + b"\n30,30,N2\n")
    only_documented(read_scoring, path)


def read_xml(path):
    nsrr_xml.read_hypnogram(path, 3600)
    nsrr_xml.recording_start(path)


@given(changed(XML) | changed(XML.replace(b"PSGAnnotation", b"CMPStudyConfig")))
def test_xml(tmp_path, content):
    path = tmp_path / "file.xml"
    path.write_bytes(content)
    only_documented(read_xml, path)


ENTITIES = b"".join(b'<!ENTITY e%d "%s">' % (n + 1, b"&e%d;" % n * 10) for n in range(12))


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE x [<!ENTITY e0 "lol">%s]><PSGAnnotation>&e12;</PSGAnnotation>' % ENTITIES,
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><PSGAnnotation>&e;</PSGAnnotation>',
        b"<a>" * 100_000,
    ],
    ids=("billion laughs", "another file", "deep"),
)
def test_entities_and_depth_of_xml_are_refused(tmp_path, content):
    path = tmp_path / "file.xml"
    path.write_bytes(content)
    only_documented(read_xml, path)
    with pytest.raises(InputError):
        read_xml(path)


class Files(dict):
    """Contents of files, which a failing test does not show."""

    def __repr__(self):
        return ", ".join(self)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Files of the store by the functions that read them, with little in them."""
    folder = tmp_path_factory.mktemp("store")
    part = make_part(folder, epochs=2)
    stored = recordings.read_stored(folder / "night.h5", folder / "night-tf.h5")
    recordings.write_index(folder / "index.h5", [stored])
    night = predictions.Prediction(
        "night", "0", part.info.places, part.info.stages, {"joint": np.zeros((2, 5))}
    )
    predictions.write_predictions(folder / "predictions.h5", [night])
    paths = {"info": "night.h5", "signals": "night.h5", "index": "index.h5"}
    paths |= {"predictions": "predictions.h5"}
    return Files({name: unsealed(folder / path) for name, path in paths.items()})


READERS = {
    "info": recordings.read_info,
    "signals": recordings.read_signals,
    "index": recordings.read_index,
    "predictions": predictions.read_predictions,
}


@pytest.mark.parametrize("kind", READERS)
@settings(settings.get_profile("short"))
@given(seed=st.integers(0, 2**63))
def test_hdf5(tmp_path, stored, kind, seed):
    """In every profile the same few: about one in a thousand makes HDF5 itself run for ever."""
    chance, made = random.Random(seed), bytearray(stored[kind])
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(made))
        new = chance.choice([chance.randbytes(1), chance.randbytes(8), b"\xff" * 8, bytes(8)])
        made[start : start + len(new)] = new
    if chance.random() < 0.1:
        del made[chance.randrange(len(made)) :]
    path = tmp_path / "file.h5"
    path.write_bytes(made)
    only_documented(READERS[kind], path)


VALUES = [0, -1, 1.5, b"\xff", "text", "[1]", "{}", "null", [1, 2], [[0.5]], h5py.Empty("f4")]


@pytest.mark.parametrize("kind", READERS)
@given(
    place=st.integers(0, 50),
    attribute=st.none() | st.integers(0, 50),
    value=st.none() | st.sampled_from(VALUES),
)
def test_hdf5_of_another_structure(tmp_path, stored, kind, place, attribute, value):
    """A dataset or an attribute is of another type and shape, or not there."""
    path = tmp_path / "file.h5"
    path.write_bytes(stored[kind])
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        group, name = file, names[place % len(names)]
        if attribute is not None:
            group = file[[*names, "/"][place % (len(names) + 1)]].attrs
            name = [*group, "new"][attribute % (len(group) + 1)]
        if name in group:
            del group[name]
        if value is not None:
            group[name] = value
    only_documented(READERS[kind], path)


@pytest.mark.parametrize("name", ("signals/EEG", "places"))
def test_a_dataset_that_claims_to_be_huge_takes_no_memory(tmp_path, stored, name):
    path = tmp_path / "file.h5"
    path.write_bytes(stored["info"])
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, (10**10,), "f4", chunks=(1000,))
    for kind in ("info", "signals"):
        only_documented(READERS[kind], path)


@pytest.mark.parametrize("how", ("link", "external", "virtual"))
def test_no_other_file_is_read(tmp_path, stored, how):
    secret, path = tmp_path / "secret.h5", tmp_path / "file.h5"
    for one in (secret, path):
        one.write_bytes(stored["info"])
    with h5py.File(path, "r+") as file:
        del file["signals/EEG"]
        if how == "link":
            file["signals/EEG"] = h5py.ExternalLink(str(secret), "signals/EEG")
        elif how == "external":
            file.create_dataset("signals/EEG", (9,), "u1", external=[(str(secret), 0, 9)])
        else:
            layout = h5py.VirtualLayout((2, 3000), "f4")
            layout[:] = h5py.VirtualSource(secret, "signals/EEG", (2, 3000))
            file.create_virtual_dataset("signals/EEG", layout)
    with pytest.raises(InputError, match=f"^{path}: not a readable HDF5 file"):
        recordings.read_signals(path)


def import_npz(path):
    import_weights(path, path.with_suffix(".safetensors"))


ARRAYS = {"seqsleepnet/W": np.zeros((4, 5), "f4"), "b": np.zeros(3)}


def npz(folder, **arrays):
    np.savez_compressed(folder / "seed.npz", **arrays)
    return (folder / "seed.npz").read_bytes()


@given(st.data())
def test_npz(tmp_path, data):
    path = tmp_path / "file.npz"
    path.write_bytes(data.draw(changed(npz(tmp_path, **ARRAYS))))
    only_documented(import_npz, path)


def test_an_npz_of_many_zeros_takes_no_memory(tmp_path):
    path = tmp_path / "file.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**10,)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(10**6))
    only_documented(import_npz, path)


@pytest.fixture(scope="module")
def checkpoint():
    network = build("ARNN+RNN", 1, NETWORK, seed=0)
    facts = {"system": "ARNN+RNN", "channels": ["EEG"], "network": NETWORK.model_dump()}
    return dict(network.state_dict()), facts


@given(data=st.data())
def test_safetensors(tmp_path, checkpoint, data):
    tensors, facts = checkpoint
    content = save(tensors, {"xsleep": json.dumps(facts)})
    header = 8 + struct.unpack("<Q", content[:8])[0]
    path = tmp_path / "file.safetensors"
    path.write_bytes(data.draw(changed(content[:header])) + content[header:])
    only_documented(checkpoints.load, path)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(data=st.data())
def test_metadata(tmp_path, checkpoint, data):
    tensors, facts = checkpoint
    group = data.draw(st.sampled_from([facts, facts["network"]]))
    change = {data.draw(st.sampled_from(sorted(group))): data.draw(anything)}
    made = facts | change if group is facts else facts | {"network": group | change}
    path = tmp_path / "file.safetensors"
    path.write_bytes(save(tensors, {"xsleep": json.dumps(made)}))
    only_documented(checkpoints.load, path)


class Group(Settings):
    number: int = 0
    words: tuple[str, ...] = ()
    group: dict[str, dict[str, float]] = Field(default_factory=dict)


YAML = b"number: 1\nwords: [a, b]\ngroup:\n  a: {b: 1.5}\n"


def read_yaml(path):
    read_named(Group, path.parent, path.stem, {})


def doubled(group):
    """YAML in which each of 24 keys has twice the one before."""
    lines = (b"%c: &%c " % (n + 1, n + 1) + group % (n, n) for n in range(ord("a"), ord("y")))
    return b"\n".join([b"a: &a [x]", *lines])


@given(changed(YAML) | st.binary(max_size=100))
@example(b"[" * 100_000)
@example(b"{a: " * 100_000)
@example(b"- " * 100_000)
@example(doubled(b"[*%c, *%c]"))
@example(doubled(b"{x: *%c, y: *%c}"))
@example(b"&a {group: *a}")
@example(b"number: 2026-99-99")
@example(b"words: " + b"9" * 10_000)
@example(b"!!python/object/apply:os.system [true]")
@example(b"&a [*a]")
def test_yaml(tmp_path, content):
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    only_documented(read_yaml, path)


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


def tensorflow(entry):
    """The index of a TensorFlow checkpoint with one variable, with its checksums."""

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

    add(block((b"", message(f1=1)), (b"seqsleepnet/W", entry)))
    add(block())
    add(block((b"seqsleepnet/W", handles[0])))
    end = b"".join(handles[1:]).ljust(tensorflow_files.FOOTER - 8, b"\0")
    return table + end + struct.pack("<Q", tensorflow_files.MAGIC)


def checksum(content):
    crc = tensorflow_files.crc32c(np.frombuffer(content, np.uint8))
    return struct.pack("<I", ((crc >> 15 | crc << 17) + tensorflow_files.MASK) % 2**32)


def variable(shape=(2, 3), offset=0, size=24, content=bytes(24)):
    """A ``BundleEntryProto``."""
    dimensions = b"".join(message(f2=message(f1=length)) for length in shape)
    crc = varint(6 << 3 | 5) + checksum(content)
    return message(f1=1, f2=dimensions, f4=offset, f5=size) + crc


def read_tensorflow(path):
    tensorflow_files.read_checkpoint(path.with_suffix(""))


def write_tensorflow(folder, index):
    (folder / "file.data-00000-of-00001").write_bytes(bytes(24))
    (folder / "file.index").write_bytes(index)
    return folder / "file.index"


def test_a_tensorflow_checkpoint_is_what_it_is(tmp_path):
    path = write_tensorflow(tmp_path, tensorflow(variable()))
    found = tensorflow_files.read_checkpoint(path.with_suffix(""))
    assert found["seqsleepnet/W"].shape == (2, 3)


numbers = st.sampled_from([0, 1, 3, 24, 25, 2**31, 2**63, 2**64 - 1, 2**100])


@given(
    entry=st.builds(variable, st.lists(numbers, max_size=3), numbers, numbers) | changed(variable())
)
def test_tensorflow_entries(tmp_path, entry):
    only_documented(read_tensorflow, write_tensorflow(tmp_path, tensorflow(entry)))


@given(changed(tensorflow(variable())))
@example(b"\xff" * 100_000 + tensorflow(variable())[-48:])
def test_tensorflow(tmp_path, index):
    only_documented(read_tensorflow, write_tensorflow(tmp_path, index))


PREDICTED = b"""recording,epoch,fold,W,N1,N2,N3,REM
a,0,1,0.5,0.2,0.1,0.1,0.1
a,1,1,0.5,0.2,0.1,0.1,0.1
b,0,2,0.5,0.2,0.1,0.1,0.1
"""


@given(changed(PREDICTED))
def test_predictions_as_csv(tmp_path, content):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    only_documented(read_foreign, path)


@given(data=st.data())
def test_predictions_as_npz(tmp_path, data):
    path = tmp_path / "file.npz"
    arrays = {"recording": np.array(["a", "b"]), "epoch": np.arange(2), "stage": np.arange(2)}
    path.write_bytes(data.draw(changed(npz(tmp_path, **arrays))))
    only_documented(read_foreign, path)


@given(data=st.data())
def test_predictions_as_matlab(tmp_path, data):
    path = tmp_path / "file.mat"
    scipy.io.savemat(path, {"yhat": np.arange(1.0, 6), "score": np.eye(5)}, do_compression=True)
    path.write_bytes(data.draw(changed(path.read_bytes())))
    only_documented(read_foreign, path)
