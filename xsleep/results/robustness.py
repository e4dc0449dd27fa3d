"""Robustness: what each system loses when the test recordings are perturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.core.files import read_table
from xsleep.core.stages import STAGES
from xsleep.results.comparisons import COMPARED, paired
from xsleep.results.inference import estimate
from xsleep.results.measurements import CASE, LEVELS, SystemResults
from xsleep.results.published import paper_order, row_name

NONE = "none"
"""Name of no perturbation."""

PERTURBED, RECORDED = "perturbed", "as recorded"
"""Signals that were scored."""

COUNTS = tuple(f"{true} as {given}" for true in STAGES for given in STAGES)
"""Columns of the confusion matrix, in epochs."""

NUMBERS = ("subjects", "recordings", "epochs", "folds", "seeds")
ORDER = ("database", "window", "system", "channels")
LOSS, FROM, TO = "loss of", "95 % from loss of", "95 % to loss of"
COLUMNS = [
    *(*CASE, "system", "perturbation", *NUMBERS, *COMPARED),
    *(f"{part} {metric}" for metric in COMPARED for part in (LOSS, FROM, TO)),
    *("warned", "refused", "note"),
]


def robustness(
    scores: Sequence[Path],
    systems: Mapping[str, str],
    perturbations: Sequence[str],
    left_out: Sequence[Mapping[str, str]] = (),
) -> pd.DataFrame:
    """Return the metrics of every system under every perturbation, and the loss.

    Args:
        scores: Files of `xsleep.external.robustness.score_perturbed`, of all folds.
        systems: Names of the systems, by what they are in an address.
        perturbations: Names in the order of the rows.
        left_out: Systems that score no signals: database, window, channels, system and note.

    Returns:
        For each system a row per perturbation, of ``NONE`` first: ``COMPARED`` over the recordings
        that have scores for all seeds; what is lost against the same epochs as they were recorded,
        with the paired 95 % interval over subjects; how many of the recordings the checks of
        preparation warn of and refuse; ``note``, why recordings have no scores.
    """
    tables = [read_table(path) for path in scores]
    names = [*CASE, "system"]
    rows: list[dict[str, Any]] = [dict(one) for one in left_out]
    known = pd.concat(tables) if tables else pd.DataFrame(columns=[*names, "perturbation"])
    for key, table in known.groupby(names, sort=False):
        address = dict[str, Any](zip(names, key, strict=True))
        blocks = dict(list(table.groupby("perturbation")))
        rows += [
            address | {"perturbation": name} | _row(address, blocks[name])
            for name in (NONE, *perturbations)
            if name in blocks
        ]
    for row in rows:
        row["system"] = row_name(row["database"], row["window"], systems[row["system"]])
    rows.sort(
        key=lambda row: paper_order(*(row[n] for n in ("database", "window", "system", "channels")))
    )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype(dict.fromkeys((*NUMBERS, "warned", "refused"), "Int64"))


def _row(address: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Return numbers, metrics, loss, and note of a system under a perturbation."""
    scored = table[table["fault"] == ""]
    each = scored["recording"].value_counts()
    whole = table["seed"].nunique() * scored["signals"].nunique()
    used = scored[scored["recording"].map(each) == whole]
    note = "; ".join(_notes(table, used))
    if used.empty:
        return {"note": note}
    results = {
        signals: SystemResults(**address, counts=_counts(lines), skipped=0, gaps=())
        for signals, lines in used.groupby("signals")
    }
    recorded = results[RECORDED]
    changed = results.get(PERTURBED, recorded)
    first = used.drop_duplicates("recording")
    told = {name: int(first[name].astype(int).sum()) for name in ("warned", "refused")}
    values = estimate(changed.matrices())
    row = changed.numbers(*NUMBERS) | {m: values[m] for m in COMPARED} | told | {"note": note}
    if changed is recorded:
        return row
    for metric, found in paired(recorded, changed, same_seeds=True).items():
        ends = (found["difference"], found["95 % from"], found["95 % to"])
        row |= dict(zip((f"{p} {metric}" for p in (LOSS, FROM, TO)), ends, strict=True))
    return row


def _notes(table: pd.DataFrame, used: pd.DataFrame) -> Iterator[str]:
    """Yield how many recordings have no scores, and why the first has none."""
    missing = table[~table["recording"].isin(used["recording"])]
    if count := missing["recording"].nunique():
        faults = missing.loc[missing["fault"] != "", "fault"]
        yield f"{count} recordings without scores: {faults.iloc[0]}"


def _counts(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the confusion matrices of `SystemResults`."""
    numbers = lines[["seed", "fold"]].astype(int)
    index = pd.MultiIndex.from_frame(lines.assign(**numbers)[list(LEVELS)])
    return pd.DataFrame(lines[list(COUNTS)].astype(int).to_numpy(), index=index)
