"""Checks of files against the hashes that the runs recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from xsleep.results.audit.evidence import Evidence, Pretraining, Run, Training
from xsleep.results.audit.finding import Found, NotApplicable, faults_of, many

SHOWN = 12
"""Digits of a hash in a line."""


class _Claims:
    """Which hashes files are said to have, and by whom."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._claims: dict[str, dict[str, str]] = defaultdict(dict)

    def add(self, path: str | Path, sha: str, who: str | Path) -> None:
        self._claims[str(path)].setdefault(sha, str(who))

    def faults(self, path: str) -> Iterator[str]:
        claims = self._claims[path]
        if not Path(path).exists():
            yield f"{path}: missing, though {next(iter(claims.values()))} recorded it"
            return
        found = self._evidence.sha256(path)
        for sha, who in claims.items():
            if sha != found:
                yield f"{path}: its hash is {found[:SHOWN]}, but {who} recorded {sha[:SHOWN]}"

    def found(self, unread: list[str]) -> Found:
        """What is wrong with the files, and before it which records cannot be read."""
        if not self._claims and not unread:
            raise NotApplicable("the runs did not record any; train and score them again")
        faults = unread + faults_of(self._claims, self.faults)
        return Found(many(len(self._claims), "file"), faults)


def recordings(evidence: Evidence) -> Found:
    """The recordings' files are those that went into trainings and scorings."""
    claims = _Claims(evidence)

    def pretrained_on(training: Pretraining) -> Iterator[str]:
        # Pooled databases may have files of one name, of which the record knows one hash; the store
        # knows that of each.
        for one in {*training.read("training"), *training.read("validation")}:
            hashes = evidence.stored(one.index)[one.recording].info.hashes
            for file, name in evidence.names(one.database, one.index, [one.recording]).items():
                claims.add(file, hashes[name], one.index)
                if name not in training.record["inputs"]:
                    yield f"{file}: {training.folder / 'run.json'} did not record its hash"

    def look(run: Run) -> Iterator[str]:
        for name, record in run.records.items():
            used = {recording for role in record["recordings"].values() for recording in role}
            for file, known in evidence.names(run.identity.database, run.index, used).items():
                if known in record["inputs"]:
                    claims.add(file, record["inputs"][known], run.folder / name)
                else:
                    yield f"{file}: {run.folder / name} did not record its hash"

    unread = faults_of(evidence.pretrainings, pretrained_on)
    return claims.found(unread + faults_of(evidence.runs, look))


def stores(evidence: Evidence) -> Found:
    """The stored epochs and spectrograms are those that went into trainings and scorings."""
    claims = _Claims(evidence)

    def look(training: Training) -> Iterator[str]:
        for name, record in training.records.items():
            for file, sha in record["stores"].items():
                claims.add(file, sha, training.folder / name)
        yield from ()

    return claims.found(faults_of(evidence.trainings, look))


def checkpoints(evidence: Evidence) -> Found:
    """The networks, their histories, the folds and what they go on from are the trainings'."""
    claims = _Claims(evidence)

    def look(training: Training) -> Iterator[str]:
        path, record = training.folder / "run.json", training.record
        for name in ("model.safetensors", "history.csv"):
            claims.add(training.folder / name, record["outputs"][name], path)
        for name, file in evidence.given(training).items():
            claims.add(file, record["inputs"][name], path)
        yield from ()

    return claims.found(faults_of(evidence.trainings, look))


def predictions(evidence: Evidence) -> Found:
    """The predictions are those of the scorings, each by the network of its run."""
    claims = _Claims(evidence)

    def look(run: Run) -> Iterator[str]:
        record = run.folder / "scoring.json"
        claims.add(run.identity.predictions, run.scoring["outputs"]["predictions.h5"], record)
        used = run.scoring["inputs"]["model.safetensors"]
        trained = run.record["outputs"]["model.safetensors"]
        if used != trained:
            yield (
                f"{run.identity.predictions}: scored by the network {used[:SHOWN]}, but "
                f"{run.folder / 'run.json'} recorded {trained[:SHOWN]}"
            )

    return claims.found(faults_of(evidence.runs, look))
