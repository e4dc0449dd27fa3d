"""Job of the robustness table: the test recordings of a fold in, perturbed and scored again out.

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
from xsleep.config.robustness import Derivation, Lost, Perturbation, RobustnessSettings
from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.files import write_csv
from xsleep.core.recording import Recording
from xsleep.databases import Entry, Source, open_database
from xsleep.databases.formats import plausibility
from xsleep.external.logistic import features, fitted, predicted
from xsleep.external.stagers import open_stager
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
"""Of a recording that cannot be read."""


@dataclass(frozen=True)
class Scorer:
    """A system of Table 2 that scores signals.

    Attributes:
        row: database, window, channels, system and seed.
        kind: how it scores.
        index: of the store that it reads.
        predictions: file with those of the test recordings as they were recorded.
        model: checkpoint of a network, or name of a stager.
        scoring: settings of a network's scoring.
    """

    row: Row
    kind: Literal["network", "stager", "logistic regression"]
    index: str
    predictions: str
    model: str
    scoring: Mapping[str, Any]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that it reads."""
        return tuple(self.row["channels"].split("-"))

    def suffers(self, change: Perturbation) -> bool:
        """Return whether a perturbation reaches any of its channels."""
        if isinstance(change, Derivation) and self.row["database"] not in change.labels:
            return False
        return not isinstance(change, Derivation | Lost) or change.channel in self.channels


@dataclass(frozen=True)
class Fold:
    """Test recordings of a fold, as files and in the stores that systems read.

    Attributes:
        source: settings of the database.
        channels: channels that are stored.
        filterings: filters of each store, by the path of its index.
    """

    database: str
    number: int
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

    def of(self, index: str, role: str) -> list[Stored]:
        """Return the stored recordings of a role."""
        return recordings_of_role(self.indexes[index], self.folds, self.number, role)

    def read(self, name: str, change: Perturbation | None = None) -> Recording:
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
    """A system that is ready to score the test recordings of a fold, or why it is not.

    Attributes:
        reference: predictions of the recordings as they were recorded, by recording.
    """

    scorer: Scorer
    reference: Mapping[str, Prediction] = field(default_factory=dict)
    predict: Predict | None = None
    fault: str = ""


def score_perturbed(
    fold: Fold,
    scorers: Sequence[Scorer],
    settings: RobustnessSettings,
    out: Path,
    *,
    report: Callable[[str], None],
) -> None:
    """Write how the systems score the test recordings of a fold under each perturbation.

    The CSV file ``out`` has a row for each system, recording and perturbation, and one beside it of
    the same epochs as they were recorded: the confusion matrix, whether preparation would warn of
    the recording or refuse it, and why it has no scores.

    Raises:
        InputError: a file of a recording, or of the store, cannot be read.
    """
    opened = [_open(one, fold) for one in scorers]
    rows: list[Row] = []
    tested = fold.of(next(iter(fold.filterings)), "test")
    for place, stored in enumerate(tested, start=1):
        name = stored.info.recording
        report(f"{place} of {len(tested)}: {name}")
        recorded = fold.read(name)
        told = _told(fold, recorded)
        found = [
            one.scorer.row | told | _scores(NONE, RECORDED, one.reference[name])
            for one in opened
            if name in one.reference
        ]
        for change in settings.perturbations:
            if some := [one for one in opened if one.scorer.suffers(change)]:
                found += _under(fold, recorded, change, settings.seed, some=some)
        where = {"fold": fold.number, "subject": stored.info.subject, "recording": name}
        rows += [where | row for row in found]
    faults = (f"{row['recording']}: {row['fault']}" for row in rows if row["fault"])
    for line in dict.fromkeys(faults):
        report(line)
    write_csv(out, rows)


def _open(scorer: Scorer, fold: Fold) -> Opened:
    """Return a system that is ready to score, or why it is not."""
    try:
        predictions = read_predictions(scorer.predictions)
        for one in predictions:
            decided(one)  # or the file cannot be used
        predict = _opened(scorer, fold)
    except InputError as error:
        return Opened(scorer, fault=str(error))
    return Opened(scorer, {one.recording: one for one in predictions}, predict)


def _opened(scorer: Scorer, fold: Fold) -> Predict:
    """Return the function that scores a recording."""
    channels, window = scorer.channels, scorer.row["window"]
    if scorer.kind == "stager":
        stager = open_stager(scorer.model)
        stager.check_channels(channels)
        return lambda stored: stager.predict(stored, channels, window)
    if scorer.kind == "logistic regression":
        training = [features(one, channels, window) for one in fold.of(scorer.index, "training")]
        model = fitted(training, fold.number)
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
    fold: Fold, recorded: Recording, change: Perturbation, seed: int, *, some: Sequence[Opened]
) -> Iterator[Row]:
    """Yield the rows of a recording under a perturbation."""
    name = recorded.name
    try:
        original = fold.read(name, change) if isinstance(change, Derivation) else recorded
        changed = perturbed(original, change, seed)
    except InputError as error:
        for one in some:
            yield one.scorer.row | UNTOLD | _fault(change.name, str(error))
        return
    told = _told(fold, changed)
    with TemporaryDirectory() as folder:
        made: dict[str, Stored] = {}
        for one in some:
            row, index = one.scorer.row | told, one.scorer.index
            try:
                if one.predict is None:
                    raise InputError(one.fault)
                if name not in one.reference:
                    raise InputError(f"{one.scorer.predictions}: has no prediction of it")
                if index not in made:
                    made[index] = _stored(fold, index, changed, Path(folder, str(len(made))))
                info, file = made[index].info, fold.entries[name].files[0]
                if fault := unusable(info, [row["window"]], file):
                    raise InputError(fault)
                found = one.predict(made[index])
            except InputError as error:
                yield row | _fault(change.name, str(error))
                continue
            yield row | _scores(change.name, PERTURBED, found)
            yield row | _scores(change.name, RECORDED, one.reference[name], found.places)


def _stored(fold: Fold, index: str, recording: Recording, folder: Path) -> Stored:
    """Return a recording prepared in a folder, as the store of an index has it."""
    epochs = cut(recording, fold.filterings[index])
    info = replace(
        fold.indexes[index][recording.name].info,
        places=epochs.places,
        onsets=epochs.onsets,
        stages=epochs.stages,
        labels={channel: signal.label for channel, signal in recording.signals.items()},
    )
    folder.mkdir()
    write_epochs(folder / "epochs.h5", info, epochs.signals)
    return add_spectrograms(folder / "epochs.h5", folder / "spectrograms.h5")


def _told(fold: Fold, recording: Recording) -> Row:
    """Return whether preparation would warn of a recording, or refuse it."""
    refused = True
    with warnings_of_inputs() as remarks, suppress(InputError):
        plausibility.check(recording.files[0], recording.signals, fold.source.units)
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
