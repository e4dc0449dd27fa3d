"""Getting files over HTTP so that a partial file never looks whole.

A file arrives as ``NAME.part`` in the folder ``.fetching`` and moves to its place once its hash is
the published one. What was interrupted goes on from the byte where it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests

from xsleep.core.errors import InputError
from xsleep.databases.base import STAGING, Published

PARALLEL = 4
"""Files at a time."""

HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
"""Algorithm of a published hash by its number of hexadecimal digits."""

CHUNK = 1 << 14
"""Bytes written at a time; up to as many are lost where a connection breaks."""

# It quotes the addresses that are asked for, which may hold a key.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect, stall: seconds until there is a connection, and between two bytes.
        tries: how often a file is asked for without a new byte of it.
        pause, longest_pause: seconds between two tries, doubled each time; the most that a
            server may ask for with Retry-After.
    """

    connect: float = 20
    stall: float = 60
    tries: int = 5
    pause: float = 1
    longest_pause: float = 120


@dataclass(frozen=True)
class Key:
    """What a server wants to know before it gives a file.

    Attributes:
        use: from an address as it is shown to the one that is asked for, which is shown nowhere.
        refused: what to do where the server does not accept it.
    """

    use: Callable[[str], str]
    refused: str


class _Hopeless(InputError):
    """What no other file would fare better with."""


