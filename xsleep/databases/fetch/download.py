"""Resumable HTTP downloads that are checked against published hashes.

A file is received as ``NAME.part`` in the folder ``.fetching`` and moved to its place once its hash
is the published one, so that a partial file is never taken for a whole one. An interrupted download
is resumed at the byte where it stopped (HTTP range requests).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from xsleep.core.errors import InputError
from xsleep.core.files import locked, put_in_place
from xsleep.databases.base import LOCK, STAGING, Published, is_private

PARALLEL = 4
"""Files downloaded at a time."""

HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
"""Number of hexadecimal digits of a published hash to its algorithm."""

CHUNK = 1 << 14
"""Bytes written at a time, which is also the most that a broken connection loses."""

# Its messages quote the requested addresses, which may contain a key.
logging.getLogger("urllib3").setLevel(logging.CRITICAL)

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """Timeouts and retries of downloads.

    Attributes:
        connect, stall: timeouts of connecting and between two received bytes, in seconds.
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


class _Session(requests.Session):
    """Session that is not sent on to an address without TLS, where its tokens could be read."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and not is_private(urljoin(resp.url, target)):
            resp.close()
            raise InputError("it is sent on to an address that is not https://")
        return target


class _Again(Exception):
    """Failure that may be temporary, and the seconds after which the server asks to be retried."""

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
        report: called with one line for each file, for the log.
        key: authorisation, if the server demands one.

    Raises:
        InputError: some files could not be downloaded. The message is one line with their number
            and the reason of the first; the others are in place, and the next call resumes.
    """
    staging = folder / STAGING
    try:
        # Runs that share the folder download one after the other.
        with locked(staging / LOCK):
            missing = [file for file in files if not (folder / file.name).exists()]
            amount = _amount(folder, missing)
            report(amount)
            print(f"{folder}: {amount}", file=sys.stderr)
            with _Bar(len(missing)) as bar:
                client = _Client(patience or Patience(), key, bar.add_bytes)
                _receive_all(folder, missing, report, client, bar=bar)
            _remove_leftovers(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror}); what has arrived is kept, see to "
            "that and run again to go on"
        ) from error


def fetch_text(url: str, patience: Patience, key: Key | None = None) -> str:
    """Return a short text that has no published hash, such as a list of hashes.

    Raises:
        InputError: in one line, why it could not be downloaded completely.
    """
    client = _Client(patience, key)

    def attempt() -> str:
        with client.response(url) as response:
            # Otherwise a broken connection could not be told from the end of the text.
            if response.raw.length_remaining is None and not response.raw.chunked:
                raise InputError(f"{url}: answers without saying how long it is")
            return response.content.decode()

    try:
        return client.persist(url, attempt)
    except UnicodeDecodeError:
        raise InputError(f"{url}: answers with something else than text") from None


def _amount(folder: Path, files: Sequence[Published]) -> str:
    """Return how much is to be downloaded, for the log, or raise an error if it does not fit."""
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


def _remove_leftovers(folder: Path) -> None:
    """Remove the parts of files that are in their places, as of one that was copied there."""
    staging = folder / STAGING
    for part in staging.rglob("*.part"):
        if (folder / part.relative_to(staging).with_suffix("")).exists():
            part.unlink()


