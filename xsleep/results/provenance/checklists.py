"""Two checklists, filled in from the configuration and the results of a run.

The items of the Machine Learning Reproducibility Checklist (Pineau, version 2.0, 2020) and of
REFORMS (Kapoor et al., Science Advances 10, 2024) are restated in short, in their order. What only
people can say stands there as open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd

from xsleep.config.presets import Preset
from xsleep.config.workflow import Workflow
from xsleep.core.files import read_csv
from xsleep.core.stages import STAGES
from xsleep.databases import open_database
from xsleep.preparation import preprocessing, spectrogram
from xsleep.results import inference
from xsleep.results.metrics import METRICS
from xsleep.results.provenance.crate import Run
from xsleep.store.recordings import read_index
from xsleep.training.origin import commit


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    Attributes:
        workflow: its configuration.
        runs, gaps: its trainings, and what is not known of them, as from `read_runs`.
        table1, recordings: these tables, all text.
        folds, indexes: of each database.
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
        """What each ``run.json`` says that can be read."""
        return [run.facts for run in self.runs if run.facts]

    @property
    def simulated(self) -> list[str]:
        """The databases that are no recordings of people."""
        databases = self.workflow.databases.items()
        return [name for name, settings in databases if open_database(settings.source).simulated]

    def said(self, key: str) -> str:
        """The different values that the runs have for a key."""
        return ", ".join(sorted({str(facts[key]) for facts in self.known if key in facts}))


Answer = Callable[[Facts], list[str]]


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes:
        number, question: as in the checklist, in short.
        known: what the run says to it.
        open: what people have to say to it; empty for nothing.
    """

    number: str
    question: str
    known: Answer = field(default=lambda facts: [])
    open: str = ""


def models(facts: Facts) -> list[str]:
    sizes = defaultdict(set)
    for run in facts.known:
        sizes[run["system"]].add((run["channels"], run["parameters"]))
    return [
        f"{system}: "
        + ", ".join(f"{count:,} parameters with {channels}" for channels, count in sorted(found))
        for system, found in sizes.items()
    ] + ["Networks and losses: the XSleepNet paper, and `docs/fidelity.md` point by point."]


def assumptions(facts: Facts) -> list[str]:
    lines = []
    for name, preset in _presets(facts).items():
        network, gap = preset.network, preset.training.longest_gap
        bridged = "any number of" if gap is None else f"at most {gap}"
        lines.append(
            f"{name}: sequences of {network.sequence_length} epochs of 30 s, over {bridged} "
            "dropped epochs in a row; a subject's nights are alike, subjects are independent."
        )
    return lines


def complexity(facts: Facts) -> list[str]:
    return [*models(facts)[:-1], *runtime(facts)]


def sizes(facts: Facts) -> list[str]:
    lines = []
    for _, row in facts.table1.iterrows():
        stages = ", ".join(f"{stage} {int(row[stage]):,}" for stage in STAGES)
        lines.append(
            f"{row['database']}, {row['window']}: {row['subjects']} subjects, {row['recordings']} "
            f"recordings, {int(row['epochs']):,} epochs ({stages}); scored by "
            f"{row['scoring'] or 'rules that are not known'}."
        )
    return [*lines, "All of it: `results/table1.csv`, `results/recordings.csv`."]


def splits(facts: Facts) -> list[str]:
    lines = []
    for name, database in facts.workflow.databases.items():
        folds = database.folds
        if folds == "published":
            how = "the authors' folds"
        elif folds.test is not None:
            how = f"a single split, {folds.test:.0%} of the subjects test, seed {folds.seed}"
        else:
            how = f"{folds.folds} folds of the subjects, seed {folds.seed}"
        if folds != "published":
            how += f"; validation subjects: {folds.validation}"
        lines.append(f"{name}: {how}; who: `results/{name}/folds.csv`.")
    return lines