class _Again(Exception):
    """Worth another try, after so many seconds where the server names them."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _NoConnection(_Again):
    pass


class _WrongHash(_Again):
    pass


def fetch(
    folder: Path,
    files: Sequence[Published],
    report: Callable[[str], None],
    patience: Patience | None = None,
    key: Key | None = None,
) -> None:
    """Put the files into the folder; what is there already is left as it is.

    Args:
        report: is given a line for every file.

    Raises:
        InputError: in one line, how many could not be had, and why the first of them. The others
            are there, and the next call goes on.
    """
    staging = folder / STAGING
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with _alone(staging):
            missing = [file for file in files if not (folder / file.name).exists()]
            amount = _amount(folder, missing)
            report(amount)
            print(f"{folder}: {amount}", file=sys.stderr)
            _receive_all(folder, missing, report, patience or Patience(), key)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror}); what has arrived is kept, see to "
            "that and run again to go on"
        ) from error


def fetch_text(url: str, patience: Patience, key: Key | None = None) -> str:
    """A short text of which no hash is published, such as the list of them: whole or not at all.

    Raises:
        InputError: in one line, why it could not be had.
    """
    tries = 0
    while True:
        try:
            with _answer(url, {"Accept-Encoding": "identity"}, patience, key) as response:
                _check_answer(url, response, key)
                # Else the end of the connection would pass for that of the text.
                if response.raw.length_remaining is None and not response.raw.chunked:
                    raise InputError(f"{url}: answers without saying how long it is")
                return response.content.decode()
        except UnicodeDecodeError:
            raise InputError(f"{url}: answers with something else than text") from None
        except requests.RequestException:
            again = _breaks_off(patience)
        except _Again as error:
            again = error
        tries += 1
        time.sleep(_pause(url, again, tries, patience))


def _amount(folder: Path, files: Sequence[Published]) -> str:
    """How much is to come, for a log.

    Raises:
        InputError: the disk does not have that much room.
    """
    parts = (folder / STAGING / f"{file.name}.part" for file in files)
    arrived = sum(part.stat().st_size for part in parts if part.exists())
    need = max(sum(file.size for file in files) - arrived, 0) / 1e9
    free = shutil.disk_usage(folder).free / 1e9
    if need > free:
        raise InputError(
            f"{folder}: {len(files)} files of about {need:.1f} GB are to come, and {free:.1f} GB "
            "are free; make room, or set source.folder to a larger disk"
        )
    size = f"about {need:.1f} GB, " if need else ""
    return f"{len(files)} files to come, {size}{free:.1f} GB free"


@contextmanager
def _alone(staging: Path) -> Iterator[None]:
    """Two runs that share a folder fetch one after the other."""
    with (staging / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _receive_all(
    folder: Path,
    files: Sequence[Published],
    report: Callable[[str], None],
    patience: Patience,
    key: Key | None,
) -> None:
    failures = []
    stop = threading.Event()
    with _progress(len(files)) as progress, ThreadPoolExecutor(PARALLEL) as pool:
        jobs = {
            pool.submit(_receive, folder, file, patience, key, stop, progress.add_bytes): file
            for file in files
        }
        try:
            for job in as_completed(jobs):
                name = jobs[job].name
                try:
                    job.result()
                    report(f"{name}: fetched, {progress.add_file()}")
                except _Hopeless:
                    raise
                except InputError as error:
                    report(f"{name}: {error}")
                    failures.append(str(error))
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    if failures:
        raise InputError(
            f"{len(failures)} of {len(files)} files could not be fetched: {failures[0]}; what has "
            "arrived is kept, run again to go on"
        )


def _receive(
    folder: Path,
    file: Published,
    patience: Patience,
    key: Key | None,
    stop: threading.Event,
    add_bytes: Callable[[int], None],
) -> None:
    """One file, asked for again and again within the patience, until its hash is right."""
    place, part = folder / file.name, folder / STAGING / f"{file.name}.part"
    for path in (place, part):
        path.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    tries, furthest, wrong = 0, part.stat().st_size, False
    while not stop.is_set():
        try:
            _continue(file.url, part, patience, key, stop, add_bytes)
            if not stop.is_set():
                _check(file, part)
                part.replace(place)
            return
        except _Again as again:
            size = part.stat().st_size
            tries = 1 if size > furthest else tries + 1
            furthest = max(size, furthest)
            if wrong and isinstance(again, _WrongHash):
                raise InputError(f"{file.url}: {again}") from None
            wrong = wrong or isinstance(again, _WrongHash)
            stop.wait(_pause(file.url, again, tries, patience))


def _pause(url: str, again: _Again, tries: int, patience: Patience) -> float:
    """Seconds until the next try, after so many without success.

    Raises:
        InputError: there is to be none.
    """
    if tries >= patience.tries:
        kind = _Hopeless if isinstance(again, _NoConnection) else InputError
        raise kind(f"{url}: {again}") from None
    pause = patience.pause * 2 ** (tries - 1) if again.after is None else again.after
    if pause > patience.longest_pause:
        raise InputError(f"{url}: {again}; run again in {pause:.0f} s") from None
    return pause


def _check(file: Published, part: Path) -> None:
    algorithm = HASHES[len(file.digest)]
    with part.open("rb") as content:
        found = hashlib.file_digest(content, algorithm).hexdigest()
    if found != file.digest.lower():
        # An old part of another version of the file, or bytes changed on the way: from the start.
        part.write_bytes(b"")
        raise _WrongHash(
            f"its {algorithm} is {found}, published is {file.digest}; the file there is another or "
            "damaged, choose another mirror"
        )


def _continue(
    url: str,
    part: Path,
    patience: Patience,
    key: Key | None,
    stop: threading.Event,
    add_bytes: Callable[[int], None],
) -> None:
    """Receive what is missing of the part, until the server says that this is all."""
    offset = part.stat().st_size
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with _answer(url, headers, patience, key) as response:
        if response.status_code == 416 and offset:
            return
        _check_answer(url, response, key)
        mode = _mode(response, part, offset)
        _check_room(part, response)
        with part.open(mode) as out:
            try:
                for chunk in response.iter_content(CHUNK):
                    out.write(chunk)
                    add_bytes(len(chunk))
                    if stop.is_set():
                        return
            except requests.RequestException:
                raise _breaks_off(patience) from None


def _breaks_off(patience: Patience) -> _Again:
    return _Again(f"breaks off, or sends nothing for {patience.stall:g} s")


def _answer(
    url: str, headers: dict[str, str], patience: Patience, key: Key | None
) -> requests.Response:
    # What requests raises is not shown: it may quote the address that was asked for in the end.
    try:
        timeout = (patience.connect, patience.stall)
        asked = key.use(url) if key else url
        return requests.get(asked, headers=headers, stream=True, timeout=timeout)
    except requests.exceptions.SSLError:
        raise _Hopeless(f"{url}: its certificate is not valid; choose another mirror") from None
    except requests.ReadTimeout:
        raise _Again(f"does not answer for {patience.stall:g} s") from None
    except (requests.ConnectionError, requests.Timeout):
        raise _NoConnection(
            f"no connection to {urlsplit(url).netloc}; run again with a network"
        ) from None
    except requests.RequestException as error:
        raise InputError(f"{url}: cannot be asked for ({type(error).__name__})") from None


def _check_answer(url: str, response: requests.Response, key: Key | None) -> None:
    """Raises what is to be done where it is not the file or a part of it that comes."""
    status = response.status_code
    page = response.headers.get("Content-Type", "").startswith("text/html")
    if key and (status in (401, 403) or (page and status == 200)):
        raise _Hopeless(f"{url}: {key.refused}")
    if status in (429, 503):
        raise _Again(f"answers {status}, too busy", _retry_after(response))
    if status >= 500:
        raise _Again(f"answers {status}, a fault of the server")
    if status == 404:
        raise InputError(f"{url}: answers 404, no such file there; correct the address")
    if status not in (200, 206):
        raise InputError(f"{url}: answers {status}, which does not give the file")
    if page:
        raise InputError(
            f"{url}: answers with a web page in place of the file, for instance to log in; open "
            "it in a browser"
        )


def _mode(response: requests.Response, part: Path, offset: int) -> str:
    """How the part is opened for what comes: on at its end, or anew."""
    if response.status_code == 200:
        return "wb"
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        part.write_bytes(b"")
        raise _Again("answers with another part of the file than was asked for")
    return "ab"


def _check_room(part: Path, response: requests.Response) -> None:
    length = int(response.raw.length_remaining or 0)
    free = shutil.disk_usage(part.parent).free
    if length > free:
        raise _Hopeless(
            f"{part.name.removesuffix('.part')}: {length / 1e9:.2f} GB are to come, and "
            f"{free / 1e9:.2f} GB are free; make room and run again to go on"
        )


def _retry_after(response: requests.Response) -> float | None:
    """Seconds of the Retry-After header, which has them or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    with suppress(ValueError, TypeError):  # a date that is none, or has no time zone
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0)
    return None


class _Amount:
    """Files and bytes so far, added to by many threads."""

    def __init__(self, files: int, show: Callable[[int, str], None]) -> None:
        self._of, self._files, self._bytes = files, 0, 0
        self._show = show
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._bytes += count
            self._show(self._files, self._text())

    def add_file(self) -> str:
        """How much that makes, for a log."""
        with self._lock:
            self._files += 1
            self._show(self._files, self._text())
            return f"{self._files} of {self._of} files, {self._text()}"

    def _text(self) -> str:
        megabytes = self._bytes / 1e6
        seconds = max(time.monotonic() - self._start, 1e-3)
        return f"{megabytes:.1f} MB, {megabytes / seconds:.1f} MB/s"


@contextmanager
def _progress(files: int) -> Iterator[_Amount]:
    """Files and bytes as they arrive, drawn where people look at a terminal."""
    if not sys.stderr.isatty():
        yield _Amount(files, lambda done, text: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeRemaining

    columns = BarColumn(), MofNCompleteColumn(), TextColumn("files, {task.description}")
    with Progress(*columns, TimeRemaining(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=files)
        yield _Amount(files, lambda done, text: bar.update(task, completed=done, description=text))
