"""Checks of who trained, validated and tested, and of what was computed from whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.preparation.windows import in_window
from xsleep.results.audit.evidence import Evidence, Pretraining, Read, Run, Training
from xsleep.results.audit.finding import Found, NotApplicable, faults_of, many
from xsleep.store.recordings import IMAGE_SHAPE, RecordingData
from xsleep.training.parts import load_part
from xsleep.training.sequences import DEAD, Part, TrainingSequences, blocks

SIDES = ("training", "validation", "test")
ROLES = ("training", "training subset", "validation", "test")

DECIBELS, SHARE = 1e-4, 1e-5
"""By how much the statistics of spectrograms may differ: that of single precision."""

ACCURACY = 0.002
"""By how much the accuracy on the validation recordings may differ, on another device."""

NAMED = 3
"""Recordings that a line names."""

READ = 256
"""Epochs that are read at once."""


def split(evidence: Evidence) -> Found:
    """In no fold is a subject on two sides, and no file is two subjects'."""
    folds = []

    def look(database: str) -> Iterator[str]:
        path, listed = evidence.folds[database], evidence.listed(database)
        for fold, rows in evidence.fold_table(database).groupby("fold", sort=False):
            folds.append(fold)
            subjects = {role: set(names) for role, names in rows.groupby("role")["subject"]}
            for place, side in enumerate(SIDES):
                for other in SIDES[place + 1 :]:
                    for subject in sorted(subjects.get(side, set()) & subjects.get(other, set())):
                        yield f"{path}: fold {fold}: subject {subject} is in {side} and {other}"
            for subject in sorted(subjects.get("training subset", set()) - subjects["training"]):
                yield f"{path}: fold {fold}: subject {subject} of the subset does not train"
            for _, row in rows.iterrows():
                if listed["subject"].get(row["recording"]) != row["subject"]:
                    yield (
                        f"{path}: {row['recording']} is subject {row['subject']}, but not in "
                        f"{evidence.recordings[database]}"
                    )

    def same_files(index: Path) -> Iterator[str]:
        owners: dict[str, set[str]] = defaultdict(set)
        for stored in evidence.stored(index).values():
            for sha in stored.info.hashes.values():
                owners[sha].add(stored.info.subject)
        for subjects in owners.values():
            if len(subjects) > 1:
                yield f"{index}: subjects {', '.join(sorted(subjects))} have the same file"

    def pretrained_on(training: Pretraining) -> Iterator[str]:
        folds.append(training.split)
        for who, other in _same_people(evidence, *map(training.read, SIDES[:2])):
            yield f"{training.split}: {who} is in training, and as {other} in validation"

    indexes = dict.fromkeys(run.index for run in evidence.runs)
    faults = faults_of(evidence.folds, look) + faults_of(indexes, same_files)
    faults += faults_of(evidence.pretrainings, pretrained_on)
    return Found(many(len(folds), "fold"), faults)


def unseen(evidence: Evidence) -> Found:
    """No network that is finetuned was pretrained on a subject that it is tested on.

    Who trained and who validated in the pretraining count alike.
    """
    finetuned = [run for run in evidence.runs if run.pretrained]
    if not finetuned:
        raise NotApplicable("no network is finetuned")
    pretrainings = {training.folder: training for training in evidence.pretrainings}
    if not pretrainings:
        raise NotApplicable("the pretrained networks are others', with no record of their subjects")

    def look(run: Run) -> Iterator[str]:
        training = pretrainings[run.pretrained.parent]
        tested = [
            Read(run.identity.database, run.index, name, run.identity.window)
            for name in evidence.roles(run).get("test", ())
        ]
        seen = [*training.read("training"), *training.read("validation")]
        for who, other in _same_people(evidence, tested, seen):
            yield f"{run.folder}: {who} is tested, and as {other} was pretrained on"

    return Found(many(len(finetuned), "finetuned network"), faults_of(finetuned, look))


def _same_people(
    evidence: Evidence, some: Iterable[Read], others: Iterable[Read]
) -> Iterator[tuple[str, str]]:
    """Subjects of some recordings who are among those of others, under both names.

    Databases share recordings and name their subjects apart: whoever has a file in common, be it of
    a night that is in neither, is one person.
    """
    known = {sha: who for who, sha in _files(evidence, others)}
    for who, sha in _files(evidence, some):
        if sha in known:
            yield who, known[sha]


def _files(evidence: Evidence, reads: Iterable[Read]) -> Iterator[tuple[str, str]]:
    """All subjects of these recordings, with the hash of each file that the store knows of them."""
    subjects = defaultdict(set)
    for one in reads:
        night = evidence.stored(one.index)[one.recording].info
        subjects[one.database, one.index].add(night.subject)
    for (database, index), chosen in subjects.items():
        for stored in evidence.stored(index).values():
            if stored.info.subject in chosen:
                for sha in stored.info.hashes.values():
                    yield f"subject {stored.info.subject} of {database}", sha


