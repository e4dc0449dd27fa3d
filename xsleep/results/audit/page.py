"""An audit as a page that needs nothing else, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from xsleep.results import typeset
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
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import HEADINGS, number

TITLE = "Audit of Table 2"
MARKS = {PASSED: "✓", FAILED: "✗", NOT_APPLICABLE: "–"}
SHOWN = 50
"""Faults of a check that the page lists; the JSON has all."""


def content(
    verdicts: Sequence[Verdict], cells: Sequence[Mapping[str, Any]], evidence: Evidence
) -> dict[str, Any]:
    """All that an audit says, for JSON and for the page."""
    return {
        "summary": summary(verdicts),
        "failed": [verdict.check for verdict in verdicts if verdict.status == FAILED],
        "retrained": _cost(evidence),
        "checks": [asdict(verdict) for verdict in verdicts],
        "cells": list(cells),
    }


def _cost(evidence: Evidence) -> dict[str, Any] | None:
    """What was trained again, and how long that took; nothing where it cannot be said."""
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
    """JSON of `content`."""
    return json.dumps(audit, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def console_lines(path: Path) -> Iterator[str]:
    """What a console shows of an audit's JSON: how many checks failed, and of each its line."""
    audit = json.loads(path.read_text(encoding="utf-8"))
    yield f"AUDIT: {audit['summary']}"
    for check in audit["checks"]:
        if check["status"] == FAILED:
            yield f"AUDIT: {check['check']}: {check['line']}"


def html(audit: Mapping[str, Any]) -> str:
    """A page of `content`."""
    look = FAILED if audit["failed"] else PASSED
    parts = [
        f'<p class="{look} summary">{escape(audit["summary"])}</p>',
        *("<h2>Checks</h2>", "<table>", "<tbody>"),
    ]
    for check in audit["checks"]:
        parts.append(_check(check))
    parts.append("</tbody></table>")
    if retrained := audit["retrained"]:
        parts.append(f"<p>{escape(_retrained(retrained))}</p>")
    parts.append("<h2>Measured and published</h2>")
    parts.append(f"<p>{escape(_counts(audit['cells']))}</p>")
    parts += _tables(audit["cells"])
    return typeset.page(TITLE, _STYLE, parts)


def _check(check: Mapping[str, Any]) -> str:
    status = check["status"]
    faults = check["faults"]
    more = ""
    if len(faults) > 1:
        items = "".join(f"<li>{escape(fault)}</li>" for fault in faults[:SHOWN])
        rest = f"<p>{len(faults) - SHOWN:,} more in audit.json</p>" if len(faults) > SHOWN else ""
        more = f"<details><summary>all {len(faults):,}</summary><ul>{items}</ul>{rest}</details>"
    return (
        f'<tr class="{status.split()[0]}"><td class="status">{MARKS[status]} {status}</td>'
        f'<th scope="row">{escape(check["check"])}</th>'
        f"<td>{escape(check['claim'])}<div>{escape(check['line'])}</div>{more}</td></tr>"
    )


def _retrained(retrained: Mapping[str, Any]) -> str:
    line = f"Trained again: {retrained['run']}"
    if seconds := retrained["seconds"]:
        line += f", in {seconds['again']:g} s, at first in {seconds['first']:g} s"
    return f"{line}. It is trained once: delete {retrained['folder']} to have it trained anew."


def _counts(cells: Sequence[Mapping[str, Any]]) -> str:
    if not cells:
        return "Nothing was measured."
    verdicts = [cell["verdict"] for cell in cells]
    told = [f"{len(cells):,} cells of Table 2 were measured"]
    for verdict, words in (
        (INSIDE, "the published value is inside the 95 % interval of {}"),
        (OUTSIDE, "outside that of {}"),
        (NOT_PUBLISHED, "for {} nothing is published"),
    ):
        if count := verdicts.count(verdict):
            told.append(words.format(f"{count:,}"))
    return (
        f"{'; '.join(told)}. Intervals are over the subjects, with the networks as they were "
        "trained. A published value outside is so far above or below the nearer end. All is to the "
        "decimals of Table 2."
    )


