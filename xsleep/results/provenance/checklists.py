"""Two checklists, filled in from the configuration and the results of a run.

The items of the Machine Learning Reproducibility Checklist (Pineau, version 2.0, 2020) and of
REFORMS (Kapoor et al., Science Advances 10, 2024) are restated in short, in their order, in
templates. Items that only people can answer are listed as open.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.config.presets import Preset
from xsleep.config.workflow import Workflow
from xsleep.core.files import read_csv
from xsleep.core.recording import RATE
from xsleep.core.stages import STAGES
from xsleep.databases import open_database
from xsleep.preparation import spectrogram
from xsleep.results import inference
from xsleep.results.metrics import METRICS
from xsleep.results.provenance.crate import Run
from xsleep.results.templates import render
from xsleep.store.recordings import read_index
from xsleep.training.origin import commit

ML_REPRODUCIBILITY, REFORMS = "ml_reproducibility.md", "reforms.md"


@dataclass(frozen=True)
class Facts:
    """Facts about a run of the workflow.

    Attributes:
        workflow: its configuration.
        runs, gaps: its trainings, and what is not known of them, as from `read_runs`.
        table1, recordings: these tables, all text.
        folds, indexes: paths of the ``folds.csv`` and the index of the store, by database.
    """

    workflow: Workflow
    runs: Sequence[Run]
    gaps: Sequence[str]
    table1: pd.DataFrame
    recordings: pd.DataFrame
    folds: Mapping[str, Path]
    indexes: Mapping[str, Path]

    @property
    def known(self) -> list[Mapping[str, Any]]:
        """The content of each ``run.json`` that can be read."""
        return [run.facts for run in self.runs if run.facts]

    @property
    def presets(self) -> dict[str, Preset]:
        """The hyper-parameters of the selected databases."""
        return {name: self.workflow.preset(name) for name in self.workflow.databases}

    @property
    def simulated(self) -> list[str]:
        """The databases that are no recordings of people."""
        databases = self.workflow.databases.items()
        return [name for name, settings in databases if open_database(settings.source).simulated]

    @property
    def origins(self) -> dict[str, Any]:
        """Title, address, access, licence and articles of each database."""
        databases = self.workflow.databases.items()
        return {name: open_database(settings.source).origin for name, settings in databases}

    @property
    def parameters(self) -> dict[str, list[tuple[str, int]]]:
        """The channel sets of each system, with the number of parameters."""
        found = defaultdict(set)
        for run in self.known:
            found[run["system"]].add((run["channels"], run["parameters"]))
        return {system: sorted(sizes) for system, sizes in found.items()}

    @property
    def seconds(self) -> dict[str, list[float]]:
        """The durations of the trainings of each system."""
        found = defaultdict(list)
        for run in self.known:
            found[run["system"]].append(run["duration_seconds"])
        return found

    @property
    def peak_memory(self) -> int | None:
        """The largest memory of a training in megabytes."""
        return max((run["peak_memory_mb"] for run in self.known), default=None)

    @property
    def scored(self) -> int:
        """The number of trainings that were scored; pretraining has no fold."""
        return sum("fold" in run for run in self.known)

    @property
    def packages(self) -> list[str]:
        """The packages of all trainings with their versions."""
        pairs = {pair for run in self.known for pair in run["packages"].items()}
        return [f"{name} {version}" for name, version in sorted(pairs)]

    @property
    def skipped(self) -> list[dict[Any, Any]]:
        """The rows of the recordings that are not used."""
        return self.recordings[self.recordings["skipped"] != ""].to_dict("records")

    @property
    def recorded(self) -> dict[str, tuple[float, float]]:
        """The numbers of scored epochs and of recorded hours of each database."""
        return {
            str(name): (pd.to_numeric(rows["epochs"]).sum(), pd.to_numeric(rows["hours"]).sum())
            for name, rows in self.recordings.groupby("database", sort=False)
        }

    def values(self, key: str) -> str:
        """Return the different values that the runs have for a key."""
        return ", ".join(sorted({str(facts[key]) for facts in self.known if key in facts}))

    def fold_count(self, database: str) -> int:
        """Return the number of folds of a database."""
        return len({row["fold"] for row in read_csv(self.folds[database])})

    def shared_subjects(self, database: str) -> list[str]:
        """Return the subjects of a database with several roles in one fold."""
        return shared_subjects(self.folds[database])

    def duplicates(self, database: str) -> list[str]:
        """Return the recordings of a database that share a file."""
        return duplicates(self.indexes[database])


def written(checklist: str, facts: Facts) -> str:
    """Return a checklist in Markdown: each item with what is known, and what is open.

    Args:
        checklist: `ML_REPRODUCIBILITY` or `REFORMS`.
    """
    text = render(
        checklist,
        facts=facts,
        stages=STAGES,
        metric_names=METRICS,
        level=inference.LEVEL,
        resamples=inference.RESAMPLES,
        commit=commit(),
        spectrogram={
            "window": spectrogram.WINDOW / RATE,
            "hop": spectrogram.HOP / RATE,
            "fft": spectrogram.FFT,
        },
    )
    # Templates wrap their lines; in the output each point is one line.
    return re.sub(r"(?<=\S)\n *(?=[^-#\s])", " ", text)


def shared_subjects(folds: Path) -> list[str]:
    """Return the subjects of a ``folds.csv`` with several roles in one fold, each in a line."""
    roles: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in read_csv(folds):
        if row["role"] != "training subset":  # which is part of training
            roles[row["fold"], row["subject"]].add(row["role"])
    return [
        f"subject {subject} in fold {fold} ({', '.join(sorted(found))})"
        for (fold, subject), found in roles.items()
        if len(found) > 1
    ]


def duplicates(index: Path) -> list[str]:
    """Return the pairs of recordings of an index that share a file, by its SHA-256."""
    first: dict[str, str] = {}
    found: list[str] = []
    for name, stored in read_index(index).items():
        others = {first.setdefault(digest, name) for digest in stored.info.hashes.values()}
        found += [f"{other} and {name}" for other in sorted(others - {name})]
    return found