def excluded(facts: Facts) -> list[str]:
    skipped = facts.recordings[facts.recordings["skipped"] != ""]
    lines = [f"{len(skipped)} of {len(facts.recordings)} recordings are not used."]
    lines += [
        f"{row['database']} {row['recording']}: {row['skipped']}" for _, row in skipped.iterrows()
    ]
    return [*lines, "Epochs scored as movement, or not scored, are dropped."]


def transformations(facts: Facts) -> list[str]:
    lines = [
        "Signals are resampled to 100 Hz, in microvolts, and cut into epochs of 30 s; stages 3 and "
        f"4 are N3. Spectrograms: {spectrogram.WINDOW / preprocessing.RATE:g}-s windows every "
        f"{spectrogram.HOP / preprocessing.RATE:g} s, FFT of {spectrogram.FFT} points, decibels."
    ]
    for name, preset in _presets(facts).items():
        network = preset.network
        filters = ", ".join(f"{channel} {name}" for channel, name in network.raw_filter.items())
        scaled = "left as they are"
        if network.raw_deviation is not None:
            scaled = f"scaled to {network.raw_deviation:g} microvolts in each recording"
        lines.append(
            f"{name}: filters {filters}, at the {network.filter_rate} rate; spectrograms "
            f"normalised by {network.normalisation} with the statistics of the training "
            f"recordings; raw signals {scaled}."
        )
    return lines


def windows(facts: Facts) -> list[str]:
    databases = facts.workflow.databases.items()
    return [f"{name}: {', '.join(settings.windows)}" for name, settings in databases]


def addresses(facts: Facts) -> list[str]:
    lines = []
    for name, database in facts.workflow.databases.items():
        known = open_database(database.source).origin
        where = f" ({known.address})" if known.address else ""
        access = known.access or "Access is not known."
        licence = known.licence or "**open**"
        lines.append(f"{name}: {known.title}{where}. {access} Licence: {licence.rstrip('.')}.")
        lines += [f"{name}: cite {text}, {address}" for address, text in known.cited.items()]
    return [*lines, "Every file by name and SHA-256: `results/ro-crate-metadata.json`."]


def collected(facts: Facts) -> list[str]:
    if facts.simulated:
        return [f"{', '.join(facts.simulated)}: simulated by `xsleep/databases/simulated`."]
    return ["No data were collected for this run."]


def dependencies(facts: Facts) -> list[str]:
    packages = {pair for run in facts.known for pair in run["packages"].items()}
    listed = ", ".join(f"{name} {version}" for name, version in sorted(packages))
    return [
        f"Python {facts.said('python')}; {listed}.",
        "All versions: `requirements.lock`, `environment.yml`; a copy is in `results/workflow`.",
    ]


def training_code(facts: Facts) -> list[str]:
    return [
        "`xsleep/training/loop.py`, called by `rules/training.smk`.",
        f"Commit: {facts.said('commit') or 'unknown'} (+: with changes); now {commit()}.",
    ]


def evaluation_code(facts: Facts) -> list[str]:
    return [
        "`xsleep/scoring/probabilities.py`, `xsleep/results/metrics.py`, "
        "`xsleep/results/inference.py`."
    ]


def trained_models(facts: Facts) -> list[str]:
    return [f"{len(facts.runs)}: `model.safetensors` beside each `run.json` in `results`."]


def command(facts: Facts) -> list[str]:
    return [
        "`README.md` has the commands and what they make; with the configuration of this run:",
        "`snakemake --cores 8 provenance --configfile results/workflow/configuration.yaml`",
    ]


