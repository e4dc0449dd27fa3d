"""Messages of the workflow: what is left out, what was made, and what failed."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from xsleep.core.durations import duration
from xsleep.core.files import read_table
from xsleep.study import beforehand, earlier, paths
from xsleep.study.forecast import Forecast
from xsleep.study.study import Study
from xsleep.study.targets import suggestion
from xsleep.study.view import VIEW, where
from xsleep.training import CHECKPOINT

MOST_FAILURES = 20
"""Failed jobs that are listed; Snakemake's log has all."""

ABLATED = paths.ABLATION.format(difference="")
"""Folder of the runs of the ablation."""

STEP = re.compile(r"step (\d[\d,]* of [\d,]*\d)")


class Messages:
    """Messages of one call of Snakemake, which ``started`` at a time in seconds since 1970."""

    def __init__(self, study: Study, workflow: Any) -> None:
        self.study, self.started = study, time.time()
        VIEW.forecast = Forecast(study, workflow)
        VIEW.hint = lambda text: suggestion(text, study, workflow.rules)

    def on_start(self, jobs: earlier.Jobs) -> None:
        """Tell which databases are left out, which files are missing or surplus, and what is kept.

        Raises:
            InputError: the network of a variant that is to be trained cannot be built.
            OutputError: what the jobs replace cannot be kept.
        """
        trained = (str(path) for job in jobs.needrun_jobs() for path in job.output)
        if any(path.startswith(ABLATED) for path in trained):
            beforehand.check_variants(self.study)
        for database, line in self.study.databases.left_out.items():
            print(f"left out: {database}: {line}", file=sys.stderr)
        for database in self.study.databases.names:
            files = self.study.databases.files[database]
            if not files.signals:
                print(f"{database}: no signals, scored by its hypnograms alone", file=sys.stderr)
            if line := files.placement():
                print(line, file=sys.stderr)
        kept = earlier.keep(self.study, jobs)
        told = (*beforehand.gaps(self.study), beforehand.room(self.study), *kept)
        for line in filter(None, told):
            print(line, file=sys.stderr)
        VIEW.start()

    def on_success(self) -> None:
        """Show the tables that were made, and where all results are."""
        from rich.console import Console

        from xsleep.results import inventory, table2, typeset

        VIEW.stop()
        console = Console(stderr=True)
        console.print()
        summaries = (
            ("Recordings", "results/recordings.csv", read_table, inventory.summary),
            ("Table 1", "results/table1.csv", read_table, inventory.summary1),
            ("Table 2", "results/table2.csv", table2.read_csv, typeset.summary),
            ("Released", "results/released_outputs.csv", table2.read_csv, typeset.summary),
        )
        for _, path, read, summary in summaries:
            if self._is_made(path):
                summary(read(path), console, self.study.databases.simulated)
        if not self._is_made("results/recordings.csv"):
            of_each = (paths.RECORDINGS.format(database=d) for d in self.study.databases.names)
            for table in filter(os.path.exists, of_each):
                for line in inventory.skipped_lines(read_table(table)):
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
        curves = [*self.study.transfer.runs]
        appendix = ("appendix_b", "appendix_c", "appendix_d")
        single = ("footprint", "cost", "agreement", "zero_shot", "ablation", "robustness")
        tables = ("comparisons", "claims", *appendix, *single, *curves)
        checklists = ("checklists/ml_reproducibility.md", "checklists/reforms.md")
        further = ("ablation", "cost", "robustness", *curves)
        drawn = [*self.study.figures.paths, *(f"results/figures/{f}.png" for f in further)]
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
                line = f"{name + ':':<12}{path}{more}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self._is_made(audit := "results/audit/audit.json"):
            from xsleep.results.audit import page

            print(*page.console_lines(Path(audit)), sep="\n", file=sys.stderr)
        print(f"Done in {duration(time.time() - self.started)}.", file=sys.stderr)
        if after := self._next():
            given = any(option.startswith("--config") for option in sys.argv)
            same = " (with the same --config and --configfile)" if given else ""
            print(f"Next{same}:", *(f"  {line}" for line in after), sep="\n", file=sys.stderr)

    def _next(self) -> list[str]:
        """Return what to do with what was made, a line each."""
        audit, explorer = "results/audit/index.html", "results/explorer/index.html"
        lines = [f"open {page}" for page in (audit, explorer) if self._is_made(page)]
        if self._is_made("results/table2.csv"):
            lines.append("open results/table2.html")
            if not any(map(self._is_made, self.study.figures.paths)):
                lines.append("snakemake figures")
            if not self._is_made(explorer):
                lines.append(f"snakemake {explorer}")
            if not self._is_made(audit):
                lines.append("snakemake audit")
        elif self._is_made("results/recordings.csv") or self._is_made("results/table1.csv"):
            lines += ["xsleep plan", "snakemake results/table2.csv"]
        cards = filter(self._is_made, map(str, sorted(Path("results/networks").rglob("README.md"))))
        lines += [f"xsleep score FILE --model {os.path.dirname(card)}" for card in cards]
        # Of `make table2`, whose environment the user's shell has not activated.
        inactive = lines and "MAKELEVEL" in os.environ and "VIRTUAL_ENV" not in os.environ
        return [f"source {Path(sys.prefix).name}/bin/activate", *lines] if inactive else lines

    def on_error(self) -> None:
        """Tell which jobs failed for good, why, and how to resume."""
        VIEW.stop()
        failed = {f"failed: {job.rule}, {where(job)}" for job in VIEW.lost}
        for line in [] if VIEW.interrupted else sorted(failed)[:MOST_FAILURES]:
            print(line, file=sys.stderr)
        if Path(".snakemake/slurm_logs").exists():
            logs = ".snakemake/slurm_logs; see docs/how-to/cluster.md"
            print(f"Slurm's own logs: {logs}", file=sys.stderr)
        if VIEW.interrupted:
            print(
                "interrupted; what is finished stays, give the same command again to go on",
                *self._begun(),
                sep="\n",
                file=sys.stderr,
            )
            return
        print(
            "To resume, correct the cause and give the same command again: what is finished stays, "
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
            yield f"will go on from {place}: {folder}"

    def _is_made(self, path: str) -> bool:
        """Return whether this call made a file."""
        return Path(path).exists() and Path(path).stat().st_mtime >= self.started
