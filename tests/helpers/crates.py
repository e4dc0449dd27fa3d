"""RO-Crates held to their profile by the validator, which `make test-crate` installs."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PROFILE = "workflow-run-crate-0.5"

# Answers the one address that the validator asks for with what rocrate 0.13 has of it.
WARM_CACHE = """
import sys
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

class Shipped(HTTPAdapter):
    def send(self, request, **options):
        folder = Path(find_spec("rocrate").submodule_search_locations[0])
        body = BytesIO((folder / "data" / "ro-crate.jsonld").read_bytes())
        headers = {"Content-Type": "application/ld+json"}
        return self.build_response(
            request,
            HTTPResponse(body, headers, 200, preload_content=False, request_url=request.url),
        )

session = CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", Shipped())
session.get("https://w3id.org/ro/crate/1.1/context")
"""


def faults(crate, folder):
    """Return the faults that the validator finds in a crate, offline; the folder has its cache."""
    validator = shutil.which("rocrate-validator")
    if validator is None:
        pytest.skip("no rocrate-validator; `make test-crate` installs it")
    cache = folder / "cache"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    python = Path(validator).parent / "python"
    subprocess.run([python, "-c", WARM_CACHE, cache], check=True, env=environment)
    report = folder / "report.json"
    done = subprocess.run(
        [
            *(validator, "validate", "--profile-identifier", PROFILE, "--offline"),
            *("--cache-path", cache, "--verbose", "--no-paging"),
            *("--output-format", "json", "--output-file", report, crate),
        ],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    issues = [issue["message"] for issue in found["issues"]]
    assert found["passed"] == (not issues)
    return issues
