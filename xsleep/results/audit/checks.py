"""All checks of an audit, and what was measured beside what is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.results import table2
from xsleep.results.audit import data, hashes, origin, results
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Found, NotApplicable, in_words
from xsleep.results.metrics import METRICS

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"

CHECKS: Mapping[str, Callable[[Evidence], Found]] = {
    "recordings": hashes.recordings,
    "stores": hashes.stores,
    "checkpoints": hashes.checkpoints,
    "predictions": hashes.predictions,
    "code": origin.code,
    "packages": origin.packages,
    "configuration": origin.configuration,
    "split": data.split,
    "pretrained on": data.unseen,
    "roles": data.roles,
    "normalisation": data.normalisation,
    "stopping": data.stopping,
    "sequences": data.sequences,
    "true stages": data.stages,
    "epoch counts": results.epochs,
    "metrics": results.metrics,
    "retrained history": results.retrained_history,
    "retrained predictions": results.retrained_predictions,
}
"""By name; the first line of what documents each is what it holds to be so."""


@dataclass(frozen=True)
class Verdict:
    """What came of a check, in a line; and all its faults."""

    check: str
    claim: str
    status: str
    line: str
    faults: Sequence[str] = ()


def verdicts(evidence: Evidence, report: Callable[[str], None]) -> list[Verdict]:
    """The verdict of every check, whatever state the files are in."""
    found = []
    for name, check in CHECKS.items():
        verdict = _verdict(name, check, evidence)
        report(f"{name}: {verdict.status}: {verdict.line}")
        found.append(verdict)
    return found


def _verdict(name: str, check: Callable[[Evidence], Found], evidence: Evidence) -> Verdict:
    claim = (check.__doc__ or "").splitlines()[0]
    try:
        found = check(evidence)
    except NotApplicable as reason:
        return Verdict(name, claim, NOT_APPLICABLE, str(reason))
    except Exception as error:  # whatever damage does to what reads it
        return Verdict(name, claim, FAILED, in_words(error), [in_words(error)])
    if not found.faults:
        return Verdict(name, claim, PASSED, found.looked_at)
    first, *rest = found.faults
    line = first + (f" (and {len(rest):,} more, in {found.looked_at})" if rest else "")
    return Verdict(name, claim, FAILED, line, found.faults)


INSIDE, OUTSIDE = "inside", "outside"
NO_INTERVAL, NOT_PUBLISHED = "no interval", "not published"


def cells(path: Path) -> list[dict[str, Any]]:
    """Every measured cell of Table 2: its interval, and whether the published value is inside.

    ``by`` is how far it lies outside, negative where it is below; to the decimals of the table.
    Nothing where the table cannot be read: that is for a check to say.
    """
    try:
        table = table2.read_csv(path)
        table[["database", "window", "system", "source"]]
    except (OSError, ValueError, KeyError):
        return []
    found = []
    ends = [column.removesuffix(" accuracy") for column in table if column.endswith(" accuracy")]
    for names, rows in table.groupby(["database", "window", "system"], sort=False):
        for channels in ends:
            for metric in METRICS:
                values = rows.set_index("source")[f"{channels} {metric}"].dropna()
                values = values[~values.index.duplicated()]
                if table2.MEASURED in values:
                    place = dict(zip(("database", "window", "system"), names, strict=True))
                    found.append(
                        place | {"channels": channels, "metric": metric} | _compared(values)
                    )
    return found


def _compared(values: pd.Series) -> dict[str, Any]:
    low, high, published = map(values.get, (table2.FROM, table2.TO, table2.PUBLISHED))
    by = 0.0
    if published is None:
        verdict = NOT_PUBLISHED
    elif low is None or high is None:
        verdict = NO_INTERVAL
    else:
        by = round(min(published - low, 0) + max(published - high, 0), 3)
        verdict = OUTSIDE if by else INSIDE
    return {
        "measured": values[table2.MEASURED],
        "from": low,
        "to": high,
        "published": published,
        "difference": values.get(table2.DIFFERENCE),
        "verdict": verdict,
        "by": by,
    }


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many checks failed, in a line."""
    failed = sum(verdict.status == FAILED for verdict in verdicts)
    idle = sum(verdict.status == NOT_APPLICABLE for verdict in verdicts)
    line = f"{failed} of {len(verdicts)} checks failed"
    return f"{line}, {idle} had nothing to check" if idle else line
