"""Coverage-guided fuzzing of the entry points for files, with atheris (Python 3.11 to 3.13).

    python tests/fuzz/coverage_readers.py TARGET FOLDER [-max_total_time=600 and other options]

Inputs begin with valid files, which the functions here make, and are kept in FOLDER/corpus where
they reach new lines. An error other than one line of `InputError` is a finding: its input is saved
in FOLDER/findings once for each place in the code where it arises, and fuzzing goes on. More memory
or time than the limits ends the run, with the input in FOLDER. `make fuzz` runs every target for a
minute. A core tries 300 to 4,000 inputs a second, of which TMPDIR=/dev/shm keeps the files off the
disk; -runs=1000000 ends after so many.
"""

import argparse
import contextlib
import functools
import io
import json
import re
import struct
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[2]
APART = b"\n====\n"
"""What stands between the files of an input."""

TOKENS = [b"-1", b"0", b"1e9", b"1e308", b"nan", b"-inf", b"99999999", b"1_0", b"\xff\xfe", b"\0"]
TOKENS += [b"\xc2\xb2", b"'", b"<", b"$(touch x)", b"../x", b"=1", APART, b"[", b"{", b"&a ", b"*a"]
LONGEST = 2000
"""Characters of a message."""


def edf_seeds():
    from tests.databases.raw_edf import annotations, signal, write

    stages = (b"+%d\x14\x14\0+%d\x1530\x14Sleep stage W\x14\0" % (n, 30 * n) for n in range(3))
    lists = annotations(*stages)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.edf"
        yield write(path, signal(rate=100, seconds=3), lists, reserved="EDF+C").read_bytes()
        yield write(path, signal(rate=100, seconds=3), lists, reserved="EDF+D").read_bytes()
        yield write(path, signal(rate=100, seconds=2), bits=24).read_bytes()


def read_edf(path, content):
    path = path.with_suffix(".edf")
    path.write_bytes(content)
    yield from read_recording(path)


def read_recording(path):
    from xsleep.staging.hypnograms import read_scoring
    from xsleep.staging.montage import Choice
    from xsleep.staging.sources import open_source

    yield lambda: read_scoring(path)

    def signals():
        source = open_source(path)
        for signal in source.signals[:1]:
            source.read("EEG", Choice((signal.label,), "")).values[:9999]

    yield signals


BRAIN_VISION = b"""Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
DataFile=file.eeg
MarkerFile=file.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=1
SamplingInterval=10000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=C4-M1,,0.1,uV
====
Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
DataFile=file.eeg
[Marker Infos]
Mk1=New Segment,,1,1,0,20200201220000000000
Mk2=Comment,N2,100,1,0
"""


