"""Shares of a GPU's memory, by a stand-in for nvidia-smi, and MPS that does not start.

`tests/workflow/test_gpu_profile.py` has it start and end.
"""

import os

import pytest

from xsleep.compute import sharing
from xsleep.compute.sharing import NEEDED, shares


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Return a function that makes nvidia-smi print a text, with the file of what it was asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shares.cache_clear()

    def printing(text, status=0):
        script = f"#!/bin/sh\necho $@ > {tmp_path}/asked\necho '{text}'\nexit {status}\n"
        (tmp_path / "nvidia-smi").write_text(script)
        (tmp_path / "nvidia-smi").chmod(0o755)
        return tmp_path / "asked"

    yield printing
    shares.cache_clear()


@pytest.mark.parametrize(
    ("mebibytes", "at_once"),
    [(140_000, 4), (24_000, 4), (8_100, 3), (6_000, 2), (4_000, 1), (1_000, 1)],
)
def test_as_many_train_at_once_as_find_what_they_need_and_they_share_all_that_is_free(
    smi, capsys, mebibytes, at_once
):
    smi(f"NVIDIA X, Y, {mebibytes}\nNVIDIA Z, 1")
    each, free = shares(most=4)
    assert free == mebibytes * 1_048_576 // 1_000_000
    assert free // each == at_once
    assert each >= NEEDED or at_once == 1
    said = capsys.readouterr().err
    assert said.startswith(f"GPU: NVIDIA X, Y, {free:,} MB free: {at_once} at once, {each:,} MB")
    assert ("end what else computes there" in said) == (free < NEEDED)
    assert said.count("\n") == 1


def test_a_training_has_room_for_recordings_of_half_of_what_is_free_to_it():
    """As `xsleep.training.minibatches` takes at most half, beside 1,100 MB."""
    assert (NEEDED - sharing.CONTEXT) / 2 == 1100


@pytest.mark.parametrize("visible", ("3,1", "GPU-8f2b"))
def test_the_gpu_is_the_first_that_jobs_see(smi, monkeypatch, visible):
    asked = smi("NVIDIA H200, 140000")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    shares(4)
    assert asked.read_text().split()[-1] == f"--id={visible.split(',')[0]}"


def test_a_warning_of_nvidia_smi_is_not_taken_for_a_gpu(smi):
    smi("WARNING: infoROM is corrupted at gpu 0000:3B:00.0\nNVIDIA H200, 140000")
    assert shares(4) == (36_700, 146_800)


@pytest.mark.parametrize(
    ("text", "visible", "why"),
    [
        ("No devices were found", None, "No devices were found"),
        ("NVIDIA GB10, [N/A]", None, "[N/A]"),
        ("", None, "status 0"),
        ("NVIDIA H200, 140000", "", "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_without_a_gpu_nothing_is_limited_and_a_line_says_why(
    smi, monkeypatch, capsys, text, visible, why
):
    smi(text)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert shares(4) == (0, 0)
    said = capsys.readouterr().err
    assert why in said and "gpu_mem_mb" in said and said.count("\n") == 1


def test_without_nvidia_smi_nothing_is_limited(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shares.cache_clear()
    assert shares(4) == (0, 0)
    assert "nvidia-smi" in capsys.readouterr().err


@pytest.mark.parametrize("broken", ("no program", "no process"))
def test_mps_that_does_not_start_leaves_the_environment_as_it_was(
    monkeypatch, capsys, tmp_path, broken
):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(sharing.PIPES, raising=False)
    if broken == "no process":
        monkeypatch.setattr(sharing.sys, "executable", "/bin/true")
    before = dict(os.environ)
    assert sharing.start_mps() is None
    assert dict(os.environ) == before
    why = {"no program": f"{sharing.CONTROL}: No such file", "no process": "it ended"}[broken]
    said = capsys.readouterr().err
    assert said.startswith("GPU: jobs take turns there") and why in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; print('a note', file=sys.stderr)", ""),
        ("raise SystemExit('CUDA error 805')", "CUDA error 805"),
        ("import os; os.abort()", "a program there: status -6"),
    ],
    ids=("served, with a note", "refused", "crashed"),
)
def test_whether_mps_serves_a_program_is_its_status_and_not_what_it_says(monkeypatch, program, why):
    monkeypatch.setattr(sharing, "CLIENT", program)
    assert sharing._refusal() == why


def test_mps_of_the_user_serves_as_it_is(monkeypatch, capsys):
    monkeypatch.setenv(sharing.PIPES, "/run/mps")
    monkeypatch.setattr(sharing, "MPS", pytest.fail)
    assert sharing.start_mps() is None
    assert os.environ[sharing.PIPES] == "/run/mps"
    assert capsys.readouterr().err == ""
