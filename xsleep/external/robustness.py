"""Job of the robustness table: test recordings in, their scores under a perturbation out.

Recordings are read, perturbed and prepared one at a time, into a folder that is deleted afterwards.
Every system then scores them as it scored the recordings themselves, without being trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from xsleep.config.network import Filtering
from xsleep.config.robustness import Derivation, Perturbation
from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.files import write_csv
from xsleep.core.recording import Recording
from xsleep.databases import Entry, Source, open_database
from xsleep.databases.formats import plausibility
from xsleep.external.logistic import features, fitted, predicted
from xsleep.external.stagers import open_stager
from xsleep.preparation import folds as fold_tables
from xsleep.preparation.jobs import add_spectrograms
from xsleep.preparation.preprocessing import cut
from xsleep.preparation.windows import unusable
from xsleep.results.metrics import confusion, decided
from xsleep.results.robustness import COUNTS, NONE, PERTURBED, RECORDED
from xsleep.scoring.perturbations import perturbed
from xsleep.store.predictions import Prediction, read_predictions
from xsleep.store.recordings import Stored, read_index, write_epochs
from xsleep.training.parts import load_part, recordings_of_role

Predict = Callable[[Stored], Prediction]
Row = dict[str, Any]

UNTOLD: Row = {"warned": "", "refused": ""}
"""Counts of the checks for a recording that cannot be read: none."""


@dataclass(frozen=True)
class Scorer:
    """A system of Table 2 that scores signals.

    Attributes:
        row: database, window, channels, system and seed.
        fold: the fold whose test recordings it scores; 0 for all.
        kind: how it scores.
        index: of the store that it reads.
        predictions: file with those of the recordings as they were recorded.
        model: checkpoint of a network, or name of a stager.
        scoring: settings of a network's scoring.
    """

    row: Row
    fold: int
    kind: Literal["network", "stager", "logistic regression"]
    index: str
    predictions: str
    model: str
    scoring: Mapping[str, Any]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that it reads."""
        return tuple(self.row["channels"].split("-"))


