"""Coverage-guided fuzzing of the entry points for files, with atheris (Python 3.11 to 3.13).

    python tests/fuzz/coverage_readers.py TARGET FOLDER [-max_total_time=600 and other options]

Inputs begin with valid files and are kept where they reach new lines. An error other than one line
of `InputError` is a finding: its input is saved in FOLDER/findings once for each place in the code
where it arises, and fuzzing goes on. More memory or time than the limits ends the run, with the
input in FOLDER. `make fuzz` runs every target for a minute.
"""

import io
import sys
import tempfile
import traceback
import warnings
import zipfile
from pathlib import Path

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
    from xsleep.databases.formats import edf
    from xsleep.databases.formats.channels import Channels

    path = path.with_suffix(".edf")
    path.write_bytes(content)
    yield lambda: edf.read_annotations(path)

    def signals():
        file = edf.open_edf(path, gaps=True)
        edf.read_channels(file, Channels({"EEG": tuple(file.named)[:1] or ("x",)}), ("EEG",))

    yield signals


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


def read_hypnogram(path, content):
    from datetime import datetime

    from xsleep.databases.formats import scorings
    from xsleep.staging.hypnograms import read_scoring

    for suffix in (".csv", ".txt", ".xml"):
        one = path.with_suffix(suffix)
        one.write_bytes(content)
        yield lambda one=one: read_scoring(one, 150)
    yield lambda: scorings.read_csv(path.with_suffix(".csv"), 30, 150)
    start = datetime(2020, 2, 1, 22)
    yield lambda: scorings.read_csv(path.with_suffix(".csv"), 30, 150, start=start)
    yield lambda: scorings.read_lines(path.with_suffix(".txt"), 30, 150)


def wfdb_seeds():
    from tests.databases.test_physio2018 import write_record

    with tempfile.TemporaryDirectory() as folder:
        record = write_record(Path(folder), notes=[(0, "W"), (1, "N2")], epochs=2)
        files = [record / f"{record.name}.{kind}" for kind in ("hea", "arousal", "mat")]
        header, marks, signals = (file.read_bytes() for file in files)
    yield APART.join((header, marks, signals[:24]))


def read_wfdb(path, content):
    from tests.databases.test_physio2018 import physio2018

    header, marks, signals = (*content.split(APART), b"", b"")[:3]
    record = path.with_name("tr03-0005") / "tr03-0005"
    record.parent.mkdir(exist_ok=True)
    samples = bytes(13 * 2 * 12_000)  # not in the input; as many as the seed has
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
        recordings.write_epochs(path, info, {"EEG": np.zeros((2, 3000), "f4")})
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
    readers = recordings.read_info, recordings.read_signals, recordings.read_index
    for read in (*readers, predictions.read_predictions, predictions.read_remarks):
        yield lambda read=read: read(path)


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

    zipfile.ZipExtFile._update_crc = lambda self, data: None
    path = path.with_suffix(".npz")
    path.write_bytes(content)
    yield lambda: import_weights(path, path.with_suffix(".safetensors"))


def checkpoint_seeds():
    from tests.tensorflow.networks import FOLDER

    for name in ("fcnnrnn_2chan", "seqsleepnet_1chan"):
        (index,) = (FOLDER / name / "checkpoint").glob("*.index")
        data = index.with_name(f"{index.stem}.data-00000-of-00001")
        yield index.read_bytes() + APART + data.read_bytes()


def read_checkpoint(path, content):
    from xsleep.networks import tensorflow
    from xsleep.networks.importing import import_weights

    tensorflow._check = lambda *_: None  # a change would hardly ever have the right checksum
    index, _, data = content.partition(APART)
    path.with_suffix(".index").write_bytes(index)
    path.with_suffix(".data-00000-of-00001").write_bytes(data)
    yield lambda: import_weights(path, path.with_suffix(".safetensors"))


def prediction_seeds():
    import numpy as np
    import scipy.io

    yield b"recording,epoch,fold,W,N1,N2,N3,REM\na,0,1,0.6,0.1,0.1,0.1,0.1\nb,0,2,1,0,0,0,0\n"
    yield b"\xef\xbb\xbfrecording;epoch;stage\na;0;W\na;1;Stage 2\nb;0;5\n"
    names = {"recording": np.array(["a", "b"]), "epoch": np.arange(2)}
    yield npz(**names, stage=np.arange(2), fold=np.ones(2))
    yield npz(**names, probabilities=np.eye(5)[:2])
    for compressed in (False, True):
        scores = {"yhat": np.arange(1.0, 6), "score": np.eye(5)}
        scipy.io.savemat(made := io.BytesIO(), scores, do_compression=compressed)
        yield made.getvalue()


def read_predictions(path, content):
    from xsleep.external.files import read_foreign

    zipfile.ZipExtFile._update_crc = lambda self, data: None
    for suffix in (".csv", ".npz", ".mat"):
        one = path.with_suffix(suffix)
        one.write_bytes(content)
        yield lambda one=one: read_foreign(one)


def configuration_seeds():
    config = (ROOT / "config/config.yaml").read_text().splitlines()
    text = "\n".join(line for line in config if not line.lstrip().startswith("#"))
    for name in ("simulated", "SleepEDF-20", "own"):
        yield text.encode() + APART + (ROOT / f"config/databases/{name}.yaml").read_bytes()


def read_configuration(path, content):
    from xsleep.config.databases import DatabaseSettings
    from xsleep.config.workflow import load
    from xsleep.core.settings import parsed, read_named

    selection, _, database = content.decode(errors="replace").partition(APART.decode())
    path.with_suffix(".yaml").write_text(database)
    yield lambda: read_named(DatabaseSettings, path.parent, path.stem, {})

    def whole():
        config = parsed(selection, str(path))
        if isinstance(config, dict):  # of others Snakemake says so
            load(config, ROOT / "config")

    yield whole


TARGETS = {
    "edf": (edf_seeds, read_edf),
    "hypnograms": (hypnogram_seeds, read_hypnogram),
    "xml": (xml_seeds, read_xml),
    "wfdb": (wfdb_seeds, read_wfdb),
    "store": (store_seeds, read_store),
    "npz": (npz_seeds, read_npz),
    "checkpoints": (checkpoint_seeds, read_checkpoint),
    "predictions": (prediction_seeds, read_predictions),
    "configuration": (configuration_seeds, read_configuration),
}
"""Name to the functions that return valid files, and that yield what reads a changed one."""


def fault(read):
    """Return where an undocumented error arises and its traceback; ``None`` if there is none."""
    from xsleep.core.errors import InputError, InputWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", InputWarning)
            warnings.filterwarnings("ignore", "The inplace keyword", DeprecationWarning)
            read()
    except InputError as error:
        if "\n" not in str(error) and len(str(error)) < LONGEST:
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
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
