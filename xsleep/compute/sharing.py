"""One GPU for several trainings: shares of its memory, and NVIDIA's MPS.

Processes on one GPU take turns. Under MPS (Multi-Process Service) their kernels run beside each
other. It needs no rights of root where the GPU is in its default mode, and changes no result: each
process has all multiprocessors, so that the same algorithms are chosen.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from xsleep.core.errors import InputError

CONTEXT = 600
"""Approximate megabytes that CUDA itself takes for a process, not counted by PyTorch."""

NEEDED = CONTEXT + 2 * 1100
"""Megabytes of a training: XSleepNet2 took less than 1,100 on an H200 beside its recordings, which
may take as much again."""

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
"""Environment variables of MPS: folders of the sockets and of the logs."""

CLIENT = """
import ctypes
cuda = ctypes.CDLL("libcuda.so.1")
if code := cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(ctypes.c_void_p()), 0):
    raise SystemExit(f"CUDA error {code}")
"""
"""Program that uses the GPU: where MPS does not serve it, it would serve no training."""

WAIT = 60
"""Seconds that a program of NVIDIA may take to answer."""

STARTED = "started"
"""Line of the process that starts and ends MPS, in place of why it does not."""


@cache
def shares(most: int) -> tuple[int, int]:
    """Return megabytes of GPU memory: of one training, and of all that train at once.

    At most ``most`` train at once, and no more than find what they `need <NEEDED>`. They share what
    is free equally. Both are 0, which is no limit, where no GPU is found. A line says which it is.
    """
    try:
        name, free = _free()
    except InputError as error:
        _tell(f"{error}: no limit to jobs; if they use one, set gpu_mem_mb in the profile")
        return 0, 0
    at_once = max(min(most, free // NEEDED), 1)
    line = f"{name}, {free:,} MB free: {at_once} at once, {free // at_once:,} MB each"
    if free < NEEDED:
        line += f"; a training may need {NEEDED:,}: end what else computes there (nvidia-smi)"
    _tell(line)
    return free // at_once, free


def _tell(line: str) -> None:
    print(f"GPU: {line}", file=sys.stderr)


def _free() -> tuple[str, int]:
    """Return name and free megabytes of the GPU that jobs see.

    Raises:
        InputError: there is none, or no nvidia-smi.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "-1"):
        raise InputError("none is visible (CUDA_VISIBLE_DEVICES)")
    command = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    command += [f"--id={visible.partition(',')[0]}"] if visible else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    except OSError as error:
        raise InputError(f"none found (nvidia-smi: {error.strerror})") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"none found (nvidia-smi: no answer within {WAIT} s)") from error
    said = done.stdout.strip() or done.stderr.strip() or f"status {done.returncode}"
    if not (gpu := re.search(r"^(.+), (\d+)$", said, re.M)):  # warnings may stand before it
        raise InputError(f"none found (nvidia-smi: {said.splitlines()[0]})")
    return gpu[1], int(gpu[2]) * 2**20 // 10**6


def start_mps() -> MPS | None:
    """Return MPS for the jobs to come, or nothing where it cannot be had, after a line about it.

    One that the user has started already, and named, serves as it is.
    """
    if PIPES in os.environ:
        return None
    try:
        mps = MPS()
    except InputError as error:
        _tell(f"jobs take turns there, as NVIDIA's MPS does not start ({error})")
        return None
    _tell("jobs run beside each other there, by NVIDIA's MPS")
    return mps


class MPS:
    """MPS for the processes that this one starts from now on, until it closes or ends.

    A second process waits for the end of this one, however it comes, and ends MPS then, once the
    processes that use it have ended.

    Raises:
        InputError: it cannot be started, or serves no program.
    """

    def __init__(self) -> None:
        folder = mkdtemp(prefix="xsleep-mps-")
        # MPS would number the visible devices anew, and its programs look for theirs among those.
        own = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        own |= {PIPES: folder, LOGS: folder}
        self.guard = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # or a pipe of the user would wait for its end
            text=True,
            env=own,
            start_new_session=True,  # Ctrl-C is for the jobs
        )
        os.environ.update({PIPES: folder, LOGS: folder})
        assert self.guard.stdout
        try:
            said = self.guard.stdout.readline().strip()
            if fault := _refusal() if said == STARTED else said or "it ended":
                raise InputError(fault)
        except InputError:
            self.close()
            raise

    def close(self) -> None:
        """End MPS."""
        os.environ.pop(LOGS)
        folder = os.environ.pop(PIPES)
        self.guard.communicate()
        rmtree(folder, ignore_errors=True)  # of a process that could not do it


def _refusal() -> str:
    """Return why MPS does not serve a program, or nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT], capture_output=True, text=True, timeout=WAIT
        )
    except subprocess.TimeoutExpired:
        return f"a program on the GPU was not served within {WAIT} s"
    if not done.returncode:
        return ""
    return done.stderr.strip().rpartition("\n")[2] or f"a program there: status {done.returncode}"


def main() -> None:
    """Start MPS, say in a line whether it did, and end MPS at the end of the input."""
    folder = Path(os.environ[PIPES])
    try:
        fault = _start(folder / "said")
        with suppress(BrokenPipeError):
            print(fault or STARTED, flush=True)
        sys.stdin.read()
        if not fault:
            subprocess.run([CONTROL], input="quit\n", text=True, stdout=subprocess.DEVNULL)
    finally:
        rmtree(folder, ignore_errors=True)


def _start(said: Path) -> str:
    """Start the daemon of MPS, and return why it does not, or nothing."""
    try:
        with said.open("w+") as file:  # and no pipe, as the daemon may keep it open
            done = subprocess.run(
                [CONTROL, "-d"], stdin=subprocess.DEVNULL, stdout=file, stderr=file, timeout=WAIT
            )
            file.seek(0)
            fault = file.readline().strip() or f"{CONTROL}: status {done.returncode}"
            return fault if done.returncode else ""
    except OSError as error:
        return f"{CONTROL}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{CONTROL}: no answer within {WAIT} s"


if __name__ == "__main__":
    main()
