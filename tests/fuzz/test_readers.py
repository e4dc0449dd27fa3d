"""Test that broken and hostile files end in one documented line, in bounded memory and time.

Files are valid ones, changed at random. `pytest tests/fuzz --hypothesis-profile minutes` tries a
thousand changes of each, `long` a million; `coverage_readers.py` looks for those that matter.
"""

import io
import json
import random
import resource
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import edfio
import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from tests.fuzz.coverage_readers import TARGETS, TOKENS, fault, reached, tensors
from tests.fuzz.table import index, variable
from tests.helpers.recordings import make_part, unsealed
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.databases.formats import edf, nsrr_xml
from xsleep.networks import checkpoints, tensorflow
from xsleep.networks.importing import import_weights
from xsleep.staging.hypnograms import read_scoring
from xsleep.staging.montage import Choice
from xsleep.staging.sources import open_source
from xsleep.store import predictions, recordings

MEMORY = 2**30
"""Bytes that a reader may take for a file of some kilobytes."""
SECONDS = 20


@contextmanager
def bounded():
    """Let the block take so much memory and time."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    began = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert time.process_time() - began < SECONDS


def only_documented(read, path):
    """Read a file; whatever it holds, the error is one line that names the file."""
    with bounded():
        found = fault(lambda: read(path), path.stem)
    assert not found, found


def changed(content, draw):
    """A valid file with some bytes replaced, and perhaps the end cut off."""
    made = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(len(made) + 1)
        made[start : start + draw.randint(0, 8)] = draw.choice([*TOKENS, draw.randbytes(2)])
    if not draw.randrange(5):
        del made[draw.randrange(len(made) + 1) :]
    return bytes(made)


@pytest.fixture(scope="module", params=TARGETS)
def target(request, tmp_path_factory):
    """Valid files, what reads a changed one, and where it is."""
    seeds, reads = TARGETS[request.param]
    path = tmp_path_factory.mktemp("target") / "file"
    with reached():
        files = [*seeds()]
        assert any(map(is_read, reads(path, files[0])))
        yield files, reads, path


def is_read(read):
    with suppress(InputError), warnings_of_inputs():
        read()
        return True


@given(st.integers(0, 2**63))
def test_changed_files_end_in_documented_errors(target, seed):
    files, reads, path = target
    draw = random.Random(seed)
    content = changed(draw.choice(files), draw)
    for read in reads(path, content):
        with bounded():
            found = fault(read)
        assert not found, (found, content)


@st.composite
def edited_fields(draw, content, places):
    """Content with some of its fields, each of which keeps its width, replaced."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.sampled_from(places))
        new = draw(st.sampled_from(TOKENS) | st.binary(max_size=8))
        made[start : start + length] = new[:length].ljust(length)
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
    source = open_source(path)
    assert len(source.read("EEG", Choice((source.signals[0].label,), "")).values[:])


ANNOTATIONS = [edfio.EdfAnnotation(30 * n, 30, f"Sleep stage {n}") for n in range(2)]
PLACES = [*edf_fields(2)]


@given(st.data())
def test_edf(tmp_path, data):
    path = tmp_path / "file.edf"
    path.write_bytes(data.draw(edited_fields(edf_file(tmp_path, ANNOTATIONS), PLACES)))
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


@pytest.mark.parametrize("stretch", (b"0,1e300,W", b"1e300,30,W", b"0,99999999,W", b"-1e9,30,W"))
def test_a_stage_that_lasts_for_ages_takes_no_memory(tmp_path, stretch):
    path = tmp_path / "file.csv"
    path.write_bytes(b"onset,duration,stage\n" + stretch + b"\n30,30,N2\n")
    only_documented(read_scoring, path)


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
    with pytest.raises(InputError, match=f"^{path}: [^\n]*$"), bounded():
        nsrr_xml.recording_start(path)


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


def import_npz(path):
    import_weights(path, path.with_suffix(".safetensors"))


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
def network():
    return tensors()


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(data=st.data())
def test_metadata(tmp_path, network, data):
    values, facts = network
    group = data.draw(st.sampled_from([facts, facts["network"]]))
    change = {data.draw(st.sampled_from(sorted(group))): data.draw(anything)}
    made = facts | change if group is facts else facts | {"network": group | change}
    path = tmp_path / "file.safetensors"
    path.write_bytes(save(values, {"xsleep": json.dumps(made)}))
    only_documented(checkpoints.load, path)


def read_tensorflow(path):
    tensorflow.read_checkpoint(path.with_suffix(""))


def write_tensorflow(folder, table):
    (folder / "file.data-00000-of-00001").write_bytes(bytes(24))
    (folder / "file.index").write_bytes(table)
    return folder / "file.index"


def test_a_tensorflow_checkpoint_is_what_it_is(tmp_path):
    path = write_tensorflow(tmp_path, index(variable()))
    found = tensorflow.read_checkpoint(path.with_suffix(""))
    assert found["seqsleepnet/W"].shape == (2, 3)


numbers = st.sampled_from([0, 1, 3, 24, 25, 2**31, 2**63, 2**64 - 1, 2**100])


@given(st.builds(variable, st.lists(numbers, max_size=3), numbers, numbers))
def test_tensorflow_entries(tmp_path, entry):
    only_documented(read_tensorflow, write_tensorflow(tmp_path, index(entry)))


def test_a_tensorflow_number_that_does_not_end_takes_no_time(tmp_path):
    table = b"\xff" * 100_000 + index(variable())[-tensorflow.FOOTER :]
    only_documented(read_tensorflow, write_tensorflow(tmp_path, table))
