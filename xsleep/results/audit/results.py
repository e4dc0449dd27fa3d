"""Checks of the predictions, and of what the tables say of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import metrics as scikit

from xsleep.config.names import GIVEN
from xsleep.core.files import sha256
from xsleep.core.stages import STAGES
from xsleep.preparation.windows import in_window
from xsleep.results import table2
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.trainings import Imported, Run, readable
from xsleep.results.formatting import ROUNDED, number
from xsleep.results.metrics import METRICS, decided
from xsleep.results.published import size
from xsleep.store.predictions import Prediction, read_remarks

Names = tuple[str, str, str, str]
"""Database, window, system and channels."""


def stages(evidence: Evidence) -> Findings:
    """Positions, true stages and subjects in the predictions are those of the stored recordings."""
    epochs = []

    def examine(run: Run | Imported) -> Iterator[str]:
        stored = evidence.stored(run.store)
        for prediction in run.predictions:
            known = stored[prediction.recording].info
            chosen = in_window(known, run.identity.window)
            if prediction.fold is not None:  # of all folds in one file, which may lack epochs
                chosen = chosen & np.isin(known.places, prediction.places)
            epochs.append(len(prediction.stages))
            where = f"{run.identity.predictions}: {prediction.recording}"
            if prediction.subject != known.subject:
                yield f"{where}: subject {prediction.subject}, stored is {known.subject}"
            if not np.array_equal(prediction.places, known.places[chosen]):
                yield f"{where}: not the stored epochs of its window"
            elif wrong := np.count_nonzero(prediction.stages != known.stages[chosen]):
                yield f"{where}: {many(int(wrong), 'true stage')} not as stored"

    faults = faults_of(evidence.scored, examine)
    return Findings(many(sum(epochs), "epoch"), faults)


def imported(evidence: Evidence) -> Findings:
    """Imported predictions are of the folds' test recordings, and tell which epochs they lack.

    The networks that are given for the folds of a system differ.
    """
    if not evidence.imported:
        raise NotApplicable("everything in Table 2 is trained here")
    epochs, lacking = [], []
    networks: dict[frozenset[str], Path] = {}

    def examine(run: Imported) -> Iterator[str]:
        stored, where, missing = evidence.stored(run.store), run.identity.predictions, 0
        predictions = run.predictions
        for prediction in predictions:
            name, fold = prediction.recording, prediction.fold
            fold = run.identity.fold if fold is None else fold
            if run.tested.get(name) != fold:
                yield f"{where}: {name} is of fold {fold}, but not in the test of {run.assignment}"
                continue
            expected = np.count_nonzero(in_window(stored[name].info, run.identity.window))
            epochs.append(len(prediction.stages))
            missing += int(expected) - len(prediction.stages)
        tested = [name for name, fold in run.tested.items() if run.identity.fold in (0, fold)]
        if absent := len({*tested} - {prediction.recording for prediction in predictions}):
            lacking.append(
                f"{run.identity.system}, {run.identity.channels}: {many(absent, 'recording')} "
                "without predictions"
            )
        if missing:
            lacking.append(f"{run.identity.system}, {run.identity.channels}: {missing} missing")
            if not read_remarks(where):
                yield f"{where}: {many(missing, 'epoch')} missing, and no remark says so"
        if run.identity.source == GIVEN:
            record = run.records[run.folder / "import.json"]
            network = frozenset(record["inputs"].values()) - {sha256(run.assignment)}
            if (other := networks.setdefault(network, run.folder)) != run.folder:
                yield f"{run.folder}: the network of {other}, whose fold has other test subjects"

    faults = faults_of(evidence.imported, examine)
    return Findings("; ".join([many(sum(epochs), "epoch"), *lacking]), faults)


def epochs(evidence: Evidence) -> Findings:
    """Every database and window has the published number of epochs, or else of recordings."""
    compared = []

    def examine(run: Run | Imported) -> Iterator[str]:
        database, window = run.identity.database, run.identity.window
        published, listed = size(database, window), evidence.listed(database)
        what = "recording" if published.epochs is None else "epoch"
        expected = published.recordings if published.epochs is None else published.epochs
        if expected is None:
            return
        compared.append(run)
        stored = evidence.stored(run.store)
        used = [stored[name].info for name in listed.index[listed["skipped"] == ""]]
        inside = (int(np.count_nonzero(in_window(info, window))) for info in used)
        count = sum(inside) if what == "epoch" else len(used)
        if count != expected:
            note = f" ({published.note})" if published.note else ""
            yield (
                f"{database}, {window}: {many(count, what)}, {len(listed) - len(used)} skipped; "
                f"published {expected:,}{note}"
            )

    one_each = {(run.identity.database, run.identity.window): run for run in evidence.scored}
    faults = faults_of(one_each.values(), examine)
    if not compared and not faults:
        databases = ", ".join(dict.fromkeys(run.identity.database for run in evidence.scored))
        raise NotApplicable(f"nothing is published on {databases}")
    return Findings(many(len(compared), "database and window"), faults)


def metrics(evidence: Evidence) -> Findings:
    """The values measured in Table 2 are those that scikit-learn computes from the predictions.

    Compared are the five metrics, to the decimals of the table, and the numbers of subjects,
    recordings and epochs.
    """
    runs: dict[Names, list[Run | Imported]] = defaultdict(list)
    for run in evidence.scored:
        tested = run.identity
        if isinstance(run, Imported) and not run.predictions:
            continue  # which its row in Table 2 says
        runs[tested.database, tested.window, tested.system, tested.channels].append(run)
    with readable(evidence.table2):
        table = table2.read_csv(evidence.table2)
        table = table[table2.is_measured(table)]
    rows = defaultdict(list)
    for _, row in table.iterrows():
        for column in table.columns:
            channels = column.removesuffix(" accuracy")
            if channels != column and pd.notna(row[column]):
                rows[row["database"], row["window"], row["system"], channels].append(row)

    def examine(names: Names) -> Iterator[str]:
        where = f"{evidence.table2}: {', '.join(names)}"
        if len(found := rows.get(names, [])) != 1:
            yield f"{where}: {len(found)} rows"
            return
        (shown,) = found
        seeds: dict[int, list[Prediction]] = defaultdict(list)
        for run in runs[names]:
            seeds[run.identity.seed] += run.predictions
        every = [prediction for seed in seeds.values() for prediction in seed]
        for what, count in {
            "subjects": len({prediction.subject for prediction in every}),
            "recordings": len({prediction.recording for prediction in every}),
            "epochs": sum(len(prediction.stages) for prediction in every) // len(seeds),
        }.items():
            if shown[what] != count:
                yield f"{where}: {shown[what]:,} {what}, but {count:,} in the predictions"
        for metric, value in recomputed(seeds.values()).items():
            there = shown[f"{names[-1]} {metric}"]
            if not np.isclose(there, value, rtol=0, atol=ROUNDED[metric], equal_nan=True):
                yield f"{where}: {metric} {there}, recomputed {number(value, metric)}"

    faults = faults_of(runs, examine)
    faults += [f"{evidence.table2}: {', '.join(n)}: no run" for n in sorted({*rows} - {*runs})]
    return Findings(many(len(runs) * len(METRICS), "cell"), faults)


def recomputed(seeds: Iterable[Sequence[Prediction]]) -> dict[str, float]:
    """Return the metrics of Table 2 by scikit-learn, averaged over seeds."""
    values = []
    for predictions in seeds:
        true = np.concatenate([prediction.stages for prediction in predictions])
        called = np.concatenate([decided(p) for p in predictions])
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