def hyperparameters(facts: Facts) -> list[str]:
    lines = []
    for name, preset in _presets(facts).items():
        for system in facts.workflow.systems:
            training = preset.training_of(system)
            length = (
                f"{training.steps} steps"
                if training.steps is not None
                else f"{training.training_epochs} passes"
            )
            lines.append(
                f"{name}, {system}: {length}, batches of {training.batch_size} sequences, Adam "
                f"with learning rate {training.learning_rate:g}, L2 {training.l2:g}, seeds "
                f"{', '.join(map(str, facts.workflow.seeds))}."
            )
    if facts.workflow.finetuned:
        lines.append(
            f"{', '.join(facts.workflow.finetuned)}: pretrained on "
            f"{', '.join(facts.workflow.source)}; then as `finetuning` of the preset says."
        )
    return [
        *lines,
        "All others: `config/presets`, and the `run.json` of each run.",
        "None is searched for: every training has the values that the configuration gives.",
    ]


def selection(facts: Facts) -> list[str]:
    return [
        f"{name}: of a training the {_kept(preset)} network is kept, evaluated every "
        f"{preset.training.evaluate_every} steps; {_stopping(preset)}; no system is chosen by its "
        "results."
        for name, preset in _presets(facts).items()
    ]


def run_counts(facts: Facts) -> list[str]:
    seeds = len(facts.workflow.seeds)
    scored = sum("fold" in run for run in facts.known)
    lines = [f"{len(facts.runs)} trainings, {scored} of them scored, once each; {seeds} seed(s)."]
    for name, database in facts.workflow.databases.items():
        folds = len({row["fold"] for row in read_csv(facts.folds[name])})
        lines.append(
            f"{name}: {len(database.windows)} window(s), {len(database.channels)} channel set(s), "
            f"{folds} fold(s)."
        )
    return lines


def metrics(facts: Facts) -> list[str]:
    return [
        f"{', '.join(METRICS)}, over the epochs of all test folds pooled; sensitivity and "
        "specificity are means over the stages. Definitions: `xsleep/results/metrics.py`."
    ]


def uncertainty(facts: Facts) -> list[str]:
    lines = [
        f"Intervals of {inference.LEVEL:.0%}: bootstrap-t, {inference.RESAMPLES:,} resamples of "
        "the subjects, never of epochs."
    ]
    if len(facts.workflow.seeds) > 1:
        return [
            *lines,
            "They hold other seeds as well; beside them is the deviation over the seeds.",
        ]
    return [*lines, "One seed: how much results vary with it is not measured."]


def tests(facts: Facts) -> list[str]:
    return [
        "Between systems: Wilcoxon's signed-rank test over the subjects' own metrics (differences "
        "independent between subjects and symmetric), corrected by Holm; the corrected resampled "
        "t-test over folds. `results/comparisons.csv`; criteria in `results/claims.csv`."
    ]


def runtime(facts: Facts) -> list[str]:
    seconds = defaultdict(list)
    for run in facts.known:
        seconds[run["system"]].append(run["duration_seconds"])
    lines = [
        f"{system}: {mean(found):,.0f} s a training, on average over {len(found)}."
        for system, found in seconds.items()
    ]
    hours = sum(map(sum, seconds.values())) / 3600
    return [*lines, f"All trainings together: {hours:.2f} hours."]


def infrastructure(facts: Facts) -> list[str]:
    peak = max((run["peak_memory_mb"] for run in facts.known), default=None)
    memory = "" if peak is None else f"; at most {peak:,} MB of memory"
    return [
        f"Device: {facts.said('device')}; processor: {facts.said('processor') or 'not known'}; "
        f"{facts.said('threads')} thread(s) a run{memory}."
    ]


def outcome(facts: Facts) -> list[str]:
    return [f"The stage of every 30-s epoch: {', '.join(STAGES)}.", *sizes(facts)]


def missing(facts: Facts) -> list[str]:
    columns = facts.recordings[["database", "hours", "epochs"]]
    lines = []
    for name, rows in columns.groupby("database", sort=False):
        scored = pd.to_numeric(rows["epochs"]).sum()
        hours = pd.to_numeric(rows["hours"]).sum()
        lines.append(
            f"{name}: {scored:,.0f} scored epochs in {hours:,.1f} recorded hours; an epoch without "
            "a stage has no class to be counted in."
        )
    return lines


