"""Training jobs: settings and stored recordings in; model, history and ``run.json`` out."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import parallel
from xsleep.config.names import BLOCKS, STRATEGIES
from xsleep.config.network import NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.files import check_writable, csv_file, read_csv, sha256, whole
from xsleep.networks import Network, build, checkpoints
from xsleep.store.recordings import Stored, read_index
from xsleep.systems import same_network
from xsleep.training import CHECKPOINT, loop
from xsleep.training.origin import origin, signals
from xsleep.training.parts import Data, Training, load_part, recordings_of_role
from xsleep.training.sequences import Part, bridging

ROLES = ("training", "training subset", "validation")
"""Roles of `Data`, as in the tables of folds."""


@dataclass(frozen=True)
class TrainingJob:
    """Training of one network, which writes ``model.safetensors``, ``history.csv``, ``run.json``.

    Attributes:
        address: channels, system and seed; of a fold also database, window and fold; of a
            pretraining source, of a network for new recordings database and window; of a finetuning
            source, source_channels and strategy.
        settings: hyper-parameters.
        folder: receives the files.
        threads: of the processor, of all processes together.
        report: receives lines about the progress.
    """

    address: Mapping[str, Any]
    settings: TrainingSettings
    folder: Path
    threads: int
    report: Callable[[str], None]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels of the network."""
        return tuple(self.address["channels"].split("-"))

    def train(self, network: NetworkSettings, folds: Path, index: Path) -> None:
        """Train a network on a fold of the table ``folds`` of the recordings in ``index``."""
        self.run(self._network(network), self._fold(folds, index, network), {folds.name: folds})

    def finetune(self, subjects: int | None, pretrained: Path, folds: Path, index: Path) -> None:
        """Finetune the network of a checkpoint on a fold, as `train` does.

        The network's settings are those of the pretraining; the spectrograms are normalised with
        the statistics of the target's training recordings. ``subjects`` is the number of training
        subjects; ``None``: all.

        Raises:
            InputError: the network is of another system, or has another number of channels.
        """
        system, strategy = self.address["system"], self.address["strategy"]
        network, pretrained_system, pretrained_channels = checkpoints.load(pretrained)
        if not same_network(pretrained_system, system):
            raise InputError(
                f"{pretrained}: the network of an {pretrained_system}, which cannot be finetuned "
                f"as {system}; take weights of the same system"
            )
        if len(pretrained_channels) != len(self.channels):
            raise InputError(
                f"{pretrained}: a network of the channels {', '.join(pretrained_channels)}, for "
                f"the target's {', '.join(self.channels)}; choose as many"
            )
        if strategy == "scratch":
            network = self._network(network.settings)
        data = self._fold(folds, index, network.settings, subjects)
        inputs = {folds.name: folds, "pretrained": pretrained}
        self.run(network, data, inputs, STRATEGIES[strategy])

    def pretrain(
        self, network: NetworkSettings, split: Path, databases: Mapping[str, tuple[Path, str]]
    ) -> None:
        """Pretrain a network on whole databases, by their table of `make_source_split`."""
        recordings = {name: read_index(index) for name, (index, _) in databases.items()}

        stored: dict[str, list[tuple[str, Stored]]] = {role: [] for role in ROLES}
        with csv_file(split):
            for row in read_csv(split):
                name = row["database"]
                stored[row["role"]].append((name, recordings[name][row["recording"]]))

        def parts(role: str) -> list[Part]:
            return [load_part(s, databases[d][1], self.channels, network) for d, s in stored[role]]

        self.run(self._network(network), Data(*map(parts, ROLES)), {split.name: split})

    def _network(self, settings: NetworkSettings) -> Network:
        """Return the network with its initial weights."""
        return build(self.address["system"], len(self.channels), settings, self.address["seed"])

    def _fold(
        self, folds: Path, index: Path, network: NetworkSettings, subjects: int | None = None
    ) -> Data:
        """Return the recordings of the fold."""
        fold, window, recordings = self.address["fold"], self.address["window"], read_index(index)

        def parts(role: str) -> list[Part]:
            stored = recordings_of_role(recordings, folds, fold, role, subjects=subjects)
            return [load_part(one, window, self.channels, network) for one in stored]

        return Data(*map(parts, ROLES))

    def run(
        self,
        network: Network,
        data: Data,
        inputs: Mapping[str, Path],
        blocks: Sequence[str] = BLOCKS,
    ) -> None:
        """Train blocks of a network, and write ``run.json`` with the settings and the origin of it.

        ``inputs`` are name to file of what else was read.

        Raises:
            InputError: the folder cannot be written to, or a role has no recording.
        """
        torch.set_num_threads(max(self.threads // parallel.size(), 1))
        began = time.monotonic()
        # Steps that may fail come before hours of training.
        check_writable(self.folder)
        roles = dict(zip(ROLES, vars(data).values(), strict=True))
        if empty := [role for role, parts in roles.items() if not parts]:
            raise InputError(
                f"{self.folder}: no recording for the {empty[0]}; add recordings, or set fewer "
                "folds in the configuration of the database"
            )
        length, gap = network.settings.sequence_length, self.settings.longest_gap
        known = {
            "training_subjects": len({part.info.subject for part in data.training}),
            "sequences_bridging_gaps": sum(
                bridging(part.info.places, length, gap) for part in data.training
            ),
            **signals(data.training, self.channels),
            **origin(roles, inputs),
        }
        system, seed = self.address["system"], self.address["seed"]
        training = Training(system, self.channels, seed, self.settings, data, blocks)
        facts = loop.train(network, training, self.folder, self.report)
        if parallel.rank():
            return
        outputs = ("model.safetensors", "history.csv")
        run = {
            **self.address,
            "network": network.settings.model_dump(mode="json"),
            "training": self.settings.model_dump(mode="json"),
            **facts,
            "duration_seconds": round(time.monotonic() - began, 1),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **known,
            "outputs": {name: sha256(self.folder / name) for name in outputs},
        }
        with whole(self.folder / "run.json") as temporary:
            temporary.write_text(json.dumps(run, indent=2) + "\n")
        (self.folder / CHECKPOINT).unlink(missing_ok=True)
