"""Files of the workflow that belongs to this package, and the commit that they are from.

In a clone they are beside the package (``Snakefile``, ``rules``, ...), in a wheel in this folder.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

_HERE = Path(__file__).parent
PACKAGE = _HERE.parent
"""Folder of the library, `xsleep`."""

FOLDER = _HERE if (_HERE / "Snakefile").exists() else PACKAGE.parent
"""Folder of ``Snakefile``, ``rules``, ``workflow_scripts``, ``config`` and the rest."""

SNAKEFILE = str(FOLDER / "Snakefile")
"""Snakefile that the one of a study includes (``xsleep init``)."""

STUDY = _HERE / "study"
"""Folder of the files that are written for a study only: its Snakefile and .gitignore."""

COMMIT = PACKAGE / "COMMIT"
"""Commit that a wheel or sdist was built from; not there in a clone."""


def commit() -> str:
    """Return the commit of the running code, with ``+`` if files differ from it, or ``unknown``.

    In a clone, a new file in ``xsleep``, as of one's own network, differs as well. The
    configuration is no code: runs record the settings that they used.
    """
    if COMMIT.exists():
        built = COMMIT.read_text().strip()
        return built if built.endswith("+") or _is_as_installed() else f"{built}+"

    def git(*arguments: str) -> str:
        found = subprocess.run(
            ["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, check=True
        )
        return found.stdout.strip()

    try:
        of = git("rev-parse", "HEAD")
        changed = git("diff", "HEAD", "--name-only", "--", ":/", ":(top,exclude)config")
        new = git("ls-files", "--others", "--exclude-standard", ":/xsleep")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{of}+" if changed or new else of


def _is_as_installed() -> bool:
    """Return whether the files of the package have the hashes that its wheel recorded."""
    try:
        files = distribution("xsleep").files or []
    except PackageNotFoundError:  # an unpacked sdist
        return True
    for file in files:
        if file.parts[0] == "xsleep" and file.hash:
            try:
                found = hashlib.new(file.hash.mode, file.read_binary()).digest()
            except OSError:
                return False
            if base64.urlsafe_b64encode(found).decode().rstrip("=") != file.hash.value:
                return False
    return True
