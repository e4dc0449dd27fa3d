"""Spectrograms normalised by the recording itself or by others, for the DREAMS excerpts.

    python benchmarks/normalisation.py [--folder ../shared/data/dreams]

The authors' SeqSleepNet of one EEG channel scores every excerpt with the statistics of itself (as
``--normalise night``) and of the other excerpts, which share its amplifier, as a training set
would; then with those of the others once more, after its signal was halved and doubled, as if
another amplifier had recorded it. Prints accuracy (%) and kappa per excerpt and of all epochs
together, and how many epochs of N3 are found (docs/explanation/amplifier.md). The network is
fetched unless it is there (xsleep models).
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, cohen_kappa_score

from xsleep.core.stages import STAGES
from xsleep.databases import open_database, source_of
from xsleep.preparation.preprocessing import cut
from xsleep.scoring.probabilities import score
from xsleep.staging.ensemble import open_model
from xsleep.staging.held import HeldData
from xsleep.store.recordings import RecordingInfo
from xsleep.training.sequences import Part, normalisation

NETWORK = "seqsleepnet-mass-eeg"
N3 = STAGES.index("N3")
GAINS = {"others": 1, "others, halved": 0.5, "others, doubled": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("../shared/data/dreams"))
    labels = {"EEG": ["C3-A1", "CZ-A1"]}
    source = source_of(reader="dreams", folder=parser.parse_args().folder, labels=labels)
    database = open_database(source)
    nights = {e.name: cut(database.read(e, ["EEG"])) for e in database.entries()}
    network = open_model(NETWORK).networks[0]

    def part(name: str, gain: float = 1) -> Part:
        night = nights[name]
        signals = {"EEG": np.float32(gain) * night.signals["EEG"][:]}
        data = HeldData(signals, np.arange(len(night.places)))
        return Part(RecordingInfo(name, name, night.places, night.onsets, night.stages), data)

    def predicted(one: Part, by: list[Part]) -> np.ndarray:
        network.set_normalisation(*normalisation(by, network.settings.normalisation))
        (found,) = score(network, [one], longest_gap=None)
        return found.probabilities[network.branches[-1]].argmax(axis=1)

    stages, found = {}, {}
    for name in nights:
        others = [part(other) for other in nights if other != name]
        stages[name] = nights[name].stages
        found[name] = {"itself": predicted(part(name), [part(name)])} | {
            how: predicted(part(name, gain), others) for how, gain in GAINS.items()
        }
    hows = ("itself", *GAINS)
    print(f"| excerpt | epochs | {' | '.join(hows)} |\n| --- | ---: |{' ---: |' * len(hows)}")
    rows = {name: (stages[name], found[name]) for name in nights}
    pooled = {how: np.concatenate([one[how] for one in found.values()]) for how in hows}
    rows["all"] = np.concatenate([*stages.values()]), pooled
    for name, (true, by) in rows.items():
        told = [
            f"{100 * accuracy_score(true, by[how]):.1f}, {cohen_kappa_score(true, by[how]):.3f}"
            for how in hows
        ]
        print(f"| {name.removeprefix('excerpt')} | {len(true)} | {' | '.join(told)} |")
    deep = rows["all"][0] == N3
    told = [str(np.sum(pooled[how][deep] == N3)) for how in hows]
    print(f"| N3 found | {deep.sum()} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
