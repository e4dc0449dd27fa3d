"""Checks of what was measured: how much of the data, whether it can be had again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn import metrics as scikit

from xsleep.core.stages import STAGES
from xsleep.preparation.windows import in_window
from xsleep.results.audit.evidence import MACHINE, Evidence, Run
from xsleep.results.audit.finding import Found, NotApplicable, faults_of, many
from xsleep.results.formatting import number
from xsleep.results.metrics import METRICS, probabilities
from xsleep.results.published import size
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingInfo

ROUNDED = {metric: 0.0005 if metric == "kappa" else 0.05 for metric in METRICS}
"""Half of the last decimal in Table 2."""

LOSSES = (1e-5, 0.1)
"""On another machine: the share by which the losses of the first two evaluations, before training
and soon after, may differ. They drift apart with every step; docs/audit.md has how far."""

POINTS, POINTS_RAW = 3.0, 20.0
"""There, the percentage points by which the accuracy of the fold may differ, of systems that read
spectrograms alone and of those that read raw signals."""

CLOCK = "seconds"
"""Of the columns of a history the one that no two trainings share."""


def epochs(evidence: Evidence) -> Found:
    """As many epochs were used of each database and window as are published.

    Where epochs are not, the recordings are compared.
    """
    compared = []

    def look(run: Run) -> Iterator[str]:
        database, window = run.identity.database, run.identity.window
        published, listed = size(database, window), evidence.listed(database)
        if published.epochs is None and published.recordings is None:
            return
        compared.append((database, window))
        stored = evidence.stored(run.index)
        used = [stored[name].info for name in listed.index[listed["skipped"] == ""]]
        if published.epochs is not None:
            what, here, there = "epoch", _epochs(used, window), published.epochs
        else:
            what, here, there = "recording", len(used), published.recordings
        if here != there:
            skipped = f", {len(listed) - len(used)} skipped"
            note = f" ({published.note})" if published.note else ""
            yield f"{database}, {window}: {many(here, what)}{skipped}; published {there:,}{note}"

    one_each = {(run.identity.database, run.identity.window): run for run in evidence.runs}.values()
    faults = faults_of(one_each, look)
    if not compared and not faults:
        databases = ", ".join(dict.fromkeys(run.identity.database for run in evidence.runs))
        raise NotApplicable(f"nothing is published on {databases}")
    return Found(many(len(compared), "database and window"), faults)


def _epochs(nights: Iterable[RecordingInfo], window: str) -> int:
    return sum(int(np.count_nonzero(in_window(night, window))) for night in nights)


def metrics(evidence: Evidence) -> Found:
    """What Table 2 says was measured is what scikit-learn computes from the predictions.

    Compared are the five metrics, to the decimals of the table, and how many subjects, recordings
    and epochs they stand on.
    """
    cells: dict[tuple, list[Run]] = defaultdict(list)
    for run in evidence.runs:
        tested = run.identity
        cells[tested.database, tested.window, tested.system, tested.channels].append(run)
    table = evidence.measured()

    def look(names: tuple) -> Iterator[str]:
        *row, channels = names
        there = table[(table[["database", "window", "system"]] == row).all(axis=1)]
        there = there[there.get(f"{channels} accuracy", pd.Series(index=there.index)).notna()]
        where = f"{evidence.table2}: {', '.join(names)}"
        if len(there) != 1:
            yield f"{where}: {len(there)} rows"
            return
        told = there.iloc[0]
        seeds: dict[int, list[Prediction]] = defaultdict(list)
        for run in cells[names]:
            seeds[run.identity.seed] += run.predictions
        for what, value in _counted(seeds).items():
            if told[what] != value:
                yield f"{where}: {told[what]:,} {what}, but {value:,} in the predictions"
        for metric, value in _recomputed(seeds.values()).items():
            shown = told[f"{channels} {metric}"]
            if not np.isclose(shown, value, rtol=0, atol=ROUNDED[metric] + 1e-9, equal_nan=True):
                yield f"{where}: {metric} {shown}, recomputed {number(value, metric)}"

    every = {
        (row["database"], row["window"], row["system"], end.removesuffix(" accuracy"))
        for _, row in table.iterrows()
        for end in table
        if end.endswith(" accuracy") and pd.notna(row[end])
    }
    surplus = [f"{evidence.table2}: {', '.join(n)}: of no run" for n in sorted(every - {*cells})]
    return Found(many(len(cells) * len(METRICS), "cell"), faults_of(cells, look) + surplus)


def _counted(seeds: Mapping[int, Sequence[Prediction]]) -> dict[str, int]:
    nights = [night for seed in seeds.values() for night in seed]
    return {
        "subjects": len({night.subject for night in nights}),
        "recordings": len({night.recording for night in nights}),
        "epochs": sum(len(night.stages) for night in nights) // len(seeds),
    }


def _recomputed(seeds: Iterable[Sequence[Prediction]]) -> dict[str, float]:
    """The metrics of Table 2 by scikit-learn, the mean over seeds."""
    values = []
    for nights in seeds:
        true = np.concatenate([night.stages for night in nights])
        called = np.concatenate([probabilities(night).argmax(1) for night in nights])
        present = sorted(set(true.tolist()))
        over = {"labels": present, "average": "macro", "zero_division": 0}
        specificities = [
            scikit.recall_score(true != stage, called != stage, zero_division=np.nan)
            for stage in present
        ]
        values.append(
            [
                100 * scikit.accuracy_score(true, called),
                scikit.cohen_kappa_score(true, called, labels=range(len(STAGES))),
                100 * scikit.f1_score(true, called, **over),
                100 * scikit.recall_score(true, called, **over),
                100 * np.mean(specificities),
            ]
        )
    return dict(zip(METRICS, np.mean(values, axis=0).tolist(), strict=True))


def retrained_history(evidence: Evidence) -> Found:
    """A fold that is trained again has the same history: bit for bit on the same machine."""
    first, again = _retrained(evidence)
    if elsewhere := _elsewhere(first, again):
        apart = _losses_apart(first, again)
        faults = [
            f"{again.folder}: step {step}: {column} is apart from that of the first training by "
            f"{share:.1e}, allowed are {allowed:.0e}"
            for (step, row), allowed in zip(apart.iterrows(), LOSSES, strict=False)
            for column, share in row.items()
            if not share <= allowed
        ]
        told = ", ".join(
            f"{share:.1e} at step {step} (allowed {allowed:.0e})"
            for (step, share), allowed in zip(apart.max(axis=1).items(), LOSSES, strict=False)
        )
        return Found(
            f"{_evaluations(first)} of {again.folder}, losses apart by {told}, as {elsewhere}",
            faults,
        )
    faults = list(_different_lines(first, again))
    return Found(f"{_evaluations(first)} of {again.folder}, bit for bit", faults)


def _evaluations(run: Run) -> str:
    return many(len(run.history), "evaluation")


def _different_lines(first: Run, again: Run) -> Iterator[str]:
    ours, theirs = (run.history.drop(columns=CLOCK) for run in (first, again))
    if len(ours) != len(theirs) or list(ours) != list(theirs):
        yield f"{again.folder}: {_evaluations(again)}, in the first training {len(ours)}"
        return
    for step, line, other in zip(ours["step"], ours.values, theirs.values, strict=True):
        for column, here, there in zip(ours, line, other, strict=True):
            if here != there:
                yield f"{again.folder}: step {step}: {column} {there}, in the first training {here}"


def _losses_apart(first: Run, again: Run) -> pd.DataFrame:
    """By which share of it each loss of the first evaluations is another, by step."""
    here, there = (
        run.history.set_index("step").filter(regex=" loss$").head(len(LOSSES)).astype(float)
        for run in (first, again)
    )
    return (there / here - 1).abs()


def retrained_predictions(evidence: Evidence) -> Found:
    """A fold that is trained again has the same predictions: bit for bit on the same machine."""
    first, again = _retrained(evidence)
    nights = {night.recording: night for night in again.predictions}
    count = many(len(nights), "recording")
    if elsewhere := _elsewhere(first, again):
        here, there = (_recomputed([run.predictions])["accuracy"] for run in (first, again))
        branches = {branch for night in first.predictions for branch in night.probabilities}
        allowed = POINTS if branches == {"time-frequency"} else POINTS_RAW
        faults = []
        if not abs(here - there) <= allowed:
            faults = [
                f"{again.folder}: accuracy {there:.1f} %, in the first training {here:.1f} %, "
                f"allowed are {allowed:g} points"
            ]
        return Found(
            f"{count}, accuracy apart by {there - here:+.2f} points (allowed {allowed:g}), as "
            f"{elsewhere}",
            faults,
        )

    def look(night: Prediction) -> Iterator[str]:
        other = nights[night.recording]
        for branch, values in night.probabilities.items():
            if not np.array_equal(values, other.probabilities[branch]):
                apart = np.abs(values - other.probabilities[branch]).max()
                yield f"{again.folder}: {night.recording}: {branch} differs by up to {apart:.2g}"

    return Found(f"{count}, bit for bit", faults_of(first.predictions, look))


def _retrained(evidence: Evidence) -> tuple[Run, Run]:
    if evidence.retrained is None:
        raise NotApplicable("nothing but pretrained networks was run; none is trained again")
    return evidence.retrained


def _elsewhere(first: Run, again: Run) -> str:
    """Why bits may differ, empty where they may not."""
    for name, record in first.records.items():
        for what in MACHINE:
            here, there = record[what], again.records[name][what]
            if here != there:
                if what == "packages":
                    what = next(p for p in sorted({*here, *there}) if here.get(p) != there.get(p))
                    here, there = here.get(what), there.get(what)
                return f"its {what} is {there}, not {here}"
    if first.record["device"] != "cpu":
        return "a GPU adds in no fixed order"
    return ""
