"""Bundle of results that travels: one zip file without signals, with a hash of each of its files.

Its files have the paths that they have below ``results``; ``manifest.json`` describes them. It has
no absolute path of the machine on which it was made: of those in its texts the last part is left.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import field_validator

from xsleep import __version__
from xsleep.config.names import SOURCES
from xsleep.core.errors import InputError, reason
from xsleep.core.files import sha256, whole
from xsleep.core.settings import Settings, checked
from xsleep.databases import Source, open_database
from xsleep.results.measurements import RunPredictions
from xsleep.store.predictions import read_predictions, read_remarks, write_predictions
from xsleep.workflow import commit

FORMAT = 1
"""To be raised when bundles are of another form."""

MANIFEST = "manifest.json"
TEXTS = {".csv", ".json", ".html", ".md", ".tex", ".svg"}

MOST_EXPANDED = 100
"""Most bytes that a byte of a bundle may unpack to: tables and figures unpack to some ten."""

MAKE = "snakemake --cores 8 results/bundle.zip"
ANEW = "have it made and sent again"
"""Advice of messages: how a bundle is made, and where a new one comes from."""


class File(Settings):
    """Content of a file of a bundle."""

    sha256: str
    size: int


class DatabaseFacts(Settings):
    """A database whose recordings were tested, as its keepers offer it; empty if unknown."""

    title: str
    address: str
    licence: str
    simulated: bool


class Predicted(Settings):
    """A file of predictions; fold 0 if it has all folds."""

    file: str
    seed: int
    fold: int


class Row(Settings):
    """A system on one channel set, by its names in Table 2, and the predictions it stands on."""

    database: str
    window: str
    channels: str
    system: str
    source: str
    predictions: tuple[Predicted, ...]

    @field_validator("source")
    @classmethod
    def _is_known(cls, source: str) -> str:
        if source not in SOURCES:
            raise ValueError(f"choose from {', '.join(SOURCES)}")
        return source


class Manifest(Settings):
    """Content of a bundle."""

    format: int
    xsleep: str
    commit: str
    databases: dict[str, DatabaseFacts]
    rows: tuple[Row, ...]
    files: dict[str, File]


def write_bundle(
    path: Path,
    root: Path,
    files: Iterable[Path],
    *,
    runs: Sequence[RunPredictions],
    sources: Mapping[str, Source],
) -> None:
    """Write a bundle. The same results make the same bytes.

    Args:
        root: folder of the results.
        files: all that it holds, below ``root``.
        runs: predictions of Table 2, which are among the files.
        sources: where the recordings of each database are.
    """
    hidden = _hidden(source.folder for source in sources.values())
    names = {file.relative_to(root).as_posix(): file for file in files}
    with TemporaryDirectory() as temporary:
        cleaned = _cleaned(names, hidden, Path(temporary))
        manifest = Manifest(
            format=FORMAT,
            xsleep=__version__,
            commit=commit(),
            databases={name: _facts(source) for name, source in sources.items()},
            rows=tuple(_rows(runs, root)),
            files={name: _file(file) for name, file in sorted(cleaned.items())},
        )
        cleaned[MANIFEST] = Path(temporary, MANIFEST)
        cleaned[MANIFEST].write_text(
            json.dumps(manifest.model_dump(), indent=1, ensure_ascii=False), encoding="utf-8"
        )
        with whole(path) as partial, ZipFile(partial, "w") as archive:
            for name, file in sorted(cleaned.items()):
                info = ZipInfo(name)  # of 1 January 1980
                info.compress_type, info.create_system = ZIP_DEFLATED, 3
                info.external_attr = 0o644 << 16
                info.file_size = file.stat().st_size  # whether it needs zip64
                with file.open("rb") as content, archive.open(info, "w") as member:
                    shutil.copyfileobj(content, member)


def _facts(source: Source) -> DatabaseFacts:
    database = open_database(source)
    origin = database.origin
    return DatabaseFacts(
        title=origin.title,
        address=origin.address,
        licence=origin.licence,
        simulated=database.simulated,
    )


def _rows(runs: Sequence[RunPredictions], root: Path) -> Iterator[Row]:
    for (names, source), of in groupby(runs, key=lambda run: (run.names, run.source)):
        predictions = [
            Predicted(
                file=run.predictions.relative_to(root).as_posix(), seed=run.seed, fold=run.fold
            )
            for run in of
        ]
        yield Row(**names, source=source, predictions=tuple(predictions))


def _file(path: Path) -> File:
    return File(sha256=sha256(path), size=path.stat().st_size)


def _hidden(folders: Iterable[Path]) -> re.Pattern[str]:
    """Return the expression of absolute paths, those of this machine also with spaces in them."""
    known = {str(folder) for folder in (Path.cwd(), Path.home(), *folders) if folder.is_absolute()}
    spelt = {
        form for one in known - {"/"} for form in (one, json.dumps(one)[1:-1], html.escape(one))
    }
    ours = "|".join(map(re.escape, sorted(spelt, key=len, reverse=True))) or "(?!)"
    part = r"/[^\s/\\\"'<>|;:,()\[\]{}`&]+"
    return re.compile(rf"(?<![\w.:/~<+=-])(?:(?:{ours})(?![\w-])(?:{part})*|(?:{part}){{2,}})/?")


def _without_paths(text: str, hidden: re.Pattern[str]) -> str:
    """Return a text with the last part of each absolute path in place of the path."""
    home = str(Path.home())
    return hidden.sub(lambda m: "~" if m[0].rstrip("/") == home else PurePosixPath(m[0]).name, text)


def _cleaned(names: Mapping[str, Path], hidden: re.Pattern[str], folder: Path) -> dict[str, Path]:
    """Return the files without absolute paths; changed ones are copied into the folder.

    Where metadata have the hash and size of a file that was changed, they are changed as well.
    """
    found: dict[str, Path] = {}
    changed: dict[str, tuple[File, File]] = {}
    for name, file in names.items():
        copy = folder / f"{len(found)}{file.suffix}"
        if file.suffix in TEXTS:
            text = file.read_text(encoding="utf-8")
            if (clean := _without_paths(text, hidden)) != text:
                copy.write_text(clean, encoding="utf-8")
        elif file.suffix == ".h5":
            with suppress(InputError):  # unreadable ones are a gap of Table 2
                remarks = read_remarks(file)
                anew = tuple(_without_paths(remark, hidden) for remark in remarks)
                if anew != remarks:
                    write_predictions(copy, read_predictions(file), anew)
        found[name] = copy if copy.exists() else file
        if copy.exists():
            changed[_file(file).sha256] = _file(file), _file(copy)
    for name in ("ro-crate-metadata.json", "croissant.json"):
        if changed and name in found:
            content = json.loads(found[name].read_text(encoding="utf-8"))
            text = json.dumps(_described_anew(content, changed), indent=1, ensure_ascii=False)
            found[name] = folder / name
            found[name].write_text(text, encoding="utf-8")
    return found


def _described_anew(content: Any, changed: Mapping[str, tuple[File, File]]) -> Any:
    """Return metadata with the new hash and size of each file that was changed."""
    if isinstance(content, list):
        return [_described_anew(one, changed) for one in content]
    if not isinstance(content, dict):
        return content
    found = {key: _described_anew(value, changed) for key, value in content.items()}
    if isinstance(digest := found.get("sha256"), str) and digest in changed:
        old, new = changed[digest]
        size = str(found["contentSize"]).replace(str(old.size), str(new.size))
        found |= {"sha256": new.sha256, "contentSize": size}
    return found


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are those of its manifest."""

    path: Path
    manifest: Manifest

    def extract(self, folder: Path) -> None:
        """Unpack the CSV tables and the predictions into a folder."""
        with _opened(self.path) as archive:
            for name in self.manifest.files:
                if PurePosixPath(name).suffix in (".csv", ".h5"):
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(name) as member, (folder / name).open("wb") as file:
                        shutil.copyfileobj(member, file)

    def runs(self, folder: Path) -> list[RunPredictions]:
        """Return the predictions of all rows, in the folder that the bundle was unpacked into."""
        return [
            RunPredictions(
                **row.model_dump(exclude={"predictions"}),
                seed=one.seed,
                fold=one.fold,
                predictions=folder / one.file,
            )
            for row in self.manifest.rows
            for one in row.predictions
        ]


