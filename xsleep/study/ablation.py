"""Ablation: runs of one system with each difference between paper and code, or each variant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from xsleep import systems
from xsleep.config.presets import DIFFERENCES, Preset
from xsleep.study import paths
from xsleep.study.runs import Run, ScratchRuns, folder
from xsleep.study.settings import RunSettings


class Ablation:
    """Runs of the ablation.

    Attributes:
        variants: those of the system that are compared with it, by name; if it has any, they take
            the place of the differences between paper and code.
    """

    def __init__(self, settings: RunSettings, scratch: ScratchRuns) -> None:
        self.settings, self.scratch, self.workflow = settings, scratch, settings.workflow
        self.chosen = self.workflow.ablation
        self.system = systems.registry()[self.chosen.system]
        chosen = self.chosen.variants or self.system.variants
        self.variants = {name: self.system.variants[name] for name in chosen}

    @cached_property
    def switched(self) -> list[str]:
        """Differences in which the preset is not as in the paper, or variants that differ."""
        name, preset = self.chosen.system, self.settings.preset(self.chosen.database)
        if not self.variants:
            return preset.differences(name, self.workflow.presets["paper"])
        own = preset.record(name)
        return [v for v, varied in self.presets.items() if varied.record(name) != own]

    @cached_property
    def presets(self) -> dict[str, Preset]:
        """Hyper-parameters of each variant."""
        database = self.chosen.database
        return {
            name: self.settings.varied(database, self.system, systems.slug(name))
            for name in self.variants
        }

    @property
    def runs(self) -> list[tuple[str, Run]]:
        """Each difference or variant, and ``none``, with its runs; none if nothing differs."""
        chosen = self.chosen
        differences = ("none", *self.values) if self.switched else ()
        return [
            (difference, run)
            for difference in differences
            for run in self.scratch.of(chosen.database, [self.system.slug])
            if (run["window"], run["channels"]) == (chosen.window, chosen.channels)
        ]

    def folder(self, difference: str, run: Run) -> str:
        """Return the folder of a run; that of Table 2 where nothing changes."""
        root = paths.ABLATION.format(difference=systems.slug(difference))
        return folder(run, root if difference in self.switched else "results")

    @property
    def values(self) -> dict[str, dict[str, Any]]:
        """Each difference or variant with the settings that change and their values, as text."""
        if self.variants:
            preset = self.settings.preset(self.chosen.database)
            every = {n: preset.changes(self.system.name, v) for n, v in self.variants.items()}
            return {
                name: {
                    f"{group}.{setting}": as_text(value)
                    for group, changes in variant.model_dump().items()
                    for setting, value in changes.items()
                }
                for name, variant in every.items()
            }
        presets = {d: self.settings.preset(self.chosen.database, d) for d in DIFFERENCES}
        return {
            difference: {name: as_text(presets[difference].value(name)) for name in names}
            for difference, names in DIFFERENCES.items()
        }


def as_text(value: Any) -> Any:
    """Return the value of a setting to be shown; of one for each channel, these."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return "none" if value is None else value
