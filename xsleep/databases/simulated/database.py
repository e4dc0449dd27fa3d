"""The simulated cohort as a database: read as Sleep-EDF, known before it is written."""

from __future__ import annotations

from pathlib import Path

from xsleep.databases.base import Entry
from xsleep.databases.formats.channels import Channels
from xsleep.databases.simulated.cohort import Cohort, hypnogram_name, recording_ids
from xsleep.databases.sleep_edf import SleepEdf


class SimulatedCohort(SleepEdf):
    """The recordings of a cohort, whether or not they have been written into ``folder`` yet."""

    def __init__(self, folder: Path, channels: Channels, cohort: Cohort) -> None:
        super().__init__(folder, channels, ())
        self.cohort = cohort

    def entries(self) -> list[Entry]:
        return [
            Entry(
                name,
                subject,
                (
                    self.folder / f"{name}-PSG.edf",
                    self.folder / hypnogram_name(name),
                ),
            )
            for name, subject in recording_ids(self.cohort)
        ]