def roles(evidence: Evidence) -> Found:
    """Everything trained, validated and tested on the recordings that its fold or split says."""

    def look(training: Training) -> Iterator[str]:
        said = evidence.roles(training)
        used = {role: training.record["recordings"][role] for role in ROLES[:-1]}
        if isinstance(training, Run):
            used["test"] = [night.recording for night in training.predictions]
            path = evidence.folds[training.identity.database]
        else:
            path = training.split
        for role, names in used.items():
            theirs, ours = set(said.get(role, ())), set(names)
            for names, what in ((ours - theirs, "not in"), (theirs - ours, "left out of those in")):
                if names:
                    yield (
                        f"{training.folder}: {role}: {', '.join(sorted(names)[:NAMED])} "
                        f"({len(names)}) {what} {path}"
                    )

    return Found(many(len(evidence.trainings), "training"), faults_of(evidence.trainings, look))


def normalisation(evidence: Evidence) -> Found:
    """Spectrograms are normalised with the statistics of the training recordings alone.

    These are computed anew from every stored spectrogram, not from the sums beside them.
    """
    from xsleep.networks import checkpoints

    looked_at = []

    def look(training: Training) -> Iterator[str]:
        path = training.folder / "model.safetensors"
        network, _, channels = checkpoints.load(path)
        if "time-frequency" not in network.views:
            return
        looked_at.append(path)
        every = [_sums(evidence, one, channels) for one in training.read("training")]
        frames = sum(frames for frames, _ in every)
        mean, square = sum(sums for _, sums in every) / frames
        if network.settings.normalisation == "channels":
            mean[:], square[:] = mean.mean(0), square.mean(0)
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        deviation[deviation <= DEAD * np.abs(mean)] = 1
        for what, here, there in (
            ("mean", network.mean.numpy(), mean),
            ("deviation", network.deviation.numpy(), deviation),
        ):
            if not np.allclose(here, there, rtol=SHARE, atol=DECIBELS):
                apart = np.abs(here - there).max()
                yield (
                    f"{path}: the {what} that it normalises with is up to {apart:.3g} dB from that "
                    f"of its {many(len(every), 'training recording')}"
                )

    faults = faults_of(evidence.trainings, look)
    if not looked_at and not faults:
        raise NotApplicable("no system reads spectrograms")
    return Found(many(len(looked_at), "network"), faults)


def _sums(evidence: Evidence, one: Read, channels: tuple[str, ...]) -> tuple[int, np.ndarray]:
    """Frames of a recording, and sums (2, 129, C) of its decibels and of their squares."""

    def find() -> tuple[int, np.ndarray]:
        stored = evidence.stored(one.index)[one.recording]
        chosen = np.flatnonzero(in_window(stored.info, one.window))
        data = RecordingData(stored, channels, chosen)
        frames, sums = 0, np.zeros((2, *IMAGE_SHAPE[1:], len(channels)))
        for start, stop in blocks(len(data), READ):
            images = data.time_frequency(start, stop).astype(float)
            frames += images.shape[0] * images.shape[1]
            sums += images.sum((0, 1)), (images**2).sum((0, 1))
        return frames, sums

    return evidence.once(("sums", one, channels), find)


def stopping(evidence: Evidence) -> Found:
    """The network that is kept and the end of a training follow from the validation recordings.

    The kept step is found anew in ``history.csv``, and the kept network evaluated anew on the
    validation recordings.
    """
    from xsleep.compute import device
    from xsleep.networks import checkpoints
    from xsleep.training.evaluation import evaluate

    def look(run: Training) -> Iterator[str]:
        path, settings = run.folder / "history.csv", TrainingSettings(**run.record["training"])
        branch = "joint" if "joint validation accuracy" in run.history else _only_branch(run)
        steps = run.history["step"].astype(int).to_numpy()
        accuracies = run.history[f"{branch} validation accuracy"].astype(float).to_numpy()
        counted = (steps > 0) | (run.record["steps"] == 0)
        best = int(np.flatnonzero(counted & (accuracies == accuracies[counted].max()))[-1])
        if steps[best] != run.record["best_step"]:
            yield (
                f"{path}: the best validation accuracy is at step {steps[best]}, but run.json says "
                f"{run.record['best_step']}"
            )
        if steps[-1] != run.record["steps"]:
            yield f"{path}: ends at step {steps[-1]}, but run.json says {run.record['steps']}"
        ended = _should_have_ended(steps, accuracies, settings)
        if ended is not None:
            yield f"{path}: goes on after step {ended}, where its patience was at an end"
        kept = best if settings.model_kept == "best" else len(steps) - 1
        network, _, channels = checkpoints.load(run.folder / "model.safetensors")
        parts = _parts(evidence, run.read("validation"), channels, network.settings)
        network.to(device.best())
        found = evaluate(network, parts, settings.longest_gap).accuracies[network.branches[-1]]
        if abs(found - accuracies[kept]) > ACCURACY:
            yield (
                f"{path}: validation accuracy {accuracies[kept]:.2%} at step {steps[kept]}, but "
                f"the network has {found:.2%} on its {many(len(parts), 'validation recording')}"
            )

    return Found(many(len(evidence.trainings), "training"), faults_of(evidence.trainings, look))


