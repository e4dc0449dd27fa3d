"""What the servers of the databases are asked: which files there are, with which hash.

PhysioNet publishes ``SHA256SUMS.txt`` beside the files, Zenodo and the National Sleep Research
Resource (NSRR) answer with JSON. NSRR wants a token, which is read from the environment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from xsleep.config.databases import Source
from xsleep.core.errors import InputError
from xsleep.databases import dreams
from xsleep.databases.fetch import listing
from xsleep.databases.fetch.listing import Listed
from xsleep.databases.physio2018 import KINDS

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key

TOKEN = "NSRR_TOKEN"

RECORDINGS_LISTED = ("physio2018", "shhs")
"""Readers of the databases whose recordings are known from the server's list alone."""

SIGNAL_BYTES = 135_000_000
"""Of a record's signals in Physio2018, on average: PhysioNet lists no sizes."""

SHHS_FILES = re.compile(
    r"polysomnography/(edfs/shhs1/shhs1-\d{6}\.edf"
    r"|annotations-events-nsrr/shhs1/shhs1-\d{6}-nsrr\.xml)"
)


def list_files(source: Source, report: Callable[[str], None]) -> None:
    """Have the list of the server's files in the source's folder, for databases that need it.

    Args:
        report: is given a line where the server is asked.

    Raises:
        InputError: in one line, why there is none.
    """
    if source.fetch is None or source.reader not in _LISTS or listing.exists(source.folder):
        return
    url = source.fetch.url.rstrip("/")
    report(f"asking {url} which files there are")
    try:
        listing.write(source.folder, _LISTS[source.reader](url))
    except InputError as error:
        raise InputError(
            f"{error} (or put the files into {source.folder} and set source.fetch to null)"
        ) from None
    except OSError as error:
        raise InputError(f"{source.folder}: cannot be written to ({error.strerror})") from None


def key_of(source: Source) -> Key | None:
    """What opens the server of the source, where it is not open to everyone.

    Raises:
        InputError: there is no token in the environment.
    """
    return _nsrr_key() if source.reader == "shhs" else None


def _nsrr_key() -> Key:
    from xsleep.databases.fetch.download import Key

    refused = (
        f"the server does not accept the token in {TOKEN} for this; copy it anew from "
        "https://sleepdata.org/token, and see there that your request was granted"
    )
    _with_token("")  # which says so where there is none
    return Key(_with_token, refused)


def _with_token(url: str) -> str:
    """The address with the token, for the server alone; no other function knows the token."""
    token = quote(os.environ.get(TOKEN, "").strip(), safe="")
    if not token:
        raise InputError(
            f"{TOKEN} is not set; set this environment variable to your token from "
            "https://sleepdata.org/token"
        )
    if "?" in url:
        return f"{url}&auth_token={token}"
    return url.replace("/datasets/shhs/files/", f"/datasets/shhs/files/a/{token}/m/xsleep/")


def _ask(url: str, key: Key | None = None) -> str:
    # Imported here, as the workflow imports this module at the start of every job.
    from xsleep.databases.fetch.download import Patience, fetch_text

    return fetch_text(url, Patience(tries=3), key)


def _ask_json(
    url: str, read: Callable[[Any], dict[str, Listed]], key: Key | None = None
) -> dict[str, Listed]:
    answer = _ask(url, key)
    try:
        return read(json.loads(answer))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{url}: answers with something else than the list of files") from None


def _physio2018(url: str) -> dict[str, Listed]:
    sums = f"{url}/SHA256SUMS.txt"
    kinds = "|".join(KINDS)
    found = re.findall(
        rf"^([0-9a-f]{{64}}) +\*?training/((tr\d\d-\d{{4}})/\3\.({kinds}))$", _ask(sums), re.M
    )
    files = {
        name: Listed(digest, SIGNAL_BYTES if kind == "mat" else 0)
        for digest, name, _, kind in found
    }
    records = {record for _, _, record, _ in found}
    if not files or len(files) != len(records) * len(KINDS):
        raise InputError(f"{sums}: does not list {', '.join(KINDS)} of each training record")
    return files


def _dreams(url: str) -> dict[str, Listed]:
    def read(answer: Any) -> dict[str, Listed]:
        archives = {collection.archive for collection in dreams.COLLECTIONS.values()}
        found = {file["key"]: file for file in answer["files"]}
        return {
            name: _listed(found[name]["checksum"].removeprefix("md5:"), found[name]["size"])
            for name in archives
        }

    return _ask_json(f"{url}/api/records/2650142", read)


def _shhs(url: str) -> dict[str, Listed]:
    def read(answer: Any) -> dict[str, Listed]:
        found = ((SHHS_FILES.fullmatch(file["full_path"]), file) for file in answer)
        return {
            match[1]: _listed(file["file_checksum_md5"], file["file_size"])
            for match, file in found
            if match
        }

    files, key = {}, _nsrr_key()
    for folder in ("edfs/shhs1", "annotations-events-nsrr/shhs1"):
        address = f"{url}/api/v1/datasets/shhs/files.json?path=polysomnography/{folder}"
        there = _ask_json(address, read, key)
        if not there:
            raise InputError(f"{address}: lists no file of the first visit")
        files |= there
    return files


def _listed(md5: str, size: int) -> Listed:
    if not re.fullmatch("[0-9a-f]{32}", md5):
        raise ValueError
    return Listed(md5, int(size))


_LISTS = {
    "physio2018": _physio2018,
    "shhs": _shhs,
    **dict.fromkeys(dreams.COLLECTIONS, _dreams),
}
