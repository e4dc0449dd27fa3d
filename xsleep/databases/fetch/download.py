"""Resumable HTTP downloads that are checked against published hashes.

A file is received as ``NAME.part`` in the folder ``.fetching`` and moved to its place once its hash
is the published one, so that a partial file is never taken for a whole one. An interrupted download
is resumed at the byte where it stopped (HTTP range requests).
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
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from xsleep.core.errors import InputError
from xsleep.databases.base import STAGING, Published

PARALLEL = 4
"""Files downloaded at a time."""

HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
"""Number of hexadecimal digits of a published hash to its algorithm."""

CHUNK = 1 << 14
"""Bytes written at a time, which is also the most that a broken connection loses."""

# Its messages quote the requested addresses, which may contain a key.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Patience:
    """Timeouts and retries of downloads.

    Attributes:
        connect: timeout of connecting, in seconds.
        stall: timeout between two received bytes, in seconds.
        tries: requests without a new byte of the file after which it is given up.
        pause: factor of the exponential backoff between two tries, in seconds.
        longest_pause: longest wait that a server may demand with Retry-After, in seconds.
    """

    connect: float = 20
    stall: float = 60
    tries: int = 5
    pause: float = 1
    longest_pause: float = 120

    @property
    def retries(self) -> Retry:
        """Retries after a first try that fails."""
        return Retry(self.tries - 1, backoff_factor=self.pause, retry_after_max=sys.maxsize)


@dataclass(frozen=True)
class Key:
    """Authorisation that a server demands.

    Attributes:
        use: maps an address as shown in messages to the requested one, which is never shown.
        refused: what to do if the server does not accept the key, for the message.
    """

    use: Callable[[str], str]
    refused: str


class _Hopeless(InputError):
    """Failure that every other file would meet, too."""


class _Again(Exception):
    """Failure that may be temporary.

    Args:
        after: seconds after which the server asks to be tried again, if it says so.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class _NoConnection(_Again):
    """The server cannot be reached."""


class _WrongHash(_Again):
    """The received file does not have the published hash."""


def fetch(
    folder: Path,
    files: Sequence[Published],
    report: Callable[[str], None],
    patience: Patience | None = None,
    *,
    key: Key | None = None,
) -> None:
    """Download the files that are missing in a folder.

    Args:
        folder: where to put the files; existing ones are left as they are.
        files: addresses, names and hashes.
        report: called with one line for each file, for the log.
        patience: timeouts and retries.
        key: authorisation, if the server demands one.

    Raises:
        InputError: some files could not be downloaded. The message is one line with their number
            and the reason of the first; the others are in place, and the next call resumes.
    """
    staging = folder / STAGING
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with _alone(staging):
            missing = [file for file in files if not (folder / file.name).exists()]
            amount = _amount(folder, missing)
            report(amount)
            print(f"{folder}: {amount}", file=sys.stderr)
            _receive_all(folder, missing, report, patience or Patience(), key=key)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror}); what has arrived is kept, see to "
            "that and run again to go on"
        ) from error


def fetch_text(url: str, patience: Patience, key: Key | None = None) -> str:
    """Return a short text that has no published hash, such as a list of hashes.

    Raises:
        InputError: the text could not be downloaded completely; the reason in one line.
    """
    retries = patience.retries
    while True:
        try:
            with _answer(url, {"Accept-Encoding": "identity"}, patience, key) as response:
                _check_answer(url, response, key)
                # Otherwise a broken connection could not be told from the end of the text.
                if response.raw.length_remaining is None and not response.raw.chunked:
                    raise InputError(f"{url}: answers without saying how long it is")
                return response.content.decode()
        except UnicodeDecodeError:
            raise InputError(f"{url}: answers with something else than text") from None
        except requests.RequestException:
            again = _breaks_off(patience)
        except _Again as error:
            again = error
        retries = _wait(url, again, retries, patience.longest_pause, sleep=time.sleep)