def training_only(facts: Facts) -> list[str]:
    return [
        "Normalisation has the statistics of the training recordings; the network that is kept is "
        "chosen on the validation recordings; a test recording is read when it is scored. Filters "
        "and the scaling of raw signals see one recording at a time.",
    ]


def separation(facts: Facts) -> list[str]:
    lines = []
    for name, path in facts.folds.items():
        shared = shared_subjects(path)
        found = f"in more than one: {'; '.join(shared)}" if shared else "in no more than one"
        lines.append(
            f"{name}: checked in `results/{name}/folds.csv`: within a fold a subject is {found} of "
            "training, validation and test."
        )
        twice = duplicates(facts.indexes[name])
        found = "; ".join(twice) if twice else "none"
        lines.append(f"{name}: recordings with a file in common (SHA-256): {found}.")
    return lines


def features(facts: Facts) -> list[str]:
    databases = facts.workflow.databases.items()
    return [
        f"{name}: the signals of {', '.join(settings.channels)} alone; people score by them too."
        for name, settings in databases
    ]


def baselines(facts: Facts) -> list[str]:
    return [
        f"Trained on the same folds: {', '.join(facts.workflow.systems)}. `results/table2.csv` has "
        "what is published beside them."
    ]


def limits(facts: Facts) -> list[str]:
    return [
        f"{name} is simulated: its figures say that the workflow works, and nothing about sleep."
        for name in facts.simulated
    ]


def _presets(facts: Facts) -> dict[str, Preset]:
    """The hyper-parameters of the selected databases."""
    return {name: facts.workflow.preset(name) for name in facts.workflow.databases}


def _stopping(preset: Preset) -> str:
    patience = preset.training.patience
    return f"it stops after {patience} without a gain" if patience else "it never stops early"


def _kept(preset: Preset) -> str:
    return {"best": "best validated", "last": "last"}[preset.training.model_kept]


def shared_subjects(folds: Path) -> list[str]:
    """The subjects of a ``folds.csv`` with more than one role in a fold, and where."""
    roles = defaultdict(set)
    for row in read_csv(folds):
        if row["role"] != "training subset":  # who are of those that train
            roles[row["fold"], row["subject"]].add(row["role"])
    return [
        f"subject {subject} in fold {fold} ({', '.join(sorted(found))})"
        for (fold, subject), found in roles.items()
        if len(found) > 1
    ]


def duplicates(index: Path) -> list[str]:
    """The recordings of an index that have a file in common, by its SHA-256."""
    first = {}
    found = []
    for name, stored in read_index(index).items():
        others = {first.setdefault(digest, name) for digest in stored.info.hashes.values()}
        found += [f"{other} and {name}" for other in sorted(others - {name})]
    return found


Checklist = Mapping[str, Sequence[Item]]

ML_REPRODUCIBILITY: Checklist = {
    "Models and algorithms": [
        Item("1", "The setting, the algorithm, the model", models),
        Item("2", "Assumptions", assumptions),
        Item("3", "Complexity: time, space, sample size", complexity),
    ],
    "Theoretical claims": [
        Item("4", "Each claim stated", lambda facts: ["There are none."]),
        Item("5", "Each claim proved", lambda facts: ["There are none."]),
    ],
    "Datasets": [
        Item("6", "Numbers of examples and other statistics", sizes),
        Item("7", "Training, validation and test sets", splits),
        Item(
            "8",
            "What was excluded, and all preprocessing",
            lambda facts: excluded(facts) + transformations(facts),
        ),
        Item("9", "Where the data are had", addresses),
        Item("10", "How new data were collected", collected),
    ],
    "Code": [
        Item("11", "Dependencies", dependencies),
        Item("12", "Code that trains", training_code),
        Item("13", "Code that evaluates", evaluation_code),
        Item("14", "Trained models", trained_models, "where they are published"),
        Item("15", "A README with results and the commands that make them", command),
    ],
    "Experimental results": [
        Item("16", "Hyper-parameters: considered, chosen how, and used", hyperparameters),
        Item("17", "Numbers of trainings and evaluations", run_counts),
        Item("18", "What is measured, defined", metrics),
        Item("19", "Central tendency and variation", uncertainty),
        Item("20", "Time or energy of each result", runtime),
        Item("21", "Machines", infrastructure, "the machines' number and memory"),
    ],
}

