"""Figures: which the study has, and what they are drawn of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from xsleep import systems
from xsleep.study import paths
from xsleep.study.runs import Run, ScratchRuns, folder
from xsleep.study.table2 import Table2

PICKS = ("best", "median", "worst")
"""Recordings whose hypnograms are drawn, by their accuracy."""


class Figures:
    """Figures of the study.

    Attributes:
        learning: selected systems with learning curves, as in a path, single views first.
    """

    def __init__(self, scratch: ScratchRuns, table2: Table2) -> None:
        self.scratch, self.table2 = scratch, table2
        known = systems.by_slug()
        chosen = [slug for slug in scratch.selected if "learning" in known[slug].figures]
        self.learning = sorted(chosen, key=lambda slug: len(known[slug].views))

    @cached_property
    def paths(self) -> list[str]:
        """The figures that ``all`` draws, as SVG and PNG."""
        registry = systems.registry()
        single = {name for name in systems.of_paper("XSleepNet") if len(registry[name].views) == 1}
        selected = [systems.by_slug()[slug] for slug in self.scratch.selected]
        learning = [system for system in selected if "learning" in system.figures]
        gains = single <= {s.name for s in selected} and any("gain" in s.figures for s in selected)
        cases = dict.fromkeys(paths.CASE.format(**run) for run in self.scratch.scratch)
        first: dict[str, Run] = {}  # of each database
        for run in self.table2.runs:
            first.setdefault(run["database"], run)
        stems = [
            *(f"fig1/{case}" for case in cases if {s.name for s in learning} - single),
            "fig4",
            *(f"fig5/{case}" for case in cases if any(s.is_blended for s in learning)),
            *(f"fig6/{case}" for case in cases if self.learning),
            *(["gain"] if gains else []),
            *(
                f"{figure}/{case}"
                for case in dict.fromkeys(paths.CASE.format(**run) for run in self.table2.runs)
                for figure in ("subjects", "calibration")
            ),
            *(
                f"hypnograms/{paths.CASE.format(**run)}/{run['system']}/{pick}"
                for run in first.values()
                for pick in PICKS
            ),
        ]
        return [f"results/figures/{s}.{suffix}" for s in stems for suffix in ("svg", "png")]

    def histories(self, case: Mapping[str, str]) -> list[str]:
        """Return the histories of the learning curves: first seed and fold of each system."""
        first = {**case, "seed": self.scratch.workflow.seeds[0], "fold": 1}
        return [f"{folder({**first, 'system': slug})}/history.csv" for slug in self.learning]
