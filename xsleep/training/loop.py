"""Training of one network on one fold: the best network is kept, a stopped run is resumed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from xsleep.compute import device, parallel
from xsleep.core.errors import InputError
from xsleep.core.files import write_csv
from xsleep.networks import Network, checkpoints
from xsleep.training import CHECKPOINT, minibatches
from xsleep.training.augmentation import augmentation
from xsleep.training.averaging import Average
from xsleep.training.blending import Blend, policy
from xsleep.training.evaluation import Losses, evaluate
from xsleep.training.parts import Training
from xsleep.training.resume import Checkpoint, Progress, fingerprint
from xsleep.training.sequences import TrainingSequences, named, normalisation
from xsleep.training.step import Graphed, Step


def train(
    network: Network, training: Training, folder: Path, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train a network, write ``model.safetensors`` and ``history.csv``, and return facts.

    The facts are the entries of ``run.json`` about the training. The network that is kept is the
    last one, or the one with the best validation accuracy (or loss, with ``selected_by``) of its
    last branch (the joint one, where there is one), the latest in a tie; with ``weight_averaging``
    it is the averaged one that is evaluated and kept. A run that was stopped resumes from its last
    evaluation, and its results are those of an uninterrupted run. ``report`` receives lines about
    the progress.

    Several processes may train a network together (`parallel`), each on its share of a minibatch;
    apart from dropout and rounding, the steps are those of one process.

    Raises:
        InputError: minibatches cannot be shared by the processes, there is nothing to train on, or
            a loss is not finite.
    """
    trainer = Trainer(network, training, folder, report)
    trainer.resume()
    trainer.run()
    trainer.write()
    return trainer.facts()


