"""Messages of the workflow: what is left out, what was made, and what failed."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from xsleep.core.files import read_table
from xsleep.study import beforehand
from xsleep.study.study import Study
from xsleep.training import CHECKPOINT

MOST_FAILURES = 20
"""Failed jobs that are listed; Snakemake's log has all."""

FAILED = re.compile(
    r"^(?:Error in| {7}) rule (\S+):\n((?:(?!\[|Error in | +rule ).*\n?)*)", re.MULTILINE
)
"""A failed job in Snakemake's log, alone or in a group: its rule, and indented lines on it."""

INTERRUPTED = re.compile(
    "^(?:Terminating processes on user request|Will exit after finishing currently running)", re.M
)
"""What Snakemake says after Ctrl-C or SIGTERM."""
TOLD = re.compile(r"RuleException:\nCalledProcessError .* status (1|130)\.\s*", re.DOTALL)
"""What Snakemake says of a script that has said itself why it failed: its temporary name."""
STEP = re.compile(r"step (\d[\d,]* of [\d,]*\d)")


class NotTwice(logging.Filter):
    """Filter of what Snakemake shows: nothing that a job has said, no errors after Ctrl-C."""

    interrupted = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        text = record.getMessage()
        self.interrupted = self.interrupted or bool(INTERRUPTED.match(text))
        is_error = record.levelno >= logging.ERROR
        return not (is_error and (self.interrupted or TOLD.fullmatch(text)))


class Messages:
    """Messages of one call of Snakemake, which ``started`` at a time in seconds since 1970."""

    def __init__(self, study: Study) -> None:
        self.study, self.started = study, time.time()

    def on_start(self) -> None:
        """Tell which databases are left out, and which files are missing or surplus."""
        from snakemake.logging import logger

        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(NotTwice())
        for database, line in self.study.databases.left_out.items():
            print(f"left out: {database}: {line}", file=sys.stderr)
        for database in self.study.databases.names:
            files = self.study.databases.files[database]
            if not files.signals:
                print(f"{database}: no signals, scored by its hypnograms alone", file=sys.stderr)
            if line := files.placement():
                print(line, file=sys.stderr)
        for line in filter(None, (*beforehand.gaps(self.study), beforehand.room(self.study))):
            print(line, file=sys.stderr)

    def on_success(self) -> None:
        """Show the tables that were made, and where all results are."""
        from rich.console import Console

        from xsleep.results import inventory, table2, typeset

        console = Console(stderr=True)
        summaries = (
            ("Recordings", "results/recordings.csv", read_table, inventory.summary),
            ("Table 1", "results/table1.csv", read_table, inventory.summary1),
            ("Table 2", "results/table2.csv", table2.read_csv, typeset.summary),
            ("Released", "results/released_outputs.csv", table2.read_csv, typeset.summary),
        )
        for _, path, read, summary in summaries:
            if self._is_made(path):
                summary(read(path), console)
        curves = [*self.study.transfer.runs]
        appendix = ("appendix_b", "appendix_c", "appendix_d")
        single = ("footprint", "zero_shot", "ablation", "robustness")
        tables = ("comparisons", "claims", *appendix, *single, *curves)
        checklists = ("checklists/ml_reproducibility.md", "checklists/reforms.md")
        drawn = [f"results/figures/{name}.png" for name in ("robustness", *curves)]
        drawn = [*self.study.figures.paths, *drawn]
        cards = sorted(Path("results/networks").glob("**/README.md"))
        results = [
            *((name, path) for name, path, *_ in summaries),
            *(("Table", f"results/{table}.csv") for table in tables),
            ("Page", "results/explorer/index.html"),
            *(("Provenance", f"results/{n}") for n in (*checklists, "ro-crate-metadata.json")),
            ("Card", "results/card.md"),
            ("Croissant", "results/croissant.json"),
            ("Bundle", "results/bundle.zip"),
            *(("Figure", path) for path in drawn if path.endswith(".png")),
            *(("Network", str(card)) for card in cards),
            ("Audit", "results/audit/index.html"),
        ]
        for name, path in results:
            if self._is_made(path):
                more = " (also .html, .tex)" if name == "Table 2" else ""
                console.print(f"{name + ':':<12}{path}{more}", soft_wrap=True)
        if self._is_made(audit := "results/audit/audit.json"):
            from xsleep.results.audit import page

            print(*page.console_lines(Path(audit)), sep="\n", file=sys.stderr)

    def on_error(self, log: Path) -> None:
        """Tell from Snakemake's log which jobs failed for good, why, and how to resume."""
        text, *rest = INTERRUPTED.split(log.read_text(), maxsplit=1)
        for line in failures(text)[:MOST_FAILURES]:
            print(line, file=sys.stderr)
        if Path(".snakemake/slurm_logs").exists():
            where = ".snakemake/slurm_logs; see docs/how-to/cluster.md"
            print(f"Slurm's own logs: {where}", file=sys.stderr)
        if rest:
            print(
                "interrupted; what is finished stays, give the same command again to go on",
                *self._begun(),
                sep="\n",
                file=sys.stderr,
            )
            return
        print(
            "To resume, mend the cause and give the same command again: what is finished stays, "
            "and a training resumes from its last evaluation.",
            file=sys.stderr,
        )

    def _begun(self) -> Iterator[str]:
        """Yield a line for each training that this call began or continued, and did not finish."""
        made = filter(self._is_made, map(str, sorted(Path("results").rglob(CHECKPOINT))))
        for folder in map(os.path.dirname, islice(made, MOST_FAILURES)):
            log = Path(f"logs/training/{folder}.log")
            steps = STEP.findall(log.read_text()) if log.exists() else []
            place = f"step {steps[-1]}" if steps else "its last evaluation"
            yield f"goes on from {place}: {folder}"

    def _is_made(self, path: str) -> bool:
        """Return whether this call made a file."""
        return Path(path).exists() and Path(path).stat().st_mtime >= self.started


def failures(text: str) -> list[str]:
    """Return a line for each job that, by Snakemake's log, failed for good."""
    lines = set()
    for rule, facts in FAILED.findall(text):
        outputs = _paths(facts, "output")
        if outputs and all(Path(path).exists() for path in outputs):
            continue  # it succeeded at another attempt
        log = next(iter(_paths(facts, "log")), "")
        # The log of a job that was refused or killed is empty; the reason stands above.
        written = log and Path(log).exists() and Path(log).stat().st_size
        lines.add(f"failed: {rule}, see " + (log if written else "above; its log is empty"))
    return sorted(lines)


def _paths(facts: str, what: str) -> list[str]:
    """Return the paths that Snakemake names of a job, without its remarks in brackets."""
    found = re.search(rf"^ +{what}: (.*?)(?: \(check.*)?$", facts, re.MULTILINE)
    return found[1].split(", ") if found else []
