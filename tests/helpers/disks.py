"""A small disk that can be full or read-only: a tmpfs, which needs root."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def small_disk(folder, megabytes):
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(command, stderr=-3).returncode:
        pytest.skip("a tmpfs cannot be mounted here; that needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk, leaving=0):
    """Fill a disk up to so many bytes."""
    free = shutil.disk_usage(disk).free
    (disk / "fill").write_bytes(bytes(max(free - leaving, 0)))


def make_read_only(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
