"""Scoring of one recording: any recording and any network in, its stages out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from xsleep.core.arrays import Floats
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.recording import EPOCH_SECONDS, Signal
from xsleep.core.stages import STAGES
from xsleep.staging import montage, quality
from xsleep.staging.ensemble import Ensemble, open_model
from xsleep.staging.known import DEFAULT
from xsleep.staging.scored import Scored, Taken
from xsleep.staging.sources import Source, open_source

if TYPE_CHECKING:
    from mne.io import BaseRaw


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
    with warnings_of_inputs() as warned:
        signals = {c: source.read(c, found[0], unit) for c, found in choices.items()}
        seen = quality.look(source.name, signals, [*signals] if unit else [])
    taken = {
        channel: Taken(
            signal.label,
            choices[channel][0].why,
            signal.unit,
            signal.rate,
            tuple(choice.label for choice in choices[channel][1:]),
        )
        for channel, signal in signals.items()
    }
    probabilities, spectrum, normalised = _probabilities(
        source, signals, ensemble, seen.bad, normalise
    )
    doubts = [*ensemble.doubts, *_unlike(ensemble.montage, taken), *warned, *seen.doubts]
    return Scored(
        source.name,
        source.start,
        np.arange(len(seen.bad)) * float(EPOCH_SECONDS),
        probabilities,
        seen.bad,
        taken,
        ensemble.facts,
        normalised,
        tuple(doubts),
        spectrum,
    )


def _unlike(trained: Mapping[str, tuple[str, ...]], taken: Mapping[str, Taken]) -> list[str]:
    """Return how the scored signals differ from those that the network was trained on."""
    return [
        f"{channel} is {taken[channel].label!r}; the network was trained on {' or '.join(labels)}"
        for channel, labels in trained.items()
        if montage.electrodes(taken[channel].label) not in map(montage.electrodes, labels)
    ]


def _probabilities(
    source: Source,
    signals: Mapping[str, Signal],
    ensemble: Ensemble,
    bad: np.ndarray,
    normalise: Normalisation,
) -> tuple[Floats, Floats, Normalisation]:
    """Return (n, 5) probabilities, (n, 129) decibels, and the normalisation that was used."""
    from xsleep.compute import device
    from xsleep.scoring.probabilities import score as apply
    from xsleep.staging.held import held_part
    from xsleep.training.sequences import normalisation

    settings = ensemble.networks[0].settings
    part, spectrum = held_part(source.name, signals, bad, settings)
    night: Normalisation = normalise if ensemble.has_statistics else "night"
    sums = 0.0
    for network in ensemble.networks:
        if night == "night" and "time-frequency" in network.views:
            network.set_normalisation(*normalisation([part], settings.normalisation))
        (prediction,) = apply(network.to(device.best()), [part], None)
        sums = sums + np.log(prediction.probabilities[network.branches[-1]].clip(1e-30))
    mean = np.exp(sums / len(ensemble.networks))
    probabilities = np.full((len(bad), len(STAGES)), np.nan)
    probabilities[~bad] = mean / mean.sum(axis=1, keepdims=True)
    return probabilities, spectrum, night
