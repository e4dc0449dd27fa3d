"""Ablation: the effect of each difference between the paper and the released code by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.core.errors import InputError
from xsleep.results import inference
from xsleep.results.measurements import RunPredictions, gather
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import COUNTS


def ablation(
    runs: Mapping[str, Sequence[RunPredictions]],
    settings: Mapping[str, Mapping[str, object]],
    recordings: Mapping[str, Path],
) -> pd.DataFrame:
    """Return one row per difference: its settings, ``COUNTS``, metrics and their changes.

    Columns: database, window, channels, system; difference, setting, value, and a ``note`` that
    says ``already`` if it changes nothing; ``COUNTS`` and metrics as in Table 2; and
    ``"change in {metric}"`` against the first row.

    Args:
        runs: Difference to the runs of one system on one channel set; the first without any
            difference. A difference with the same runs as the first is already as in the paper.
        settings: Difference to the settings that it changes and their values.
        recordings: As for `xsleep.results.measurements.gather`.

    Raises:
        InputError: A file is invalid, or files contradict each other.
    """
    none, *_ = runs.values()
    # Each difference is gathered as a separate system: all must be tested on the same epochs.
    renamed = (replace(run, system=name) for name, some in runs.items() for run in some)
    results = {result.system: result for result in gather(renamed, recordings)}
    rows: list[dict[str, Any]] = []
    for difference, some in runs.items():
        result = results[difference]
        if result.gaps:
            raise InputError(result.gaps[0])
        values = inference.estimate(result.matrices())
        first = rows[0] if rows else values
        rows.append(
            some[0].names
            | {
                "difference": difference,
                "setting": ", ".join(settings[difference]),
                "value": ", ".join(map(str, settings[difference].values())),
                "note": "already" if rows and some == none else "",
            }
            | result.numbers(*COUNTS)
            | values
            | {f"change in {metric}": values[metric] - first[metric] for metric in METRICS}
        )
    return pd.DataFrame(rows)
