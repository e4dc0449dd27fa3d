"""Atomic writing of files, CSV tables, npz files and checksums."""

from __future__ import annotations

import csv
import hashlib
import re
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsleep.core.errors import InputError, reason

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

DAMAGE = (
    *(OSError, ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error),
    *(SyntaxError, tokenize.TokenError),  # headers are literals of Python
)
"""Exceptions that NumPy raises for damaged files, whose headers may claim any shape."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that is renamed to it if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


def read_csv(path: Path | Traversable) -> list[dict[str, str]]:
    """Return the rows of a CSV file that was written here as text, by column."""
    with path.open("r", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: unmarked(cell) for key, cell in row.items()} for row in rows]


def read_table(path: str | Path) -> pd.DataFrame:
    """Return a CSV file that was written here as a table of text; missing values are empty."""
    import pandas as pd

    return pd.read_csv(path, dtype=str, keep_default_na=False).apply(unmarked_column)


def read_npz(path: Path, largest: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file.

    Raises:
        InputError: it is none, is damaged, holds pickled objects, or unpacks to more than
            ``largest`` bytes.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            if (size := sum(one.file_size for one in archive.infolist())) > largest:
                raise InputError(
                    f"{path}: unpacks to {size / 1e9:.1f} GB, more than the {largest / 1e9:.1f} GB "
                    "that are read; name another"
                )
        # NumPy warns of headers of Python 2, which take longer to read.
        ignored = warnings.catch_warnings(action="ignore", category=UserWarning)
        with ignored, np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name]) for name in file.files}
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(
            f"{path}: not a readable npz file ({reason(error)}); write it again"
        ) from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in a folder; none where there is nothing."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {str(file): sha256(file) for file in files if file.is_file()}