def _amount(folder: Path, files: Sequence[Published]) -> str:
    """Return how much is to be downloaded, for the log.

    Raises:
        InputError: the disk does not have enough free space.
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
    """Hold the folder's lock, so that runs that share it download one after the other."""
    with (staging / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _receive_all(
    folder: Path,
    files: Sequence[Published],
    report: Callable[[str], None],
    patience: Patience,
    *,
    key: Key | None,
) -> None:
    """Download the files in parallel; the arguments are those of `fetch`."""
    failures = []
    stop = threading.Event()
    with _progress(len(files)) as progress, ThreadPoolExecutor(PARALLEL) as pool:
        receive = partial(_receive, key=key, stop=stop, add_bytes=progress.add_bytes)
        jobs = {pool.submit(receive, folder, file, patience): file for file in files}
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
    *,
    key: Key | None,
    stop: threading.Event,
    add_bytes: Callable[[int], None],
) -> None:
    """Download one file, retrying within the patience until its hash is the published one."""
    place, part = folder / file.name, folder / STAGING / f"{file.name}.part"
    for path in (place, part):
        path.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    retries, furthest, wrong = patience.retries, part.stat().st_size, False
    while not stop.is_set():
        try:
            _continue(file.url, part, patience, key=key, stop=stop, add_bytes=add_bytes)
            if not stop.is_set():
                _check(file, part)
                part.replace(place)
            return
        except _Again as again:
            size = part.stat().st_size
            if size > furthest:
                retries, furthest = patience.retries, size
            if wrong and isinstance(again, _WrongHash):
                raise InputError(f"{file.url}: {again}") from None
            wrong = wrong or isinstance(again, _WrongHash)
            retries = _wait(file.url, again, retries, patience.longest_pause, sleep=stop.wait)


def _wait(
    url: str, again: _Again, retries: Retry, longest: float, *, sleep: Callable[[float], object]
) -> Retry:
    """Sleep until the next try and return the retries that are left then.

    Raises:
        InputError: no retry is left, or the server asks for too long a wait.
    """
    try:
        retries = retries.increment()
    except MaxRetryError:
        kind = _Hopeless if isinstance(again, _NoConnection) else InputError
        raise kind(f"{url}: {again}") from None
    pause = retries.get_backoff_time() if again.after is None else again.after
    if pause > longest:
        raise InputError(f"{url}: {again}; run again in {pause:.0f} s") from None
    sleep(pause)
    return retries


def _check(file: Published, part: Path) -> None:
    """Raise `_WrongHash`, and empty the part, unless it has the published hash."""
    algorithm = HASHES[len(file.digest)]
    with part.open("rb") as content:
        found = hashlib.file_digest(content, algorithm).hexdigest()
    if found != file.digest.lower():
        # A part of another version of the file, or corrupted bytes: start again.
        part.write_bytes(b"")
        raise _WrongHash(
            f"its {algorithm} is {found}, published is {file.digest}; the file there is another or "
            "damaged, choose another mirror"
        )


def _continue(
    url: str,
    part: Path,
    patience: Patience,
    *,
    key: Key | None,
    stop: threading.Event,
    add_bytes: Callable[[int], None],
) -> None:
    """Append what is missing to the part, until the server says that it is complete."""
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
    """Request an address; errors of requests are not shown, as they may quote the key."""
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
    """Raise an error unless the response is the file or a part of it."""
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
    """Return the mode in which to open the part: append, or overwrite."""
    if response.status_code == 200:
        return "wb"
    if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        part.write_bytes(b"")
        raise _Again("answers with another part of the file than was asked for")
    return "ab"


def _check_room(part: Path, response: requests.Response) -> None:
    """Raise an error unless the rest of the file fits on the disk."""
    length = int(response.raw.length_remaining or 0)
    free = shutil.disk_usage(part.parent).free
    if length > free:
        raise _Hopeless(
            f"{part.name.removesuffix('.part')}: {length / 1e9:.2f} GB are to come, and "
            f"{free / 1e9:.2f} GB are free; make room and run again to go on"
        )


def _retry_after(response: requests.Response) -> float | None:
    """Return the wait in seconds that the Retry-After header demands, if it is valid."""
    with suppress(InvalidHeader, ValueError, OverflowError):  # the latter two by absurd dates
        return Patience().retries.get_retry_after(response.raw)
    return None


class _Amount:
    """Thread-safe count of the files and bytes received."""

    def __init__(self, files: int, show: Callable[[int, str], None]) -> None:
        self._of, self._files, self._bytes = files, 0, 0
        self._show = show
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        """Count received bytes."""
        with self._lock:
            self._bytes += count
            self._show(self._files, self._text())

    def add_file(self) -> str:
        """Count a completed file and return the totals, for the log."""
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
    """Yield a count that is drawn as a progress bar if stderr is a terminal."""
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