class _Bar(Progress):
    """Thread-safe count of the files and bytes received, drawn if stderr is a terminal."""

    def __init__(self, files: int) -> None:
        columns = BarColumn(), MofNCompleteColumn(), TextColumn("files, {task.description}")
        super().__init__(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self.add_task("", total=files)
        self.add_task("", visible=False)

    def add_bytes(self, count: int) -> None:
        """Count received bytes."""
        files, received = self.task_ids
        self.advance(received, count)
        self.update(files, description=self.speed)

    def add_file(self) -> str:
        """Count a received file and return the totals, for the log."""
        files, _ = self.tasks
        self.advance(files.id)
        return f"{files.completed:.0f} of {files.total:.0f} files, {self.speed}"

    @property
    def speed(self) -> str:
        """Bytes received, and bytes a second."""
        _, received = self.tasks
        megabytes = received.completed / 1e6
        return f"{megabytes:.1f} MB, {megabytes / max(received.elapsed or 0, 1e-3):.1f} MB/s"


def _receive_all(
    folder: Path,
    files: Sequence[Published],
    report: Callable[[str], None],
    client: _Client,
    *,
    bar: _Bar,
) -> None:
    """Download the files in parallel."""
    failures = []
    with ThreadPoolExecutor(PARALLEL) as pool:
        jobs = {pool.submit(client.receive, folder, file): file.name for file in files}
        try:
            for job in as_completed(jobs):
                try:
                    job.result()
                    report(f"{jobs[job]}: fetched, {bar.add_file()}")
                except _Hopeless:
                    raise
                except InputError as error:
                    report(f"{jobs[job]}: {error}")
                    failures.append(str(error))
        finally:
            client.stop.set()
            pool.shutdown(cancel_futures=True)
    if failures:
        raise InputError(
            f"{len(failures)} of {len(files)} files could not be fetched: {failures[0]}; what has "
            "arrived is kept, run again to go on"
        )


@dataclass(frozen=True)
class _Client:
    """Client of one server.

    Attributes:
        add_bytes: called with the number of bytes of each chunk of a file.
        stop: if set, all downloads end with `CancelledError`.
    """

    patience: Patience
    key: Key | None = None
    add_bytes: Callable[[int], None] = lambda count: None
    stop: threading.Event = field(default_factory=threading.Event)

    def receive(self, folder: Path, file: Published) -> None:
        """Download a file until its hash is the published one, and put it in its place."""
        place, part = folder / file.name, folder / STAGING / f"{file.name}.part"
        for path in (place, part):
            path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()

        def attempt() -> None:
            self._resume(file.url, part)
            _check(file, part)
            put_in_place(part, place)

        self.persist(file.url, attempt, lambda: part.stat().st_size)

    def persist(self, url: str, attempt: Callable[[], T], size: Callable[[], int] = lambda: 0) -> T:
        """Return what an attempt returns, after retries, whose number starts anew as size grows.

        Raises:
            InputError: no retry is left, the server asks for too long a wait, or the hash is wrong
                for the second time.
        """
        retries, furthest, wrong = self.patience.retries, size(), False
        while True:
            try:
                return attempt()
            except _Again as again:
                if size() > furthest:
                    retries, furthest = self.patience.retries, size()
                if wrong and isinstance(again, _WrongHash):
                    raise InputError(f"{url}: {again}") from None
                wrong = wrong or isinstance(again, _WrongHash)
                try:
                    retries = retries.increment()
                except MaxRetryError:
                    kind = _Hopeless if isinstance(again, _NoConnection) else InputError
                    raise kind(f"{url}: {again}") from None
                pause = retries.get_backoff_time() if again.after is None else again.after
                if pause > self.patience.longest_pause:
                    raise InputError(f"{url}: {again}; run again in {pause:.0f} s") from None
            self.pause(pause)

    def pause(self, seconds: float = 0) -> None:
        """Sleep, and raise `CancelledError` if the client is stopped."""
        if self.stop.wait(seconds):
            raise CancelledError

    def _resume(self, url: str, part: Path) -> None:
        """Append what is missing to the part, until the server says that it is complete."""
        offset = part.stat().st_size
        with self.response(url, offset) as response:
            if response.status_code == 416:
                return
            found = response.headers.get("Content-Range", "")
            if response.status_code == 206 and not found.startswith(f"bytes {offset}-"):
                part.write_bytes(b"")
                raise _Again("answers with another part of the file than was asked for")
            length = int(response.raw.length_remaining or 0)
            free = shutil.disk_usage(part.parent).free
            if length > free:
                raise _Hopeless(
                    f"{part.name.removesuffix('.part')}: {length / 1e9:.2f} GB are to come, and "
                    f"{free / 1e9:.2f} GB are free; make room and run again to go on"
                )
            with part.open("ab" if response.status_code == 206 else "wb") as out:
                for chunk in response.iter_content(CHUNK):
                    out.write(chunk)
                    self.add_bytes(len(chunk))
                    self.pause()

    @contextmanager
    def response(self, url: str, offset: int = 0) -> Iterator[requests.Response]:
        """Yield the response with a file, its bytes from an offset on, or status 416 at its end.

        Errors of requests are not shown, as they may quote the key.
        """
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        try:
            timeout = (self.patience.connect, self.patience.stall)
            asked = self.key.use(url) if self.key else url
            with _Session() as session:
                response = session.get(asked, headers=headers, stream=True, timeout=timeout)
        except InputError as error:
            raise _Hopeless(f"{url}: {error}; choose another mirror") from None
        except requests.exceptions.SSLError:
            raise _Hopeless(f"{url}: its certificate is not valid; choose another mirror") from None
        except requests.ReadTimeout:
            raise _Again(f"does not answer for {self.patience.stall:g} s") from None
        except (requests.ConnectionError, requests.Timeout):
            raise _NoConnection(
                f"no connection to {urlsplit(url).netloc}; run again with a network"
            ) from None
        except requests.RequestException as error:
            raise InputError(f"{url}: cannot be asked for ({type(error).__name__})") from None
        with response:
            if not (offset and response.status_code == 416):
                _check_response(url, response, self.key)
            try:
                yield response
            except requests.RequestException:
                stall = self.patience.stall
                raise _Again(f"breaks off, or sends nothing for {stall:g} s") from None


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


def _check_response(url: str, response: requests.Response, key: Key | None) -> None:
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


def _retry_after(response: requests.Response) -> float | None:
    """Return the wait in seconds that the Retry-After header demands, if it is valid."""
    with suppress(InvalidHeader, ValueError, OverflowError):  # the latter two by absurd dates
        return Patience().retries.get_retry_after(response.raw)
    return None