def mne_seeds():
    import mne
    import numpy as np

    raw = mne.io.RawArray(np.zeros((1, 300)), mne.create_info(["C4"], 100, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations([0, 1], [1, 1], ["W", "N2"]))
    with tempfile.TemporaryDirectory() as folder:
        raw.save(path := Path(folder) / "x_raw.fif", verbose="error")
        yield path.read_bytes()
    yield BRAIN_VISION


def read_mne(path, content):
    if content.startswith(BRAIN_VISION[:5]):
        content, _, marks = content.partition(APART)
        path.with_suffix(".vmrk").write_bytes(marks)
        path.with_suffix(".eeg").write_bytes(bytes(600))
    path = path.with_name("file.vhdr" if content.startswith(BRAIN_VISION[:5]) else "file_raw.fif")
    path.write_bytes(content)
    yield from read_recording(path)


XML = b"""<?xml version="1.0"?><PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0.0</Start><Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 2 sleep|2</EventConcept>
<Start>30.0</Start><Duration>90.0</Duration></ScoredEvent>
<ScoredEvent><EventConcept>Recording Start Time</EventConcept>
<ClockTime>00.00.00 21.45.00</ClockTime></ScoredEvent></ScoredEvents></PSGAnnotation>"""
PROFUSION = b"""<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages>
<SleepStage>0</SleepStage><SleepStage>2</SleepStage><SleepStage>5</SleepStage>
<SleepStage>9</SleepStage></SleepStages></CMPStudyConfig>"""


def xml_seeds():
    return [XML, PROFUSION]


def read_xml(path, content):
    from xsleep.databases.formats import nsrr_xml

    path = path.with_suffix(".xml")
    path.write_bytes(content)
    yield lambda: nsrr_xml.read_hypnogram(path, 120)
    yield lambda: nsrr_xml.recording_start(path)


def hypnogram_seeds():
    rows = [(30 * n, stage) for n, stage in enumerate(("W", "N1", "N2", "N3", "REM"))]
    yield b"onset,duration,stage\n" + b"".join(b"%d,30,%s\n" % (o, s.encode()) for o, s in rows)
    yield b"onset;stage\n22:00:00;W\n22:00:30;N2\n23:00:00;R\n"
    yield b"01/02/2020 22:00:00\tWake\n01/02/2020 22:00:30\tStage 2\n"
    yield b"W\nN1\nN2\nN3\nREM\n"
    yield b"0\n1\n2\n3\n5\n"
    yield b'{"SC4001E0": "W38 11 213 M1 ?2 R9"}'


def read_hypnogram(path, content):
    from datetime import datetime

    from xsleep.databases.formats import run_lengths, scorings
    from xsleep.staging.hypnograms import read_scoring

    path = path.with_suffix(".csv")
    path.write_bytes(content)
    yield lambda: read_scoring(path, 150)
    yield lambda: scorings.read_csv(path, 30, 150)
    yield lambda: scorings.read_csv(path, 30, 150, start=datetime(2020, 2, 1, 22))
    yield lambda: scorings.read_lines(path, 30, 150)
    yield lambda: [run_lengths.as_annotations(path, *one) for one in run_lengths.read(path).items()]


WFDB = ("C3-M2", "C4-M1")
"""Signals of a record, the first of which is read; each more takes time."""


def wfdb_seeds():
    from tests.databases import test_physio2018

    with patch.object(test_physio2018, "NAMES", WFDB), tempfile.TemporaryDirectory() as folder:
        notes = [(0, "W"), (1, "N2"), (1, "(resp_hypopnea"), (1, "resp_hypopnea)")]
        record = test_physio2018.write_record(Path(folder), notes=notes, epochs=2)
        files = [record / f"{record.name}.{kind}" for kind in ("hea", "arousal", "mat")]
        header, marks, signals = (file.read_bytes() for file in files)
    yield APART.join((header, marks, signals[:24]))


def read_wfdb(path, content):
    from tests.databases.test_physio2018 import physio2018

    header, marks, signals = (*content.split(APART), b"", b"")[:3]
    record = path.with_name("tr03-0005") / "tr03-0005"
    record.parent.mkdir(exist_ok=True)
    samples = bytes(len(WFDB) * 2 * 12_000)  # not in the input; as many as the seed has
    for suffix, part in ((".hea", header), (".arousal", marks), (".mat", signals + samples)):
        record.with_suffix(suffix).write_bytes(part)
    database = physio2018(record.parents[1])
    yield lambda: database.read(database.entries()[0], ("EEG",))


def store_seeds():
    import numpy as np

    from tests.helpers.recordings import unsealed
    from xsleep.store import predictions, recordings

    places = np.arange(2)
    info = recordings.RecordingInfo("night", "0", places, 30.0 * places, places)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "night.h5"
        recordings.write_epochs(path, info, {"EEG": np.zeros((2, 3), "f4")})
        yield unsealed(path)
        recordings.write_index(path, [recordings.Stored(info, offsets={"signals/EEG": 9})])
        yield unsealed(path)
        found = predictions.Prediction("a", "0", info.places, info.stages, {"joint": np.eye(5)[:2]})
        predictions.write_predictions(path, [found], ("remark",))
        yield unsealed(path)


def read_store(path, content):
    from xsleep.store import predictions, recordings

    path = path.with_suffix(".h5")
    path.write_bytes(content)
    if b"ends" in content:
        yield lambda: recordings.read_index(path)
    elif b"signals" in content:
        yield lambda: recordings.read_info(path)
        yield lambda: recordings.read_signals(path)
    else:
        yield lambda: predictions.read_predictions(path)
        yield lambda: predictions.read_remarks(path)


def arrays():
    from tests.tensorflow.networks import FOLDER
    from xsleep.networks.tensorflow import read_checkpoint

    return read_checkpoint(FOLDER / "fcnnrnn_2chan" / "checkpoint" / "best_model")


def npz(**values):
    import numpy as np

    np.savez(made := io.BytesIO(), **values)  # not compressed, so that changes reach the arrays
    return made.getvalue()


def npz_seeds():
    import numpy as np

    yield npz(**arrays())
    yield npz(
        **{"seqsleepnet/filterbank-layer-eeg/W": np.zeros((129, 0)), "x/gru_cell/b": np.eye(2)}
    )


def read_npz(path, content):
    from xsleep.networks.importing import import_weights

    path = path.with_suffix(".npz")
    path.write_bytes(content)
    yield lambda: import_weights(path, path.with_suffix(".safetensors"))


def checkpoint_seeds():
    from tests.fuzz.table import index, variable

    yield index(variable()) + APART + bytes(24)
    yield index(variable((), 8, 4)) + APART + bytes(24)


def read_checkpoint(path, content):
    from xsleep.networks.importing import read

    index, _, data = content.partition(APART)
    path.with_suffix(".index").write_bytes(index)
    path.with_suffix(".data-00000-of-00001").write_bytes(data)
    yield lambda: read(path)


def tensors():
    """The tensors of a small network and what its checkpoint says of it."""
    from tests.helpers.recordings import NETWORK
    from xsleep.networks import build

    facts = {"system": "ARNN+RNN", "channels": ["EEG"], "network": NETWORK.model_dump()}
    return dict(build("ARNN+RNN", 1, NETWORK, seed=0).state_dict()), facts


def network_seeds():
    from safetensors.torch import save

    values, facts = tensors()
    content = save(values, {"xsleep": json.dumps(facts)})
    header = content[8 : 8 + struct.unpack("<Q", content[:8])[0]]
    run = {"database": "own", "seed": 1, "fold": 1, "training_subjects": 2, "steps": 9}
    run |= {"seconds": 9.5, "device": "cpu", "best_step": 5, "simulated": False}
    run |= {"labels": {"EEG": ["C4-M1"]}, "inputs": {"a.edf": "0a"}, "outputs": {"history.csv": ""}}
    yield header + APART + json.dumps(run).encode()


def read_network(path, content):
    from xsleep.cli import info

    header, _, run = content.partition(APART)
    path = path.with_suffix(".safetensors")
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(WEIGHTS))
    path.with_name("run.json").write_bytes(run)

    def told():
        with contextlib.redirect_stdout(io.StringIO()):
            info._run(argparse.Namespace(file=path, channels=False))

    yield told


