"""Predictions of other programs, read from CSV, npz and MATLAB files, or folders of them by fold.

CSV and npz files name the recording and the epoch of each prediction. MATLAB files are those that
the authors' test scripts write, one for each fold, which name neither: their predictions follow
each other in the order of the test recordings.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from reprlib import repr as shown
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from scipy.special import log_softmax, softmax

from xsleep.core.arrays import Doubles, Floats, Integers
from xsleep.core.errors import InputError, reason, warn
from xsleep.core.files import most_unpacked, read_npz
from xsleep.core.stages import STAGES, UNSCORED
from xsleep.staging.hypnograms import labels_of, stage_of
from xsleep.store.hdf5 import check_heaps, member

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 2 * 10**9
"""Largest file in bytes when unpacked; all of SHHS with all probabilities is 500 MB as CSV."""

BLOCK = 2**20
"""Bytes that are read at a time."""

KEYS = ("recording", "epoch", "fold", "stage")
"""Columns of a table, and arrays of an npz file, besides the probabilities."""
TEXTS = ("recording", "stage")
LABELS = {*range(len(STAGES))}
KNOWN = "W, N1, N2, N3, REM or a usual spelling of them, as Wake, S1, Stage 2, NREM3, R"

COMPRESSED = 15
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
NUMERIC = range(6, 16)
"""Types of the elements, and classes of the arrays that are numbers, in a MATLAB file."""

NUMBER = re.compile(r"(?<![a-z0-9])(n|f|fold|cv)?[-_ ]?(\d+)(?![a-z0-9])", re.IGNORECASE)
"""Number of a fold in a name; with the word before it if there are several."""

OUTPUTS = re.compile(r"(joint_)?(score|yhat)[123]?")
"""Variables of the authors' MATLAB files that are read."""

NAMED = 5
"""Recordings that a message names."""


@dataclass(frozen=True)
class Foreign:
    """Predictions of another program for a recording, or for the test recordings of a fold.

    Attributes:
        epochs: (n,) epochs of the hypnogram, from 0; ``None`` where the file names no recordings:
            the epochs of the test recordings of the fold, one recording after the other.
        probabilities: (n, 5) in the order of ``STAGES``; or, of a network of sequences whose file
            names no recordings, (L, m, 5) for the L epochs of m sequences.
        stages: (n,) labels, where there are no probabilities.
        fold: test fold as the file has it.
    """

    epochs: Integers | None = field(repr=False)
    probabilities: Floats | None = field(repr=False)
    stages: Integers | None = field(repr=False)
    fold: int | None
    file: Path


def read_foreign(path: str | Path, classes: Sequence[str] = STAGES) -> dict[str, Foreign]:
    """Read the predictions of another program.

    Recordings and files of a folder that cannot be used are left out with an ``InputWarning``.

    Args:
        path: CSV (also ``.csv.gz``), npz or MATLAB file; or a folder of such files by fold. Its
            number is in the name of a file or, if there is none, of the folder around it, as in
            ``fold-3.csv`` and ``n3/test_ret.mat``.
        classes: order of the stages in an npz or MATLAB file.

    Returns:
        Recording to its predictions; file to predictions where it names no recordings.

    Raises:
        InputError: nothing in it can be used.
    """
    path = Path(path)
    if sorted(classes) != sorted(STAGES):
        raise InputError(f"{path}: classes {', '.join(classes)}; give {', '.join(STAGES)} an order")
    if not path.is_dir():
        return _read(path, classes, None)
    files = [p for p in sorted(path.rglob("*")) if _reader(p) and not p.name.startswith(".")]
    if not files:
        raise InputError(f"{path}: no {', '.join(READERS)} file in it; name another folder")
    found: dict[str, Foreign] = {}
    faults: list[str] = []
    twice: dict[str, tuple[Path, Path]] = {}
    unnamed: dict[int | None, Path] = {}
    for file in files:
        try:
            one = _read(file, classes, fold := _fold(file))
        except InputError as error:
            faults.append(str(error))
            warn(file, f"{str(error).removeprefix(f'{file}: ')}; left out")
            continue
        twice |= {name: (found[name].file, file) for name in one.keys() & found.keys()}
        if str(file) in one and (other := unnamed.setdefault(fold, file)) != file:
            raise InputError(f"{path}: {other} and {file} are both of fold {fold}; take one out")
        found |= one
    for name, (first, second) in sorted(twice.items()):
        warn(second, f"{name} is in {first} too; left out, take one out")
        del found[name]
    if not found:
        raise InputError(faults[0] if faults else f"{path}: all recordings are there twice")
    return found


