"""Checkpoints of an unfinished run: training state in, a run that resumes where it stopped out."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import parallel
from xsleep.core.files import whole
from xsleep.networks import Network
from xsleep.training.blending import Policy
from xsleep.training.parts import Training

CHECKPOINT = "checkpoint.pt"
"""Name of the file in the run's folder while it trains. The caller of the training deletes it once
all files of the run are written."""

FORMAT_VERSION = 2
"""Format version of the checkpoint, to be raised whenever its content changes."""


@dataclass
class Progress:
    """State of a run besides the network and the optimiser.

    ``weights`` are branch to loss weight, ``history`` the lines of ``history.csv``; ``seconds`` is
    the duration of the training so far.
    """

    step: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    evaluations_without_gain: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def fingerprint(network: Network, training: Training) -> str:
    """Return the fingerprint that a checkpoint must match to be resumed.

    The network is on the CPU and has the weights that the training starts from.
    """
    start = hashlib.sha256()
    for tensor in network.state_dict().values():
        start.update(tensor.numpy())
    facts = [
        FORMAT_VERSION,
        training.system,
        training.channels,
        network.settings.model_dump(),
        start.hexdigest(),
        training.blocks,
        training.settings.model_dump(),
        training.seed,
        [
            [(part.info.recording, len(part), dict(part.info.hashes)) for part in parts]
            for parts in vars(training.data).values()
        ],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """Checkpoint file of a run, and the state that it saves and `restore` changes in place.

    A file with another fingerprint is ignored.
    """

    path: Path
    fingerprint: str
    network: Network
    optimizer: torch.optim.Optimizer
    blending: Policy
    progress: Progress

    def save(self) -> None:
        """Write the state; of several processes, with the random states of all, by the first."""
        on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        random = parallel.gathered((torch.get_rng_state(), on_gpu))
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
