"""SHHS, the Sleep Heart Health Study, first visit: recordings at home of 5,793 subjects.

A recording is ``edfs/shhs1/shhs1-NNNNNN.edf`` with its scoring apart, in the XML of the National
Sleep Research Resource (``annotations-events-nsrr/shhs1/shhs1-NNNNNN-nsrr.xml``) or in that of
Compumedics Profusion, from which it was made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import numpy as np
from pydantic import PositiveInt

from xsleep.core.errors import InputError, warn
from xsleep.core.recording import Hypnogram
from xsleep.databases import base
from xsleep.databases.base import EdfDatabase, Entry, Listed, Origin, Size, Sizes, Source
from xsleep.databases.fetch.servers import ServerListed, ask_json, listed
from xsleep.databases.formats import edf
from xsleep.databases.formats.channels import as_clock
from xsleep.databases.formats.nsrr_xml import read_hypnogram, recording_start

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key

VISIT = "shhs1"
SCORINGS = ("nsrr", "profusion")
"""Kinds of XML, in order of preference."""

TOKEN = "NSRR_TOKEN"
"""Environment variable with the user's token."""

ON_SERVER = re.compile(
    r"polysomnography/(edfs/shhs1/shhs1-\d{6}\.edf"
    r"|annotations-events-nsrr/shhs1/shhs1-\d{6}-nsrr\.xml)"
)


class ShhsSource(Source):
    """Settings of SHHS.

    Attributes:
        lowest_rate (Hz): lowest sampling rate of a channel. Channels below 100 Hz are upsampled
            (the EOG has 50).
    """

    lowest_rate: PositiveInt = 100


class Shhs(ServerListed, EdfDatabase):
    """Recordings that the server lists or, if it is not asked, those in the folder."""

    reader, name = "shhs", "SHHS"
    settings = ShhsSource
    scoring = "R&K"
    origin = Origin(
        "Sleep Heart Health Study, first visit",
        "https://sleepdata.org/datasets/shhs",
        "On request at the National Sleep Research Resource; the files may not be passed on.",
        cited={
            "https://doi.org/10.1093/sleep/20.12.1077": "Quan et al., The Sleep Heart Health "
            "Study: design, rationale, and methods, Sleep 20 (1997)",
            "https://doi.org/10.1093/jamia/ocy064": "Zhang et al., The National Sleep Research "
            "Resource: towards a sleep data commons, J. Am. Med. Inform. Assoc. 25 (2018)",
        },
    )
    # XSleepNet paper, Table 1.
    sizes: ClassVar[Sizes] = {
        "whole-night": Size(
            5791, 5791, setup="train/test: 0.7/0.3", validation=100, training_subset=100
        )
    }
    amount = "230 GB"
    path_on_server = "datasets/shhs/files/polysomnography/"
    recordings_listed = True

    def __init__(self, source: ShhsSource) -> None:
        super().__init__(source)
        self.channels = replace(self.channels, lowest_rate=source.lowest_rate)

    def ask(self, url: str) -> dict[str, Listed]:
        def read(answer: Any) -> dict[str, Listed]:
            found = ((ON_SERVER.fullmatch(file["full_path"]), file) for file in answer)
            return {
                match[1]: listed(file["file_checksum_md5"], file["file_size"])
                for match, file in found
                if match
            }

        files: dict[str, Listed] = {}
        key = self.key()
        for folder in ("edfs/shhs1", "annotations-events-nsrr/shhs1"):
            address = f"{url}/api/v1/datasets/shhs/files.json?path=polysomnography/{folder}"
            there = ask_json(address, read, key)
            if not there:
                raise InputError(f"{address}: lists no file of the first visit")
            files |= there
        return files

    def key(self) -> Key:
        from xsleep.databases.fetch.download import Key

        refused = (
            f"the server does not accept the token in {TOKEN} for this; copy it anew from "
            "https://sleepdata.org/token, and see there that your request was granted"
        )
        _with_token("")  # raises where there is none
        return Key(_with_token, refused)

    def entries(self) -> list[Entry]:
        listed = sorted(name for name in self.published() if name.endswith(".edf"))
        signals = {Path(name).stem[-6:]: [self.folder / name] for name in listed}
        signals = signals or base.by_name(self.folder / "edfs" / VISIT, rf"{VISIT}-(\d{{6}})\.edf")
        if not signals:
            raise self.none_there("recording of SHHS", "edfs/shhs1/shhs1-200001.edf")
        folders = [self.folder / f"annotations-events-{kind}" / VISIT for kind in SCORINGS]
        xml = (path for folder in folders for path in base.files(folder, "*.xml"))
        there = {path.name.lower(): path for path in xml}

        def entry(subject: str, paths: Sequence[Path]) -> Entry:
            name = f"{VISIT}-{subject}"
            named = [f"{name}-{kind}.xml" for kind in SCORINGS]
            scorings = [there[file] for file in named if file in there] or [folders[0] / named[0]]
            fault = base.doubled(paths, "signals of this name")
            return Entry(name, subject, (paths[0], *scorings), fault)

        return [entry(subject, paths) for subject, paths in signals.items()]

    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        _, scoring, *others = entry.files
        hypnogram = read_hypnogram(scoring, file.seconds)
        _warn_of_other_start(scoring, file)
        for other in others:
            _warn_of_other_stages(other, file.seconds, scoring, hypnogram)
        return hypnogram


def _with_token(url: str) -> str:
    """Return the address with the token, for the server alone; nothing else knows the token."""
    token = quote(os.environ.get(TOKEN, "").strip(), safe="")
    if not token:
        raise InputError(
            f"{TOKEN} is not set; set this environment variable to your token from "
            "https://sleepdata.org/token"
        )
    if "?" in url:
        return f"{url}&auth_token={token}"
    return url.replace("/datasets/shhs/files/", f"/datasets/shhs/files/a/{token}/m/xsleep/")


def _warn_of_other_start(scoring: Path, recording: edf.Edf) -> None:
    """Warn where a scoring says that the recording started at another time than its header."""
    said = recording_start(scoring)
    if said is None or recording.clock is None:
        return
    clock = recording.start - datetime.combine(recording.start, time())
    apart = abs(edf.between_clocks(said - clock.total_seconds()))
    if apart >= 1:
        says = f"says that the recording started at {as_clock(said)}, {recording.path.name} at"
        warn(scoring, f"{says} {recording.clock}; its onsets count from the first sample")


def _warn_of_other_stages(other: Path, seconds: float, scoring: Path, taken: Hypnogram) -> None:
    """Warn where another scoring of a recording differs, or cannot be read."""
    try:
        found = read_hypnogram(other, seconds)
    except InputError as error:
        warn(other, f"passed over: {str(error).removeprefix(f'{other}: ')}")
        return
    if not np.array_equal(found.stages, taken.stages):
        warn(other, f"has other stages than {scoring.name}, whose are taken")
