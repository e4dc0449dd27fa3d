"""Training step: forward pass, blended loss, backward pass, Adam; one CUDA graph on a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from xsleep.compute import parallel
from xsleep.core.errors import reason
from xsleep.networks import Network
from xsleep.training.augmentation import Augmentation
from xsleep.training.evaluation import inputs

Views = dict[str, Tensor]
"""View to the inputs (B, L, ...) of a minibatch."""


def weighted_loss(
    logits: dict[str, Tensor],
    labels: Tensor,
    weights: dict[str, float] | dict[str, Tensor],
    reduction: Literal["sum", "mean"],
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the blended loss of a minibatch (eq. 12).

    The loss of a branch is the sum (as released) or the mean over the minibatch of the mean over
    each sequence. Each of several processes returns its part of the sum. ``logits`` and ``weights``
    are by branch; logits are (B, L, 5), labels (B, L). ``class_weights`` (5,) are factors on the
    losses of epochs by their label; ``label_smoothing`` is that of PyTorch's cross-entropy.
    """
    batch, length = labels.shape
    divisor = length * (batch * parallel.size() if reduction == "mean" else 1)
    losses = (
        weights[branch]
        * functional.cross_entropy(
            values.flatten(0, 1),
            labels.flatten(),
            class_weights,
            reduction="sum",
            label_smoothing=label_smoothing,
        )
        / divisor
        for branch, values in logits.items()
    )
    return cast(Tensor, sum(losses))


class Step:
    """Step on a minibatch, on the CPU or on the network's device; a call returns its loss.

    The loss weights are tensors on the network's device that `weigh` fills, so that a CUDA graph of
    the step remains valid.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        reduction: Literal["sum", "mean"],
        class_weights: Sequence[float] | None = None,
        gradient_norm: float | None = None,
        label_smoothing: float = 0.0,
        augment: Augmentation | None = None,
    ) -> None:
        self.network, self.optimizer, self.reduction = network, optimizer, reduction
        self.gradient_norm, self.label_smoothing = gradient_norm, label_smoothing
        self.augment = augment
        self.device = next(network.parameters()).device
        self.class_weights = (
            None if class_weights is None else torch.tensor(class_weights, device=self.device)
        )
        self.weights = {branch: torch.zeros((), device=self.device) for branch in network.branches}

    def weigh(self, weights: dict[str, float]) -> None:
        """Set the loss weights of the branches."""
        for branch, weight in weights.items():
            self.weights[branch].fill_(weight)

    def __call__(self, views: Views, labels: Tensor) -> Tensor:
        given = inputs(self.network, views)
        logits = self.network(**(self.augment(**given) if self.augment else given))
        labels = labels.to(self.device, non_blocking=True)
        loss = weighted_loss(
            logits, labels, self.weights, self.reduction, self.class_weights, self.label_smoothing
        )
        self.optimizer.zero_grad()
        loss.backward()
        parallel.sum_gradients(self.network.parameters())
        if self.gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_norm)
        self.optimizer.step()
        return parallel.sum_(loss.detach())


class Graphed:
    """Step that is captured as a CUDA graph, which runs without waiting for Python.

    The first calls run uncaptured on a separate stream, as PyTorch requires before a capture: in
    them kernels are compiled and chosen, and the optimiser creates its state. If the capture fails,
    a warning is given and all further calls run uncaptured. All minibatches have one shape.

    A call draws the same random numbers in either way, so a run can be stopped and resumed: a
    capture draws none, and a replay advances PyTorch's generator as the step does (CUDAGraph.cpp,
    CUDAGeneratorImpl.cpp).
    """

    WARM_UP = 3

    def __init__(self, step: Callable[[Views, Tensor], Tensor], device: torch.device) -> None:
        self.step, self.device = step, device
        self.warm_up = torch.cuda.Stream()
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, views: Views, labels: Tensor) -> Tensor:
        self.calls += 1
        if self.calls <= self.WARM_UP:
            return self._beside(views, labels)
        if self.calls == self.WARM_UP + 1:
            self._capture(views, labels)
        if self.graph is None:
            return self.step(views, labels)
        for view, values in views.items():
            self.views[view].copy_(values, non_blocking=True)
        self.labels.copy_(labels, non_blocking=True)
        self.graph.replay()
        return self.loss

    def _beside(self, views: Views, labels: Tensor) -> Tensor:
        """Take the step on a separate stream."""
        current = torch.cuda.current_stream()
        self.warm_up.wait_stream(current)
        with torch.cuda.stream(self.warm_up):
            loss = self.step(views, labels)
        current.wait_stream(self.warm_up)
        return loss

    def _capture(self, views: Views, labels: Tensor) -> None:
        """Record the step, without running it, on tensors that minibatches are copied to."""
        self.views = {v: torch.empty_like(x, device=self.device) for v, x in views.items()}
        self.labels = torch.empty_like(labels, device=self.device)
        graph = torch.cuda.CUDAGraph()
        try:
            # The gradients are freed and allocated again within, where they belong to the graph.
            # In another mode, prefetching threads could not pin memory meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.loss = self.step(self.views, self.labels)
        except RuntimeError as error:
            message = f"training without a CUDA graph: {reason(error)}"
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        else:
            self.graph = graph