class Trainer:
    """Training of one network, as described in `train`, of ``total`` steps."""

    def __init__(
        self, network: Network, training: Training, folder: Path, report: Callable[[str], None]
    ) -> None:
        self.network, self.training, self.folder, self.report = network, training, folder, report
        self.settings, self.system = settings, system = training.settings, training.system
        torch.manual_seed(training.seed + parallel.rank())  # processes differ in dropout
        self.device = device.best()
        run = fingerprint(network, training)
        network.to(self.device)
        if "time-frequency" in network.views:
            over = network.settings.normalisation
            network.set_normalisation(*normalisation(training.data.training, over))
        self.frozen = [b for name, b in network.blocks().items() if name not in training.blocks]
        for block in self.frozen:
            block.requires_grad_(False)
        self.trained = [p for p in network.parameters() if p.requires_grad]
        optimizer = self._optimizer()
        self.step = Step(
            network,
            optimizer,
            settings.loss_reduction,
            settings.class_weights,
            settings.gradient_norm,
            settings.label_smoothing,
            augmentation(settings),
        )
        captured = self.device.type == "cuda" and parallel.size() == 1
        self.take_step = Graphed(self.step, self.device) if captured else self.step
        decay = settings.weight_averaging
        self.average = None if decay is None else Average(network, decay)
        self.evaluated = self.average.network if self.average else network
        self.blending = policy(system, settings)
        self.sequences = self._sequences()
        self.total = settings.steps or (settings.training_epochs or 0) * len(self.sequences)
        if not self.trained:
            self.total = 0
        self.size = sum(p.numel() for p in network.parameters())
        self.trained_size = sum(p.numel() for p in self.trained)
        self.progress = Progress()
        self.checkpoint = Checkpoint(
            folder / CHECKPOINT,
            run,
            network,
            optimizer,
            self.blending,
            self.progress,
            report,
            self.average.network if self.average else None,
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        """Return Adam, whose ``weight_decay`` acts on the gradient as the L2 penalty does."""
        chosen = {id(parameter) for parameter in self.network.penalised_parameters()}
        penalised = [p for p in self.trained if id(p) in chosen]
        others = [p for p in self.trained if id(p) not in chosen]
        return torch.optim.Adam(
            [
                {"params": penalised, "weight_decay": self.settings.l2},
                {"params": others, "weight_decay": 0.0},
            ],
            self.settings.learning_rate,
            eps=self.settings.adam_epsilon,
            fused=True,
            capturable=self.device.type == "cuda",
        )

    def _sequences(self) -> TrainingSequences:
        """Return the training sequences, of which this process takes its share."""
        sequences = TrainingSequences(
            self.training.data.training,
            self.network.settings.sequence_length,
            self.settings.batch_size,
            self.settings.longest_gap,
            seed=self.training.seed,
            shuffle=self.settings.shuffle,
            balanced=self.settings.balanced,
            shift=self.settings.shift,
            share=(parallel.rank(), parallel.size()),
        )
        if sequences.batch_size % parallel.size():
            raise InputError(
                f"{self.folder}: minibatches of {sequences.batch_size} sequences cannot be shared "
                f"by {parallel.size()} processes; choose batch_size or gpu in the preset "
                "accordingly"
            )
        return sequences

    def resume(self) -> None:
        """Restore the state of the last evaluation where a run with this fingerprint stopped."""
        self.report(
            f"{self.system}: {self.size:,} parameters, {self.trained_size:,} of them to train, "
            f"{self.sequences.count:,} training sequences, {self.total:,} steps on {self.device}"
        )
        if self.checkpoint.restore():
            self.report(f"{self.system}: resumes from step {self.progress.step:,}")
        self.began = time.monotonic() - self.progress.seconds

    def run(self) -> None:
        """Take all steps that are left, with evaluations in between."""
        progress, settings = self.progress, self.settings
        if progress.history:
            self._weigh()
        else:
            self._evaluate()
        evaluate_every = min(settings.evaluate_every, self.total)
        steps = range(progress.step, self.total)
        batches = minibatches.batches(self.sequences, self.network.views, steps, self.device)
        while progress.step < self.total:
            if (
                settings.patience is not None
                and progress.step >= settings.earliest_stop
                and progress.evaluations_without_gain >= settings.patience
            ):
                self.report(
                    f"{self.system}: stops early, no gain in {settings.patience} evaluations"
                )
                break
            self.network.train()
            if settings.frozen == "everything":
                for block in self.frozen:
                    block.eval()
            loss = self.take_step(*next(batches))
            progress.step += 1
            if self.average is not None:
                self.average.update(self.network, first=progress.step == 1)
            if progress.step % evaluate_every == 0:
                if not torch.isfinite(loss):
                    raise InputError(
                        f"{self.folder}: the training loss of {self.system} is {loss.item()} at "
                        f"step {progress.step}; lower learning_rate in the preset, or look for "
                        "broken signals"
                    )
                self._evaluate()

    def _weigh(self) -> None:
        """Weight the losses of the next steps as after the last evaluation."""
        weights = self.progress.weights
        if not all(map(math.isfinite, weights.values())) or not any(weights.values()):
            raise InputError(
                f"{self.folder}: no training at step {self.progress.step} with the loss weights "
                f"{_listed(weights)}; delete {self.checkpoint.path} if it is there, and lower "
                "learning_rate in the preset"
            )
        self.step.weigh(weights)

    def _evaluate(self) -> None:
        """Evaluate, update the loss weights, keep the best network, save a checkpoint."""
        progress = self.progress
        subset, validation = self._losses()
        counts = subset.count, validation.count
        blend = self.blending.update(subset.sums, validation.sums, counts)
        progress.weights = blend.weights
        self._weigh()
        branch = self.network.branches[-1]
        accuracy = validation.accuracies[branch]
        progress.evaluations_without_gain += progress.step > 0
        line = self._line(subset, validation, blend)
        if (progress.step or not self.total) and self._score(line) >= progress.best_accuracy:
            progress.evaluations_without_gain = 0
            progress.best_accuracy = self._score(line)
            state = self.evaluated.state_dict()
            progress.best_weights = {name: value.cpu().clone() for name, value in state.items()}
        progress.seconds = time.monotonic() - self.began
        progress.history.append(line | {"seconds": round(progress.seconds, 1)})
        self.checkpoint.save()
        left = (self.total - progress.step) * progress.seconds / max(progress.step, 1)
        self.report(
            f"{self.system}: step {progress.step:,} of {self.total:,}, validation accuracy "
            f"{accuracy:.1%}, loss {validation.sums[branch] / validation.count:.3f}, "
            f"{progress.seconds:.0f} s" + (f", {left:.0f} s left" if progress.step and left else "")
        )

    def _losses(self) -> tuple[Losses, Losses]:
        """Return the losses on the training subset and on the validation set."""
        data, settings = self.training.data, self.settings
        how = settings.longest_gap, settings.scoring_stride
        subset = evaluate(self.evaluated, data.training_subset, *how)
        validation = evaluate(self.evaluated, data.validation, *how)
        for name, losses in (("training subset", subset), ("validation set", validation)):
            if losses.not_finite:
                raise InputError(
                    f"{self.folder}: the losses of {self.system} on the {name} at step "
                    f"{self.progress.step} are {_listed(losses.sums)}, because of "
                    f"{named(losses.not_finite)}; look for broken signals there, or lower "
                    "learning_rate in the preset"
                )
        return subset, validation

    def _line(self, subset: Losses, validation: Losses, blend: Blend) -> dict[str, Any]:
        """Return a line of ``history.csv``, without the seconds."""
        line: dict[str, Any] = {"step": self.progress.step}
        for branch in validation.sums:
            for name, losses in (("training", subset), ("validation", validation)):
                line[f"{branch} {name} loss"] = losses.sums[branch] / losses.count
                line[f"{branch} {name} accuracy"] = losses.accuracies[branch]
            line[f"{branch} weight"] = blend.weights[branch]
            line[f"{branch} G"] = blend.generalisation.get(branch)
            line[f"{branch} O"] = blend.overfitting.get(branch)
        line["learning rate"] = self.settings.learning_rate
        return line

    def _score(self, line: Mapping[str, Any]) -> float:
        """Return what selects the best network in a line of the history: more is better."""
        branch, by = self.network.branches[-1], self.settings.selected_by
        value: float = line[f"{branch} validation {by}"]
        return value if by == "accuracy" else -value

    def write(self) -> None:
        """Write the network that is kept and the history."""
        if self.settings.model_kept == "best":
            self.evaluated.load_state_dict(self.progress.best_weights)
        if parallel.rank() == 0:
            model = self.folder / "model.safetensors"
            checkpoints.save(model, self.evaluated, self.system, self.training.channels)
            write_csv(self.folder / "history.csv", self.progress.history)

    def facts(self) -> dict[str, Any]:
        """Return the entries of ``run.json`` about the training."""
        best = max(
            (line for line in self.progress.history if line["step"] or not self.total),
            key=lambda line: (self._score(line), line["step"]),
        )
        return {
            "steps": self.progress.step,
            "best_step": best["step"],
            "seconds": round(self.progress.seconds, 1),
            "device": device.name(),
            "threads": torch.get_num_threads(),
            "processes": parallel.size(),
            "training_sequences": self.sequences.count,
            "parameters": self.size,
            "parameters_trained": self.trained_size,
        }


def _listed(values: dict[str, float]) -> str:
    """Return names and values as they stand in a message."""
    return ", ".join(f"{branch} {value:g}" for branch, value in values.items())
