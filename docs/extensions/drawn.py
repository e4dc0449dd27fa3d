"""The figure of the loss weights over a training, drawn by the policies of the library itself.

The losses are made up: in the raw branch the validation loss turns at a third of the training, as
of overfitting; in the others it does not.
"""

from pathlib import Path

import numpy as np

FIGURE = Path(__file__).parents[1] / "explanation/figures/blending.svg"
COLOURS = {"raw": "#d55e00", "time-frequency": "#0072b2", "joint": "#009e73"}
DASHES = {"raw": "-", "time-frequency": "--", "joint": "-."}
EVALUATIONS = 120


def setup(app):
    app.connect("builder-inited", lambda app: draw())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def losses():
    """Return branch to its training and validation loss at each evaluation."""
    n, noise = np.arange(EVALUATIONS), np.random.default_rng(1)
    curves = {
        "raw": (0.25 + 1.3 * np.exp(-n / 14), 0.002 * n + 0.006 * np.maximum(n - 35, 0)),
        "time-frequency": (0.4 + 1.15 * np.exp(-n / 30), 0.0012 * n),
        "joint": (0.3 + 1.25 * np.exp(-n / 20), 0.0016 * n + 0.002 * np.maximum(n - 35, 0)),
    }
    return {
        branch: (training, training + gap + noise.normal(0, 0.015, EVALUATIONS))
        for branch, (training, gap) in curves.items()
    }


def weights(system):
    """Return branch to its weight at each evaluation."""
    from xsleep.config.training import TrainingSettings
    from xsleep.training.blending import policy

    blending = policy(system, TrainingSettings(steps=1))
    found = []
    for at in range(EVALUATIONS):
        training, validation = ({b: pair[i][at] for b, pair in losses().items()} for i in (0, 1))
        found.append(blending.update(training, validation, (1, 1)).weights)
    return {branch: [one[branch] for one in found] for branch in COLOURS}


def draw():
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update({"svg.hashsalt": "xsleep", "font.size": 9})
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    left, *others = figure.subplots(1, 3)
    for branch, (training, validation) in losses().items():
        left.plot(training, color=COLOURS[branch], alpha=0.35, lw=1)
        left.plot(validation, color=COLOURS[branch], ls=DASHES[branch], lw=1.2, label=branch)
    left.set_title("loss (faint: training)")
    for axes, system in zip(others, ("XSleepNet1", "XSleepNet2"), strict=True):
        for branch, values in weights(system).items():
            axes.plot(values, color=COLOURS[branch], ls=DASHES[branch], lw=1.2)
        axes.set(title=f"weights of {system}", ylim=(0, 1))
    for axes in (left, *others):
        axes.set_xlabel("evaluation")
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    figure.savefig(FIGURE, metadata={"Date": None})