def _parts(
    evidence: Evidence, reads: Iterable[Read], channels: tuple[str, ...], network: NetworkSettings
) -> list[Part]:
    return [
        load_part(evidence.stored(one.index)[one.recording], one.window, channels, network)
        for one in reads
    ]


def _only_branch(run: Training) -> str:
    end = " validation accuracy"
    (column,) = (column for column in run.history if column.endswith(end))
    return column.removesuffix(end)


def _should_have_ended(
    steps: np.ndarray, accuracies: np.ndarray, settings: TrainingSettings
) -> int | None:
    """The first evaluation, before the last, that left no patience."""
    if settings.patience is None:
        return None
    best, without_gain = -1.0, 0
    for step, accuracy in zip(steps[:-1].tolist(), accuracies[:-1].tolist(), strict=True):
        without_gain += 1
        if step and accuracy >= best:
            best, without_gain = accuracy, 0
        if step >= settings.earliest_stop and without_gain >= settings.patience:
            return step
    return None


def sequences(evidence: Evidence) -> Found:
    """No sequence that was trained on crosses recordings, or a gap that ends one.

    The sequences are those that the training draws; how many there must be is counted apart.
    """
    counted = []

    def look(run: Training) -> Iterator[str]:
        settings = TrainingSettings(**run.record["training"])
        # Amplitudes are not looked at, and would take reading all signals.
        network = NetworkSettings(**run.record["network"] | {"raw_deviation": None})
        length, gap = network.sequence_length, settings.longest_gap
        reads, channels = run.read("training"), tuple(run.record["channels"].split("-"))
        parts = _parts(evidence, reads, channels, network)
        order = {"seed": run.record["seed"], "shuffle": settings.shuffle}
        drawn = TrainingSequences(parts, length, settings.batch_size, gap, **order)
        chosen = np.concatenate([drawn.chosen(step) for step in range(len(drawn))])
        counted.append(len(chosen))
        for number, (one, part) in enumerate(zip(reads, parts, strict=True)):
            name, places = part.info.recording, part.info.places
            if (np.diff(places) <= 0).any():
                yield f"{one.index}: {name} goes back in time: it is more than one recording"
            firsts = chosen[chosen[:, 0] == number, 1]
            if (crossing := firsts[firsts + length > len(places)]).size:
                yield (
                    f"{run.folder}: a sequence of {length} epochs begins at epoch {crossing[0]} of "
                    f"the {len(places)} of {name}"
                )
            elif gap is not None and (long := _long_gaps(places, firsts, length, gap)).size:
                yield f"{run.folder}: a sequence of {name} crosses a gap at epoch {long[0]}"
        must = sum(_number(part, length, gap) for part in parts)
        if run.record["training_sequences"] != must:
            yield (
                f"{run.folder / 'run.json'}: {run.record['training_sequences']:,} training "
                f"sequences, but {must:,} lie within one recording"
            )

    faults = faults_of(evidence.trainings, look)
    return Found(many(sum(counted), "sequence"), faults)


def _long_gaps(places: np.ndarray, firsts: np.ndarray, length: int, gap: int) -> np.ndarray:
    """First epochs of the sequences that hold a gap of more than ``gap`` epochs."""
    longer = np.concatenate([[0], np.cumsum(np.diff(places) > gap + 1)])
    return firsts[longer[firsts + length - 1] > longer[firsts]]


def _number(part: Part, length: int, gap: int | None) -> int:
    """How many sequences of a recording there are."""
    places = part.info.places
    cuts = [] if gap is None else np.flatnonzero(np.diff(places) > gap + 1) + 1
    return sum(max(len(stretch) - length + 1, 0) for stretch in np.split(places, cuts))


def stages(evidence: Evidence) -> Found:
    """Places, true stages and subjects in the predictions are those of the stored recordings."""
    epochs = []

    def look(run: Run) -> Iterator[str]:
        stored = evidence.stored(run.index)
        for night in run.predictions:
            known = stored[night.recording].info
            chosen = in_window(known, run.identity.window)
            epochs.append(len(night.stages))
            where = f"{run.identity.predictions}: {night.recording}"
            if night.subject != known.subject:
                yield f"{where}: subject {night.subject}, stored is {known.subject}"
            if not np.array_equal(night.places, known.places[chosen]):
                yield f"{where}: not the epochs that are stored of its window"
            elif wrong := np.count_nonzero(night.stages != known.stages[chosen]):
                yield f"{where}: {many(wrong, 'true stage')} other than those stored"

    faults = faults_of(evidence.runs, look)
    return Found(many(sum(epochs), "epoch"), faults)