def _reader(path: Path) -> Callable[[Path, Sequence[str], int | None], dict[str, Foreign]] | None:
    """Return the function that reads a file with such a name."""
    ends = (reader for end, reader in READERS.items() if path.name.lower().endswith(end))
    return next(ends, None)


def _read(path: Path, classes: Sequence[str], fold: int | None) -> dict[str, Foreign]:
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; name predictions")
    if not (reader := _reader(path)):
        raise InputError(f"{path}: not a {', '.join(READERS)} file; name predictions")
    return reader(path, classes, fold)


def _fold(path: Path) -> int | None:
    """Return the number of the fold in the name of a file, or that is the folder's around it."""
    if numbers := NUMBER.findall(path.name):
        called = [number for word, number in numbers if word]
        return int([*(number for _, number in numbers), *called][-1])
    folder = NUMBER.fullmatch(path.parent.name)
    return int(folder[2]) if folder else None


def _read_csv(path: Path, classes: Sequence[str], fold: int | None) -> dict[str, Foreign]:
    import pandas as pd

    try:
        with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
            # Not at once, for which Python would take as much memory as the largest file needs.
            most = most_unpacked(path, LARGEST)
            blocks = islice(iter(lambda: file.read(BLOCK), b""), most // BLOCK + 1)
            content = b"".join(blocks)
        if len(content) > most:
            raise InputError(
                f"{path}: unpacks to more than {most / 1e9:.1f} GB; divide it into files by fold"
            )
        lines = [line.decode("utf-8-sig") for line in content.split(b"\n", 2)[:2]]
        separator = max(",;\t", key=lines[0].count)
        form: dict[str, Any] = {
            "sep": separator,
            "decimal": "," if separator != "," and "," in lines[-1] else ".",
            "encoding": "utf-8-sig",
            "skipinitialspace": True,
            "na_filter": False,
        }
        headings = pd.read_csv(io.BytesIO(content), nrows=0, **form).columns
        texts = [name for name in headings if name.strip().casefold() in TEXTS]
        table = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(texts, str), **form)
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not readable as CSV ({reason(error)}); write it again") from None
    if not isinstance(table.index, pd.RangeIndex):  # the first columns, which have no heading
        raise InputError(f"{path}: rows have more values than headings; give each value one")
    return _by_recording(path, _named(path, table), fold)


