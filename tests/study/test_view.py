"""Test what a person sees of a call of Snakemake."""

import io
import json
import logging
import os
import pty
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

import snakemake_logger_plugin_xsleep
from tests.helpers.recordings import ROOT
from xsleep.study.view import Job, View

SETTINGS = {"dryrun": False, "nocolor": False, "show_failed_logs": False, "quiet": None}


@pytest.fixture
def view():
    return opened()


def opened(**settings):
    view = View()
    view.open(SimpleNamespace(**SETTINGS | settings))
    return view


def record(text=None, level=logging.INFO, event=None, **facts):
    made = logging.makeLogRecord({"msg": text, "levelno": level, "event": event} | facts)
    return made


def info(number=4, rule="train", log="train.log", **facts):
    told = {"rule_msg": "simulated: train XSleepNet2, fold 1", "output": ["model"]}
    told |= {"wildcards": {"system": "XSleepNet2"}, "reason": "", "log": [log], "jobid": number}
    return record(event=LogEvent.JOB_INFO, rule_name=rule, **told | facts)


def failed(number=4, log="train.log", **facts):
    told = {"rule_msg": None, "output": ["model"], "log": [log], "indent": False, "jobid": number}
    level, event = logging.ERROR, LogEvent.JOB_ERROR
    return record("Error in rule train", level, event, rule_name="train", **told | facts)


class TestPlugin(TestLogHandlerBase):
    """The tests of Snakemake for every logger plugin."""

    __test__ = True

    def get_log_handler_cls(self):
        return snakemake_logger_plugin_xsleep.LogHandler

    def get_log_handler_settings(self):
        return None


def test_with_verbose_the_lines_of_snakemake_are_shown(capsys):
    settings = MockOutputSettings()
    settings.verbose, settings.printshellcmds = True, False
    handler = snakemake_logger_plugin_xsleep.LogHandler(settings, None)
    handler.emit(record("Select jobs to execute..."))
    assert capsys.readouterr().err == "Select jobs to execute...\n"


def test_an_error_in_the_view_neither_ends_a_run_nor_hides_what_failed(monkeypatch, capsys):
    settings = MockOutputSettings()
    settings.printshellcmds = False
    handler = snakemake_logger_plugin_xsleep.LogHandler(settings, None)
    monkeypatch.setattr(snakemake_logger_plugin_xsleep.VIEW, "handle", lambda record: 1 / 0)
    handler.emit(record("Execute 1 jobs..."))
    handler.emit(record("LockException:\nError: Directory cannot be locked.", logging.ERROR))
    assert capsys.readouterr().err == "LockException:\nError: Directory cannot be locked.\n"


def test_an_error_in_drawing_does_not_stop_the_drawing(view):
    drawn = []

    def draw():
        drawn.append(1)
        if len(drawn) == 2:
            view._stopped.set()
        raise ValueError

    view._stopped.wait = lambda seconds: view._stopped.is_set()
    view._again(draw)
    assert len(drawn) == 2


def test_what_nobody_needs_is_not_shown_and_all_else_is(view, capsys):
    for text in ("Building DAG of jobs...", "Unlocked working directory."):
        view.handle(record(text))
    view.handle(record("Workflow has started!", event=LogEvent.WORKFLOW_STARTED))
    for text in (
        "Select jobs to execute...",
        "Job 4 has been submitted",
        "Nothing to be done (x).",
    ):
        view.handle(record(text))
    view.handle(record("None", event=LogEvent.SHELLCMD))
    view.handle(record("No account given", logging.WARNING))
    view.handle(record("MissingInputException in rule train\nx", logging.ERROR, LogEvent.ERROR))
    assert capsys.readouterr().err.splitlines() == [
        *("Unlocked working directory.", "Nothing to be done (x).", "No account given"),
        *("MissingInputException in rule train", "x"),
    ]


def test_quiet_hides_all_but_errors(capsys):
    view = opened(quiet={Quietness.ALL})
    view.start()
    view.handle(record("Nothing to be done"))
    view.handle(record("no", logging.ERROR))
    assert capsys.readouterr().err == "no\n"


