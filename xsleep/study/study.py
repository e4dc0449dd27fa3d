"""The study: a configuration in, and what the rules ask for out: runs, folders and targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from xsleep import systems
from xsleep.config.names import STRATEGIES, Window
from xsleep.config.presets import DIFFERENCES
from xsleep.config.workflow import load
from xsleep.core.recording import CHANNEL_SET
from xsleep.study import paths
from xsleep.study.ablation import Ablation
from xsleep.study.audit import Audit
from xsleep.study.databases import Databases
from xsleep.study.external import KINDS, ExternalSystems
from xsleep.study.figures import Figures
from xsleep.study.networks import Networks
from xsleep.study.robustness import Robustness
from xsleep.study.runs import ScratchRuns
from xsleep.study.settings import RunSettings
from xsleep.study.table2 import Table2
from xsleep.study.transfer import Transfer


class Study:
    """Parts of a study. Nothing is read but names of files, and nothing is changed.

    Attributes:
        systems: names of the systems, by what they are in a path.
        scored: the database that a released network scores without finetuning.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        """Check the content of ``config.yaml`` in a folder, and list the files of its databases.

        Raises:
            InputError: the configuration cannot be used.
        """
        self.systems = {slug: system.name for slug, system in systems.by_slug().items()}
        self.databases = Databases(load(config, folder), config, folder)
        self.workflow = self.databases.workflow
        self.scored = self.workflow.zero_shot.database
        self.settings = RunSettings(self.workflow)
        self.runs = ScratchRuns(self.workflow, self.databases.trained_on)
        self.external = ExternalSystems(self.databases)
        self.transfer = Transfer(self.workflow, self.settings)
        self.networks = Networks(self.settings)
        self.table2 = Table2(self.databases, self.runs, self.transfer, self.external)
        self.ablation = Ablation(self.settings, self.runs)
        self.robustness = Robustness(self.table2)
        self.audit = Audit(self.runs, self.table2)
        self.figures = Figures(self.runs, self.table2)

    @property
    def indexes(self) -> list[str]:
        """The index of each available database."""
        return [self.settings.index(name) for name in self.databases.names]

    @property
    def constraints(self) -> dict[str, str]:
        """Regular expressions of the wildcards."""
        variants = (map(systems.slug, one.variants) for one in systems.registry().values())
        switched = dict.fromkeys(chain(DIFFERENCES, *variants))
        ablated = (re.escape(paths.ABLATION.format(difference=one)) for one in switched)
        return {
            "store": _any_of(self.settings.filterings),
            "root": "|".join(
                ["results", *ablated, paths.RETRAINED, paths.GIVEN, "results/transfer/.+"]
            ),
            "database": _any_of(self.workflow.sources),
            "system": _any_of(self.table2.systems),
            "kind": _any_of(KINDS),
            "perturbation": _any_of(self.robustness.changes),
            "source": re.escape(self.transfer.source),
            "strategy": _any_of(STRATEGIES),
            "subjects": r"(-subjects-\d+)?",
            "batch": "[^/]+",
            "window": _any_of(get_args(Window)),
            **dict.fromkeys(("channels", "source_channels"), CHANNEL_SET),
            **dict.fromkeys(("seed", "fold", "attempt"), r"\d+"),
        }


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))
