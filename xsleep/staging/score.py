"""Scoring of one recording: any recording and any network in, its stages out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from xsleep.core.arrays import Doubles
from xsleep.core.errors import InputError, warnings_of_inputs
from xsleep.core.files import sha256
from xsleep.core.stages import STAGES
from xsleep.staging import montage
from xsleep.staging.ensemble import Ensemble, open_model
from xsleep.staging.epochs import hold
from xsleep.staging.held import held_part
from xsleep.staging.known import DEFAULT
from xsleep.staging.scored import Scored
from xsleep.staging.sources import open_source
from xsleep.training.sequences import normalisation

if TYPE_CHECKING:
    from mne.io import BaseRaw

    from xsleep.training.sequences import Part


Normalisation = Literal["training", "night"]

SHORTEST = 10 * 60
"""Seconds that a recording must have: a sequence of the released networks."""

SEEN = "the network was trained or validated with this recording, so the scores flatter it"


def score(
    recording: str | Path | BaseRaw,
    model: str | Path | Ensemble = DEFAULT,
    *,
    eeg: str = "",
    eog: str = "",
    emg: str = "",
    channels: Mapping[str, str] | None = None,
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
        channels: the same by the names of the network's channels, for others (``EEG2``).
        unit: of the signals' numbers (nV, uV, mV, V), in place of what the file says.
        normalise: spectrograms by the statistics of the training set, or of this ``night``.
        report: is told what is fetched.

    Raises:
        InputError: the recording or the network cannot be used; the line says why.
    """
    if normalise not in get_args(Normalisation):
        raise InputError(f"normalise is {normalise!r}; choose training or night")
    with warnings_of_inputs() as opened:
        source = open_source(recording)
    if source.seconds < SHORTEST:
        raise InputError(
            f"{source.name}: lasts {source.seconds:.0f} s; at least {SHORTEST} s are needed"
        )
    ensemble = model if isinstance(model, Ensemble) else open_model(str(model), report)
    named = {"EEG": eeg, "EOG": eog, "EMG": emg, **(channels or {})}
    given = {channel: label for channel, label in named.items() if label}
    if surplus := given.keys() - {*ensemble.channels}:
        raise InputError(
            f"{ensemble.facts['name']}: reads {'-'.join(ensemble.channels)} and no "
            f"{', '.join(sorted(surplus))}; name signals for the channels that it reads"
        )
    choices = montage.find(source.name, ensemble.channels, source.signals, given, ensemble.montage)
    settings = ensemble.networks[0].settings
    held = hold(source, choices, unit, settings)
    part = held_part(source.name, held.filtered, held.bad, settings.raw_deviation)
    applied: Normalisation = normalise if ensemble.has_statistics else "night"
    probabilities = np.full((len(held.bad), len(STAGES)), np.nan)
    probabilities[~held.bad] = ensemble_probabilities(ensemble, part, applied)
    unlike = unlike_training(ensemble, {c: taken.label for c, taken in held.channels.items()})
    file, known = Path(source.name), ensemble.training_files
    seen = [SEEN] if known and file.is_file() and sha256(file) in known else []
    return Scored(
        source.name,
        source.start,
        held.onsets,
        probabilities,
        held.bad,
        held.channels,
        ensemble.facts,
        applied,
        (*ensemble.doubts, *seen, *unlike, *opened, *held.doubts),
        held.spectrum,
    )


def unlike_training(ensemble: Ensemble, labels: Mapping[str, str]) -> list[str]:
    """Return how the labels of the channels differ from those that a network was trained on."""
    return [
        f"{channel} is {labels[channel]!r}; the network was trained on {' or '.join(trained)}"
        for channel, trained in ensemble.montage.items()
        if montage.identity(labels[channel]) not in map(montage.identity, trained)
    ]


def ensemble_probabilities(ensemble: Ensemble, part: Part, applied: Normalisation) -> Doubles:
    """Return the probabilities (n, 5) of an ensemble: the mean of the log-probabilities."""
    from xsleep.compute import device
    from xsleep.scoring.probabilities import score as apply

    sums: Doubles = np.zeros(())
    for network in ensemble.networks:
        if applied == "night" and "time-frequency" in network.views:
            network.set_normalisation(*normalisation([part], network.settings.normalisation))
        with device.limited_memory(None):
            (prediction,) = apply(network.to(device.best()), [part], None)
        found = prediction.probabilities[network.branches[-1]].astype(np.float64)
        sums = sums + np.log(found.clip(np.finfo(np.float32).tiny))
    mean: Doubles = np.exp(sums / len(ensemble.networks))
    mean /= mean.sum(axis=1, keepdims=True)
    return mean