def test_an_error_of_the_configuration_is_one_line(view, capsys):
    text = 'WorkflowError in file "/a b/rules/common.smk", line 34:\nconfiguration: x: no\n'
    view.handle(record(f'{text}  File "a.smk", line 34, in <module>', 40, LogEvent.ERROR))
    assert capsys.readouterr().err == "error: configuration: x: no\n"


def test_failed_jobs_are_named_with_the_log_that_says_why(view, tmp_path, capsys):
    (log := tmp_path / "train.log").write_text("error: no room\n")
    view.handle(info(log=str(log)))
    view.handle(failed(log=str(log), rule_msg="SLURM status is: 'TIMEOUT'"))
    view.handle(record("Trying to restart job 4."))
    view.handle(failed(5, str(tmp_path / "empty.log")))
    assert capsys.readouterr().err.splitlines() == [
        f"failed: simulated: train XSleepNet2, fold 1: SLURM status is: 'TIMEOUT'; see {log}",
        "tried again: simulated: train XSleepNet2, fold 1",
        "failed: train; see above; its log is empty",
    ]
    assert [job.number for job in view.lost] == [4, 5]
    view.handle(record(event=LogEvent.JOB_FINISHED, job_id=4))
    assert [job.number for job in view.lost] == [5]


def test_of_a_failed_group_those_are_told_that_say_why_and_what_is_made_is_not_lost(
    view, tmp_path, capsys
):
    (log := tmp_path / "a.log").write_text("error: no room\n")
    (made := tmp_path / "made").touch()
    view.handle(record("Error in group recordings", logging.ERROR, LogEvent.GROUP_ERROR))
    view.handle(failed(1, str(log), indent=True))
    view.handle(failed(2, "b.log", indent=True))
    view.handle(failed(3, "c.log", indent=True, output=[str(made)]))
    told = ["Error in group recordings", f"failed: train; see {log}"]
    assert capsys.readouterr().err.splitlines() == told
    assert [job.number for job in view.lost] == [1, 2]


def test_the_end_of_the_log_is_shown_where_a_job_failed_on_another_machine(tmp_path, capsys):
    (log := tmp_path / "a.log").write_text("".join(f"{n}\n" for n in range(30)) + "error: no\n")
    opened(show_failed_logs=True).handle(failed(log=str(log)))
    assert capsys.readouterr().err.splitlines()[1:] == [
        *(f"  {n}" for n in range(11, 30)),
        "  error: no",
    ]


SCRIPT = """\
RuleException:
CalledProcessError in file "rules/training.smk", line 26:
Command 'set -euo pipefail;  python .snakemake/scripts/tmp1tm9yw2o.train.py' {how}.
"""


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ("returned non-zero exit status 1", ""),
        ("returned non-zero exit status 137", "error: a job was killed, as by the system"),
        ("died with <Signals.SIGKILL: 9>", "error: a job was killed, as by the system"),
        ("died with <Signals.SIGSEGV: 11>", "RuleException:\nCalledProcessError in file "),
    ],
)
def test_what_a_job_has_said_itself_is_not_shown_again(view, capsys, how, shown):
    view.handle(record(SCRIPT.format(how=how), logging.ERROR, LogEvent.ERROR))
    told = capsys.readouterr().err
    assert told.startswith(shown) and bool(told) == bool(shown)


def test_after_ctrl_c_no_error_is_shown(view, capsys):
    text = "Terminating processes on user request, this might take some time."
    for one in (record(text), record(text), failed(), record("x", logging.ERROR, LogEvent.ERROR)):
        view.handle(one)
    assert capsys.readouterr().err == "interrupted; waiting for the jobs that run to end\n"
    assert view.interrupted and view.failed


def test_a_job_says_how_far_it_is_by_the_last_line_of_its_log(tmp_path):
    log = tmp_path / "train.log"
    job = Job(1, "train", "train", {}, str(log), started=time.time() - 60)
    assert job.said() == "" and job.left("") != job.left("")
    log.write_text("16:40:31 begun\n16:40:45 X: step 1,000 of 4,000, 61 s, 7300 s left\n")
    said = job.said()
    assert said == "X: step 1,000 of 4,000, 61 s, 7300 s left" and job.left(said) == 7300
    assert job.left("file: fetched, 10 of 40 files") == pytest.approx(180, rel=0.01)
    os.utime(log, (1, 1))
    assert job.said() == ""  # of an earlier attempt
    log.write_bytes(b"\xff" * 5000 + b"\n16:40:45 later")
    assert job.said(age=1e9) == "" and job.said() == "later"


