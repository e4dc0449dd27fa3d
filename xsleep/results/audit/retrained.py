"""Checks of a fold that was trained and scored again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.results import recomputed
from xsleep.results.audit.trainings import MACHINE, Run
from xsleep.store.predictions import Prediction

LOSSES = (1e-5, 0.1)
"""On another machine, tolerated relative differences of the losses of the first two evaluations:
before training and soon after it began. They grow with each step (docs/explanation/rounding.md)."""

POINTS, POINTS_RAW = 3.0, 20.0
"""There, tolerated differences of the accuracy of the fold in percentage points: of systems that
read spectrograms alone, and of those that read raw signals."""

CLOCK = "seconds"
"""Column of a history that differs between equal trainings."""


def history(evidence: Evidence) -> Findings:
    """Training a fold again gives the same history: bit for bit on the same machine."""
    first, again = _both(evidence)
    evaluations = f"{many(len(first.history), 'evaluation')} of {again.folder}"
    if not (why := _why_different(first, again)):
        return Findings(f"{evaluations}, bit for bit", list(_different_values(first, again)))
    here, there = (
        run.history.set_index("step").filter(regex=" loss$").head(len(LOSSES)).astype(float)
        for run in (first, again)
    )
    differences = (there / here - 1).abs()
    faults, shown = [], []
    for (step, row), allowed in zip(differences.iterrows(), LOSSES, strict=False):
        shown.append(f"{row.max():.1e} at step {step} (allowed {allowed:.0e})")
        faults += [
            f"{again.folder}: step {step}: {column} differs by {share:.1e} from the first "
            f"training, allowed are {allowed:.0e}"
            for column, share in row.items()
            if not share <= allowed
        ]
    return Findings(f"{evaluations}, losses differ by {', '.join(shown)}, as {why}", faults)


def _different_values(first: Run, again: Run) -> Iterator[str]:
    ours, theirs = (run.history.drop(columns=CLOCK) for run in (first, again))
    if len(ours) != len(theirs) or list(ours) != list(theirs):
        count = many(len(theirs), "evaluation")
        yield f"{again.folder}: {count}, in the first training {len(ours)}"
        return
    for row, column in np.argwhere(ours.to_numpy() != theirs.to_numpy()):
        yield (
            f"{again.folder}: step {ours['step'].iloc[row]}: {ours.columns[column]} "
            f"{theirs.iloc[row, column]}, in the first training {ours.iloc[row, column]}"
        )


def predictions(evidence: Evidence) -> Findings:
    """Training a fold again gives the same predictions: bit for bit on the same machine."""
    first, again = _both(evidence)
    others = {prediction.recording: prediction for prediction in again.predictions}
    count = many(len(others), "recording")

    def examine(prediction: Prediction) -> Iterator[str]:
        other = others[prediction.recording].probabilities
        for branch, values in prediction.probabilities.items():
            if not np.array_equal(values, other[branch]):
                apart = np.abs(values - other[branch]).max()
                yield (
                    f"{again.folder}: {prediction.recording}: {branch} differs by up to {apart:.2g}"
                )

    if not (why := _why_different(first, again)):
        return Findings(f"{count}, bit for bit", faults_of(first.predictions, examine))
    here, there = (recomputed([run.predictions])["accuracy"] for run in (first, again))
    branches = {branch for one in first.predictions for branch in one.probabilities}
    allowed = POINTS if branches == {"time-frequency"} else POINTS_RAW
    fault = (
        f"{again.folder}: accuracy {there:.1f} %, in the first training {here:.1f} %, allowed are "
        f"{allowed:g} points"
    )
    return Findings(
        f"{count}, accuracy differs by {there - here:+.2f} points (allowed {allowed:g}), as {why}",
        [] if abs(here - there) <= allowed else [fault],
    )


def _both(evidence: Evidence) -> tuple[Run, Run]:
    if evidence.retrained is None:
        raise NotApplicable("only pretrained networks were run; none is trained again")
    return evidence.retrained


def _why_different(first: Run, again: Run) -> str:
    """Return why bits may differ; empty if they must not."""
    for record, other in zip(first.records.values(), again.records.values(), strict=True):
        for name in MACHINE:
            here, there = record[name], other[name]
            if here == there:
                continue
            if name == "packages":
                name = next(p for p in sorted({*here, *there}) if here.get(p) != there.get(p))
                here, there = here.get(name), there.get(name)
            return f"its {name} is {there}, not {here}"
    return "" if first.record["device"] == "cpu" else "sums on a GPU have no fixed order"
