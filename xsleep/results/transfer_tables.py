"""Gains of finetuning a pretrained network: each strategy compared with training from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsleep.config.names import AUTHORS
from xsleep.results import inference, published
from xsleep.results.comparisons import COMPARED, paired, shared
from xsleep.results.measurements import RunPredictions, SystemResults, gather
from xsleep.results.metrics import METRICS

CASE = ["target", "window", "network", "source channels", "channels"]
"""Columns that are equal for all strategies that are compared."""

SCRATCH = "scratch"

PUBLISHED_SOURCES = (AUTHORS, "MASS")
"""Sources with published results: the authors' networks were pretrained on MASS."""


@dataclass(frozen=True)
class Transfer:
    """A network, its source and target channels, and the strategy of its finetuning.

    Attributes:
        network: Its name in Table 2, without ``FT-``.
        source_channels, channels: Channel sets of the source and of the target.
        strategy: A key of `xsleep.config.names.STRATEGIES`.
        subjects: How many training subjects of each fold were used; ``None`` for all.
    """

    database: str
    window: str
    network: str
    source_channels: str
    channels: str
    strategy: str
    subjects: int | None

    @property
    def case(self) -> tuple[str, str, str, str, str]:
        """The values of ``CASE``."""
        return self.database, self.window, self.network, self.source_channels, self.channels


def table(
    source: str,
    runs: Mapping[Transfer, Sequence[RunPredictions]],
    facts: Mapping[Transfer, Sequence[Mapping[str, Any]]],
    recordings: Mapping[str, Path],
) -> tuple[pd.DataFrame, list[str]]:
    """Return the metrics of each strategy and its gains over training from scratch.

    Args:
        source: Database on which the networks were pretrained.
        runs: The predictions of all folds and seeds.
        facts: The contents of their ``run.json``.
        recordings: Path of the ``recordings.csv`` of each database.

    Returns:
        One row per transfer, in the order given: its identity; the numbers of subjects, recordings,
        epochs, folds and seeds; the parameters trained; each metric with its 95 % interval over
        subjects; likewise its gain over training from scratch on the same subjects, with the p of
        Wilcoxon's test over subjects, Holm-adjusted for all strategies of the case, to three
        digits; and the published metrics, ``published from`` saying where: ``digitised`` from the
        figures of the transfer paper, or ``Table 2``. And lines on predictions that are left out.
    """
    names = {f"{number}": transfer for number, transfer in enumerate(runs)}
    of_all = (replace(run, system=name) for name in names for run in runs[names[name]])
    results = {names[result.system]: result for result in gather(of_all, recordings)}
    rows = []
    for transfer in runs:
        result = results[transfer]
        base = results.get(replace(transfer, strategy=SCRATCH))
        rows.append(
            {"source": source}
            | dict(zip(CASE, transfer.case, strict=True))
            | {"strategy": transfer.strategy}
            | {"training subjects": _mean(facts[transfer], "training_subjects")}
            | result.numbers("subjects", "recordings", "epochs", "folds", "seeds")
            | {"parameters trained": _mean(facts[transfer], "parameters_trained")}
            | {k: v for m, found in result.estimates().items() for k, v in _interval(m, *found)}
            | (_gains(result, base) if base and base is not result else {})
            | (_published(transfer) if source in PUBLISHED_SOURCES else {})
            | {"note": result.note}
        )
    frame = pd.DataFrame(rows)
    cases = frame.groupby(CASE)
    for column in frame.columns.intersection([f"gain in {metric}: p" for metric in COMPARED]):
        frame[column] = cases[column].transform(
            lambda p: [float(f"{x:.3g}") for x in inference.holm(p.to_numpy(float))]
        )
    return frame, [gap for result in results.values() for gap in result.gaps]


def _mean(facts: Sequence[Mapping[str, Any]], name: str) -> int:
    return round(float(np.mean([one[name] for one in facts])))


def _interval(name: str, value: float, low: float, high: float) -> list[tuple[str, float]]:
    """Return a value and its interval by column."""
    return [(name, value), (f"95 % from {name}", low), (f"95 % to {name}", high)]


def _gains(result: SystemResults, base: SystemResults) -> dict[str, float]:
    """Return the gains over training from scratch, on the recordings that both tested."""
    pair = shared(result, base)
    gains: dict[str, float] = {}
    for metric, values in paired(*pair).items() if pair else ():
        ends = values["95 % from"], values["95 % to"]
        gains |= _interval(f"gain in {metric}", values["difference"], *ends)
        gains[f"gain in {metric}: p"] = values["p Wilcoxon"]
    return gains


def _published(transfer: Transfer) -> dict[str, object]:
    """Return the published metrics of this network and strategy, on all training subjects."""
    if transfer.subjects:
        return {}
    values, origin = published.transferred(transfer.case, transfer.strategy)
    found = {f"published {metric}": values[metric] for metric in METRICS if metric in values}
    return found | {"published from": origin}