def _tables(cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for (database, window), block in (
        pd.DataFrame(list(cells)).groupby(["database", "window"], sort=False) if cells else ()
    ):
        names = "".join(f'<th scope="col">{HEADINGS[metric]}</th>' for metric in METRICS)
        yield (
            f'<h3>{escape(database)}, {escape(window)}</h3>\n<table class="cells">'
            f"<thead><tr><th>system</th><th>channels</th><th></th>{names}</tr></thead>\n<tbody>"
        )
        for (system, channels), rows in block.groupby(["system", "channels"], sort=False):
            by_metric = {row["metric"]: row for row in rows.to_dict("records")}
            yield from _system(system, channels, [by_metric[metric] for metric in METRICS])
        yield "</tbody></table>"


def _system(system: str, channels: str, cells: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A row each: measured, its interval, published, inside or outside."""
    lines = {
        "measured": [_number(cell, "measured") for cell in cells],
        "95 % interval": [_interval(cell) for cell in cells],
    }
    if any(cell["verdict"] != NOT_PUBLISHED for cell in cells):
        lines["published"] = [_number(cell, "published") for cell in cells]
        lines["published is"] = [_verdict(cell) for cell in cells]
    for place, (source, values) in enumerate(lines.items()):
        tall = f'scope="row" rowspan="{len(lines)}"'
        name = f"<th {tall}>{escape(system)}</th><th {tall}>{escape(channels)}</th>"
        look = f"{source.split()[0]}{'' if place else ' new'}"
        looks = [
            f' class="{cell["verdict"]}"' if source == "published is" else "" for cell in cells
        ]
        row = "".join(f"<td{look}>{v}</td>" for look, v in zip(looks, values, strict=True))
        yield (
            f'<tr class="{look}">{"" if place else name}<td class="source">{source}</td>{row}</tr>'
        )


def _number(cell: Mapping[str, Any], what: str) -> str:
    return number(cell[what], cell["metric"]).replace("-", "−")


def _interval(cell: Mapping[str, Any]) -> str:
    low, high = _number(cell, "from"), _number(cell, "to")
    return f"{low}–{high}" if low else ""


def _verdict(cell: Mapping[str, Any]) -> str:
    if cell["verdict"] != OUTSIDE:
        return cell["verdict"]
    where = "above" if cell["by"] > 0 else "below"
    return f"{number(abs(cell['by']), cell['metric'])} {where}"


_STYLE = """p { max-width: 50em; margin: .4em 0 }
h2 { margin: 1.6em 0 .4em; font-size: 1.2em }
h3 { margin: 1.2em 0 .4em; font-size: 1em }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
thead { border-bottom: 1px solid }
tbody, table.cells thead { border-top: 2px solid }
tbody { border-bottom: 2px solid }
th, td { padding: .25em .6em; text-align: left; vertical-align: top; overflow-wrap: anywhere }
tr + tr > * { border-top: 1px solid #ddd }
td div { color: #444 }
ul { margin: .3em 0; padding-left: 1.4em }
.status, tbody th { white-space: nowrap }
.summary { font-size: 1.1em; font-weight: 600 }
.passed .status, p.passed { color: #14612f }
.failed .status, .failed div, p.failed { color: #a4161a; font-weight: 600 }
.not { color: #555 }
.cells th, .cells td { padding: .1em .6em }
.cells td:not(.source), .cells th[scope=col] { text-align: right; white-space: nowrap }
.cells tr + tr > * { border-top: 0 }
.cells tr.new > * { border-top: 1px solid #ddd; padding-top: .3em }
.cells tr.measured td:not(.source) { font-weight: 600 }
.cells td.outside { color: #a4161a; font-weight: 600 }
.cells .source { color: #444; white-space: nowrap }"""
