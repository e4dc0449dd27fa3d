"""Atomic writing of files, CSV tables, npz files and checksums."""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import os
import re
import secrets
import time
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from xsleep.core.errors import InputError, OutputError, reason

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error),
    *(SyntaxError, tokenize.TokenError, TypeError),  # headers are literals of Python
)
"""Exceptions that NumPy raises for damaged files, whose headers may claim any shape."""

MOST_EXPANDED, HARMLESS = 100, 10**8
"""Most bytes that a byte of a compressed file may unpack to, and bytes that any file may."""

PARTIAL = re.compile(r"\.xsleep-(?P<host>.*)-(?P<process>\d+)-[0-9a-f]{8}\.partial")
"""Name of an unfinished file, with the machine and the process that write it."""

LEFT_AFTER = 24 * 60 * 60
"""Seconds after which the unfinished file of another machine is taken for left behind."""

FULL = (errno.ENOSPC, errno.EDQUOT)
SHORT = re.compile(r"\d+ requested and \d+ written")
"""Error of NumPy on a full disk."""
REMEDIES = {
    **dict.fromkeys(FULL, "make room (df -h)"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "allow writing there"),
}
"""What to do about an error of the system when a file is written."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that is renamed to it if the block succeeds.

    A file that exists is complete, also after a power failure. If several processes write it at
    once, the last to finish wins. What killed processes left behind in the folder is removed.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    name = f".xsleep-{_host()}-{os.getpid()}-{secrets.token_hex(4)}.partial"
    temporary = path.with_name(name)
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    try:
        _remove_leftovers(path.parent)
        with written(path, FULL):  # other errors may be of a file that is read in the block
            yield temporary
        with written(path):
            put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a complete file its name, once its content is on the disk."""
    _synchronise(temporary)
    temporary.replace(path)
    with suppress(OSError):  # some network shares cannot
        _synchronise(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file during the block, once other processes have let go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_writable(folder: Path) -> None:
    """Create a folder if it does not exist; raise `OutputError` if no file can be written there."""
    with written(folder):
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()


@contextmanager
def written(path: Path, numbers: Container[int | None] | None = None) -> Iterator[None]:
    """Raise an `OutputError` for errors of the system in the block, or those with some numbers."""
    try:
        yield
    except OSError as error:
        # NumPy's `tofile` gives the text alone.
        number = errno.ENOSPC if SHORT.fullmatch(str(error)) else error.errno
        if numbers is not None and number not in numbers:
            raise
        why = os.strerror(number) if number else str(error)
        remedy = REMEDIES.get(number or 0, "mend that")
        raise OutputError(
            f"{path}: cannot be written ({why}); {remedy} and give the same command again"
        ) from error


def _host() -> str:
    """Return the name of this machine, short enough for the name of a file."""
    return os.uname().nodename[:64]


def _synchronise(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of processes that have ended, and those of a day ago."""
    for made in filter(None, map(PARTIAL.fullmatch, os.listdir(folder))):
        path = folder / made[0]
        with suppress(OSError):  # another user's, or removed by another process
            ended = made["host"] == _host() and not _runs(int(made["process"]))
            if ended or time.time() - path.stat().st_mtime > LEFT_AFTER:
                path.unlink()


def _runs(process: int) -> bool:
    """Return whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def write_csv(path: str | Path, table: pd.DataFrame | Sequence[Mapping[str, Any]]) -> None:
    """Write a table, or rows with the same keys, as CSV; missing values of a table are empty."""
    with whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        if isinstance(table, Sequence):
            writer = csv.DictWriter(file, table[0] if table else (), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _marked(cell) for key, cell in row.items()} for row in table)
        else:
            table.apply(_marked_column).to_csv(file, index=False, lineterminator="\n")


FORMULA = re.compile(r"'*[=+\-@\t\n]")
"""Beginning of a text that spreadsheets take for a formula, or that was marked as none."""


def _marked(cell: Any) -> Any:
    """Return a cell with an apostrophe before text that spreadsheets would take for a formula.

    Names of recordings and what is quoted of files may be anyone's. Numbers stay as they are, and
    `unmarked` returns what was there.
    """
    if not (isinstance(cell, str) and FORMULA.match(cell)):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def unmarked(cell: Any) -> Any:
    """Return a cell of a CSV file that was written here without the apostrophe of `_marked`."""
    is_marked = isinstance(cell, str) and cell.startswith("'") and FORMULA.match(cell)
    return cell[1:] if is_marked else cell


def _marked_column(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.map(_marked) if column.dtype.kind not in "iufb" else column


def unmarked_column(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of such a file without the apostrophes of `_marked`."""
    return column.map(unmarked) if column.dtype.kind not in "iufb" else column


def read_csv(path: str | Path | Traversable) -> list[dict[str, str]]:
    """Return the rows of a CSV file that was written here as text, by column.

    Raises:
        InputError: it is missing, or not as it was written.
    """
    columns, *rows = _read_rows(path)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def read_table(path: str | Path) -> pd.DataFrame:
    """Return a CSV file that was written here as a table of text; missing values are empty.

    Raises:
        InputError: it is missing, or not as it was written.
    """
    import pandas as pd

    columns, *rows = _read_rows(path)
    return pd.DataFrame(rows, columns=columns, dtype=str)


def _read_rows(path: str | Path | Traversable) -> list[list[str]]:
    """Return the names of the columns, and the cells of each row."""
    with csv_file(path) as file:
        rows = [row for row in csv.reader(file) if row] or [[]]
        if any(len(row) != len(rows[0]) for row in rows):
            raise ValueError("a line has too few cells, or too many")
    return [[unmarked(cell) for cell in row] for row in rows]


@contextmanager
def csv_file(path: str | Path | Traversable) -> Iterator[io.StringIO]:
    """Yield the content of a CSV file that was written here.

    Raises:
        InputError: it is missing or cut short, or the block does not find in it what it should.
    """
    try:
        text = (Path(path) if isinstance(path, str) else path).read_text(encoding="utf-8")
        if not text.endswith("\n") or "\0" in text:
            raise ValueError("cut short, or overwritten")
        yield io.StringIO(text, newline="")
    except InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, csv.Error) as error:
        raise InputError(
            f"{path}: not as it was written ({reason(error)}); delete it, run snakemake for it, "
            "then again"
        ) from error


def most_unpacked(path: Path, largest: int) -> int:
    """Return the bytes, at most ``largest``, that a compressed file may unpack to."""
    return min(largest, max(MOST_EXPANDED * path.stat().st_size, HARMLESS))


def read_npz(path: Path, largest: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file.

    Raises:
        InputError: it is none, is damaged, holds pickled objects, or unpacks to more than
            ``largest`` bytes or `most_unpacked`.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            most = most_unpacked(path, largest)
            if (size := sum(one.file_size for one in archive.infolist())) > most:
                raise InputError(
                    f"{path}: unpacks to {size / 1e9:.1f} GB, more than the {most / 1e9:.1f} GB "
                    "that are read; name another"
                )
        # NumPy warns of headers of Python 2, which take longer to read.
        ignored = warnings.catch_warnings(action="ignore", category=UserWarning)
        with ignored, np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except InputError:
        raise
    except DAMAGE as error:
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path}: holds pickled objects, which are not read; save text as "
                "np.array(names, dtype=str)"
            ) from None
        raise InputError(
            f"{path}: not a readable npz file ({reason(error)}); write it again"
        ) from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_recorded(path: Path) -> None:
    """Raise an `InputError` if ``run.json`` beside a file of a run has another SHA-256 of it."""
    try:
        known = json.loads(path.with_name("run.json").read_text())["outputs"][path.name]
        is_whole = sha256(path) == known
    # Of nothing trained here, or who reads the file says what is wrong with it.
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return
    if not is_whole:
        raise InputError(
            f"{path}: not as it was written (another SHA-256 than in run.json); delete it, and "
            "train that run again"
        )


def hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in a folder; none where there is nothing."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file): sha256(file) for file in files if file.is_file()}
