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
        self.settings, self.scratch = settings, scratch
        self.chosen = settings.workflow.ablation

    @cached_property
    def switched(self) -> list[str]:
        """Differences in which the preset is not as in the paper."""
        paper = self.settings.workflow.presets["paper"]
        preset = self.settings.preset(self.chosen.database)
        return preset.differences(self.chosen.system, paper)

    @property
    def runs(self) -> list[tuple[str, Run]]:
        """Differences to the paper and the runs with each switched; ``none`` switches none.

        Empty where the preset has every difference as in the paper already.
        """
        return [
            (difference, run)
            for difference in (("none", *DIFFERENCES) if self.switched else ())
            for run in self.scratch.of(self.chosen.database, [systems.slug(self.chosen.system)])
            if (run["window"], run["channels"]) == (self.chosen.window, self.chosen.channels)
        ]

    def folder(self, difference: str, run: Run) -> str:
        """Return the folder of a run; that of Table 2 where nothing changes."""
        if difference not in self.switched:
            return folder(run)
        return folder(run, paths.ABLATION.format(difference=difference))

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
    if isinstance(value, Mapping):
        return ", ".join(f"{channel}: {one}" for channel, one in value.items())
    return value
