"""Figures: which the study has, and what they are drawn of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from xsleep import systems
from xsleep.results.figures import FORMATS
from xsleep.study import paths
from xsleep.study.runs import Run, ScratchRuns, folder
from xsleep.study.table2 import Table2
from xsleep.systems import System

PICKS = ("best", "median", "worst")
"""Recordings whose hypnograms are drawn, by their accuracy."""
OF_SYSTEMS = {
    "confusion": "Confusion matrices",
    "stages": "F1 of each stage",
    "subjects": "Subjects",
    "calibration": "Calibration",
}
"""Figures of all systems on a database, window and channel set, and their names."""


class Figures:
    """Figures of the study."""

    def __init__(self, scratch: ScratchRuns, table2: Table2) -> None:
        self.scratch, self.table2 = scratch, table2

    def learning(self, database: str) -> list[System]:
        """Return the systems with learning curves that are trained, single views first."""
        known = [systems.by_slug()[slug] for slug in self.scratch.trained(database)]
        chosen = [system for system in known if "learning" in system.figures]
        return sorted(chosen, key=lambda system: len(system.views))

    @cached_property
    def paths(self) -> list[str]:
        """The figures that ``all`` draws, in all formats."""
        registry = systems.registry()
        single = {name for name in systems.of_paper("XSleepNet") if len(registry[name].views) == 1}
        ran = {run["system"] for run in self.table2.scratch + self.table2.given}
        known = [systems.by_slug()[slug] for slug in ran]
        gains = single <= {s.name for s in known} and any("gain" in s.figures for s in known)
        cases = {paths.CASE.format(**r): self.learning(r["database"]) for r in self.table2.scratch}
        first: dict[str, Run] = {}  # of each database
        for run in self.table2.runs:
            first.setdefault(run["database"], run)
        stems = [
            *(f"fig1/{case}" for case, of in cases.items() if {s.name for s in of} - single),
            "fig4",
            *(f"fig5/{case}" for case, of in cases.items() if any(s.is_blended for s in of)),
            *(f"fig6/{case}" for case, of in cases.items() if of),
            *(["gain"] if gains else []),
            *(
                f"{figure}/{case}"
                for case in dict.fromkeys(paths.CASE.format(**run) for run in self.table2.runs)
                for figure in OF_SYSTEMS
            ),
            *(
                f"hypnograms/{paths.CASE.format(**run)}/{run['system']}/{pick}"
                for run in first.values()
                for pick in PICKS
            ),
        ]
        return [f"results/figures/{s}.{suffix}" for s in stems for suffix in FORMATS]

    def histories(self, case: Mapping[str, str]) -> list[str]:
        """Return the histories of the learning curves: first seed and fold of each system."""
        first = {**case, "seed": self.scratch.workflow.seeds[0], "fold": 1}
        learning = self.learning(case["database"])
        return [f"{folder({**first, 'system': s.slug})}/history.csv" for s in learning]
