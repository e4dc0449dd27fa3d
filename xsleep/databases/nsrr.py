"""Recordings of the National Sleep Research Resource (NSRR): EDF files and scorings apart.

A recording is ``edfs/VISIT/NAME.edf`` with its scoring in the XML of NSRR,
``annotations-events-nsrr/VISIT/NAME-nsrr.xml``, or in that of Compumedics Profusion, from which it
was made. The Wisconsin Sleep Cohort (WSC) has text files beside the recordings instead. Which
names the files of a database have, its YAML file says.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import numpy as np
from pydantic import Field, PositiveInt, field_validator

from xsleep.core.errors import InputError, warn
from xsleep.core.files import read_csv
from xsleep.core.recording import Hypnogram
from xsleep.databases import base
from xsleep.databases.base import EdfDatabase, Entry, Listed, Origin, Size, Sizes, Source
from xsleep.databases.fetch.servers import ServerListed, ask_json, listed
from xsleep.databases.formats import edf, nsrr_xml, wsc
from xsleep.databases.formats.channels import as_clock
from xsleep.databases.paths import PatternText, People, matching, person_of, read_people

if TYPE_CHECKING:
    from xsleep.databases.fetch.download import Key

SIGNALS = "edfs"
"""Folder of the recordings, where scorings are apart from them."""
SCORINGS = ("nsrr", "profusion")
"""Kinds of XML, in order of preference; the first is fetched."""
BESIDE = (".stg.txt", ".allscore.txt")
"""Ends of scorings beside a recording, in order of preference."""

SCORED = (".xml", *BESIDE)
"""Ends of the names of scorings."""

TOKEN = "NSRR_TOKEN"
"""Environment variable with the user's token."""


class NsrrSource(Source):
    """Settings of a database of NSRR.

    Attributes:
        dataset: its name in addresses of NSRR, as ``shhs``.
        recordings: patterns of the paths of the EDF files below the folder, as
            ``edfs/shhs1/shhs1-{subject}.edf``.
        lowest_rate (Hz): lowest sampling rate of a channel. Channels below 100 Hz are upsampled.
        scored_to_the_end: whether a scoring that ends before the signal is an error; otherwise the
            rest is unscored.
        people: table of the persons or families that subjects belong to.
    """

    dataset: str = Field(pattern="^[a-z0-9-]+$")
    recordings: tuple[PatternText, ...] = Field(min_length=1)
    lowest_rate: PositiveInt = 100
    scored_to_the_end: bool = False
    people: People | None = Field(default=None, exclude_if=lambda people: people is None)

    @field_validator("recordings")
    @classmethod
    def _are_in_known_folders(cls, recordings: tuple[str, ...]) -> tuple[str, ...]:
        for text in recordings:
            folder, _, name = text.rpartition("/")
            if "{" in folder or "{subject}" not in name:
                raise ValueError(
                    f"{text!r} must have {{subject}} in the name of the file, and no field in "
                    "that of its folder; give a pattern for each folder"
                )
        return recordings


