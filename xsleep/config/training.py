"""Settings of a training and of the resources that it requests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.types import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from xsleep.core.settings import Settings

OPTIONAL = ["class_weights", "gradient_norm", "balanced", "shift", "selected_by", "blending"]
OPTIONAL += ["label_smoothing", "weight_averaging", "polarity", "gain", "channel_dropout"]
"""Settings that the systems of both papers leave at their defaults. They are recorded where they
differ from these, so that the records of other runs are the same as without them."""


class TrainingSettings(Settings):
    """Settings of a training (Section 4.2). The defaults are those of the released code.

    Attributes:
        training_epochs (passes): length of a training; give this or ``steps``.
        steps (steps): length of a training.
        batch_size (sequences): size of a minibatch.
        learning_rate: learning rate of Adam.
        adam_epsilon: epsilon of Adam.
        l2: L2 penalty: factor of half the squared norm of all variables except the filterbanks.
        loss_reduction: ``sum`` or ``mean`` of the loss over the sequences of a minibatch; within a
            sequence it is the mean.
        shuffle: whether the order of training sequences is drawn ``once``, or for ``every-pass``.
        evaluate_every (steps): interval of evaluations, which also update the loss weights.
        patience (evaluations): training stops after this many evaluations with a validation
            accuracy below the best so far; one that equals the best begins the count anew.
            ``None``: it never stops early.
        earliest_stop (steps): ``patience`` does not stop a training before this.
        model_kept: the network with the ``best`` validation accuracy, or the ``last``.
        blending_window (evaluations): W, over which XSleepNet2 smooths losses and fits tangents.
        tangent_points: smoothed losses to which XSleepNet2 fits a line: the last ``W``, or the
            ``W+1`` from n - W to n of Algorithm 1, which begins one evaluation earlier.
        xsleepnet2_losses: losses of a set from which XSleepNet2 computes tangents: ``sums`` or
            ``means``. XSleepNet1 always has means.
        first_tangent: what XSleepNet2 compares the first tangents with: those of the ``previous``
            window, or the ``current`` ones themselves, so that G and O are 0 there.
        weight_formula: how G and O become the weight of a branch: ``guarded``, G / (O^2 + 1e-6), or
            ``plain``, G / O^2.
        longest_gap (epochs): the most dropped epochs in a row that a sequence bridges; ``None``:
            any number, as in the authors' code.
        scoring_stride (epochs): distance between the sequences that score a recording, and those of
            evaluations: with 1 an epoch gets up to L predictions, with L one.
        frozen: what does not change in frozen blocks: the ``parameters``, as released, while
            dropout and batch statistics work as in training; or ``everything``, as in evaluation.
        class_weights: factors on the losses of epochs of W, N1, N2, N3 and REM; ``None``: all 1.
        gradient_norm: norm of all gradients together that longer ones are scaled to; ``None``: any.
        balanced: training sequences are drawn, with replacement, so that all stages are equally
            likely in their middle epochs; else each is taken once in a pass.
        shift (epochs): the raw signals of a training sequence are shifted in time by a random
            duration of at most this, while its labels stay.
        selected_by: on the validation set, what the best network has, and what ``patience`` waits
            for: the highest ``accuracy`` or the lowest ``loss``.
        blending: how the losses of the branches are weighted: ``equal``; by their ``losses``, as in
            XSleepNet1; by the ``tangents`` of these, as in XSleepNet2; or ``joint``, that of the
            last branch alone, which is the prediction. ``None``: as the system has it.
        label_smoothing: share of the target that is spread evenly over all stages, in training.
            Evaluations are without it: the losses in ``history.csv``, and G and O from them.
        weight_averaging: decay per step of an exponential moving average of the parameters and of
            the batch statistics, which begins with those after the first step. The average is what
            is evaluated, blended by, kept and stored. ``None``: no average.
        polarity: each channel of a training sequence is inverted with a probability of 1/2. This
            does not change its spectrograms.
        gain: each channel of a training sequence is amplified by a random factor, log-uniform
            between 1 / ``gain`` and ``gain``; its spectrograms rise by as many decibels.
        channel_dropout (probability): each channel of a training sequence is flat with this
            probability, in all views; where all channels would be, none is.
    """

    training_epochs: PositiveInt | None = None
    steps: PositiveInt | None = None
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-4
    adam_epsilon: PositiveFloat = 1e-8
    l2: NonNegativeFloat = 1e-3
    loss_reduction: Literal["sum", "mean"] = "sum"
    shuffle: Literal["once", "every-pass"] = "once"
    evaluate_every: PositiveInt = 100
    patience: PositiveInt | None = None
    earliest_stop: NonNegativeInt = 0
    model_kept: Literal["best", "last"] = "best"
    blending_window: int = Field(default=20, ge=2)
    tangent_points: Literal["W", "W+1"] = "W"
    xsleepnet2_losses: Literal["sums", "means"] = "sums"
    first_tangent: Literal["previous", "current"] = "previous"
    weight_formula: Literal["guarded", "plain"] = "guarded"
    longest_gap: NonNegativeInt | None = None
    scoring_stride: PositiveInt = 1
    frozen: Literal["parameters", "everything"] = "parameters"
    class_weights: (
        tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat] | None
    ) = None
    gradient_norm: PositiveFloat | None = None
    balanced: bool = False
    shift: float = Field(default=0.0, ge=0, le=0.5)
    selected_by: Literal["accuracy", "loss"] = "accuracy"
    blending: Literal["equal", "losses", "tangents", "joint"] | None = None
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    weight_averaging: float | None = Field(default=None, gt=0, lt=1)
    polarity: bool = False
    gain: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    channel_dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if (self.training_epochs is None) == (self.steps is None):
            raise ValueError("give either training_epochs or steps")
        return self

    @model_serializer(mode="wrap")
    def _without_optional_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        at_default = {n for n in OPTIONAL if getattr(self, n) == fields[n].default}
        return {name: value for name, value in content.items() if name not in at_default}


class ResourceSettings(Settings):
    """Resources of a training job.

    Attributes:
        threads (cores): cores of the CPU.
        mem_mb (MB): memory, on a cluster.
        runtime (minutes): time limit, on a cluster.
        gpu (GPUs): GPUs; with several, one process for each trains (`xsleep.compute.parallel`).
    """

    threads: PositiveInt = 1
    mem_mb: PositiveInt = 4000
    runtime: PositiveInt = 60
    gpu: NonNegativeInt = 0
