"""Ablation: the effect of each difference between paper and code, or variant, by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.comparisons import COMPARED, paired
from xsleep.results.measurements import CASE, RunPredictions, SystemResults, gather
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import COUNTS, SPREAD

CHANGE = "change in {}"
FROM, TO = f"95 % from {CHANGE}", f"95 % to {CHANGE}"
WILCOXON, HOLM = f"{CHANGE}: p Wilcoxon", f"{CHANGE}: p Holm"
DEVIATION = f"{SPREAD} of {{}}"
COLUMNS = [
    *(*CASE, "system", "difference", "setting", "value", "note", *COUNTS, *METRICS),
    *(CHANGE.format(metric) for metric in METRICS),
    *(name.format(metric) for metric in COMPARED for name in (FROM, TO, WILCOXON, HOLM)),
    *(DEVIATION.format(metric) for metric in COMPARED),
]


def ablation(
    runs: Mapping[str, Sequence[RunPredictions]],
    settings: Mapping[str, Mapping[str, object]],
    recordings: Mapping[str, Path],
) -> pd.DataFrame:
    """Return one row per difference: its settings, ``COUNTS``, metrics and their changes.

    Columns: database, window, channels, system; difference, setting, value, and a ``note`` that
    says ``already`` if it changes nothing; ``COUNTS`` and metrics as in Table 2;
    ``"change in {metric}"`` against the first row; of ``COMPARED``, the ends of the 95 % interval
    of the change and its p, as by `xsleep.results.comparisons.paired`, and ``p Holm``, adjusted for
    all rows that change anything; and, with several seeds, the standard deviation over them.

    Args:
        runs: Difference to the runs of one system on one channel set; the first without any
            difference. A difference with the same runs as the first changes nothing.
        settings: Difference to the settings that it changes and their values.
        recordings: As for `xsleep.results.measurements.gather`.

    Raises:
        InputError: A file is invalid, or files contradict each other.
    """
    first, *_ = runs
    # Each difference is gathered as a separate system: all must be tested on the same epochs.
    renamed = (replace(run, system=name) for name, some in runs.items() for run in some)
    results = {result.system: result for result in gather(renamed, recordings)}
    rows: list[dict[str, Any]] = []
    for difference, some in runs.items():
        result = results[difference]
        if result.gaps:
            raise InputError(result.gaps[0])
        values = inference.estimate(result.matrices())
        spread = inference.deviation_over_seeds(result.matrices())
        changes = {m: values[m] - (rows[0] if rows else values)[m] for m in METRICS}
        differs = some != runs[first]
        rows.append(
            some[0].names
            | {
                "difference": difference,
                "setting": ", ".join(settings[difference]),
                "value": ", ".join(map(str, settings[difference].values())),
                "note": "" if differs or difference == first else "already",
            }
            | result.numbers(*COUNTS)
            | values
            | {CHANGE.format(metric): change for metric, change in changes.items()}
            | (_tested(result, results[first]) if differs else {})
            | {DEVIATION.format(metric): spread[metric] for metric in COMPARED}
        )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for metric in COMPARED:
        frame[HOLM.format(metric)] = inference.holm(frame[WILCOXON.format(metric)].to_numpy(float))
        for column in (WILCOXON.format(metric), HOLM.format(metric)):
            frame[column] = [float(f"{p:.3g}") for p in frame[column]]
    return frame


def _tested(one: SystemResults, other: SystemResults) -> dict[str, float]:
    """Return the interval and the p of the change of each metric between two systems."""
    columns = {"95 % from": FROM, "95 % to": TO, "p Wilcoxon": WILCOXON}
    return {
        column.format(metric): values[name]
        for metric, values in paired(one, other).items()
        for name, column in columns.items()
    }
