"""Checks of files against the hashes that the runs recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from xsleep.core.files import sha256
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.trainings import Imported, Run, Training

Recorded = TypeVar("Recorded", bound=Training | Imported)

Claim = tuple[str | Path, str, Path] | str
"""A file, a hash that it should have, and the path of the record; or a fault of the record."""

SHOWN = 12
"""Number of shown digits of a hash."""


def recordings(evidence: Evidence) -> Findings:
    """The files of the recordings have not changed since training and scoring."""

    def claims(training: Training) -> Iterator[Claim]:
        for path, record in training.records.items():
            for used in training.used_in(record):
                hashes = evidence.stored_of(used).info.hashes
                files = evidence.listed(used.database)["files"][used.recording].split("; ")
                for file, name in zip(files, hashes, strict=True):
                    if name not in record["inputs"]:
                        yield f"{file}: {path} did not record its hash"
                    elif isinstance(training, Run):
                        yield file, record["inputs"][name], path
                    else:  # Files of pooled databases may have one name, and one of the hashes.
                        yield file, hashes[name], used.store

    return _compared(evidence.trainings, claims)


def stores(evidence: Evidence) -> Findings:
    """The stored epochs and spectrograms have not changed since training and scoring."""

    def claims(training: Training) -> Iterator[Claim]:
        for path, record in training.records.items():
            for file, sha in record["stores"].items():
                yield file, sha, path

    return _compared(evidence.trainings, claims)


def checkpoints(evidence: Evidence) -> Findings:
    """Networks, histories, folds and pretrained networks have not changed since training."""

    def claims(training: Training) -> Iterator[Claim]:
        path, record = training.folder / "run.json", training.record
        for name in ("model.safetensors", "history.csv"):
            yield training.folder / name, record["outputs"][name], path
        yield training.assignment, record["inputs"][training.assignment.name], path
        if isinstance(training, Run) and training.pretrained:
            yield training.pretrained, record["inputs"]["pretrained"], path

    return _compared(evidence.trainings, claims)


def predictions(evidence: Evidence) -> Findings:
    """The predictions have not changed since the network of the same run was scored."""

    def claims(run: Run) -> Iterator[Claim]:
        path = run.identity.predictions
        yield path, run.scoring["outputs"]["predictions.h5"], run.folder / "scoring.json"
        used = run.scoring["inputs"]["model.safetensors"]
        trained = run.record["outputs"]["model.safetensors"]
        if used != trained:
            yield (
                f"{path}: scored by the network {used[:SHOWN]}, but {run.folder / 'run.json'} "
                f"recorded {trained[:SHOWN]}"
            )

    return _compared(evidence.runs, claims)


def imports(evidence: Evidence) -> Findings:
    """Imported predictions and networks, and what they were made from, have not changed since."""
    if not evidence.imported:
        raise NotApplicable("everything in Table 2 is trained here")

    def claims(imported: Imported) -> Iterator[Claim]:
        for path, record in imported.records.items():
            for file, sha in record["outputs"].items():
                yield imported.folder / file, sha, path
            if path.name == "import.json":
                for file, sha in record["inputs"].items():
                    yield file, sha, path

    return _compared(evidence.imported, claims)


def _compared(
    trainings: Iterable[Recorded], claims: Callable[[Recorded], Iterable[Claim]]
) -> Findings:
    """Return the faults of the records, then those of the files; each file is hashed once."""
    claimed: dict[str, dict[str, Path]] = defaultdict(dict)

    def collect(training: Recorded) -> Iterator[str]:
        for claim in claims(training):
            if isinstance(claim, str):
                yield claim
            else:
                file, sha, record = claim
                claimed[str(file)].setdefault(sha, record)

    def compare(file: str) -> Iterator[str]:
        if not Path(file).exists():
            yield f"{file}: missing, though {next(iter(claimed[file].values()))} recorded it"
            return
        found = sha256(file)
        for sha, record in claimed[file].items():
            if sha != found:
                yield f"{file}: its hash is {found[:SHOWN]}, but {record} recorded {sha[:SHOWN]}"

    faults = faults_of(trainings, collect)
    faults += faults_of(claimed, compare)
    if not claimed and not faults:
        raise NotApplicable("no hashes were recorded; train and score the runs again")
    return Findings(many(len(claimed), "file"), faults)