WEIGHTS = 41_148
"""Bytes of the values of the network, which are zeros."""


def prediction_seeds():
    import h5py
    import numpy as np
    import scipy.io

    yield b"recording,epoch,fold,W,N1,N2,N3,REM\na,0,1,0.6,0.1,0.1,0.1,0.1\nb,0,2,1,0,0,0,0\n"
    yield b"\xef\xbb\xbfrecording;epoch;stage\na;0;W\na;1;Stage 2\nb;0;5\n"
    names = {"recording": np.array(["a", "b"]), "epoch": np.arange(2)}
    yield npz(**names, stage=np.arange(2), fold=np.ones(2))
    yield npz(**names, probabilities=np.eye(5)[:2])
    scores = {"yhat": np.arange(1.0, 6), "score": np.eye(5)}
    with h5py.File(made := io.BytesIO(), "w") as file:
        file.update(scores)
    yield made.getvalue()
    for compressed in (False, True):
        scipy.io.savemat(made := io.BytesIO(), scores, do_compression=compressed)
        yield made.getvalue()


def read_predictions(path, content):
    from xsleep.external.files import read_foreign

    kinds = {b"PK": ".npz", b"MA": ".mat", b"\x89H": ".mat"}
    path = path.with_suffix(kinds.get(content[:2], ".csv"))
    path.write_bytes(content)
    yield lambda: read_foreign(path)


def scored_seeds():
    from xsleep.staging.writing import MARKS

    stages = ("W", "N1", "N2", "N3", "REM", "n/a")
    rows = [f"{30 * n}\t30\t{stage}" + "\t0.2" * 7 for n, stage in enumerate(stages)]
    facts = json.dumps({"xsleep": {"start": "2020-02-01T22:00:00"}})
    yield "\n".join([MARKS[".tsv"], *rows, ""]).encode() + APART + facts.encode()


def read_scored(path, content):
    from xsleep.staging.evaluation import compare

    table, _, facts = content.partition(APART)
    path = path.with_suffix(".tsv")
    path.write_bytes(table)
    path.with_suffix(".json").write_bytes(facts)
    path.with_suffix(".csv").write_text("onset;stage\n22:00:00;W\n22:00:30;N2\n22:02:00;R\n")
    yield lambda: compare("file", path, path.with_suffix(".csv"))


def table_seeds():
    yield b"recording,subject,skipped\na,0,\nb,1,'=1 is no stage\n"


def read_tables(path, content):
    from xsleep.core import files
    from xsleep.databases.fetch.servers import LIST, read_list

    for name in ("table.csv", LIST):
        path.with_name(name).write_bytes(content)
    yield lambda: files.read_csv(path.with_name("table.csv"))
    yield lambda: files.read_table(path.with_name("table.csv"))
    yield lambda: read_list(path.parent)


def database_seeds():
    for name in ("own", "SleepEDF-20"):
        text = (ROOT / f"config/databases/{name}.yaml").read_text()
        yield re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).encode()


