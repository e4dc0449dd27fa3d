"""Checks of the subjects and recordings that train, validate and test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, NotApplicable, faults_of, many
from xsleep.results.audit.trainings import Pretraining, Run, Training, UsedRecording, read_columns

SIDES = ("training", "validation", "test")

NAMED = 3
"""Number of recordings that a fault names."""


def split(evidence: Evidence) -> Findings:
    """No subject is on two sides of a fold, and no two subjects share a file."""
    folds = []

    def in_folds(path_and_database: tuple[Path, str]) -> Iterator[str]:
        path, database = path_and_database
        table = read_columns(path, "fold", "role", "subject", "recording")
        subject_of = evidence.listed(database)["subject"]
        for fold, rows in table.groupby("fold", sort=False):
            folds.append(f"{path}: fold {fold}")
            subjects = defaultdict(set, rows.groupby("role")["subject"].agg(set).to_dict())
            for side, other in combinations(SIDES, 2):
                for subject in sorted(subjects[side] & subjects[other]):
                    yield f"{path}: fold {fold}: subject {subject} is in {side} and {other}"
            for subject in sorted(subjects["training subset"] - subjects["training"]):
                yield f"{path}: fold {fold}: subject {subject} of the subset is not in training"
            for recording, subject in zip(rows["recording"], rows["subject"], strict=True):
                if subject_of.get(recording) != subject:
                    yield (
                        f"{path}: {recording} is of subject {subject}, but not in "
                        f"{evidence.recordings[database]}"
                    )

    def in_files(index: Path) -> Iterator[str]:
        owners: dict[str, set[str]] = defaultdict(set)
        for stored in evidence.stored(index).values():
            for sha in stored.info.hashes.values():
                owners[sha].add(stored.info.subject)
        for subjects in owners.values():
            if len(subjects) > 1:
                yield f"{index}: subjects {', '.join(sorted(subjects))} share a file"

    def in_pretraining(training: Pretraining) -> Iterator[str]:
        folds.append(str(training.assignment))
        for subject, other in _same_people(evidence, *map(training.used, SIDES[:2])):
            yield f"{training.assignment}: {subject} is in training, and as {other} in validation"

    tables = dict.fromkeys((run.assignment, run.identity.database) for run in evidence.runs)
    faults = faults_of(tables, in_folds)
    faults += faults_of(dict.fromkeys(run.store for run in evidence.runs), in_files)
    faults += faults_of(evidence.pretrainings, in_pretraining)
    return Findings(many(len(folds), "fold"), faults)


def pretrained_on(evidence: Evidence) -> Findings:
    """No test subject of a finetuned network was used in its pretraining."""
    finetuned = [(run, run.pretrained.parent) for run in evidence.runs if run.pretrained]
    if not finetuned:
        raise NotApplicable("no network is finetuned")
    pretrainings = {training.folder: training for training in evidence.pretrainings}
    if not pretrainings:
        raise NotApplicable("the pretrained networks are imported, without their subjects")

    def examine(run_and_folder: tuple[Run, Path]) -> Iterator[str]:
        run, folder = run_and_folder
        tested = run.recordings(run.roles.get("test", []))
        seen = pretrainings[folder].used("training", "validation")
        for subject, other in _same_people(evidence, tested, seen):
            yield f"{run.folder}: {subject} is in the test, and as {other} in the pretraining"

    return Findings(many(len(finetuned), "finetuned network"), faults_of(finetuned, examine))


def _same_people(
    evidence: Evidence, some: Iterable[UsedRecording], others: Iterable[UsedRecording]
) -> Iterator[tuple[str, str]]:
    """Yield the subjects of some recordings who are among those of others, under both names.

    Databases share recordings and name their subjects differently: subjects with a common file, of
    any of their recordings, are one person.
    """
    known = {sha: subject for subject, sha in _files(evidence, others)}
    for subject, sha in _files(evidence, some):
        if sha in known:
            yield subject, known[sha]


def _files(evidence: Evidence, recordings: Iterable[UsedRecording]) -> Iterator[tuple[str, str]]:
    """Yield the subjects of recordings, with the hash of each of their files in the store."""
    subjects = defaultdict(set)
    for used in recordings:
        subjects[used.database, used.store].add(evidence.stored_of(used).info.subject)
    for (database, store), chosen in subjects.items():
        for stored in evidence.stored(store).values():
            if stored.info.subject in chosen:
                for sha in stored.info.hashes.values():
                    yield f"subject {stored.info.subject} of {database}", sha


def roles(evidence: Evidence) -> Findings:
    """Every run trained, validated and tested on the recordings that its fold assigns."""

    def examine(training: Training) -> Iterator[str]:
        path, record = training.assignment, training.record["recordings"]
        used = {role: record[role] for role in ("training", "training subset", "validation")}
        if isinstance(training, Run):
            used["test"] = [prediction.recording for prediction in training.predictions]
        for role, names in used.items():
            ours, theirs = set(names), set(training.roles.get(role, ()))
            for which, what in (
                (ours - theirs, f"used, but not in {path}"),
                (theirs - ours, f"not used, but in {path}"),
            ):
                if which:
                    named = ", ".join(sorted(which)[:NAMED])
                    yield f"{training.folder}: {role}: {named} ({len(which)}) {what}"

    faults = faults_of(evidence.trainings, examine)
    return Findings(many(len(evidence.trainings), "training"), faults)
