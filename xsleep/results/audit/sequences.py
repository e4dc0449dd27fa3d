"""Check of the sequences that networks were trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.arrays import Integers
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.finding import Findings, faults_of, many
from xsleep.results.audit.trainings import Training
from xsleep.training.parts import load_part
from xsleep.training.sequences import TrainingSequences


def sequences(evidence: Evidence) -> Findings:
    """No training sequence crosses recordings or bridges a gap longer than configured.

    The sequences are drawn as in training; their number is also counted independently.
    """
    counted = []

    def examine(training: Training) -> Iterator[str]:
        record = training.record
        settings = TrainingSettings(**record["training"])
        # Without the amplitudes, which do not matter here, as they need all signals.
        network = NetworkSettings(**record["network"] | {"raw_deviation": None})
        length, gap = network.sequence_length, settings.longest_gap
        used, channels = training.used("training"), tuple(record["channels"].split("-"))
        parts = [load_part(evidence.stored_of(u), u.window, channels, network) for u in used]
        order = {"seed": record["seed"], "shuffle": settings.shuffle}
        batches = TrainingSequences(parts, length, settings.batch_size, gap, **order)
        chosen = np.concatenate([batches.chosen(step) for step in range(len(batches))])
        counted.append(len(chosen))
        for number, (one, part) in enumerate(zip(used, parts, strict=True)):
            name, places = part.info.recording, part.info.places
            if (np.diff(places) <= 0).any():
                yield f"{one.store}: {name} goes back in time: it is more than one recording"
            firsts = chosen[chosen[:, 0] == number, 1]
            if (crossing := firsts[firsts + length > len(places)]).size:
                yield (
                    f"{training.folder}: a sequence of {length} epochs begins at epoch "
                    f"{crossing[0]} of the {len(places)} of {name}"
                )
            elif gap is not None and (bridging := _bridging(places, firsts, length, gap)).size:
                first = bridging[0]
                yield f"{training.folder}: a sequence of {name} bridges a gap at epoch {first}"
        expected = sum(_count(part.info.places, length, gap) for part in parts)
        if record["training_sequences"] != expected:
            yield (
                f"{training.folder / 'run.json'}: {record['training_sequences']:,} training "
                f"sequences, but {expected:,} lie within one recording"
            )

    faults = faults_of(evidence.trainings, examine)
    return Findings(many(sum(counted), "sequence"), faults)


def _bridging(places: Integers, firsts: Integers, length: int, gap: int) -> Integers:
    """Return the first epochs of the sequences that bridge more than ``gap`` dropped epochs."""
    longer = np.concatenate([[0], np.cumsum(np.diff(places) > gap + 1)])
    found: Integers = firsts[longer[firsts + length - 1] > longer[firsts]]
    return found


def _count(places: Integers, length: int, gap: int | None) -> int:
    """Return the number of sequences of a recording."""
    longest = np.inf if gap is None else gap + 1
    cuts = np.flatnonzero(np.diff(places) > longest) + 1
    return sum(max(len(stretch) - length + 1, 0) for stretch in np.split(places, cuts))
