"""What a person sees of a call of Snakemake: what is made, how far it is, and what failed.

On a terminal the view stays in place, and what jobs print stands above it; in a file or pipe it is
about a line a minute. Events are those of Snakemake's logger plugins
(``snakemake_logger_plugin_xsleep``); its own lines are in ``.snakemake/log``.
"""

from __future__ import annotations

import logging.handlers
import os
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from xsleep.core.console_table import console_table
from xsleep.core.durations import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from xsleep.study.forecast import Forecast

INTERVAL = 0.5
"""Seconds between two views."""
FIRST, LINE = 10.0, 60.0
"""Seconds to the first line where the output is no terminal, and between two of them."""
ESTIMATE = 5.0
"""Seconds between two estimates of the time that is left."""
TAIL = 2048
"""Bytes at the end of a log that are read."""
MOST_JOBS = 8
"""Running jobs that are shown."""
PIPED = 200
"""Width of the list of a dry run that is not shown on a terminal."""
BAR = 20
"""Width of a bar."""
LOG_LINES = 20
"""Last lines of the log of a failed job that ran elsewhere."""

COUNT = re.compile(r"(\d[\d,]*) of ([\d,]*\d)")
LEFT = re.compile(r"(\d+) s left")
SECONDS = re.compile(r"\b(\d+) s\b")
CLOCK = re.compile(r"^\d\d:\d\d:\d\d ")

INTERRUPTED = re.compile(
    "Terminating processes on user request|Will exit after finishing currently running"
)
"""What Snakemake says after Ctrl-C or SIGTERM."""
TOLD = re.compile(r"RuleException:\nCalledProcessError .* status (1|130)\.\s*", re.DOTALL)
"""What Snakemake says of a script that has said itself why it failed: its temporary name."""
KILLED = re.compile(
    r"RuleException:\nCalledProcessError .* (died with <Signals.SIGKILL: 9>|status 137)\.\s*",
    re.DOTALL,
)
OURS = re.compile(r'WorkflowError in file ".*?\.smk", line \d+:\n(.*?)(?:\n  File .*)?', re.DOTALL)
"""An error in the configuration, which names the file and what to do."""
FINAL = re.compile(
    "Exiting because a job execution failed|WorkflowError:\nAt least one job did not complete"
)
"""What Snakemake says at last, where the failed jobs have been told."""
NOTHING = "Nothing to be done"
CHATTER = re.compile(
    "Assuming unrestricted shared|Building DAG|Config file .* (extended|replaced) by|Complete log|"
    "Elapsed time|Shutting down, this might|None$|$"
)
"""What Snakemake says before and after the jobs that nobody needs."""
RETRIED = re.compile(r"Trying to restart job (\d+)\.")


@dataclass
class Job:
    """A job that was started or submitted."""

    number: int
    rule: str
    name: str
    wildcards: Mapping[str, str]
    log: str
    outputs: tuple[str, ...] = ()
    started: float = field(default_factory=time.time)
    _said: str = ""
    _read: float = 0.0

    def said(self, age: float = 0.0) -> str:
        """Return the last line of its log, without the time, as it was at most ``age`` s ago."""
        if time.time() - self._read > age:
            self._said, self._read = self._last(), time.time()
        return self._said

    def _last(self) -> str:
        try:
            with open(self.log, "rb") as file:
                found = os.fstat(file.fileno())
                if found.st_mtime < self.started - 1:
                    return ""  # of an earlier attempt
                file.seek(max(found.st_size - TAIL, 0))
                lines = file.read().decode(errors="replace").rstrip().splitlines()
        except OSError:
            return ""
        return CLOCK.sub("", lines[-1]) if lines else ""

    def left(self, said: str) -> float:
        """Return the seconds that it still takes, by what its log says; NaN if that is unknown."""
        if found := LEFT.search(said):
            return float(found[1])
        done = _fraction(said)
        return (time.time() - self.started) * (1 - done) / done if done else float("nan")


def _fraction(said: str) -> float:
    """Return how far a job is by the last line of its log, 0 to 1."""
    found = COUNT.search(said)
    done, whole = (int(number.replace(",", "")) for number in found.groups()) if found else (0, 0)
    return min(done / whole, 1.0) if whole else 0.0


