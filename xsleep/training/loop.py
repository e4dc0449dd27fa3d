"""One run: train one network on one fold, keep the best, resume where it was stopped."""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import device, parallel
from xsleep.config.names import BLOCKS
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.core.files import whole, write_csv
from xsleep.networks import Network, checkpoints
from xsleep.training import minibatches
from xsleep.training.blending import Blend, policy
from xsleep.training.evaluation import Losses, evaluate
from xsleep.training.sequences import Part, TrainingSequences, named, normalisation
from xsleep.training.step import Graphed, Step

CHECKPOINT = "checkpoint.pt"
"""In the run's folder while it trains: all that is needed to go on after an evaluation. Whoever
trains deletes it once all files of the run are written."""

CHECKPOINT_VERSION = 2
"""Of its content: to be raised where that changes."""


@dataclass(frozen=True)
class Data:
    """The recordings of one fold, by role."""

    training: Sequence[Part]
    training_subset: Sequence[Part]
    validation: Sequence[Part]


@dataclass
class Progress:
    """What changes while a run trains, besides the network and the optimiser."""

    step: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    evaluations_without_gain: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def train(
    system: str,
    channels: tuple[str, ...],
    network: Network,
    settings: TrainingSettings,
    data: Data,
    seed: int,
    folder: Path,
    report: Callable[[str], None] = print,
    blocks: Sequence[str] = BLOCKS,
) -> dict[str, Any]:
    """Train a network, and write ``model.safetensors`` and ``history.csv`` into ``folder``.

    Of a network that is trained already, ``blocks`` may be some or none: the parameters of the
    others stay as they are, and without any it is kept as it is, but for the normalisation of
    spectrograms, which is always that of these training recordings.

    The network that is kept is the last, or the one with the best validation accuracy of its last
    branch (the joint one, where there is one); of equals the latest. A run that was stopped goes on
    from its last evaluation, and ends as if it had not been stopped.

    Several processes may train it together (`parallel`), each on its share of a minibatch;
    but for dropout, and rounding, the steps are those of one.

    Returns:
        What ``run.json`` tells of the training: steps, best step, seconds, device.
    """
    torch.manual_seed(seed + parallel.rank())  # what they drop differs
    place = device.best()
    on_gpu = place.type == "cuda"
    fingerprint = _fingerprint(system, channels, network, settings, seed, data, blocks)
    network.to(place)
    if "time-frequency" in network.views:
        statistics = normalisation(data.training, network.settings.normalisation)
        network.set_normalisation(*map(torch.from_numpy, statistics))
    frozen = [block for name, block in network.blocks().items() if name not in blocks]
    for block in frozen:
        block.requires_grad_(False)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(
        _parameter_groups(network, trained, settings.l2),
        settings.learning_rate,
        eps=settings.adam_epsilon,
        fused=True,
        capturable=on_gpu,
    )
    step = Step(network, optimizer, settings.loss_reduction)
    take_step = Graphed(step, place) if on_gpu and parallel.size() == 1 else step
    blending = policy(system, settings)
    gap = settings.longest_gap
    sequences = TrainingSequences(
        *(data.training, network.settings.sequence_length, settings.batch_size, gap, seed),
        settings.shuffle,
        (parallel.rank(), parallel.size()),
    )
    if sequences.batch_size % parallel.size():
        raise InputError(
            f"{folder}: minibatches of {sequences.batch_size} sequences cannot be shared by "
            f"{parallel.size()} processes; choose batch_size or gpu in the preset accordingly"
        )
    total = settings.steps or settings.training_epochs * len(sequences)
    if not trained:
        total = 0
    evaluate_every = min(settings.evaluate_every, total)
    parameters, training = (sum(p.numel() for p in ps) for ps in (network.parameters(), trained))
    report(
        f"{system}: {parameters:,} parameters, {training:,} of them to train, "
        f"{sequences.count:,} training sequences, {total:,} steps on {place}"
    )

    state = Progress()
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        if saved["fingerprint"] == fingerprint:
            _restore(saved, network, optimizer, blending, state)
            report(f"{system}: goes on from step {state.step:,}")
    began = time.monotonic() - state.seconds

    def weigh() -> None:
        """Blend the losses of the next steps by the weights of the last evaluation."""
        weights = state.weights.values()
        if not all(map(math.isfinite, weights)) or not any(weights):
            raise InputError(
                f"{folder}: no training at step {state.step} with the loss weights "
                f"{_told(state.weights)}; delete {checkpoint} if it is there, and lower "
                "learning_rate in the preset"
            )
        step.weigh(state.weights)

    def assess() -> None:
        """Evaluate, update the loss weights, keep the network if it is the best so far."""
        subset = evaluate(network, data.training_subset, gap)
        validation = evaluate(network, data.validation, gap)
        for name, losses in (("training subset", subset), ("validation set", validation)):
            if losses.not_finite:
                raise InputError(
                    f"{folder}: the losses of {system} on the {name} at step {state.step} are "
                    f"{_told(losses.sums)}, because of {named(losses.not_finite)}; look for broken "
                    "signals there, or lower learning_rate in the preset"
                )
        blend = blending.update(subset.sums, validation.sums, subset.count, validation.count)
        state.weights = blend.weights
        weigh()
        accuracy = validation.accuracies[network.branches[-1]]
        state.evaluations_without_gain += state.step > 0
        if (state.step or not total) and accuracy >= state.best_accuracy:
            state.evaluations_without_gain = 0
            state.best_accuracy = accuracy
            state.best_weights = {n: v.cpu().clone() for n, v in network.state_dict().items()}
        state.seconds = time.monotonic() - began
        state.history.append(_line(state, subset, validation, blend, settings.learning_rate))
        _save(checkpoint, fingerprint, network, optimizer, blending, state)
        left = (total - state.step) * state.seconds / state.step if state.step else 0
        report(
            f"{system}: step {state.step:,} of {total:,}, validation accuracy {accuracy:.1%}, "
            f"loss {validation.sums[network.branches[-1]] / validation.count:.3f}, "
            f"{state.seconds:.0f} s" + (f", {left:.0f} s left" if left else "")
        )

    if state.history:
        weigh()
    else:
        assess()
    batches = minibatches.batches(sequences, network.views, range(state.step, total), place)
    while state.step < total:
        if _no_gain(state, settings):
            report(f"{system}: stops early, no gain in {settings.patience} evaluations")
            break
        network.train()
        if settings.frozen == "everything":
            for block in frozen:
                block.eval()
        loss = take_step(*next(batches))
        state.step += 1
        if state.step % evaluate_every == 0:
            if not torch.isfinite(loss):
                raise InputError(
                    f"{folder}: the training loss of {system} is {loss.item()} at step "
                    f"{state.step}; lower learning_rate in the preset, or look for broken signals"
                )
            assess()

    if settings.model_kept == "best":
        network.load_state_dict(state.best_weights)
    if parallel.rank() == 0:
        checkpoints.save(folder / "model.safetensors", network, system, channels)
        write_csv(folder / "history.csv", state.history)
    best = max(
        (line for line in state.history if line["step"] or not total),
        key=lambda line: (line[f"{network.branches[-1]} validation accuracy"], line["step"]),
    )
    return {
        "steps": state.step,
        "best_step": best["step"],
        "seconds": round(state.seconds, 1),
        "device": device.name(),
        "threads": torch.get_num_threads(),
        "processes": parallel.size(),
        "training_sequences": sequences.count,
        "parameters": parameters,
        "parameters_trained": training,
    }


