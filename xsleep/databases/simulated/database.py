"""The simulated cohort as a database: read as Sleep-EDF, known before it is written."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from xsleep.core.settings import Settings
from xsleep.databases.base import Entry, Origin, Source
from xsleep.databases.simulated.cohort import Cohort, hypnogram_name, recording_ids
from xsleep.databases.sleep_edf import SleepEdf


class CohortSettings(Settings):
    """A simulated cohort.

    Attributes:
        subjects, nights, hours: how many, of each, and of each record.
        gain, low_pass: another recorder: a factor on EEG and EOG, and the hertz above which it
            damps them.
        seed: another seed, other people.
    """

    subjects: PositiveInt
    nights: PositiveInt = 1
    hours: PositiveFloat
    gain: PositiveFloat = 1
    low_pass: PositiveFloat | None = Field(default=None, lt=50)
    seed: NonNegativeInt = 1


class SimulatedSource(Source):
    """Settings of a simulated database: the cohort that is made."""

    cohort: CohortSettings


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
        self.cohort = Cohort(**source.cohort.model_dump())
        self.hours = source.cohort.hours

    def entries(self) -> list[Entry]:
        return [
            Entry(
                name, subject, (self.folder / f"{name}-PSG.edf", self.folder / hypnogram_name(name))
            )
            for name, subject in recording_ids(self.cohort)
        ]
