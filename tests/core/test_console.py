"""Messages of a job that cannot go on."""

import errno

import pytest
import torch

from xsleep.core import console


def test_a_full_disk_is_one_line_that_says_how_to_go_on(tmp_path, capsys):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit), console.job(log):
        raise OSError(errno.ENOSPC, "No space left on device", "results/model.safetensors")
    line = capsys.readouterr().err
    assert "No space left on device: 'results/model.safetensors'; make room (df -h)" in line
    assert log.read_text().endswith(line)


@pytest.mark.parametrize("number", (errno.EIO, errno.ESTALE, errno.ENOTCONN))
def test_a_disk_that_is_gone_is_one_line_that_says_how_to_go_on(tmp_path, capsys, number):
    with pytest.raises(SystemExit), console.job(tmp_path / "job.log"):
        raise OSError(number, "reason", "data/a.h5")
    line = f"error: [Errno {number}] reason: 'data/a.h5'; see that its disk is there, and give"
    assert capsys.readouterr().err.startswith(line)


@pytest.mark.parametrize(("allocate", "what"), [(bytearray, "MemoryError"), (torch.empty, "[")])
def test_too_little_memory_is_one_line(tmp_path, capsys, allocate, what):
    with pytest.raises(SystemExit), console.job(tmp_path / "job.log"):
        allocate(2**60)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {what}")
    assert line.endswith("; give the job more memory, or the preset a smaller batch_size")


def test_ctrl_c_is_in_the_log_and_not_a_traceback(tmp_path, capsys):
    log = tmp_path / "job.log"
    with pytest.raises(SystemExit) as ended, console.job(log):
        raise KeyboardInterrupt
    assert ended.value.code == 130
    assert log.read_text().endswith(" interrupted\n") and not capsys.readouterr().err


def test_another_error_of_the_system_is_not_hidden(tmp_path):
    with pytest.raises(PermissionError), console.job(tmp_path / "job.log"):
        raise PermissionError(errno.EACCES, "Permission denied", "results")
    assert "PermissionError: [Errno 13] Permission denied" in (tmp_path / "job.log").read_text()


def test_the_log_has_the_traceback_of_a_fault_of_the_program(tmp_path):
    with pytest.raises(TypeError), console.job(tmp_path / "job.log"):
        len(1)
    assert "TypeError: object of type 'int' has no len()" in (tmp_path / "job.log").read_text()