REFORMS: Checklist = {
    "1 Study goals": [
        Item("1a", "The population that the claim is about", open="whom the claim is about"),
        Item("1b", "Why this population", open="why these people"),
        Item("1c", "Why machine learning", open="why, for the question of the study"),
    ],
    "2 Computational reproducibility": [
        Item("2a", "The data, identified", addresses),
        Item("2b", "The code, identified by its version", training_code, "a DOI or public address"),
        Item("2c", "Machines", infrastructure, "the machines' number and memory"),
        Item("2d", "A README that tells how results are made", command),
        Item("2e", "One script that makes all results", command),
    ],
    "3 Data quality": [
        Item("3a", "Sources of training and test data; when; annotated how", addresses, "when"),
        Item("3b", "What the data are a sample of", open="the sampling frame of each database"),
        Item("3c", "Why the data suit the task", open="why these databases"),
        Item("3d", "The outcome variable, and its distribution", outcome),
        Item("3e", "Sample size", sizes),
        Item("3f", "What is missing, by class", missing),
        Item("3g", "Whether the sample stands for the population", open="see 1a and 3b"),
    ],
    "4 Data preprocessing": [
        Item("4a", "What is excluded, and why", lambda f: [*windows(f), *excluded(f)]),
        Item("4b", "What becomes of impossible or damaged samples", excluded),
        Item("4c", "All transformations from raw data to the model's input", transformations),
    ],
    "5 Modeling": [
        Item("5a", "All models that were trained", lambda f: models(f) + hyperparameters(f)),
        Item("5b", "Why these models", lambda f: ["Those of the paper that is reproduced."]),
        Item("5c", "How models are evaluated", lambda f: splits(f) + run_counts(f)),
        Item("5d", "How models are selected", selection),
        Item("5e", "How hyper-parameters are chosen", hyperparameters),
        Item("5f", "Baselines", baselines),
    ],
    "6 Data leakage": [
        Item("6a", "Preprocessing and modeling see training data alone", training_only),
        Item("6b", "Dependencies and duplicates between training and test", separation),
        Item("6c", "Every input is legitimate", features),
    ],
    "7 Metrics and uncertainty": [
        Item("7a", "Metrics, and why the selecting one suits", lambda f: metrics(f) + selection(f)),
        Item("7b", "Uncertainty, and how it is computed", uncertainty),
        Item("7c", "Statistical tests, and their assumptions", tests),
    ],
    "8 Generalizability": [
        Item("8a", "Evidence of external validity", open="results on other people, if there are"),
        Item("8b", "Where the findings are not expected to hold", limits, "limits of the study"),
    ],
}


def written(title: str, checklist: Checklist, facts: Facts) -> str:
    """A checklist in Markdown: each item with what is known, and what is open."""
    items = [item for group in checklist.values() for item in group]
    left = [item.number for item in items if item.open]
    lines = [
        f"# {title}",
        "",
        "Filled in by `xsleep` from the configuration and the results of the run; items in short, "
        "numbered as in the original.",
        "",
        f"{len(items)} items; open, in whole or in part: {', '.join(left)}.",
        *(f"\nNot known: {gap}." for gap in facts.gaps),
    ]
    for group, members in checklist.items():
        lines += ["", f"## {group}"]
        for item in members:
            lines += ["", f"### {item.number}. {item.question}", ""]
            lines += [f"- {line}" for line in item.known(facts)]
            if item.open:
                lines.append(f"- **Open:** {item.open}")
    return "\n".join(lines) + "\n"
