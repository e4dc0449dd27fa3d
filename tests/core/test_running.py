"""The lock of a folder in which Snakemake runs: it ends with the processes that hold it."""

import subprocess
import sys

import pytest

from tests.helpers.recordings import ROOT
from xsleep.core.running import LOCKS, RUNNING, enter, join

HELD = "import sys; from xsleep.core import running; kept = running.{}; print(kept, flush=True)"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def locked():
    """Lock the folder as Snakemake does."""
    LOCKS.mkdir(parents=True)
    (LOCKS / "0.output.lock").write_text("results/table2.csv\n")


def other(call):
    """A process that has called this function of the module, and waits for its input to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD.format(call) + "; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    process.stdout.readline()
    return process


@pytest.mark.parametrize("call", ["enter()", "join()"])
def test_locks_stay_while_a_call_or_a_job_of_one_lives_and_go_once_it_was_killed(call, tmp_path):
    enter()[0].close()  # jobs are of a call
    with other(call) as process:
        locked()
        file, line = enter()
        file.close()
        assert line.startswith(f"another snakemake or its jobs run in {tmp_path}, last process ")
        assert any(LOCKS.iterdir())
        process.kill()
    file, line = enter()
    file.close()
    assert line == "" and not LOCKS.exists()


def test_two_calls_at_once_are_left_to_the_locks_of_snakemake():
    with other("enter()") as first, other("enter()") as second:
        locked()
        second.kill()
        second.wait()
        enter()[0].close()
        assert any(LOCKS.iterdir())
        first.kill()


def test_locks_of_another_host_stay():
    """Its file system may not show whether it still runs."""
    RUNNING.parent.mkdir()
    RUNNING.write_text("node17 4242\n")
    locked()
    file, line = enter()
    file.close()
    assert any(LOCKS.iterdir()) and RUNNING.read_text() == "node17 4242\n" and line == ""
    (LOCKS / "0.output.lock").unlink()  # as `snakemake --unlock` does
    enter()[0].close()
    assert not RUNNING.read_text().startswith("node17")


def test_a_folder_that_cannot_be_written_has_no_lock(monkeypatch):
    RUNNING.parent.write_text("no folder")
    assert enter() == (None, "") and join() is None