class Nsrr(ServerListed, EdfDatabase):
    """Recordings that the server lists or, if it is not asked, those in the folder."""

    reader = "nsrr"
    settings = NsrrSource
    origin = Origin(
        "A database of the National Sleep Research Resource",
        "https://sleepdata.org",
        "On request at the National Sleep Research Resource; the files may not be passed on.",
    )
    amount = "all of it, which may be hundreds of GB,"
    recordings_listed = True
    source: NsrrSource

    def __init__(self, source: NsrrSource) -> None:
        super().__init__(source)
        labels = {
            channel: tuple(one for label in given for one in labels_of(label, source.dataset))
            for channel, given in source.labels.items()
        }
        self.channels = replace(self.channels, labels=labels, lowest_rate=source.lowest_rate)
        self.path_on_server = f"datasets/{source.dataset}/files/polysomnography/"

    def ask(self, url: str) -> dict[str, Listed]:
        def read(answer: Any) -> dict[str, Listed]:
            found = (file for file in answer if file["full_path"].endswith((".edf", *SCORED)))
            return {
                file["full_path"].removeprefix("polysomnography/"): listed(
                    file["file_checksum_md5"], file["file_size"]
                )
                for file in found
            }

        key, there = self.key(), dict[str, Listed]()
        signals = [str(PurePosixPath(text).parent) for text in self.source.recordings]
        scorings = [
            str(PurePosixPath(_scorings(text)[0]).parent) for text in self.source.recordings
        ]
        for folder in dict.fromkeys([*signals, *scorings]):
            path = "/".join(part for part in ("polysomnography", folder) if part != ".")
            address = f"{url}/api/v1/datasets/{self.source.dataset}/files.json?path={path}"
            found = ask_json(address, read, key)
            if not found:
                raise InputError(f"{address}: lists no file")
            there |= found
        recordings = [
            path.relative_to(self.folder).as_posix()
            for path, _ in matching(self.folder, self.source.recordings, [*there])
        ]
        wanted = {*recordings, *(name for one in recordings for name in _scorings(one))}
        return {name: file for name, file in there.items() if name in wanted}

    def key(self) -> Key:
        from xsleep.databases.fetch.download import Key

        refused = (
            f"the server does not accept the token in {TOKEN} for this; copy it anew from "
            "https://sleepdata.org/token, and see there that your request was granted"
        )
        _with_token("")  # raises where there is none
        return Key(_with_token, refused)

    def entries(self) -> list[Entry]:
        published = self.published()
        found = matching(self.folder, self.source.recordings, [*published])
        if not found:
            example = self.source.recordings[0]
            raise self.none_there(f"recording of {self.source.dataset}", example)
        people = read_people(self.folder, self.source.people) if self.source.people else {}
        paths: dict[str, list[Path]] = defaultdict(list)
        subjects = {}
        for path, fields in found:
            paths[path.stem.lower()].append(path)
            subjects[path.stem.lower()] = fields["subject"].lower()
        expected = {
            name: _scorings(signals[0].relative_to(self.folder).as_posix())
            for name, signals in paths.items()
        }
        folders = {(self.folder / one).parent for names in expected.values() for one in names}
        there = {
            str(path).lower(): path for folder in folders for path in base.files(folder, "*.*")
        }

        def entry(name: str, signals: Sequence[Path]) -> Entry:
            wanted = [self.folder / one for one in expected[name]]
            scorings = [there[str(one).lower()] for one in wanted if str(one).lower() in there]
            if not scorings:
                to_come = [self.folder / one for one in expected[name] if one in published]
                scorings = (to_come or wanted)[:1]
            fault = base.doubled(signals, "signals of this name")
            person = person_of(subjects[name], people, self.source.people)
            return Entry(name, person, (signals[0], *scorings), fault)

        return [entry(name, signals) for name, signals in sorted(paths.items())]

    def hypnogram(self, entry: Entry, file: edf.Edf) -> Hypnogram:
        _, scoring, *others = entry.files
        hypnogram = self._read(scoring, file)
        _warn_of_other_start(scoring, file)
        for other in others:
            self._warn_of_other_stages(other, file, scoring, hypnogram)
        return hypnogram

    def _read(self, scoring: Path, file: edf.Edf) -> Hypnogram:
        read = nsrr_xml.read_hypnogram if scoring.suffix == ".xml" else wsc.read_hypnogram
        return read(scoring, file.seconds, to_the_end=self.source.scored_to_the_end)

    def _warn_of_other_stages(
        self, other: Path, file: edf.Edf, scoring: Path, taken: Hypnogram
    ) -> None:
        """Warn where another scoring of a recording differs, or cannot be read."""
        try:
            found = self._read(other, file)
        except InputError as error:
            warn(other, f"passed over: {str(error).removeprefix(f'{other}: ')}")
            return
        if not np.array_equal(found.stages, taken.stages):
            warn(other, f"has other stages than {scoring.name}, whose are taken")


class Shhs(Nsrr):
    """SHHS, the Sleep Heart Health Study, first visit."""

    name = "SHHS"
    amount = "230 GB"
    # XSleepNet paper, Table 1.
    sizes: ClassVar[Sizes] = {
        "whole-night": Size(
            5791, 5791, setup="train/test: 0.7/0.3", validation=100, training_subset=100
        )
    }


def labels_of(label: str, dataset: str) -> tuple[str, ...]:
    """Return the labels and derivations that a name of ``nsrr_channels.csv`` has in a dataset.

    They are in the order of the table; any other label stands for itself.
    """
    found = [one for one, datasets in _table().get(label, ()) if dataset in (datasets or [dataset])]
    return tuple(found) or (label,)


@cache
def _table() -> Mapping[str, Sequence[tuple[str, Sequence[str]]]]:
    """Return harmonised name to labels, and the datasets that have them; none: all."""
    found = defaultdict(list)
    for row in read_csv(package_files("xsleep.databases") / "nsrr_channels.csv"):
        found[row["name"]].append((row["label"], row["datasets"].split()))
    return dict(found)


def _scorings(recording: str) -> list[str]:
    """Return the paths of the scorings that a recording may have, by its path, the best first."""
    path = PurePosixPath(recording)
    if path.parts[0] != SIGNALS:
        return [str(path.with_suffix(end)) for end in BESIDE]
    below = "/".join(path.parts[1:-1])
    return [
        str(PurePosixPath(f"annotations-events-{kind}") / below / f"{path.stem}-{kind}.xml")
        for kind in SCORINGS
    ]


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
    return re.sub(r"(?<=/datasets/)([^/]+/files/)", rf"\g<1>a/{token}/m/xsleep/", url, count=1)


def _warn_of_other_start(scoring: Path, recording: edf.Edf) -> None:
    """Warn where a scoring says that the recording started at another time than its header."""
    read = nsrr_xml.recording_start if scoring.suffix == ".xml" else wsc.recording_start
    said = read(scoring)
    if said is None or recording.clock is None:
        return
    clock = recording.start - datetime.combine(recording.start, time())
    apart = abs(edf.between_clocks(said - clock.total_seconds()))
    if apart >= 1:
        says = f"says that the recording started at {as_clock(said)}, {recording.path.name} at"
        warn(scoring, f"{says} {recording.clock}; its onsets count from the first sample")
