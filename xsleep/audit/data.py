"""Checks of who trained, validated and tested, and of what was computed from whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from xsleep import store
from xsleep.audit.evidence import Evidence, Run
from xsleep.audit.finding import Found, NotApplicable, faults_of, many
from xsleep.runs import load_part
from xsleep.sequences import DEAD, Part, TrainingSequences, blocks
from xsleep.settings import NetworkSettings, TrainingSettings
from xsleep.windows import in_window

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

    def same_files(run: Run) -> Iterator[str]:
        owners: dict[str, set[str]] = defaultdict(set)
        for stored in evidence.stored(run).values():
            for sha in stored.night.hashes.values():
                owners[sha].add(stored.night.subject)
        for subjects in owners.values():
            if len(subjects) > 1:
                yield f"{run.index}: subjects {', '.join(sorted(subjects))} have the same file"

    one_each = {run.index: run for run in evidence.runs}.values()
    faults = faults_of(evidence.folds, look) + faults_of(one_each, same_files)
    return Found(many(len(folds), "fold"), faults)


def roles(evidence: Evidence) -> Found:
    """Every run trained, validated and tested on the recordings that its fold says."""

    def look(run: Run) -> Iterator[str]:
        said = evidence.roles(run)
        used = {role: run.record["recordings"][role] for role in ROLES[:-1]}
        used["test"] = [night.recording for night in run.predictions]
        for role in ROLES:
            theirs, ours = set(said.get(role, ())), set(used[role])
            for names, what in ((ours - theirs, "not in"), (theirs - ours, "left out of those in")):
                if names:
                    yield (
                        f"{run.folder}: {role}: {', '.join(sorted(names)[:NAMED])} "
                        f"({len(names)}) {what} {evidence.folds[run.cell.database]}"
                    )

    return Found(many(len(evidence.runs), "run"), faults_of(evidence.runs, look))


def normalisation(evidence: Evidence) -> Found:
    """Spectrograms are normalised with the statistics of the training recordings alone.

    These are computed anew from every stored spectrogram, not from the sums beside them.
    """
    from xsleep import checkpoints

    looked_at = []

    def look(run: Run) -> Iterator[str]:
        path = run.folder / "model.safetensors"
        network, _, channels = checkpoints.load(path)
        if "time-frequency" not in network.views:
            return
        looked_at.append(run)
        names = run.record["recordings"]["training"]
        every = [_sums(evidence, run, name, channels) for name in names]
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
                    f"of its {many(len(names), 'training recording')}"
                )

    faults = faults_of(evidence.runs, look)
    if not looked_at and not faults:
        raise NotApplicable("no system reads spectrograms")
    return Found(many(len(looked_at), "network"), faults)


def _sums(
    evidence: Evidence, run: Run, name: str, channels: tuple[str, ...]
) -> tuple[int, np.ndarray]:
    """Frames of a recording, and sums (2, 129, C) of its decibels and of their squares."""

    def find() -> tuple[int, np.ndarray]:
        stored = evidence.stored(run)[name]
        chosen = np.flatnonzero(in_window(stored.night, run.cell.window))
        data = store.NightData(stored, channels, chosen)
        frames, sums = 0, np.zeros((2, *store.IMAGE_SHAPE[1:], len(channels)))
        for start, stop in blocks(len(data), READ):
            images = data.time_frequency(start, stop).astype(float)
            frames += images.shape[0] * images.shape[1]
            sums += images.sum((0, 1)), (images**2).sum((0, 1))
        return frames, sums

    return evidence.once(("sums", run.index, name, run.cell.window, channels), find)


def stopping(evidence: Evidence) -> Found:
    """The network that is kept and the end of a training follow from the validation recordings.

    The kept step is found anew in ``history.csv``, and the kept network evaluated anew on the
    validation recordings.
    """
    from xsleep import checkpoints, device
    from xsleep.evaluation import evaluate

    def look(run: Run) -> Iterator[str]:
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
        stored = evidence.stored(run)
        parts = [
            load_part(stored[name], run.cell.window, channels, network.settings)
            for name in run.record["recordings"]["validation"]
        ]
        network.to(device.best())
        found = evaluate(network, parts, settings.longest_gap).accuracies[network.branches[-1]]
        if abs(found - accuracies[kept]) > ACCURACY:
            yield (
                f"{path}: validation accuracy {accuracies[kept]:.2%} at step {steps[kept]}, but "
                f"the network has {found:.2%} on its {many(len(parts), 'validation recording')}"
            )

    return Found(many(len(evidence.runs), "training"), faults_of(evidence.runs, look))


def _only_branch(run: Run) -> str:
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

    def look(run: Run) -> Iterator[str]:
        settings = TrainingSettings(**run.record["training"])
        # Amplitudes are not looked at, and would take reading all signals.
        network = NetworkSettings(**run.record["network"] | {"raw_deviation": None})
        length, gap = network.sequence_length, settings.longest_gap
        stored, channels = evidence.stored(run), tuple(run.cell.channels.split("-"))
        parts = [
            load_part(stored[name], run.cell.window, channels, network)
            for name in run.record["recordings"]["training"]
        ]
        drawn = TrainingSequences(
            parts, length, settings.batch_size, gap, run.cell.seed, settings.shuffle
        )
        chosen = np.concatenate([drawn.chosen(step) for step in range(len(drawn))])
        counted.append(len(chosen))
        for number, part in enumerate(parts):
            name, places = part.night.recording, part.night.places
            if (np.diff(places) <= 0).any():
                yield f"{run.index}: {name} goes back in time: it is more than one recording"
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

    faults = faults_of(evidence.runs, look)
    return Found(many(sum(counted), "sequence"), faults)


def _long_gaps(places: np.ndarray, firsts: np.ndarray, length: int, gap: int) -> np.ndarray:
    """First epochs of the sequences that hold a gap of more than ``gap`` epochs."""
    longer = np.concatenate([[0], np.cumsum(np.diff(places) > gap + 1)])
    return firsts[longer[firsts + length - 1] > longer[firsts]]


def _number(part: Part, length: int, gap: int | None) -> int:
    """How many sequences of a recording there are."""
    places = part.night.places
    cuts = [] if gap is None else np.flatnonzero(np.diff(places) > gap + 1) + 1
    return sum(max(len(stretch) - length + 1, 0) for stretch in np.split(places, cuts))


def stages(evidence: Evidence) -> Found:
    """Places, true stages and subjects in the predictions are those of the stored recordings."""
    epochs = []

    def look(run: Run) -> Iterator[str]:
        stored = evidence.stored(run)
        for night in run.predictions:
            known = stored[night.recording].night
            chosen = in_window(known, run.cell.window)
            epochs.append(len(night.stages))
            where = f"{run.cell.predictions}: {night.recording}"
            if night.subject != known.subject:
                yield f"{where}: subject {night.subject}, stored is {known.subject}"
            if not np.array_equal(night.places, known.places[chosen]):
                yield f"{where}: not the epochs that are stored of its window"
            elif wrong := np.count_nonzero(night.stages != known.stages[chosen]):
                yield f"{where}: {many(wrong, 'true stage')} other than those stored"

    faults = faults_of(evidence.runs, look)
    return Found(many(sum(epochs), "epoch"), faults)