def _named(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that are read: those of ``KEYS``, and of the stages by their labels."""
    names: dict[str, str | int] = {}
    for heading in table.columns:
        key = heading.strip().casefold()
        name = key if key in KEYS else stage_of(heading)
        if name is None or name == UNSCORED:
            continue
        if name in names.values():
            raise InputError(f"{path}: two columns for {_called(name)}; take one out")
        names[heading] = name
    wanted: set[str | int] = {"recording", "epoch"}
    if "stage" not in names.values() or LABELS & {*names.values()}:
        wanted |= LABELS
    if missing := sorted(map(_called, wanted - {*names.values()})):
        raise InputError(
            f"{path}: no column {', '.join(missing)} but {', '.join(map(shown, table.columns[:9]))}"
            f"; name the columns recording, epoch, and {', '.join(STAGES)} or stage"
        )
    return table[[*names]].rename(columns=names)


def _called(name: str | int) -> str:
    return STAGES[name] if isinstance(name, int) else name


def _read_npz(path: Path, classes: Sequence[str], fold: int | None) -> dict[str, Foreign]:
    import pandas as pd

    arrays = {
        name: values.astype(values.dtype.newbyteorder("="), copy=False)
        for name, values in read_npz(path, LARGEST).items()
    }
    if not {"recording", "epoch"} <= arrays.keys() or not {"probabilities", "stage"} & {*arrays}:
        raise InputError(
            f"{path}: has the arrays {', '.join(arrays) or 'none'}; give it recording, epoch, and "
            "probabilities or stage"
        )
    count = arrays["epoch"].shape[:1]
    for name in (*KEYS, "probabilities"):
        shape = count + (len(STAGES),) * (name == "probabilities")
        if name in arrays and (arrays[name].shape != shape or not count):
            raise InputError(
                f"{path}: {name} of shape {arrays[name].shape}, epoch of {arrays['epoch'].shape}; "
                f"give it {shape or 'a value for each epoch'}"
            )
    try:
        table = pd.DataFrame({name: arrays[name] for name in KEYS if name in arrays})
    except SystemError as error:  # text with characters that there are not
        raise InputError(f"{path}: not readable ({reason(error)}); write it again") from None
    for name in {*TEXTS} & {*table}:
        if arrays[name].dtype.kind == "S":
            table[name] = np.char.decode(arrays[name], "utf-8", "replace")
    if "stage" in table and arrays["stage"].dtype.kind in "iu":
        number = table["stage"]
        table["stage"] = number.map(dict(enumerate(classes))).fillna("place " + number.astype(str))
    if "probabilities" in arrays:
        table[[STAGES.index(stage) for stage in classes]] = arrays["probabilities"]
    return _by_recording(path, table.astype({n: str for n in TEXTS if n in table}), fold)


def _by_recording(path: Path, table: pd.DataFrame, fold: int | None) -> dict[str, Foreign]:
    """Return the predictions of each recording in a table, whose columns are as of `_named`."""
    import pandas as pd

    given = sorted(LABELS & {*table})
    for name in ("epoch", "fold"):
        if name in table:
            values = pd.to_numeric(table[name], errors="coerce").astype(float)
            whole = (values % 1 == 0) & (values.abs() < 2**31)
            table = _right(path, table, whole, f"{name} {{{name}}} is no whole number")
            table[name] = values.loc[table.index].astype(int)
    if "fold" in table:
        one = table.groupby("recording")["fold"].transform("nunique") == 1
        table = _right(path, table, one, "fold {fold} is one of several")
    for label in given:
        table[label] = pd.to_numeric(table[label], errors="coerce")
    if "stage" in table:
        labels = labels_of(path, table["stage"].unique())
        right = table["stage"].isin(list(labels))
        table = _right(path, table, right, f"stage {{stage}} is not known; write {KNOWN}")
        table["stage"] = table["stage"].map(labels)
        if not given:
            table = table[table["stage"] != UNSCORED]
        elif other := (table["stage"] != table[given].to_numpy().argmax(axis=1)).sum():
            warn(
                path,
                f"in {other} of {len(table)} epochs stage is not the most probable one; the "
                "probabilities are used",
            )
    return {
        str(name): Foreign(
            rows["epoch"].to_numpy(int),
            rows[given].to_numpy(float) if given else None,
            None if given else rows["stage"].to_numpy(int),
            int(rows["fold"].iloc[0]) if "fold" in rows else fold,
            path,
        )
        for name, rows in table.groupby("recording", sort=False)
    }


def _printed(value: Any) -> Any:
    """Return a value of a cell, quoted and shortened if it does not fit into a line."""
    text = str(value)
    return value if text.isprintable() and len(text) <= 100 else shown(text)


def _right(path: Path, table: pd.DataFrame, right: pd.Series[bool], fault: str) -> pd.DataFrame:
    """Return a table without the recordings that have a wrong row; tell the first one's fault.

    Raises:
        InputError: no recording is left.
    """
    if right.all() and len(table):
        return table
    if table.empty:
        raise InputError(f"{path}: no predictions in it; write them again")
    first = table[~right].iloc[0]
    row = int(table.index.to_numpy()[~right][0]) + 1
    printed = {key: _printed(value) for key, value in first.items()}
    where = f"row {row}, {printed['recording']}: {fault.format_map(printed)}"
    names = table.loc[~right, "recording"].unique()
    kept = table[~table["recording"].isin(names)]
    if kept.empty:
        raise InputError(f"{path}: {where}")
    warn(path, f"{where}; left out: {some(names)}")
    return kept


def some(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    first, more = (every := list(names))[:NAMED], len(every) - NAMED
    return ", ".join(first) + (f" and {more:,} more" if more > 0 else "")


def _read_mat(path: Path, classes: Sequence[str], fold: int | None) -> dict[str, Foreign]:
    """Return the predictions in a MATLAB file of one fold, by its path.

    ``score`` are logits or probabilities: (n, 5) of n epochs, or (L, m, 5) of the L epochs of m
    sequences. Of a network with three outputs, ``score1`` to ``score3`` (n, 5) are of the epoch
    before, of the epoch and of the next, and the three probabilities of an epoch are multiplied,
    over the edges of recordings too, as in the authors' evaluation. Of an XSleepNet the joint
    output is read. ``yhat`` is the place in ``classes`` from 1; it is read where there is no
    ``score``, and compared with it otherwise.
    """
    found = _outputs(path)
    joint = "joint_" * ("joint_score" in found)
    tasks = ["1", "2", "3"] if "score2" in found else [""]
    if joint + "score" + tasks[0] not in found:
        return {str(path): Foreign(None, None, _numbered(path, found, classes), fold, path)}
    logs = [
        _log_probabilities(path, found, f"{joint}score{task}", f"{joint}yhat{task}")
        for task in tasks
    ]
    order = [classes.index(stage) for stage in STAGES]
    values = np.exp(logs[0][..., order])
    if len(logs) > 1:
        if len({one.shape for one in logs}) > 1:
            raise InputError(f"{path}: score1 to score3 are not of equal shape; save them again")
        before, own, after = (one[..., order] for one in logs)
        with np.errstate(invalid="ignore"):
            own[:-1] += before[1:]
            own[1:] += after[:-1]
            values = softmax(own, axis=1)
    return {str(path): Foreign(None, values, None, fold, path)}


def _log_probabilities(path: Path, found: Mapping[str, Doubles], name: str, called: str) -> Doubles:
    """Return the logarithms of the probabilities that a variable holds, or whose logits it does."""
    score = found.get(name, np.empty(0))
    sequences = name in ("score", "joint_score") and score.ndim == 3
    if not (score.ndim == 2 or sequences) or score.shape[-1] != len(STAGES):
        raise InputError(
            f"{path}: {name} of shape {score.shape}; it is (epochs, {len(STAGES)}) or, of "
            f"sequences, (epochs of one, sequences, {len(STAGES)})"
        )
    if called in found:
        yhat = found[called]
        if yhat.size != score[..., 0].size:
            raise InputError(
                f"{path}: {called} of shape {yhat.shape}, {name} of {score.shape}; save both of "
                "one network"
            )
        yhat = yhat.reshape(score.shape[:-1])
        if other := np.count_nonzero(yhat != score.argmax(axis=-1) + 1):
            raise InputError(
                f"{path}: {called} is not the highest of {name}, counted from 1, in {other:,} of "
                f"{yhat.size:,} predictions; save both of one network"
            )
    with np.errstate(divide="ignore", invalid="ignore"):  # `placed` tells what is not finite
        if (score >= 0).all() and (score <= 1).all():
            return np.log(score)
        found_logs: Doubles = log_softmax(score, axis=-1)
        return found_logs


def _numbered(path: Path, found: Mapping[str, Doubles], classes: Sequence[str]) -> Integers:
    """Return the stages of ``yhat``, which counts the classes from 1."""
    if "yhat" not in found or found["yhat"].size != max(found["yhat"].shape, default=0):
        raise InputError(
            f"{path}: no score and no yhat of single epochs; name the file that a test script of "
            "the authors saved"
        )
    yhat = found["yhat"].ravel()
    if not np.isin(yhat, range(1, len(STAGES) + 1)).all():
        raise InputError(f"{path}: yhat is not 1 to {len(STAGES)} everywhere; save it again")
    labels = np.array([STAGES.index(stage) for stage in classes])
    found_stages: Integers = labels[yhat.astype(int) - 1]
    return found_stages


def _outputs(path: Path) -> dict[str, Doubles]:
    """Return the variables of a MATLAB file that `OUTPUTS` matches, as they are in MATLAB."""
    _check_size(path, path.stat().st_size)
    try:
        if h5py.is_hdf5(path):
            check_heaps(path)
            with h5py.File(path) as file:
                chosen = {n: member(file, n) for n in file if OUTPUTS.fullmatch(n)}
                _check_size(path, sum(8 * one.size for one in chosen.values()))
                return {name: one[()].T.astype(float) for name, one in chosen.items()}
        return dict(_version_5(path))
    except InputError:
        raise
    except Exception as error:  # a damaged file has many kinds of faults
        raise InputError(
            f"{path}: not readable as a MATLAB file ({reason(error)}); save it again, as version 5 "
            "or 7.3"
        ) from None


def _check_size(path: Path, size: int) -> None:
    if size > (most := most_unpacked(path, LARGEST)):
        raise InputError(
            f"{path}: unpacks to more than {most / 1e9:.1f} GB; save score and yhat alone"
        )


def _version_5(path: Path) -> Iterator[tuple[str, Doubles]]:
    """Yield the numeric variables that `OUTPUTS` matches in a MATLAB file of version 5.

    SciPy is not used, because damaged files crash it: version 1.17 indexes a table of types by what
    the file says.
    """
    content, most = path.read_bytes(), most_unpacked(path, LARGEST)
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no such header")
    total = 0
    for kind, whole in _elements(memoryview(content)[128:], order):
        data = whole
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(whole, most + 1 - total)
            _check_size(path, total := total + len(unpacked))
            data = memoryview(unpacked)[8:]
        flags, shape, name, *values = islice(_elements(data, order), 4)
        text = bytes(name[1]).decode("latin-1")
        if OUTPUTS.fullmatch(text):
            ((kind, numbers),) = values
            if bytes(flags[1])[0 if order == "<" else 3] not in NUMERIC:
                raise ValueError(f"{text} is no array of numbers")
            sizes = np.frombuffer(shape[1], f"{order}i4")
            found = np.frombuffer(numbers, order + TYPES[kind]).reshape(sizes, order="F")
            yield text, found.astype(float)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of the elements of which a MATLAB file and its arrays are made."""
    place = 0
    while place + 8 <= len(data):
        kind, count = struct.unpack_from(f"{order}II", data, place)
        first, after = place + 8, place + 8 + count
        if kind >> 16:  # up to four bytes, in the second half of the tag
            kind, count, first, after = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        elif kind != COMPRESSED:
            after += -count % 8
        if first + count > len(data):
            raise ValueError("cut off")
        yield kind, data[first : first + count]
        place = after


READERS = {".csv": _read_csv, ".csv.gz": _read_csv, ".npz": _read_npz, ".mat": _read_mat}
"""End of the name of a file to the function that reads it."""
