"""Ablation: runs of one system with each difference between paper and code switched."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from xsleep import systems
from xsleep.config.presets import DIFFERENCES
from xsleep.study import paths
from xsleep.study.runs import Run, ScratchRuns, folder
from xsleep.study.settings import RunSettings


class Ablation:
    """Runs of the ablation."""

    def __init__(self, settings: RunSettings, scratch: ScratchRuns) -> None:
        self.settings, self.scratch, self.workflow = settings, scratch, settings.workflow
        self.chosen = self.workflow.ablation

    @cached_property
    def switched(self) -> list[str]:
        """Differences in which the preset is not as in the paper."""
        preset, paper = self.settings.preset(self.chosen.database), self.workflow.presets["paper"]
        return preset.differences(self.chosen.system, paper)

    @property
    def runs(self) -> list[tuple[str, Run]]:
        """Each difference, and ``none``, with its runs; none if the preset is as in the paper."""
        chosen, differences = self.chosen, ("none", *DIFFERENCES) if self.switched else ()
        return [
            (difference, run)
            for difference in differences
            for run in self.scratch.of(chosen.database, [systems.slug(chosen.system)])
            if (run["window"], run["channels"]) == (chosen.window, chosen.channels)
        ]

    def folder(self, difference: str, run: Run) -> str:
        """Return the folder of a run; that of Table 2 where nothing changes."""
        root = paths.ABLATION.format(difference=difference)
        return folder(run, root if difference in self.switched else "results")

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """Each difference with the settings that it switches and their values, to be shown."""
        presets = {d: self.settings.preset(self.chosen.database, d) for d in DIFFERENCES}
        return {
            difference: {name: as_text(presets[difference].value(name)) for name in names}
            for difference, names in DIFFERENCES.items()
        }


def as_text(value: Any) -> Any:
    """Return the value of a setting to be shown; of one for each channel, these."""
    by_channel = isinstance(value, Mapping)
    return ", ".join(f"{name}: {one}" for name, one in value.items()) if by_channel else value
