"""One step of training: forward, blended loss, backward, Adam. On a GPU it is one CUDA graph."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from xsleep.compute import parallel
from xsleep.networks import Network
from xsleep.training.evaluation import inputs

Views = dict[str, Tensor]
"""View to the inputs (B, L, ...) of a minibatch."""


def weighted_loss(
    logits: dict[str, Tensor],
    labels: Tensor,
    weights: dict[str, float] | dict[str, Tensor],
    reduction: Literal["sum", "mean"],
) -> Tensor:
    """The blended loss of a minibatch: logits (B, L, 5) per branch, labels (B, L).

    Of each branch the sum (released) or the mean over the minibatch of the mean over the
    sequence; the weights blend the gradients (Section 3.4). Of several processes, each has its part
    of the loss, and these add up to it.
    """
    batch, length = labels.shape
    divisor = length * (batch * parallel.size() if reduction == "mean" else 1)
    return sum(
        weights[branch]
        * functional.cross_entropy(values.flatten(0, 1), labels.flatten(), reduction="sum")
        / divisor
        for branch, values in logits.items()
    )


class Step:
    """A step on a minibatch, wherever it lies; returns its loss.

    The loss weights are tensors on the network's device, filled anew by `weigh`, so that a CUDA
    graph of the step goes on to be true.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        reduction: Literal["sum", "mean"],
    ) -> None:
        self.network, self.optimizer, self.reduction = network, optimizer, reduction
        self.device = next(network.parameters()).device
        self.weights = {branch: torch.zeros((), device=self.device) for branch in network.branches}

    def weigh(self, weights: dict[str, float]) -> None:
        for branch, weight in weights.items():
            self.weights[branch].fill_(weight)

    def __call__(self, views: Views, labels: Tensor) -> Tensor:
        logits = self.network(**inputs(self.network, views))
        labels = labels.to(self.device, non_blocking=True)
        loss = weighted_loss(logits, labels, self.weights, self.reduction)
        self.optimizer.zero_grad()
        loss.backward()
        parallel.sum_gradients(self.network.parameters())
        self.optimizer.step()
        return parallel.sum_(loss.detach())


class Graphed:
    """A step that is captured as a CUDA graph, which runs without waiting for Python.

    The first calls run as they are, on a stream of their own, as PyTorch asks for before a capture:
    in them kernels are compiled and chosen, and the optimiser makes its state. If the capture
    fails, a warning says so and all further calls run as they are. All minibatches have one shape.

    A call draws the same random numbers whichever way it runs, so that a run may be stopped and go
    on with other calls first: a capture draws none, and a replay moves PyTorch's generator on by
    what the step does (CUDAGraph.cpp, CUDAGeneratorImpl.cpp).
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
        """The step on a stream of its own."""
        current = torch.cuda.current_stream()
        self.warm_up.wait_stream(current)
        with torch.cuda.stream(self.warm_up):
            loss = self.step(views, labels)
        current.wait_stream(self.warm_up)
        return loss

    def _capture(self, views: Views, labels: Tensor) -> None:
        """Record the step, which does not run, on tensors that every minibatch is copied to."""
        self.views = {v: torch.empty_like(x, device=self.device) for v, x in views.items()}
        self.labels = torch.empty_like(labels, device=self.device)
        graph = torch.cuda.CUDAGraph()
        try:
            # The gradients are dropped and made anew within, where they belong to the graph.
            # In another mode threads that read ahead could not pin memory meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.loss = self.step(self.views, self.labels)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"training without a CUDA graph: {reason}", RuntimeWarning, stacklevel=3)
        else:
            self.graph = graph
