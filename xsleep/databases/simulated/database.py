"""The simulated cohort as a database: read as Sleep-EDF, known before it is written."""

from __future__ import annotations

from xsleep.databases.base import Entry, Origin, Source
from xsleep.databases.simulated.cohort import Cohort, hypnogram_name, recordings
from xsleep.databases.sleep_edf import SleepEdf


class SimulatedSource(Source):
    """Settings of a simulated database.

    Attributes:
        cohort: the cohort that is made.
    """

    cohort: Cohort


class SimulatedCohort(SleepEdf):
    """The recordings of a cohort, whether or not they have been written into ``folder`` yet."""

    reader = "simulated"
    settings = SimulatedSource
    simulated, fetched = True, False
    origin = Origin(
        "Nights simulated by the workflow itself",
        access="Made anew by the workflow, the same from the same seed.",
        licence="that of the code",
    )

    def __init__(self, source: SimulatedSource) -> None:
        super().__init__(source)
        self.cohort, self.hours = source.cohort, source.cohort.hours

    def entries(self) -> list[Entry]:
        def entry(name: str) -> Entry:
            names = f"{name}-PSG.edf", hypnogram_name(name)
            files = tuple(self.folder / file for file in names)
            return Entry(name, name[3:5], files if self.source.signals else files[1:])

        return [entry(name) for name in recordings(self.cohort)]
