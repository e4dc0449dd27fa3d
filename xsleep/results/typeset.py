"""Table 2 as a page (HTML, self-contained) and as a LaTeX document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from xsleep.results.inference import RESAMPLES
from xsleep.results.metrics import METRICS
from xsleep.results.table2 import (
    DIFFERENCE,
    FROM,
    HEADINGS,
    MEASURED,
    NOT_RUN,
    PUBLISHED,
    QUOTED,
    TO,
    bold,
    daggered,
    number,
    stands_on,
)

TITLE = "Table 2: measured and published"
DAGGER = "†"
EXPLAINED = (
    "Accuracy, MF1, mean sensitivity and mean specificity in percent, kappa a fraction, of the "
    "pooled epochs of all test folds; with several seeds the mean over them.",
    f"95 % interval: bootstrap-t, {RESAMPLES:,} resamples of the subjects; with several seeds "
    "other trainings are in it, with one the networks as they were trained. deviation over seeds: "
    "of the metric of each seed. difference: measured less published.",
    "published: XSleepNet, Phan et al., IEEE TPAMI 2022. quoted: earlier work, as quoted there. In "
    "brackets the references of that paper. digitised: read from the axes of a figure, to 0.1 "
    "point and 0.001 in kappa.",
    f"{DAGGER} not directly comparable: pretrained on another database, or measured on a different "
    "subset of this one, which the notes then say.",
    "Bold: of what is published, as in the paper, where an XSleepNet is better than or equal to "
    "all baselines and comparable earlier work; of what is measured, the best of the column.",
)
SPAN = "95 % interval"


@dataclass(frozen=True)
class _System:
    """The rows of one system, each a source and its cells by channel set and metric: what is in
    them, and whether it is bold."""

    name: str
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]
    notes: Sequence[str]


@dataclass(frozen=True)
class _Block:
    database: str
    window: str
    channel_sets: Sequence[str]
    systems: Sequence[_System]


def html(table: pd.DataFrame) -> str:
    """A page of Table 2, as ``xsleep.results.table2.table2`` makes it, that needs nothing else."""
    parts = [f"<p>{line}</p>" for line in EXPLAINED]
    for block in _blocks(table):
        parts.append(f"<h2>{escape(block.database)}, {escape(block.window)}</h2>\n<table>")
        groups = "".join(
            f'<th class="first" colspan="{len(METRICS)}" scope="colgroup">{c}</th>'
            for c in block.channel_sets
        )
        names = "".join(
            f'<th scope="col"{_first(place)}>{heading}</th>'
            for _ in block.channel_sets
            for place, heading in enumerate(HEADINGS.values())
        )
        parts.append(
            '<thead><tr><th rowspan="2">system</th><th rowspan="2">source</th>'
            f'{groups}<th class="note first" rowspan="2">what it stands on, and what is missing'
            f"</th></tr>\n<tr>{names}</tr></thead>\n<tbody>"
        )
        for system in block.systems:
            tall = f'rowspan="{len(system.rows)}"'
            name = f'<th scope="row" {tall}>{escape(system.name)}</th>'
            notes = f'<td class="note first" {tall}>{escape("; ".join(system.notes))}</td>'
            for place, (source, values) in enumerate(system.rows):
                cells = "".join(
                    f"<td{_first(place % len(METRICS))}>{f'<b>{cell}</b>' if best else cell}</td>"
                    for place, (cell, best) in enumerate(values)
                )
                look = f"{_LOOKS.get(source, 'less')}{'' if place else ' new'}"
                parts.append(
                    f'<tr class="{look}">{"" if place else name}<td class="source">{source}</td>'
                    f"{cells}{'' if place else notes}</tr>"
                )
        parts.append("</tbody></table>")
    return page(TITLE, _STYLE, parts)


def page(title: str, style: str, parts: Sequence[str]) -> str:
    """A page that needs nothing else: what is below its heading, and how that looks (CSS)."""
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title>\n<style>\n{_BODY}\n{style}\n</style></head><body>",
            f"<h1>{title}</h1>",
            *parts,
            "</body></html>\n",
        ]
    )


def latex(table: pd.DataFrame) -> str:
    """A LaTeX document of Table 2, as ``xsleep.results.table2.table2`` makes it; needs booktabs."""
    parts = [
        _PREAMBLE,
        rf"\section*{{{_tex(TITLE)}}}",
        *(_tex(line) + r"\par" for line in EXPLAINED),
    ]
    for block in _blocks(table):
        width = len(METRICS)
        columns = "ll" + len(block.channel_sets) * ("@{\\quad}" + width * "r")
        groups = [rf"\multicolumn{{{width}}}{{c}}{{{c}}}" for c in block.channel_sets]
        rules = [
            rf"\cmidrule(lr){{{3 + width * place}-{2 + width * (place + 1)}}}"
            for place in range(len(groups))
        ]
        names = " & ".join([*HEADINGS.values()] * len(groups))
        parts += [
            rf"\subsection*{{{_tex(block.database)}, {_tex(block.window)}}}",
            rf"\begin{{longtable}}{{{columns}}}",
            r"\toprule",
            rf" & & {' & '.join(groups)} \\",
            "".join(rules),
            rf"system & source & {names} \\",
            r"\midrule",
            r"\endhead",
            r"\bottomrule",
            r"\endfoot",
        ]
        notes: list[str] = []
        for system in block.systems:
            marks = []
            for note in system.notes:
                if note not in notes:
                    notes.append(note)
                marks.append(str(notes.index(note) + 1))
            name = rf"{_tex(system.name)}\textsuperscript{{{','.join(marks)}}}"
            for source, values in system.rows:
                cells = (rf"\textbf{{{_tex(c)}}}" if best else _tex(c) for c, best in values)
                parts.append(rf"{name} & {_tex(source)} & {' & '.join(cells)} \\")
                name = ""
            parts.append(r"\addlinespace")
        parts.append(r"\end{longtable}")
        parts += [
            rf"\noindent\textsuperscript{{{place}}} {_tex(note)}\par"
            for place, note in enumerate(notes, start=1)
        ]
    return "\n".join([*parts, r"\end{document}", ""])


def _blocks(table: pd.DataFrame) -> Iterator[_Block]:
    every = [column.removesuffix(" accuracy") for column in table if column.endswith(" accuracy")]
    marks = bold(table)
    for (database, window), block in table.groupby(["database", "window"], sort=False):
        there = [
            channels
            for channels in every
            if block[[f"{channels} {m}" for m in METRICS]].notna().any(axis=None)
        ]
        columns = [f"{channels} {metric}" for channels in there for metric in METRICS]
        systems = [
            _System(
                f"{name} {DAGGER}" if daggered(database, window, str(name)) else str(name),
                *_rows(rows, marks.loc[rows.index, columns]),
            )
            for name, rows in block.groupby("system", sort=False)
        ]
        yield _Block(database, window, there, systems)


def _rows(
    system: pd.DataFrame, marks: pd.DataFrame
) -> tuple[list[tuple[str, Sequence[tuple[str, bool]]]], list[str]]:
    """Rows of the columns of ``marks``, which says what is bold, the two of an interval made one,
    and notes of one system."""
    rows: list[tuple[str, Sequence[tuple[str, bool]]]] = []
    notes: list[str] = []
    low: list[str] = []
    for index, row in system.iterrows():
        source = row["source"]
        cells = [number(row[column], column) for column in marks]
        if source == MEASURED:
            notes.append(stands_on(row))
        if row["note"]:
            notes.append(row["note"])
        if source == FROM:
            low = cells
            continue
        if source == TO:
            source = SPAN
            cells = [f"{a}–{b}" if a else "" for a, b in zip(low, cells, strict=True)]
        if source == DIFFERENCE:
            cells = [cell if cell[:1] in ("", "-") else f"+{cell}" for cell in cells]
        shown = [cell.replace("-", "−") for cell in cells]
        rows.append((source, list(zip(shown, marks.loc[index], strict=True))))
    return rows, notes


def _first(place: int) -> str:
    return "" if place else ' class="first"'


_TEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "–": "--",
        DAGGER: r"\textdagger{}",
        "−": "$-$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


def _tex(text: str) -> str:
    return text.translate(_TEX)


_LOOKS = {MEASURED: "measured", PUBLISHED: "published", QUOTED: "elsewhere", NOT_RUN: "elsewhere"}

_BODY = "body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #111; background: #fff }"
_STYLE = """p { max-width: 50em; margin: .3em 0 }
h2 { margin: 1.6em 0 .4em; font-size: 1.1em }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
thead { border-top: 2px solid; border-bottom: 1px solid }
tbody { border-bottom: 2px solid }
th, td { padding: .1em .5em; text-align: right; white-space: nowrap; vertical-align: top }
th[scope=row], .source, th[rowspan] { text-align: left }
thead th[scope=colgroup] { text-align: center }
.first { padding-left: 1.6em }
.note { text-align: left; white-space: normal; min-width: 22em; max-width: 40em; color: #444 }
tr.new > * { border-top: 1px solid #ddd; padding-top: .3em }
tr.measured td:not(.note) { background: #eef2f6 }
tr.less { color: #444 }
tr.elsewhere { color: #555; font-style: italic }"""

_PREAMBLE = r"""\documentclass[a4paper,landscape]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[margin=1.5cm]{geometry}
\usepackage{booktabs,longtable}
\setlength{\parindent}{0pt}
\begin{document}
\scriptsize\sloppy
\setlength{\tabcolsep}{2.5pt}"""
