"""What finetuning a pretrained network is worth: each strategy beside training from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xsleep.config.names import AUTHORS
from xsleep.results import inference, published
from xsleep.results.comparisons import COMPARED, paired, shared
from xsleep.results.measurements import Cell, Outcome, gather
from xsleep.results.metrics import METRICS

CASE = ["target", "window", "network", "source channels", "channels"]
"""Columns that what is compared has in common."""

SCRATCH = "scratch"

PUBLISHED_SOURCES = (AUTHORS, "MASS")
"""Sources of which results are published: the authors' networks are of MASS."""


@dataclass(frozen=True)
class Transfer:
    """What was transferred, and how.

    Attributes:
        network: what Table 2 calls it, without ``FT-``.
        source_channels, channels: of the source and of the target.
        strategy: a key of `xsleep.config.settings.STRATEGIES`.
        subjects: how many of a fold's training subjects trained; ``None`` for all.
    """

    database: str
    window: str
    network: str
    source_channels: str
    channels: str
    strategy: str
    subjects: int | None

    @property
    def case(self) -> tuple:
        """What those that are compared have in common."""
        return self.database, self.window, self.network, self.source_channels, self.channels


def table(
    source: str,
    runs: Mapping[Transfer, Sequence[Cell]],
    facts: Mapping[Transfer, Sequence[Mapping]],
    recordings: Mapping[str, Path],
) -> tuple[pd.DataFrame, list[str]]:
    """What each strategy reaches, and how much more that is than from scratch.

    Args:
        source: what the networks were pretrained on.
        runs: the predictions of all folds and seeds.
        facts: what their ``run.json`` tell.
        recordings: per database its ``recordings.csv``.

    Returns:
        One row per transfer, in the order given: what it is; subjects, recordings, epochs, folds
        and seeds that it stands on; the parameters trained; for each metric its value and 95 %
        interval over subjects; the same of its difference to training from scratch on the same
        subjects, with the p of Wilcoxon's test over subjects, Holm-corrected for the strategies
        beside it, to three digits; and what is published, with ``published from`` saying where:
        ``digitised`` from the figures of the transfer paper, or ``Table 2``. And lines on
        predictions that are left out.
    """
    names = {f"{number}": transfer for number, transfer in enumerate(runs)}
    cells = [
        Cell(**vars(cell) | {"system": number})
        for number, transfer in names.items()
        for cell in runs[transfer]
    ]
    outcomes = {names[outcome.system]: outcome for outcome in gather(cells, recordings)}
    rows = []
    for transfer in runs:
        outcome = outcomes[transfer]
        base = outcomes.get(Transfer(*transfer.case, SCRATCH, transfer.subjects))
        rows.append(
            {
                "source": source,
                "target": transfer.database,
                "window": transfer.window,
                "network": transfer.network,
                "source channels": transfer.source_channels,
                "channels": transfer.channels,
                "strategy": transfer.strategy,
                "training subjects": round(_mean(facts[transfer], "training_subjects")),
                "subjects": outcome.number("subject"),
                "recordings": outcome.number("recording"),
                "epochs": outcome.epochs(),
                "folds": outcome.number("fold"),
                "seeds": outcome.number("seed"),
                "parameters trained": round(_mean(facts[transfer], "parameters_trained")),
                **_values(outcome),
                **(_gains(outcome, base) if base and base is not outcome else {}),
                **(_published(transfer) if source in PUBLISHED_SOURCES else {}),
                "note": "; ".join(outcome.gaps),
            }
        )
    frame = pd.DataFrame(rows)
    cases = frame.groupby(CASE)
    for column in frame.columns.intersection([f"gain in {metric}: p" for metric in COMPARED]):
        frame[column] = cases[column].transform(
            lambda p: [float(f"{x:.3g}") for x in inference.holm(p.to_numpy(float))]
        )
    return frame, [gap for outcome in outcomes.values() for gap in outcome.gaps]


def _mean(facts: Sequence[Mapping], name: str) -> float:
    return float(np.mean([one[name] for one in facts]))


def _values(outcome: Outcome) -> dict[str, float]:
    """Every metric with its interval."""
    found = inference.estimate(outcome.matrices())
    spans = inference.intervals(outcome.matrices("subject"))
    return {
        name: value
        for metric in METRICS
        for name, value in zip(
            (metric, f"95 % from {metric}", f"95 % to {metric}"),
            (found[metric], *spans[metric]),
            strict=True,
        )
    }


def _gains(outcome: Outcome, base: Outcome) -> dict[str, float]:
    """Differences to training from scratch, on the recordings that both tested."""
    pair = shared(outcome, base)
    gains: dict[str, float] = {}
    for metric, values in paired(*pair).items() if pair else ():
        gain = f"gain in {metric}"
        gains[gain] = values["difference"]
        gains[f"95 % from {gain}"], gains[f"95 % to {gain}"] = (
            values["95 % from"],
            values["95 % to"],
        )
        gains[f"{gain}: p"] = values["p Wilcoxon"]
    return gains


def _published(transfer: Transfer) -> dict[str, object]:
    """What is published of this network by this strategy, on all training subjects."""
    if transfer.subjects:
        return {}
    values, origin = published.transferred(*transfer.case, transfer.strategy)
    found = {f"published {metric}": values[metric] for metric in METRICS if metric in values}
    return found | {"published from": origin}