class View:
    """The view of the call of Snakemake that this process is.

    Attributes:
        active: whether Snakemake's events come here.
        failed: jobs that have failed and did not succeed at another attempt, by number.
        interrupted: whether Ctrl-C was pressed.
        forecast: times of the jobs; without them, their number is shown alone.
    """

    def __init__(self) -> None:
        self.active = self.interrupted = False
        self.failed: dict[int, Job] = {}
        self.forecast: Forecast | None = None
        self.hint: Callable[[str], str] | None = None
        self.began = time.time()
        self._running: dict[int, Job] = {}
        self._listed: list[Any] = []
        self._done = self._total = 0
        self._executing = False
        self._told: float | None = None
        self._left: float | None = None
        self._estimated = self._next = 0.0
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._screen: _Screen | None = None

    @property
    def lost(self) -> list[Job]:
        """Jobs that failed for good; others of their groups may have made what they should."""
        jobs = self.failed.values()
        return [job for job in jobs if not (job.outputs and all(map(os.path.exists, job.outputs)))]

    def open(self, settings: Any) -> None:
        """Begin to take events, with Snakemake's settings of its output."""
        self.active, self.settings = True, settings
        self.quiet = {level.name for level in settings.quiet or ()}

    def start(self) -> None:
        """Show the view until `stop`; jobs begin."""
        if not self.active or self.quiet & {"ALL", "PROGRESS"}:
            return
        self._stopped.clear()
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            with suppress(Exception):
                self._screen = _Screen(self._render, self.settings.nocolor)
        for task in (self._show, self._estimate):
            threading.Thread(target=self._again, args=[task], daemon=True).start()

    def stop(self) -> None:
        """End the view, once all events of Snakemake are shown."""
        from snakemake.logging import logger

        if threading.current_thread() is threading.main_thread():
            for handler in logger.handlers:
                if isinstance(handler, logging.handlers.QueueHandler):
                    queue: Any = handler.queue
                    queue.join()
        self._end()

    def close(self) -> None:
        """End all; a dry run is told here."""
        self._end()
        if self.active and self.settings.dryrun and self._listed:
            self._tell_dry_run()
        self.active = False

    def _end(self) -> None:
        self._stopped.set()
        with self._lock:
            if self._screen:
                self._screen.close()
            self._screen = None

    def handle(self, record: logging.LogRecord) -> None:
        """Take an event or a message of Snakemake."""
        event = str(getattr(record, "event", None) or "")
        if "ALL" in self.quiet and record.levelno < logging.ERROR:
            return
        with self._lock:
            if handler := getattr(self, f"_on_{event}", None):
                handler(record)
            elif record.levelno >= logging.WARNING or not event:
                self._on_message(record)

    def _on_workflow_started(self, record: Any) -> None:
        self._executing = True

    def _on_run_info(self, record: Any) -> None:
        self._total = record.stats.get("total", 0)
        if self.settings.dryrun and not self._listed and self.quiet >= {"RULES", "PROGRESS"}:
            self._print(_jobs(self._total))

    def _on_job_info(self, record: Any) -> None:
        if self.settings.dryrun:
            self._listed.append(record)
            return
        self._running[record.jobid] = Job(
            record.jobid,
            record.rule_name,
            record.rule_msg or record.rule_name,
            dict(record.wildcards),
            next(iter(record.log or ()), ""),
        )

    def _on_job_finished(self, record: Any) -> None:
        job = self._running.pop(record.job_id, None)
        self.failed.pop(record.job_id, None)
        if job and self.forecast:
            self.forecast.took(job.rule, job.wildcards, time.time() - job.started)

    def _on_progress(self, record: Any) -> None:
        self._done, self._total = record.done, record.total

    def _on_job_error(self, record: Any) -> None:
        logs = list(map(str, record.log or ()))
        job = self._running.pop(record.jobid, None) or Job(
            record.jobid, record.rule_name, record.rule_name, {}, "".join(logs[:1])
        )
        job.outputs = tuple(record.output or ())
        self.failed[record.jobid] = job
        # Of a group, those are told that have said why.
        if self.interrupted or (record.indent and not (_is_written(job.log) or record.rule_msg)):
            return
        reason = f": {record.rule_msg}" if record.rule_msg else ""
        self._print(f"failed: {job.name}{reason}; {where(job)}", "red")
        if self.settings.show_failed_logs:
            for path in logs:
                for line in _last_lines(path):
                    self._print(f"  {line}")

    def _on_error(self, record: Any) -> None:
        text = record.getMessage().strip()
        if self.interrupted or TOLD.fullmatch(text) or FINAL.match(text):
            return
        if KILLED.fullmatch(text):
            text = "error: a job was killed, as by the system where memory is short"
        elif found := OURS.fullmatch(text):
            text = f"error: {found[1]}"
        elif self.hint and (told := self.hint(text)):
            text = f"error: {told}"
        self._print(text, "red")

    def _on_message(self, record: Any) -> None:
        text = record.getMessage()
        if INTERRUPTED.match(text):
            if not self.interrupted:
                self._print("interrupted; waiting for the jobs that run to end")
            self.interrupted = True
        elif found := RETRIED.match(text):
            job = self.failed.get(int(found[1]))
            self._print(f"tried again: {job.name if job else text}")
        elif record.levelno >= logging.ERROR:
            self._on_error(record)
        elif record.levelno >= logging.WARNING:
            self._print(text.strip(), "yellow")
        elif text.startswith(NOTHING) or not (self._executing or CHATTER.match(text)):
            self._print(text.strip())

    def _print(self, text: str, style: str = "") -> None:
        """Print a line above the view, in a colour where there is a terminal."""
        from rich.console import Console

        output = sys.stdout if self.settings.dryrun else sys.stderr
        console = self._screen.console if self._screen else Console(file=output)
        colour = None if self.settings.nocolor else style or None
        console.print(text, style=colour, markup=False, highlight=False, soft_wrap=True)

    def _again(self, task: Callable[[], None]) -> None:
        """Do a task again and again. What goes wrong in it must not disturb the call."""
        while not self._stopped.wait(INTERVAL):
            with suppress(Exception):
                task()

    def _show(self) -> None:
        """Renew the view, or print a line if it is time."""
        with self._lock:
            if self._stopped.is_set():
                return
            if self._screen:
                self._screen.refresh()
                return
            since = time.time() - (self._told or self.began)
            first = not self._told and (self._left is not None or since >= FIRST)
            if first or since >= LINE:
                self._print(self._line())
                self._told = time.time()

    def _estimate(self) -> None:
        """Estimate how long the rest takes, now and then."""
        now, used = time.time(), time.thread_time()
        if not self.forecast or now < self._next:
            return
        with self._lock:
            running = {
                job.number: (now - job.started, job.left(self._said(job)))
                for job in self._running.values()
            }
        self._left = self.forecast.left(running)
        self._estimated = time.time()
        # A twentieth of one core is the most that it takes.
        self._next = self._estimated + max(ESTIMATE, 20 * (time.thread_time() - used))

    def _line(self) -> str:
        """Return the view as a line."""
        line = f"{time.strftime('%H:%M')}  {self._state()}"
        if self._running:
            job, *others = self._ordered()
            said = _readable(self._said(job))
            line += f"; {job.name}" + (f": {said}" if said else "")
            line += f" ({job.log})" if job.log else ""
            line += f"; {_jobs(len(others))} more" if others else ""
        return line

    def _state(self) -> str:
        """Return how many jobs are done, how long that took, and how long the others take."""
        so_far = time.time() - self.began
        parts = [f"{self._done} of {_jobs(self._total)} done"]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += [f"{duration(so_far)} so far"]
        if self._left is not None:
            left = max(self._left - (time.time() - self._estimated), 0)
            parts.append(f"about {duration(left)} left")
        return ", ".join(parts)

    def _ordered(self) -> list[Job]:
        """Return the running jobs, those first that say how far they are, then the longest."""
        return sorted(
            self._running.values(), key=lambda job: (not _fraction(self._said(job)), job.started)
        )

    def _render(self, width: int, height: int) -> RenderableType:
        """Return the view in so many columns and lines."""
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            jobs, now = self._ordered(), time.time()
            shown = jobs[: max(min(MOST_JOBS, (height - 5) // 2), 1)]
            lines: list[RenderableType] = [Text()]
            for job in shown:
                said, took = self._said(job), now - job.started
                left = job.left(said)
                if left != left:  # it does not say
                    left = max(self._expected(job) - took, 0.2 * took)
                done = _fraction(said) or took / max(took + left, 1e-3)
                lines += [Text(_end_of(job.name, width), "bold")]
                lines += [_bar(done, _readable(said) or duration(took))]
            if more := len(jobs) - len(shown):
                lines.append(Text(f"and {_jobs(more)} more", "dim"))
            so_far, left, until = now - self.began, 0.0, ""
            if self._left is not None:
                left = max(self._left - (now - self._estimated), 0)
                until = time.strftime(" (%H:%M)", time.localtime(now + left))
            part = so_far / (so_far + left) if until else 0
            lines += [Text(), _bar(part, self._state() + until)]
            if log := next((job.log for job in shown if job.log), ""):
                lines.append(Text(_end_of(log, width, "tail -f "), "dim"))
            return Group(*lines)

    def _said(self, job: Job) -> str:
        """Return the last line of the log of a job; of many, logs are read less often."""
        return job.said(1 + len(self._running) / 10)

    def _expected(self, job: Job) -> float:
        return self.forecast.expected_of(job.rule, job.wildcards) if self.forecast else 0.0

    def _tell_dry_run(self) -> None:
        """Print what would be done: jobs of each rule, about how long they take, and why."""
        from rich.console import Console

        groups = defaultdict(list)
        for record in self._listed:
            groups[record.rule_name].append(record)
        title, briefly, expected = _jobs(len(self._listed)), "RULES" in self.quiet, _unknown
        if self.forecast and not briefly:
            with suppress(Exception):
                title += f", about {duration(self.forecast.left({}))}"
                expected = self.forecast.expected_of
        rows = []
        for rule, records in groups.items():
            seconds = sum(expected(rule, dict(record.wildcards)) for record in records)
            why = Counter(next(_reasons(record.reason), "") for record in records).most_common(1)
            name = min(record.rule_msg or ", ".join(record.output[:1]) for record in records)
            rows.append((rule, str(len(records)), duration(seconds), why[0][0], name))
        console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPED)
        rule, reason = (max(len(row[place]) for row in rows) for place in (0, 3))
        widths = [rule, 6, 6, min(reason, console.width // 4)]
        widths.append(max(console.width - sum(widths) - 3 * len(widths), 1))
        shown = console_table(title, ("rule",), ("jobs",) if briefly else ("jobs", "time"))
        for heading in () if briefly else ("because of", "for example"):
            shown.add_column(heading, no_wrap=True, overflow="ellipsis")
        for column, width in zip(shown.columns, widths, strict=False):
            column.width = width
        for row in rows:
            shown.add_row(*row[: len(shown.columns)])
        console.print(shown)
        self._print("Nothing was run. --verbose shows each job, and why it would be run.")


class _Screen:
    """A view in place on a terminal.

    What this process and its jobs print to the terminal is caught meanwhile, and shown above it.
    """

    def __init__(self, render: Callable[[int, int], RenderableType], nocolor: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        sys.stdout.flush()
        sys.stderr.flush()
        # In memory: a full disk must not fail a job that prints a line.
        self._caught = os.memfd_create("console") if hasattr(os, "memfd_create") else _file()
        self._shown = 0
        self._kept = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        self._terminal = os.fdopen(os.dup(2), "w")
        for number in self._kept:
            os.dup2(self._caught, number)
        self.console: Console = Console(
            file=self._terminal, force_terminal=True, no_color=nocolor or None
        )
        self._render = render
        self._live = Live(
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def refresh(self) -> None:
        """Show what was printed meanwhile, and the view."""
        self._forward()
        self._live.update(self._render(*self.console.size), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        with suppress(Exception):
            self._live.stop()
        sys.stdout.flush()
        sys.stderr.flush()
        for number, kept in self._kept.items():
            os.dup2(kept, number)
            os.close(kept)
        with suppress(Exception):
            self._forward()
        with suppress(OSError):  # it is gone
            self._terminal.close()
        os.close(self._caught)

    def _forward(self) -> None:
        size = os.fstat(self._caught).st_size
        content = os.pread(self._caught, size - self._shown, self._shown)
        whole = content if not self._live.is_started else content[: content.rfind(b"\n") + 1]
        self._shown += len(whole)
        if whole:
            text = whole.decode(errors="replace").rstrip("\n")
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def where(job: Job) -> str:
    """Return where it is said why a job failed."""
    # The log of a job that was refused or killed is empty; the reason stands above.
    return f"see {job.log}" if _is_written(job.log) else "see above; its log is empty"


def _file() -> int:
    with TemporaryFile() as file:
        return os.dup(file.fileno())


def _is_written(log: str) -> bool:
    return bool(log) and Path(log).exists() and Path(log).stat().st_size > 0


def _unknown(rule: str, wildcards: Mapping[str, str]) -> float:
    return 0.0


def _jobs(count: int) -> str:
    return f"{count:,} job" + "s" * (count != 1)


def _bar(part: float, text: str) -> RenderableType:
    """Return a bar that is so full, and a text beside it."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    row.add_column(width=BAR)
    row.add_column(no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(1, min(part, 1), BAR, complete_style="cyan", finished_style="cyan")
    row.add_row(bar, Text(text))
    return row


def _end_of(text: str, width: int, before: str = "") -> str:
    """Return a text, without its beginning if it is too long for a line."""
    room = width - len(before)
    return before + (text if len(text) <= room else "…" + text[len(text) - room + 1 :])


def _readable(said: str) -> str:
    """Return the last line of a log with readable times."""
    return SECONDS.sub(lambda found: duration(float(found[1])), said)


def _last_lines(path: str) -> Iterator[str]:
    with suppress(OSError):
        lines = Path(path).read_text(errors="replace").splitlines()
        yield from islice(lines, max(len(lines) - LOG_LINES, 0), None)


def _reasons(text: str) -> Iterator[str]:
    """Yield the reasons of a job without the files, the usual one last."""
    found = [part.partition(":")[0].strip() for part in text.split("; ")]
    found = [part for part in found if part and "/" not in part]
    usual = "Input files updated by another job"
    yield from (part.lower() for part in sorted(found, key=lambda part: part == usual))


VIEW = View()
"""The view of this process."""
