"""Stagers that are not trained here: YASA, and any xsleep network by its name or path.

A stager scores the stored recordings of a database, and says what it is and what was done.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from xsleep.core.arrays import Integers
from xsleep.core.errors import InputError, reason
from xsleep.core.recording import EPOCH_SECONDS, RATE, kind
from xsleep.external.making import for_each, of_probabilities
from xsleep.preparation.windows import scored_seconds, within
from xsleep.results.audit.finding import many
from xsleep.staging.ensemble import check_name, open_model
from xsleep.staging.score import Normalisation, ensemble_probabilities, unlike_training
from xsleep.store.predictions import Prediction
from xsleep.store.recordings import RecordingData, Stored
from xsleep.training.parts import load_part


class Stager(ABC):
    """A stager; ``description`` says its name and version, training data and licence."""

    description: str

    def score(
        self, recordings: Sequence[Stored], channels: tuple[str, ...], window: str
    ) -> tuple[list[Prediction], list[str]]:
        """Return the predictions of the recordings, and remarks: what it is and what was done.

        A recording that cannot be scored is left out, and a remark says why.

        Raises:
            InputError: the stager does not read these channels, or no recording can be scored.
        """
        self.check_channels(channels)
        found, faults = for_each(recordings, lambda one: self.predict(one, channels, window))
        return found, [self.description, *self.remarks(recordings, found), *faults]

    @abstractmethod
    def check_channels(self, channels: tuple[str, ...]) -> None:
        """Raise an `InputError` if the stager does not read these channels."""

    @abstractmethod
    def predict(self, stored: Stored, channels: tuple[str, ...], window: str) -> Prediction:
        """Return the prediction of a recording.

        Raises:
            InputError: it cannot be scored.
        """

    @abstractmethod
    def remarks(self, recordings: Sequence[Stored], predictions: Sequence[Prediction]) -> list[str]:
        """Return how the recordings were scored, and what is doubtful, in a line each."""


class Yasa(Stager):
    """YASA, which classifies features of each epoch and of its neighbours by LightGBM.

    It scores whole epochs of 30 s of a continuous signal. Epochs without a stage are not stored:
    the nearest stored epochs take their places.
    """

    STAGES: ClassVar = ["WAKE", "N1", "N2", "N3", "REM"]
    KINDS: ClassVar = (["EEG"], ["EEG", "EOG"], ["EEG", "EMG"], ["EEG", "EOG", "EMG"])

    def __init__(self) -> None:
        try:
            import yasa
        except ImportError as error:
            raise InputError(
                f"stager yasa: cannot be imported ({reason(error)}); pip install yasa"
            ) from error
        self.description = (
            f"YASA {yasa.__version__}: LightGBM, trained on recordings of CCSHS, CFS, CHAT, "
            "HomePAP, MESA, MrOS and SHHS (NSRR); licence BSD-3-Clause"
        )

    def check_channels(self, channels: tuple[str, ...]) -> None:
        if [kind(channel) for channel in channels] not in self.KINDS:
            raise InputError(
                f"stager yasa: reads one EEG, with or without one EOG and one EMG, and not "
                f"{'-'.join(channels)}; set channels of the stager"
            )

    def predict(self, stored: Stored, channels: tuple[str, ...], window: str) -> Prediction:
        from mne import create_info
        from mne.io import RawArray
        from yasa import SleepStaging

        info, chosen = within(stored.info, window)
        if (seconds := round(scored_seconds(info), 2)) != EPOCH_SECONDS:
            raise InputError(
                f"{info.recording}: YASA scores epochs of {EPOCH_SECONDS} s, and these are of "
                f"{seconds:g} s; set source.grid: {EPOCH_SECONDS}, which the readers of DREAMS have"
            )
        raw = RecordingData(stored, channels, chosen).raw(0, len(chosen))
        signals = raw[_without_gaps(info.places)].reshape(-1, len(channels)).T * 1e-6
        kinds = [kind(channel).lower() for channel in channels]
        made = RawArray(signals, create_info(list(channels), RATE, kinds), verbose="error")
        names = {f"{k}_name": c for k, c in zip(kinds, channels, strict=True)}
        with warnings.catch_warnings():
            # Of the names of the stages in its files, which an older scikit-learn wrote.
            warnings.filterwarnings("ignore", "Trying to unpickle estimator LabelEncoder")
            try:
                scored = SleepStaging(made, **names).predict()
            except ValueError as error:
                raise InputError(f"{info.recording}: YASA: {reason(error)}") from error
        chances = scored.proba[self.STAGES].to_numpy()
        return of_probabilities(info, chances[info.places - info.places[0]])

    def remarks(self, recordings: Sequence[Stored], predictions: Sequence[Prediction]) -> list[str]:
        found = []
        filters = {stored.info.raw_filter for stored in recordings} - {"none"}
        if filters:
            found.append(
                f"its signals are filtered ({', '.join(sorted(filters))}), and it was trained on "
                "unfiltered ones"
            )
        lengths = [int(np.diff(one.places).sum()) + 1 - len(one.places) for one in predictions]
        if gaps := [length for length in lengths if length]:
            found.append(
                f"{many(sum(gaps), 'epoch')} without a stage in {many(len(gaps), 'recording')} not "
                "stored; it read the nearest epochs in their places"
            )
        return found


class Networks(Stager):
    """A network, or several of one kind, as ``xsleep score`` takes them.

    Spectrograms are normalised as there: by the statistics of the training set where the networks
    hold them, or else by those of each recording.
    """

    def __init__(self, model: str, report: Callable[[str], None]) -> None:
        try:
            check_name(model)
        except InputError as error:
            raise InputError(
                f"stager {error}; or one of the stagers {', '.join(STAGERS)}"
            ) from None
        self.ensemble = open_model(model, report)
        facts = self.ensemble.facts
        licence = f"; licence {facts['licence']}" if "licence" in facts else ""
        self.description = (
            f"{facts['name']}: {facts['system']}, trained on {facts['trained_on']}{licence}"
        )

    def check_channels(self, channels: tuple[str, ...]) -> None:
        if channels != self.ensemble.channels:
            raise InputError(
                f"stager {self.ensemble.facts['name']}: reads {'-'.join(self.ensemble.channels)} "
                f"and not {'-'.join(channels)}; set channels of the stager"
            )

    def predict(self, stored: Stored, channels: tuple[str, ...], window: str) -> Prediction:
        part = load_part(stored, window, channels, self.ensemble.networks[0].settings)
        return of_probabilities(
            part.info, ensemble_probabilities(self.ensemble, part, self.normalisation)
        )

    @property
    def normalisation(self) -> Normalisation:
        """Origin of the statistics that spectrograms are normalised with."""
        return "training" if self.ensemble.has_statistics else "night"

    def remarks(self, recordings: Sequence[Stored], predictions: Sequence[Prediction]) -> list[str]:
        found = list(self.ensemble.doubts)
        if "time-frequency" in self.ensemble.networks[0].views:
            whose = {"training": "of its training set", "night": "of each recording"}
            found.append(f"spectrograms normalised by the statistics {whose[self.normalisation]}")
        infos = [stored.info for stored in recordings]
        labels = [info.labels for info in infos if info.labels]
        unlike = Counter(line for of in labels for line in unlike_training(self.ensemble, of))
        found += [f"{line} ({many(count, 'recording')})" for line, count in unlike.items()]
        # The first file of a recording has its signals.
        signals = [next(iter(info.hashes.values()), "") for info in infos]
        if seen := sum(digest in self.ensemble.training_files for digest in signals):
            found.append(
                f"it was trained or validated on {seen} of {many(len(infos), 'recording')}"
            )
        return found


STAGERS: dict[str, Callable[[], Stager]] = {"yasa": Yasa}
"""Stagers by name, besides networks."""


def open_stager(name: str, report: Callable[[str], None] = print) -> Stager:
    """Return a stager of `STAGERS`, or a network by what `open_model` takes.

    Raises:
        InputError: there is none of this name or path, or it cannot be used.
    """
    return STAGERS[name]() if name in STAGERS else Networks(name, report)


def _without_gaps(places: Integers) -> Integers:
    """Return the index of the epoch at each place from the first to the last, or of the nearest."""
    every = np.arange(places[0], places[-1] + 1)
    nearest: Integers = np.rint(np.interp(every, places, np.arange(len(places)))).astype(int)
    return nearest
