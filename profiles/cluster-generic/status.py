#!/usr/bin/env python3
"""Print the state of a job of PBS, or SGE if SGE_ROOT is set: `running`, `success` or `failed`."""

import os
import re
import subprocess
import sys


def ask(*command: str) -> str:
    """Return all that a command prints about the job."""
    done = subprocess.run([*command, sys.argv[1]], capture_output=True, text=True)
    return done.stdout + done.stderr


if "SGE_ROOT" in os.environ:
    ended = "do not exist" in ask("qstat", "-j")
    status = re.search(r"^exit_status +(\d+)", ask("qacct", "-j"), re.MULTILINE) if ended else None
else:
    text = ask("qstat", "-x", "-f")
    ended = "job_state = F" in text or "Unknown Job Id" in text
    status = re.search(r"Exit_status = (-?\d+)", text) if ended else None

if status:
    print("success" if status[1] == "0" else "failed")
else:
    # SGE writes its accounting some seconds after the end; PBS may have none.
    print("failed" if ended and "SGE_ROOT" not in os.environ else "running")
