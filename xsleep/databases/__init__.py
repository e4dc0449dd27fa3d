"""The databases, each behind the interface of ``xsleep.databases.base``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xsleep.config.databases import Source
from xsleep.databases import dreams
from xsleep.databases.base import STAGING, Database, Entry, Published
from xsleep.databases.fetch import listing
from xsleep.databases.fetch.listing import Listed
from xsleep.databases.formats.channels import Channels
from xsleep.databases.mass import Mass
from xsleep.databases.own import Own
from xsleep.databases.physio2018 import Physio2018
from xsleep.databases.shhs import Shhs
from xsleep.databases.simulated.cohort import Cohort
from xsleep.databases.simulated.database import SimulatedCohort
from xsleep.databases.sleep_edf import (
    SleepEdf,
    cassette_nights,
    placebo_nights,
    published_hashes,
)

__all__ = ["Database", "Entry", "Published", "missing", "open_database", "to_fetch"]

PATHS = {
    **dict.fromkeys(("sleep-edf-20", "sleep-edf-78", "sleep-edf-st"), ""),
    **dict.fromkeys(dreams.COLLECTIONS, "records/2650142/files/"),
    "physio2018": "training/",
    "shhs": "datasets/shhs/files/polysomnography/",
}
"""What is between the address that the configuration gives and a file's path, by reader."""


def open_database(source: Source) -> Database:
    """The database that the source describes."""
    channels = Channels(source.labels, source.units, source.lowest_rate)
    if source.reader == "simulated":
        cohort = Cohort(**source.cohort.model_dump())
        return SimulatedCohort(source.folder, channels, cohort)
    if source.reader in dreams.COLLECTIONS:
        collection = dreams.COLLECTIONS[source.reader]
        return dreams.Dreams(source.folder, channels, collection, source.fetch is not None)
    if source.reader == "mass":
        return Mass(source.folder, channels)
    if source.reader == "own":
        return Own(source.folder, channels, source.hypnogram, source.subject)
    if source.reader == "physio2018":
        return Physio2018(source.folder, channels, published(source))
    if source.reader == "shhs":
        return Shhs(source.folder, channels, published(source))
    nights = {
        "sleep-edf-20": lambda: cassette_nights(20),
        "sleep-edf-78": cassette_nights,
        "sleep-edf-st": placebo_nights,
    }[source.reader]()
    return SleepEdf(source.folder, channels, nights, fetched=source.fetch is not None)


def published(source: Source) -> Mapping[str, Listed]:
    """Path below the folder to what is published of each file that can be fetched."""
    if source.fetch is None:
        return {}
    if source.reader.startswith("sleep-edf"):
        return {name: Listed(digest) for name, digest in published_hashes().items()}
    return listing.read(source.folder)


def missing(source: Source, entries: Sequence[Entry]) -> list[str]:
    """Paths below the folder of what is to be fetched for these recordings."""
    if source.fetch is None:
        return []
    if source.reader in dreams.COLLECTIONS:
        return dreams.COLLECTIONS[source.reader].missing_archive(source.folder, entries)
    there = published(source)
    paths = (path for entry in entries for path in entry.files if not path.exists())
    names = (path.relative_to(source.folder).as_posix() for path in paths)
    return [name for name in names if name in there]


def to_fetch(source: Source) -> list[Published]:
    """The files of the source's recordings that are missing in its folder and can be fetched."""
    there = published(source)
    files = []
    for name in missing(source, open_database(source).entries()):
        on_server = name.removeprefix(f"{STAGING}/")
        url = f"{source.fetch.url.rstrip('/')}/{PATHS[source.reader]}{on_server}"
        files.append(Published(url, name, *there[on_server]))
    return files
