"""Two checklists, filled in from the configuration and the results of a run.

The items of the Machine Learning Reproducibility Checklist (Pineau, version 2.0, 2020) and of
REFORMS (Kapoor et al., Science Advances 10, 2024) are abridged, in their order, in templates. Items
that only people can answer are listed as open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep import systems
from xsleep.config.presets import Preset
from xsleep.config.workflow import Workflow
from xsleep.core.recording import RATE
from xsleep.core.stages import STAGES
from xsleep.databases import Database, open_database
from xsleep.preparation import spectrogram
from xsleep.results import inference
from xsleep.results.formatting import entitled
from xsleep.results.metrics import METRICS
from xsleep.results.provenance.runs import Run
from xsleep.results.templates import render
from xsleep.store.recordings import read_index
from xsleep.workflow import commit

ML_REPRODUCIBILITY, REFORMS = "ml_reproducibility.md", "reforms.md"


@dataclass(frozen=True)
class Facts:
    """Facts about a run of the workflow.

    Attributes:
        workflow: its configuration.
        runs: its trainings.
        table1, recordings: these tables, all text.
        folds, indexes: database to its ``folds.csv``, all text, and to the index of its store.
    """

    workflow: Workflow
    runs: Sequence[Run]
    table1: pd.DataFrame
    recordings: pd.DataFrame
    folds: Mapping[str, pd.DataFrame]
    indexes: Mapping[str, Path]

    @property
    def gaps(self) -> list[str]:
        """Gaps and faults in the folders of the trainings, a line each."""
        return [gap for run in self.runs for gap in run.gaps]

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The records of the trainings that can be read."""
        return [run.facts for run in self.runs if run.facts]

    @property
    def presets(self) -> dict[str, Preset]:
        """The hyper-parameters of each selected database."""
        return {name: self.workflow.preset(name) for name in self.workflow.databases}

    def lengths(self, preset: Preset) -> list[int]:
        """Return the different lengths of the sequences of the systems that are trained."""
        chosen = [name for name in self.workflow.systems if name in systems.registry()]
        networks = [preset.network_of(name) for name in chosen] or [preset.network]
        return sorted({network.sequence_length for network in networks})

    @property
    def databases(self) -> dict[str, Database]:
        """The selected databases."""
        selected = self.workflow.databases.items()
        return {name: open_database(settings.source) for name, settings in selected}

    @property
    def packages(self) -> list[str]:
        """The packages of all trainings with their versions."""
        pairs = {pair for run in self.known for pair in run["packages"].items()}
        return [f"{name} {version}" for name, version in sorted(pairs)]

    def values(self, key: str) -> str:
        """Return the different values of a key in the records."""
        return ", ".join(sorted({str(facts[key]) for facts in self.known if key in facts}))


def written(checklist: str, facts: Facts) -> str:
    """Return `ML_REPRODUCIBILITY` or `REFORMS` in Markdown: what is known, and what is open."""
    simulated = [name for name, database in facts.databases.items() if database.simulated]
    text = render(
        checklist,
        facts=facts,
        entitled=partial(entitled, databases=facts.databases, simulated=simulated),
        shared_subjects=shared_subjects,
        duplicates=duplicates,
        to_numeric=pd.to_numeric,
        stages=STAGES,
        metric_names=METRICS,
        inference=inference,
        commit=commit(),
        spectrogram=spectrogram,
        rate=RATE,
    )
    # Templates wrap their lines; in the output each point is one line, headings stand alone.
    text = re.sub(r"(?<=\S)\n *(?=[^-#\s])", " ", text)
    return re.sub(r"^(#+ .*\n)(?=\S)", r"\1\n", text, flags=re.MULTILINE)


def shared_subjects(folds: pd.DataFrame) -> list[str]:
    """Return the subjects of a ``folds.csv`` with several roles in one fold, each in a line."""
    rows = folds[folds["role"] != "training subset"]  # which is part of training
    return [
        f"subject {subject} in fold {fold} ({', '.join(sorted(found))})"
        for (fold, subject), roles in rows.groupby(["fold", "subject"], sort=False)["role"]
        if len(found := set(roles)) > 1
    ]


def duplicates(index: Path) -> list[str]:
    """Return the pairs of recordings of an index that share a file, by its SHA-256."""
    first: dict[str, str] = {}
    found: list[str] = []
    for name, stored in read_index(index).items():
        others = {first.setdefault(digest, name) for digest in stored.info.hashes.values()}
        found += [f"{other} and {name}" for other in sorted(others - {name})]
    return found
