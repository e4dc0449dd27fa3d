"""Scoring of one recording: any recording and any network in, its stages out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from xsleep.core.arrays import Doubles, Singles
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES
from xsleep.databases.formats import plausibility
from xsleep.preparation.preprocessing import SAMPLES, filtered_channel
from xsleep.staging import montage, quality
from xsleep.staging.ensemble import Ensemble, open_model
from xsleep.staging.held import HeldData, held_part
from xsleep.staging.known import DEFAULT
from xsleep.staging.scored import Scored, Taken
from xsleep.staging.sources import open_source
from xsleep.training.sequences import normalisation

if TYPE_CHECKING:
    from mne.io import BaseRaw

    from xsleep.training.sequences import Part


Normalisation = Literal["training", "night"]

SHORTEST = 10 * 60
"""Seconds that a recording must have: a sequence of the released networks."""


def score(
    recording: str | Path | BaseRaw,
    model: str | Path | Ensemble = DEFAULT,
    *,
    eeg: str = "",
    eog: str = "",
    emg: str = "",
    unit: str = "",
    normalise: Normalisation = "training",
    report: Callable[[str], None] = print,
) -> Scored:
    """Score every whole 30-s epoch of a recording.

    Args:
        recording: path of a file that MNE reads, or an `mne.io.Raw`.
        model: name or path of a network (`open_model`), or what that returned.
        eeg, eog, emg: label of the signal to score, or a derivation as in ``C4-M1``, in place of
            what is found.
        unit: of the signals' numbers (nV, uV, mV, V), in place of what the file says.
        normalise: spectrograms by the statistics of the training set, or of this ``night``.
        report: is told what is fetched.

    Raises:
        InputError: the recording or the network cannot be used; the line says why.
    """
    source = open_source(recording)
    if source.seconds < SHORTEST:
        raise InputError(
            f"{source.name}: lasts {source.seconds:.0f} s; at least {SHORTEST} s are needed"
        )
    ensemble = model if isinstance(model, Ensemble) else open_model(str(model), report)
    given = {k: v for k, v in {"EEG": eeg, "EOG": eog, "EMG": emg}.items() if v}
    if surplus := given.keys() - {*ensemble.channels}:
        raise InputError(
            f"{ensemble.facts['name']}: reads {'-'.join(ensemble.channels)} and no "
            f"{', '.join(sorted(surplus))}; leave --{min(surplus).lower()} out"
        )
    choices = montage.find(source.name, ensemble.channels, source.signals, given, ensemble.montage)
    taken: dict[str, Taken] = {}
    looks: dict[str, quality.Quality] = {}
    filtered: dict[str, Singles] = {}
    epochs = int(source.seconds // EPOCH_SECONDS)
    with warnings_of_inputs() as warned:
        labels = {channel: found[0].label for channel, found in choices.items()}
        plausibility.check_kinds(Path(source.name), labels)
        for channel, (choice, *others) in choices.items():
            signal = source.read(channel, choice, unit)
            looks[channel] = quality.look(source.name, channel, signal, epochs, bool(unit))
            values = filtered_channel(
                Path(source.name), channel, signal, ensemble.networks[0].settings
            )
            filtered[channel] = values[: epochs * SAMPLES].reshape(epochs, SAMPLES)
            fitting = tuple(other.label for other in others)
            taken[channel] = Taken(signal.label, choice.why, signal.unit, signal.rate, fitting)
        compared = quality.compare(source.name, looks)
    bad = np.any([found.bad for found in looks.values()], axis=0)
    deviation = ensemble.networks[0].settings.raw_deviation
    part = held_part(source.name, filtered, bad, deviation)
    applied: Normalisation = normalise if ensemble.has_statistics else "night"
    probabilities = np.full((epochs, len(STAGES)), np.nan)
    probabilities[~bad] = _probabilities(ensemble, part, applied)
    seen = [doubt for found in looks.values() for doubt in found.doubts]
    return Scored(
        source.name,
        source.start,
        np.arange(epochs) * float(EPOCH_SECONDS),
        probabilities,
        bad,
        taken,
        ensemble.facts,
        applied,
        (*ensemble.doubts, *_unlike(ensemble.montage, taken), *warned, *seen, *compared),
        HeldData(filtered, part.info.places).spectrum(),
    )


def _unlike(trained: Mapping[str, tuple[str, ...]], taken: Mapping[str, Taken]) -> list[str]:
    """Return how the scored signals differ from those that the network was trained on."""
    return [
        f"{channel} is {taken[channel].label!r}; the network was trained on {' or '.join(labels)}"
        for channel, labels in trained.items()
        if montage.electrodes(taken[channel].label) not in map(montage.electrodes, labels)
    ]


def _probabilities(ensemble: Ensemble, part: Part, applied: Normalisation) -> Doubles:
    """Return the probabilities (n, 5) of an ensemble: the mean of the log-probabilities."""
    from xsleep.compute import device
    from xsleep.scoring.probabilities import score as apply

    sums: Doubles = np.zeros(())
    for network in ensemble.networks:
        if applied == "night" and "time-frequency" in network.views:
            network.set_normalisation(*normalisation([part], network.settings.normalisation))
        (prediction,) = apply(network.to(device.best()), [part], None)
        found = prediction.probabilities[network.branches[-1]].astype(np.float64)
        sums = sums + np.log(found.clip(np.finfo(np.float32).tiny))
    mean: Doubles = np.exp(sums / len(ensemble.networks))
    return mean / mean.sum(axis=1, keepdims=True)
