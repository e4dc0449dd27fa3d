"""Test that a file is written whole or not at all, whoever else writes it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from xsleep.core import files
from xsleep.core.errors import OutputError
from xsleep.core.files import LEFT_AFTER, whole

WRITER = """
import sys, time
from pathlib import Path
from xsleep.core.files import whole

with whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
    temporary.write_text("whole of the other")
"""


def writer(path):
    """A process that has written half of a file, and goes on once its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    return process


def test_of_two_writers_the_last_to_finish_wins(tmp_path):
    path = tmp_path / "table.csv"
    with writer(path) as other:
        with whole(path) as temporary:
            temporary.write_text("whole of ours")
        assert path.read_text() == "whole of ours"
        other.communicate()
    assert path.read_text() == "whole of the other"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_the_leftovers_of_a_killed_writer_are_removed(tmp_path):
    path = tmp_path / "table.csv"
    with writer(path) as killed, writer(path) as alive:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(os.listdir(tmp_path)) == 2
        with whole(path) as temporary:
            temporary.write_text("ours")
        left = sorted(os.listdir(tmp_path))
        assert len(left) == 2 and f"-{alive.pid}-" in left[0] and left[1] == "table.csv"
        alive.communicate()
    assert path.read_text() == "whole of the other"


def test_the_leftovers_of_another_machine_are_removed_after_a_day(tmp_path):
    partial = ".xsleep-another.machine-{}-0123abcd.partial"
    fresh, old = (tmp_path / partial.format(process) for process in (1, 2))
    own = tmp_path / ".notes.partial"
    for path in (fresh, old, own):
        path.touch()
    for path in (old, own):
        os.utime(path, (time.time() - LEFT_AFTER - 60,) * 2)
    with whole(tmp_path / "table.csv") as temporary:
        temporary.write_text("ours")
    assert {path.name for path in tmp_path.iterdir()} == {fresh.name, own.name, "table.csv"}


def test_content_and_name_are_on_the_disk_before_the_block_ends(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(files, "_synchronise", lambda path: order.append((path, path.is_file())))
    path = tmp_path / "table.csv"
    with whole(path) as temporary:
        temporary.write_text("ours")
    assert order == [(temporary, True), (tmp_path, False)]


def test_nothing_is_left_of_a_block_that_fails(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "earlier" and os.listdir(tmp_path) == ["table.csv"]


def test_a_name_of_any_length_and_its_permissions_are_as_of_any_file(tmp_path):
    path, plain = tmp_path / ("ä" * 127), tmp_path / "plain"
    plain.touch()
    with whole(path) as temporary:
        temporary.write_text("ours")
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("parent", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_named_in_one_line(tmp_path, parent):
    (tmp_path / "file").touch()
    path = tmp_path / parent / "table.csv"
    with pytest.raises(OutputError) as told, whole(path):
        raise AssertionError("the block must not run")
    assert str(told.value).startswith(f"{path}: cannot be written (")


def test_an_error_of_a_file_that_is_read_in_the_block_is_its_own(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), whole(tmp_path / "table.csv"):
        (tmp_path / "missing").read_text()
