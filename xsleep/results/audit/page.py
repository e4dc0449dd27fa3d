"""An audit as a self-contained HTML page, as JSON and as console lines."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import FAILED, NOT_APPLICABLE, PASSED, Verdict
from xsleep.results.audit.intervals import NOT_PUBLISHED, OUTSIDE, Cell, cells
from xsleep.results.formatting import HEADINGS, entitled, number
from xsleep.results.metrics import METRICS
from xsleep.results.templates import render

SHOWN = 50
"""Number of faults of a check that the page lists; the JSON has all."""


def content(
    verdicts: Sequence[Verdict], evidence: Evidence, simulated: Collection[str]
) -> dict[str, Any]:
    """Return the content of an audit, for JSON and for the page.

    ``simulated`` are the databases whose recordings are.
    """
    failed = [verdict.check for verdict in verdicts if verdict.status == FAILED]
    idle = sum(verdict.status == NOT_APPLICABLE for verdict in verdicts)
    summary = f"{len(failed)} of {len(verdicts)} checks failed"
    of_table = cells(evidence.table2)
    measured = dict.fromkeys(cell["database"] for cell in of_table)
    return {
        "title": entitled("Audit of Table 2", measured, simulated),
        "simulated": [name for name in measured if name in simulated],
        "summary": f"{summary}, {idle} had nothing to check" if idle else summary,
        "failed": failed,
        "retrained": _cost(evidence),
        "checks": [asdict(verdict) for verdict in verdicts],
        "cells": of_table,
    }


def _cost(evidence: Evidence) -> dict[str, Any] | None:
    """Return the run that was trained again, and the times taken; ``None`` without one."""
    if evidence.retrained is None:
        return None
    first, again = evidence.retrained
    seconds = {}
    with suppress(ValueError, KeyError):  # which a check reports
        times = [run.record["duration_seconds"] for run in evidence.retrained]
        seconds = dict(zip(("first", "again"), times, strict=True))
    return {"run": str(first.folder), "folder": str(again.folder), "seconds": seconds}


def as_json(audit: Mapping[str, Any]) -> str:
    """Return the JSON of `content`."""
    return json.dumps(audit, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def console_lines(path: Path) -> Iterator[str]:
    """Yield the console lines of an audit's JSON: its summary, and each failed check."""
    audit = json.loads(path.read_text(encoding="utf-8"))
    yield f"AUDIT: {audit['summary']}"
    for check in audit["checks"]:
        if check["status"] == FAILED:
            yield f"AUDIT: {check['check']}: {check['line']}"


def html(audit: Mapping[str, Any]) -> str:
    """Return a self-contained page of `content`."""
    return render(
        "audit.html",
        title=audit["title"],
        audit=audit,
        counts=Counter(cell["verdict"] for cell in audit["cells"]),
        headings=HEADINGS,
        tables={
            entitled(", ".join(place), place[:1], audit["simulated"]): {
                system: _rows({cell["metric"]: cell for cell in of_system})
                for system, of_system in groupby(of_place, itemgetter("system", "channels"))
            }
            for place, of_place in groupby(audit["cells"], itemgetter("database", "window"))
        },
        marks={PASSED: "✓", FAILED: "✗", NOT_APPLICABLE: "–"},
        shown=SHOWN,
    )


UNDEFINED: Cell = {
    **dict.fromkeys(("measured", "from", "to", "published")),
    "verdict": NOT_PUBLISHED,
}
"""Cell of a metric that has no value, as where only one stage occurs."""


def _rows(by_metric: Mapping[str, Cell]) -> dict[str, list[tuple[str, str]]]:
    """Return the texts and CSS classes of the cells of one system, by the name of the row."""
    rows = defaultdict(list)
    for metric in METRICS:
        cell = by_metric.get(metric, UNDEFINED)
        measured, low, high, published = (
            number(cell[name], metric).replace("-", "−")
            for name in ("measured", "from", "to", "published")
        )
        shown = verdict = cell["verdict"]
        if verdict == OUTSIDE:
            distance = number(abs(cell["by"]), metric)
            shown = f"{distance} {'above' if cell['by'] > 0 else 'below'}"
        rows["measured"].append((measured, ""))
        rows["95 % interval"].append((f"{low}–{high}" if low else "", ""))
        rows["published"].append((published, ""))
        rows["published is"].append((shown, verdict))
    if all(text == NOT_PUBLISHED for text, _ in rows["published is"]):
        del rows["published"], rows["published is"]
    return rows