def read_database(path, content):
    from xsleep.config.databases import DatabaseSettings
    from xsleep.core.settings import read_named

    path = path.with_suffix(".yaml")
    path.write_bytes(content)
    yield lambda: read_named(DatabaseSettings, path.parent, path.stem, {})


def configuration_seeds():
    text = (ROOT / "config/config.yaml").read_text()
    for part in re.findall(r"^\w.*\n(?:[ #].*\n)*", text, re.MULTILINE):
        yield re.sub(r" *#.*\n", "\n", part).encode()
    yield b"database_settings: {own: {source: {folder: a}, folds: {folds: 2}}}"
    yield b"preset_settings: {embedded: {training: {patience: 2}}}\nablation: {system: ARNN+RNN}"
    yield b"predictions: {own: {A: [{file: a.csv, channels: EEG, window: in-bed}]}}"
    yield b"controls: [majority]"


def read_configuration(path, content):
    from xsleep.config.workflow import load
    from xsleep.study.planning import configuration

    path = path.with_suffix(".yaml")
    path.write_text(content.decode(errors="replace"))
    files = [ROOT / "config/config.yaml", path]
    yield lambda: load(configuration(files, ()), ROOT / "config")


TARGETS = {
    "edf": (edf_seeds, read_edf),
    "mne": (mne_seeds, read_mne),
    "hypnograms": (hypnogram_seeds, read_hypnogram),
    "xml": (xml_seeds, read_xml),
    "wfdb": (wfdb_seeds, read_wfdb),
    "store": (store_seeds, read_store),
    "npz": (npz_seeds, read_npz),
    "checkpoints": (checkpoint_seeds, read_checkpoint),
    "networks": (network_seeds, read_network),
    "predictions": (prediction_seeds, read_predictions),
    "scored": (scored_seeds, read_scored),
    "tables": (table_seeds, read_tables),
    "database": (database_seeds, read_database),
    "configuration": (configuration_seeds, read_configuration),
}
"""Name to the functions that return valid files, and that yield what reads a changed one."""


@contextlib.contextmanager
def reached():
    """Let changes reach what is behind checksums, and do not read the same YAML twice."""
    import yaml

    from xsleep.networks import tensorflow

    with contextlib.ExitStack() as stack:
        for owner, name, other in (
            (zipfile.ZipExtFile, "_update_crc", lambda *_: None),
            (tensorflow, "_check", lambda *_: None),
            (yaml, "safe_load", functools.lru_cache(64)(yaml.safe_load)),
        ):
            stack.enter_context(patch.object(owner, name, other))
        yield


def fault(read, name=""):
    """Return where an error that is no line with a name in it arises, and its traceback.

    ``None`` if there is none.
    """
    from xsleep.core.errors import InputError, InputWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", InputWarning)
            warnings.filterwarnings("ignore", "Possible nested set", FutureWarning)
            warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
            read()
    except InputError as error:
        if "\n" not in (line := str(error)) and len(line) < LONGEST and name in line:
            return None
        found = error
    except Exception as error:
        found = error
    else:
        return None
    frames = traceback.extract_tb(found.__traceback__)
    ours = [frame for frame in frames if "/xsleep/" in frame.filename] or frames
    place = f"{Path(ours[-1].filename).stem}-{ours[-1].lineno}-{type(found).__name__}"
    return place, "".join(traceback.format_exception(found))


def main():
    import atheris

    target, folder, *options = sys.argv[1:]
    seeds, reads = TARGETS[target]
    corpus, findings = Path(folder) / "corpus" / target, Path(folder) / "findings"
    for made in (corpus, findings):
        made.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["xsleep", "wfdb"]):
        for number, content in enumerate(seeds()):
            (corpus / f"seed-{number}").write_bytes(content)
        path = Path(tempfile.mkdtemp()) / "file"
        for read in reads(path, b""):
            fault(read)
    tokens = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS)
    words = Path(folder) / "words"
    words.write_text("".join(f'"{token}"\n' for token in tokens))
    seen = set()

    def one(content):
        for read in reads(path, content):
            if (found := fault(read)) and found[0] not in seen:
                seen.add(found[0])
                (findings / f"{target}-{found[0]}").write_bytes(content)
                print(f"FINDING {target} {found[0]}\n{found[1]}", file=sys.stderr, flush=True)

    longest = 2 * max(file.stat().st_size for file in corpus.iterdir())
    limits = ["-rss_limit_mb=3000", "-timeout=20", f"-max_len={longest}", "-print_final_stats=1"]
    limits += [f"-dict={words}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], one)
    with reached():
        atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