def read_bundle(path: Path) -> Bundle:
    """Return a bundle, after all of its files were compared with its manifest.

    Raises:
        InputError: it is no bundle, of another format, not whole, changed, or made to do harm.
    """
    with _opened(path) as archive:
        members = _members(archive, path)
        if MANIFEST not in members:
            raise InputError(f"{path}: no {MANIFEST}, so not a bundle; make one with {MAKE}")
        where = f"{path}: {MANIFEST}"
        try:
            content = json.loads(archive.read(MANIFEST))
            number = content["format"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{where}: cannot be read ({reason(error)}); {ANEW}") from None
        if number != FORMAT:
            raise InputError(
                f"{where}: format {number}, made by xsleep {content.get('xsleep')}; this is xsleep "
                f"{__version__}, which reads format {FORMAT}: use the same version on both sides"
            )
        manifest = checked(Manifest, content, where)
        files = manifest.files
        if unlike := sorted({MANIFEST, *files} ^ {*members}):
            missing = "is missing" if unlike[0] in files else f"is not in its {MANIFEST}"
            raise InputError(f"{path}: {unlike[0]} {missing}; {ANEW}")
        named = [one.file for row in manifest.rows for one in row.predictions]
        named += [f"{d}/{kind}.csv" for d in manifest.databases for kind in ("recordings", "folds")]
        if absent := sorted({*named, "table2.csv", "claims.csv"} - {*files}):
            raise InputError(f"{path}: {absent[0]} is missing; {ANEW}")
        for name, file in files.items():
            with archive.open(name) as member:
                digest = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
                if members[name].file_size != file.size or digest != file.sha256:
                    raise InputError(
                        f"{path}: {name} is not the file that its {MANIFEST} has the SHA-256 of; "
                        f"{ANEW}"
                    )
    return Bundle(path, manifest)


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    """Open a zip file; raise `InputError` if it is none, or damaged where the block reads it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; name two bundles, or make one with {MAKE}")
    try:
        with ZipFile(path) as archive:
            yield archive
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise InputError(
            f"{path}: not a zip file, or damaged ({reason(error)}); name a bundle, or have it sent "
            "again"
        ) from error


def _members(archive: ZipFile, path: Path) -> dict[str, ZipInfo]:
    """Return the files in an archive by name, none of which leaves a folder or unpacks to much."""
    members: dict[str, ZipInfo] = {}
    for info in archive.infolist():
        name, pure = info.filename, PurePosixPath(info.filename)
        plain = not pure.is_absolute() and ".." not in pure.parts and str(pure) == name
        kind = info.external_attr >> 28  # 8: a file; 0: not told
        if not plain or re.search(r"[\\:\0]", name) or kind not in (0, 8):
            raise InputError(f"{path}: {name!r} is no plain file below its folder; not a bundle")
        if name in members or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise InputError(f"{path}: {name} is there twice, or packed unusually; {ANEW}")
        members[name] = info
    if sum(info.file_size for info in members.values()) > MOST_EXPANDED * path.stat().st_size:
        raise InputError(
            f"{path}: unpacks to more than {MOST_EXPANDED} times its size; not a bundle"
        )
    return members
