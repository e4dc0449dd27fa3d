"""Checkpoints of an unfinished run: training state in, a run that resumes where it stopped out."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import parallel
from xsleep.core.errors import DamagedError, InputError
from xsleep.core.files import whole
from xsleep.networks import Network
from xsleep.training.blending import Policy
from xsleep.training.parts import Training

FORMAT_VERSION = 3
"""Format version of the checkpoint, to be raised whenever its content changes."""


@dataclass
class Progress:
    """State of a run besides the network and the optimiser.

    ``weights`` are branch to loss weight, ``history`` the lines of ``history.csv``; ``seconds`` is
    the duration of the training so far. ``best_accuracy`` is minus the lowest loss where that
    selects the network.
    """

    step: int = 0
    best_accuracy: float = -math.inf
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    evaluations_without_gain: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write the content of a checkpoint after its SHA-256; PyTorch itself checks no contents."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with whole(path) as temporary, temporary.open("wb") as file:
        file.write(hashlib.sha256(buffer.getbuffer()).digest())
        file.write(buffer.getbuffer())


def read(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint, with tensors on the CPU.

    Raises:
        FileNotFoundError: there is none.
        DamagedError: it is damaged, or another file.
        InputError: it cannot be read now.
    """
    try:
        with path.open("rb") as file:
            digest, content = file.read(hashlib.sha256().digest_size), file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); mend that, or delete it to begin anew"
        ) from error
    if hashlib.sha256(content).digest() != digest:
        raise DamagedError(f"{path}: damaged, or not a checkpoint of xsleep")
    saved: dict[str, Any] = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    return saved


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

    ``average`` is the network with averaged weights, if there is one. A file that is damaged or has
    another fingerprint is ignored, and ``report`` receives a line.
    """

    path: Path
    fingerprint: str
    network: Network
    optimizer: torch.optim.Optimizer
    blending: Policy
    progress: Progress
    report: Callable[[str], None]
    average: Network | None = None

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
        if self.average is not None:
            content["average"] = self.average.state_dict()
        write(self.path, content)

    def restore(self) -> bool:
        """Restore the state from the file; return whether there was one of this run."""
        try:
            saved = read(self.path)
        except FileNotFoundError:
            return False
        except DamagedError as error:
            self.report(f"{error.fault}; the training begins anew")
            return False
        if saved["fingerprint"] != self.fingerprint:
            self.report(
                f"{self.path}: of a training with other settings, recordings or version of this "
                "program; the training begins anew"
            )
            return False
        self.network.load_state_dict(saved["network"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
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
