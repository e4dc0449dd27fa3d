"""An audit as a self-contained HTML page, as JSON and as lines of a console."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xsleep.results.audit.checks import (
    FAILED,
    INSIDE,
    NOT_APPLICABLE,
    NOT_PUBLISHED,
    OUTSIDE,
    PASSED,
    Verdict,
    summary,
)
from xsleep.results.audit.evidence import Evidence
from xsleep.results.formatting import HEADINGS, number
from xsleep.results.metrics import METRICS
from xsleep.results.templates import render

SHOWN = 50
"""Faults of a check that the page lists; the JSON has all."""

_Cell = Mapping[str, Any]
_Tables = dict[tuple[str, str], dict[tuple[str, str], dict[str, list[tuple[str, str]]]]]


def content(
    verdicts: Sequence[Verdict], cells: Sequence[_Cell], evidence: Evidence
) -> dict[str, Any]:
    """Return all that an audit says, for JSON and for the page."""
    return {
        "summary": summary(verdicts),
        "failed": [verdict.check for verdict in verdicts if verdict.status == FAILED],
        "retrained": _cost(evidence),
        "checks": [asdict(verdict) for verdict in verdicts],
        "cells": list(cells),
    }


def _cost(evidence: Evidence) -> dict[str, Any] | None:
    """Return what was retrained and how long it took, ``None`` where nothing was retrained."""
    if evidence.retrained is None:
        return None
    first, again = evidence.retrained
    try:
        seconds = {
            name: run.record["duration_seconds"]
            for name, run in (("first", first), ("again", again))
        }
    except Exception:  # the checks say what is wrong
        seconds = {}
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
    verdicts = (INSIDE, OUTSIDE, NOT_PUBLISHED)
    return render(
        "audit.html",
        title="Audit of Table 2",
        audit=audit,
        counts={verdict: _count(audit["cells"], verdict) for verdict in verdicts},
        headings=HEADINGS,
        tables=_tables(audit["cells"]),
        marks={PASSED: "✓", FAILED: "✗", NOT_APPLICABLE: "–"},
        shown=SHOWN,
    )


def _count(cells: Sequence[_Cell], verdict: str) -> int:
    return sum(cell["verdict"] == verdict for cell in cells)


def _tables(cells: Sequence[_Cell]) -> _Tables:
    """Return the rows of each system and channel set, by database and window, in their order."""
    by_place: dict[tuple[str, str], dict[tuple[str, str], dict[str, _Cell]]] = {}
    for cell in cells:
        systems = by_place.setdefault((cell["database"], cell["window"]), {})
        systems.setdefault((cell["system"], cell["channels"]), {})[cell["metric"]] = cell
    return {
        place: {
            name: _rows([by_metric[metric] for metric in METRICS])
            for name, by_metric in systems.items()
        }
        for place, systems in by_place.items()
    }


def _rows(cells: Sequence[_Cell]) -> dict[str, list[tuple[str, str]]]:
    """Return the texts and CSS classes of the cells of one system, by the source of the row."""
    rows = {
        "measured": [(_number(cell, "measured"), "") for cell in cells],
        "95 % interval": [(_interval(cell), "") for cell in cells],
    }
    if any(cell["verdict"] != NOT_PUBLISHED for cell in cells):
        rows["published"] = [(_number(cell, "published"), "") for cell in cells]
        rows["published is"] = [(_verdict(cell), str(cell["verdict"])) for cell in cells]
    return rows


def _number(cell: _Cell, what: str) -> str:
    return number(cell[what], cell["metric"]).replace("-", "−")


def _interval(cell: _Cell) -> str:
    low, high = _number(cell, "from"), _number(cell, "to")
    return f"{low}–{high}" if low else ""


def _verdict(cell: _Cell) -> str:
    if cell["verdict"] != OUTSIDE:
        return str(cell["verdict"])
    where = "above" if cell["by"] > 0 else "below"
    return f"{number(abs(cell['by']), cell['metric'])} {where}"
