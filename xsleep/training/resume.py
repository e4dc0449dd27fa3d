"""Checkpoints of an unfinished run: training state in, a run that resumes where it stopped out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import parallel
from xsleep.config.training import TrainingSettings
from xsleep.core.files import whole
from xsleep.networks import Network
from xsleep.training.blending import Policy
from xsleep.training.parts import Data

CHECKPOINT = "checkpoint.pt"
"""Name of the file in the run's folder while it trains. The caller of the training deletes it once
all files of the run are written."""

FORMAT_VERSION = 2
"""Format version of the checkpoint, to be raised whenever its content changes."""


@dataclass
class Progress:
    """State of a run besides the network and the optimiser.

    Attributes:
        step: number of steps taken.
        best_accuracy, best_weights: those of the best network so far.
        evaluations_without_gain: number of evaluations since the best one.
        weights: branch to its loss weight.
        history: lines of ``history.csv``.
        seconds: duration of the training so far.
    """

    step: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    evaluations_without_gain: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def fingerprint(
    network: Network,
    settings: TrainingSettings,
    data: Data,
    *,
    system: str,
    channels: tuple[str, ...],
    seed: int,
    blocks: Sequence[str],
) -> str:
    """Return the fingerprint that a checkpoint must match to be resumed.

    Args:
        network: with the weights that the training starts from, on the CPU.
        settings, data, system, channels, seed, blocks: as of `xsleep.training.loop.train`.
    """
    start = hashlib.sha256()
    for tensor in network.state_dict().values():
        start.update(tensor.numpy())
    facts = [
        FORMAT_VERSION,
        system,
        channels,
        network.settings.model_dump(),
        start.hexdigest(),
        blocks,
        settings.model_dump(),
        seed,
        [
            [(part.info.recording, len(part), dict(part.info.hashes)) for part in parts]
            for parts in (data.training, data.training_subset, data.validation)
        ],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint file of a run, and what it saves and restores.

    Attributes:
        path: the file.
        fingerprint: of the run; a file with another one is ignored.
        network, optimizer, blending, progress: the state, which `restore` changes in place.
    """

    path: Path
    fingerprint: str
    network: Network
    optimizer: torch.optim.Optimizer
    blending: Policy
    progress: Progress

    def save(self) -> None:
        """Write the state; of several processes, with the random states of all, by the first."""
        random = parallel.gathered(_random_state())
        if parallel.rank():
            return
        content = {
            "fingerprint": self.fingerprint,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "blending": json.dumps(self.blending.state()),
            "progress": vars(self.progress),
            "random": random,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with whole(self.path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    def restore(self) -> bool:
        """Restore the state from the file; return whether there was one of this run."""
        if not self.path.exists():
            return False
        saved = torch.load(self.path, weights_only=True, map_location="cpu")
        if saved["fingerprint"] != self.fingerprint:
            return False
        self.network.load_state_dict(saved["network"])
        capturable = self.optimizer.defaults["capturable"]  # of this device, not the saved one
        self.optimizer.load_state_dict(saved["optimizer"])
        for group in self.optimizer.param_groups:
            group["capturable"] = capturable
        self.blending.restore(json.loads(saved["blending"]))
        vars(self.progress).update(saved["progress"])
        # With more processes than before, the additional ones keep the state of their seeds.
        if parallel.rank() < len(saved["random"]):
            on_cpu, on_gpu = saved["random"][parallel.rank()]
            torch.set_rng_state(on_cpu)
            if on_gpu is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(on_gpu)
        return True


def _random_state() -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the states of this process's random generators, on the CPU and on its GPU."""
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return torch.get_rng_state(), on_gpu