@dataclass(frozen=True)
class Recordings:
    """Recordings of a database, as files and in the stores that systems read.

    Attributes:
        folds: CSV file of the folds.
        source: settings of the database.
        channels: channels that are stored.
        filterings: filters of each store, by the path of its index.
    """

    database: str
    folds: Path
    source: Source
    channels: Sequence[str]
    filterings: Mapping[str, Filtering]

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Files of each recording."""
        return {entry.name: entry for entry in open_database(self.source).entries()}

    @cached_property
    def indexes(self) -> dict[str, dict[str, Stored]]:
        """Stored recordings by the path of their index."""
        return {path: read_index(path) for path in self.filterings}

    @cached_property
    def numbers(self) -> list[int]:
        """Numbers of the folds."""
        return [*dict.fromkeys(int(row["fold"]) for row in fold_tables.read(self.folds))]

    def of(self, index: str, fold: int, role: str) -> list[Stored]:
        """Return the stored recordings of a role in a fold."""
        return recordings_of_role(self.indexes[index], self.folds, fold, role)

    def read(self, name: str, change: Perturbation | None) -> Recording:
        """Read a recording, for another derivation from other signals of its file.

        Raises:
            InputError: it cannot be read, or has no such derivation.
        """
        source = self.source
        if isinstance(change, Derivation):
            labels = {**source.labels, change.channel: change.labels[self.database]}
            source = source.model_copy(update={"labels": labels})
        with warnings_of_inputs():
            return open_database(source).read(self.entries[name], self.channels)


@dataclass(frozen=True)
class Opened:
    """A system that is ready to score, or why it is not.

    Attributes:
        reference: predictions of the recordings as they were recorded, by recording.
    """

    scorer: Scorer
    reference: Mapping[str, Prediction] = field(default_factory=dict)
    predict: Predict | None = None
    fault: str = ""


def score_perturbed(
    recordings: Recordings,
    scorers: Sequence[Scorer],
    change: Perturbation | None,
    seed: int,
    out: Path,
    *,
    report: Callable[[str], None],
) -> None:
    """Write how the systems score the test recordings of all folds under a perturbation.

    The CSV file ``out`` has a row for each system and recording, and one beside it of the same
    epochs as they were recorded: the confusion matrix, whether preparation would warn of the
    recording or refuse it, and why it has no scores. Without a perturbation there are rows of the
    recordings as they are alone.

    Raises:
        InputError: a file of a recording, or of the store, cannot be read.
    """
    rows: list[Row] = []
    for fold in recordings.numbers:
        chosen = [one for one in scorers if one.fold in (0, fold)]
        opened = [_open(one, recordings, fold, change) for one in chosen]
        tested = recordings.of(next(iter(recordings.filterings)), fold, "test")
        for place, stored in enumerate(tested, start=1):
            name = stored.info.recording
            report(f"fold {fold}, {place} of {len(tested)}: {name}")
            where = {"fold": fold, "subject": stored.info.subject, "recording": name}
            rows += [where | row for row in _under(recordings, name, change, seed, opened=opened)]
    faults = (f"{row['recording']}: {row['fault']}" for row in rows if row["fault"])
    for line in dict.fromkeys(faults):
        report(line)
    write_csv(out, rows)


def _open(scorer: Scorer, recordings: Recordings, fold: int, change: Perturbation | None) -> Opened:
    """Return a system that is ready to score, or why it is not."""
    try:
        predictions = read_predictions(scorer.predictions)
        for one in predictions:
            decided(one)  # or the file cannot be used
        predict = _opened(scorer, recordings, fold) if change else None
    except InputError as error:
        return Opened(scorer, fault=str(error))
    return Opened(scorer, {one.recording: one for one in predictions}, predict)


def _opened(scorer: Scorer, recordings: Recordings, fold: int) -> Predict:
    """Return the function that scores a recording."""
    channels, window = scorer.channels, scorer.row["window"]
    if scorer.kind == "stager":
        stager = open_stager(scorer.model)
        stager.check_channels(channels)
        return lambda stored: stager.predict(stored, channels, window)
    if scorer.kind == "logistic regression":
        training = recordings.of(scorer.index, fold, "training")
        model = fitted([features(one, channels, window) for one in training], fold)
        return lambda stored: predicted(model, features(stored, channels, window))

    from xsleep.compute import device
    from xsleep.networks import checkpoints
    from xsleep.scoring import probabilities

    network, _, _ = checkpoints.load(Path(scorer.model))
    network.to(device.best())
    gap, stride = scorer.scoring["longest_gap"], scorer.scoring["scoring_stride"]

    def predict(stored: Stored) -> Prediction:
        part = load_part(stored, window, channels, network.settings)
        (found,) = probabilities.score(network, [part], gap, stride)
        return found

    return predict


def _under(
    recordings: Recordings,
    name: str,
    change: Perturbation | None,
    seed: int,
    *,
    opened: Sequence[Opened],
) -> Iterator[Row]:
    """Yield the rows of a recording under a perturbation."""
    what = change.name if change else NONE
    try:
        recording = recordings.read(name, change)
        recording = perturbed(recording, change, seed) if change else recording
    except InputError as error:
        for one in opened:
            yield one.scorer.row | UNTOLD | _fault(what, str(error))
        return
    told = _told(recordings, recording)
    with TemporaryDirectory() as folder:
        made: dict[str, Stored] = {}
        for one in opened:
            row, index = one.scorer.row | told, one.scorer.index
            try:
                if name not in one.reference:
                    missing = f"{one.scorer.predictions}: has no prediction of it"
                    raise InputError(one.fault or missing)
                if one.predict is None:
                    yield row | _scores(what, RECORDED, one.reference[name])
                    continue
                if index not in made:
                    place = Path(folder, str(len(made)))
                    made[index] = _stored(recordings, index, recording, place)
                info, file = made[index].info, recordings.entries[name].files[0]
                if fault := unusable(info, [row["window"]], file):
                    raise InputError(fault)
                found = one.predict(made[index])
            except InputError as error:
                yield row | _fault(what, str(error))
                continue
            yield row | _scores(what, PERTURBED, found)
            yield row | _scores(what, RECORDED, one.reference[name], found.places)


def _stored(recordings: Recordings, index: str, recording: Recording, folder: Path) -> Stored:
    """Return a recording prepared in a folder, as the store of an index has it."""
    epochs = cut(recording, recordings.filterings[index])
    info = replace(
        recordings.indexes[index][recording.name].info,
        places=epochs.places,
        onsets=epochs.onsets,
        stages=epochs.stages,
        labels={channel: signal.label for channel, signal in recording.signals.items()},
    )
    folder.mkdir()
    write_epochs(folder / "epochs.h5", info, epochs.signals)
    return add_spectrograms(folder / "epochs.h5", folder / "spectrograms.h5")


def _told(recordings: Recordings, recording: Recording) -> Row:
    """Return whether preparation would warn of a recording, or refuse it."""
    refused = True
    with warnings_of_inputs() as remarks, suppress(InputError):
        plausibility.check(recording.files[0], recording.signals, recordings.source.units)
        refused = False
    return {"warned": int(bool(remarks) and not refused), "refused": int(refused)}


def _scores(
    perturbation: str, signals: str, prediction: Prediction, places: Integers | None = None
) -> Row:
    """Return the confusion matrix of a prediction, of all its epochs or of those at some places."""
    stages = decided(prediction)
    chosen = slice(None) if places is None else np.isin(prediction.places, places)
    counts = confusion(prediction.stages[chosen], stages[chosen]).ravel().tolist()
    facts = {"perturbation": perturbation, "signals": signals, "fault": ""}
    return facts | dict(zip(COUNTS, counts, strict=True))


def _fault(perturbation: str, fault: str) -> Row:
    """Return the row of a recording that has no scores."""
    facts = {"perturbation": perturbation, "signals": PERTURBED, "fault": fault}
    return facts | dict.fromkeys(COUNTS, "")