def test_in_a_file_the_view_is_a_line(view, tmp_path, capsys):
    (log := tmp_path / "train.log").write_text("16:40:45 X: step 3 of 4, 61 s, 7300 s left\n")
    view.handle(record("", event=LogEvent.RUN_INFO, stats={"train": 3, "total": 12}))
    view.handle(record("None", event=LogEvent.PROGRESS, done=2, total=12))
    view.handle(info(log=str(log)))
    view.handle(info(5, log="other.log"))
    view.began -= 600
    view._left, view._estimated = 7200.0, time.time()
    view._show()
    line = capsys.readouterr().err
    assert line[5:] == (
        "  2 of 12 jobs done, 10 min so far, about 2 h left; simulated: train XSleepNet2, fold 1: "
        f"X: step 3 of 4, 61 s, 2 h 2 min left ({log}); 1 job more\n"
    )
    view._show()
    assert not capsys.readouterr().err  # a minute later


def test_a_dry_run_counts_jobs_and_says_why(capsys):
    view = opened(dryrun=True)
    why = "Input files updated by another job: a/b; Code has changed since last execution"
    for number in range(3):
        view.handle(info(number, reason=why, rule_msg=f"train fold {3 - number}"))
    view.handle(info(9, "all", [], reason="Forced execution", rule_msg=None, output=["x"]))
    view.forecast = SimpleNamespace(left=lambda running: 90.0, expected_of=lambda *job: 40.0)
    view.close()
    title, *_, train, every, _, last = capsys.readouterr().out.splitlines()
    assert title.strip() == "4 jobs, about 90 s"
    assert train.split("  ")[0] == " train" and train.split()[1:4] == ["3", "2", "min"]
    assert "code has changed since last execution  train fold 1" in train
    assert every.split() == ["all", "1", "40", "s", "forced", "execution", "x"]
    assert last.startswith("Nothing was run.")


def test_a_quiet_dry_run_is_short_and_estimates_nothing(capsys):
    view = opened(dryrun=True, quiet={Quietness.RULES})
    view.forecast = SimpleNamespace(left=lambda running: pytest.fail("estimated"))
    view.handle(info())
    view.close()
    assert capsys.readouterr().out.splitlines()[4].split() == ["train", "1"]
    view = opened(dryrun=True, quiet={Quietness.RULES, Quietness.PROGRESS})
    view.handle(record("", event=LogEvent.RUN_INFO, stats={"total": 1}))
    view.close()
    assert capsys.readouterr().out == "1 job\n"


ON_A_TERMINAL = """
import json, os, subprocess, sys
from tests.study.test_view import info, opened
from xsleep.study.view import _Screen

view = opened()
view.handle(info())
view._total, view._left, view._estimated = 3, 60.0, view.began
view._screen = _Screen(view._render, nocolor=True)
subprocess.run(["sh", "-c", "echo 'error: of a job' >&2; printf begun"], check=True)
view._screen.refresh()
view._print("failed: it")
view.stop()
print("after")
print(json.dumps([os.isatty(1), os.isatty(2)]), file=sys.stderr)
"""


def test_on_a_terminal_the_view_stays_in_place_and_what_jobs_print_is_above_it():
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "60"}
    done = subprocess.Popen(
        *([sys.executable, "-c", ON_A_TERMINAL],),
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=ROOT,
    )
    os.close(theirs)
    shown = io.BytesIO()
    while True:
        try:
            shown.write(os.read(ours, 65536))
        except OSError:  # all is closed
            break
    os.close(ours)
    text = shown.getvalue().decode()
    assert done.wait() == 0, text
    places = [
        text.index(part)
        for part in ("error: of a job", "train XSleepNet2", "0 of 3 jobs done", "failed: it")
    ]
    assert places == sorted(places)
    *_, begun, after, both = text.replace("\r", "").strip().splitlines()
    assert begun.endswith("begun") and after == "after" and json.loads(both) == [True, True]
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