def _told(values: dict[str, float]) -> str:
    return ", ".join(f"{branch} {value:g}" for branch, value in values.items())


def _no_gain(state: Progress, settings: TrainingSettings) -> bool:
    """Whether training stops early."""
    return (
        settings.patience is not None
        and state.step >= settings.earliest_stop
        and state.evaluations_without_gain >= settings.patience
    )


def _parameter_groups(
    network: Network, trained: Sequence[torch.Tensor], l2: float
) -> list[dict[str, Any]]:
    """Adam adds ``weight_decay`` times the variable to its gradient, as the penalty would."""
    chosen = {id(parameter) for parameter in network.penalised_parameters()}
    penalised = [p for p in trained if id(p) in chosen]
    others = [p for p in trained if id(p) not in chosen]
    return [{"params": penalised, "weight_decay": l2}, {"params": others, "weight_decay": 0.0}]


def _line(
    state: Progress, subset: Losses, validation: Losses, blend: Blend, learning_rate: float
) -> dict[str, Any]:
    line: dict[str, Any] = {"step": state.step}
    for branch in validation.sums:
        for name, losses in (("training", subset), ("validation", validation)):
            line[f"{branch} {name} loss"] = losses.sums[branch] / losses.count
            line[f"{branch} {name} accuracy"] = losses.accuracies[branch]
        line[f"{branch} weight"] = blend.weights[branch]
        line[f"{branch} G"] = blend.generalisation[branch] if blend.generalisation else None
        line[f"{branch} O"] = blend.overfitting[branch] if blend.overfitting else None
    return line | {"learning rate": learning_rate, "seconds": round(state.seconds, 1)}


def _fingerprint(
    system: str,
    channels: tuple[str, ...],
    network: Network,
    settings: TrainingSettings,
    seed: int,
    data: Data,
    blocks: Sequence[str],
) -> str:
    """What a checkpoint must agree with to be gone on from; the network is as it starts."""
    start = hashlib.sha256()
    for tensor in network.state_dict().values():
        start.update(tensor.numpy())
    facts = [
        CHECKPOINT_VERSION,
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


def _save(
    path: Path,
    fingerprint: str,
    network: Network,
    optimizer: torch.optim.Optimizer,
    blending: Any,
    state: Progress,
) -> None:
    random = parallel.gathered(_random())
    if parallel.rank():
        return
    content = {
        "fingerprint": fingerprint,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "blending": json.dumps(blending.state()),
        "progress": vars(state),
        "random": random,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with whole(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _restore(
    saved: dict[str, Any],
    network: Network,
    optimizer: torch.optim.Optimizer,
    blending: Any,
    state: Progress,
) -> None:
    network.load_state_dict(saved["network"])
    capturable = optimizer.defaults["capturable"]  # of this device, not of the one that saved
    optimizer.load_state_dict(saved["optimizer"])
    for group in optimizer.param_groups:
        group["capturable"] = capturable
    blending.restore(json.loads(saved["blending"]))
    vars(state).update(saved["progress"])
    # With more processes than before, the others draw on from their seeds.
    if parallel.rank() < len(saved["random"]):
        on_cpu, on_gpu = saved["random"][parallel.rank()]
        torch.set_rng_state(on_cpu)
        if on_gpu is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(on_gpu)


def _random() -> tuple[torch.Tensor, torch.Tensor | None]:
    """The state of this process's random numbers, on the CPU and on its GPU."""
    on_gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return torch.get_rng_state(), on_gpu
