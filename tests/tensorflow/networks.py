"""Small networks as TensorFlow saves them: their systems, sizes, weights and inputs.

Read by the script that makes the checkpoints, which has TensorFlow and no PyTorch, and by the
tests, which have PyTorch and no TensorFlow.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent / "checkpoints"

FILTERS = (2, 2, 2, 2, 2, 2, 2, 3, 2)
KERNEL = 5
GRU_UNITS, GRU_LAYERS = 3, 2
FILTERBANK, FRAME_UNITS, ATTENTION, SEQUENCE_UNITS = 2, 2, 3, 3
DEEPSLEEPNET_FILTERS, DEEPSLEEPNET_UNITS, DEEPSLEEPNET_LAYERS = (1, 2), 2, 2
BATCH, LENGTH, SAMPLES, FRAMES, BINS, STAGES = 2, 5, 3000, 29, 129, 5


class Saved(NamedTuple):
    """A network in ``FOLDER``: its system, channels, the name that the released code saves it as.

    The data are in two files if it is ``sharded``, one for each stream.
    """

    system: str
    channels: int
    prefix: str
    sharded: bool = False


NETWORKS = {
    "xsleepnet_1chan": Saved("XSleepNet2", 1, "best_model"),
    "xsleepnet_3chan": Saved("XSleepNet2", 3, "best_model"),
    "naive_fusion_1chan": Saved("Naive Fusion", 1, "best_model", sharded=True),
    "seqsleepnet_1chan": Saved("ARNN+RNN", 1, "best_model_acc"),
    "fcnnrnn_2chan": Saved("FCNN+RNN", 2, "best_model"),
    "deepsleepnet_1chan": Saved("DeepSleepNet+", 1, "best_model_acc"),
}


def weights(name, shape):
    """Value of a variable, drawn from its own name."""
    drawn = np.random.default_rng(list(name.encode())).standard_normal(shape)
    kind = name.rpartition("/")[2]
    if kind in ("pop_var", "moving_variance"):
        drawn = 0.5 + np.abs(drawn)
    elif kind in ("scale", "gamma"):
        drawn = 1 + 0.1 * drawn
    elif len(shape) < 2 or kind == "pop_mean":
        drawn *= 0.1
    elif "filterbank" not in name:
        drawn *= np.sqrt(2 / np.prod(shape[:-1]))
    return drawn.astype("f4")


def inputs(channels):
    """Raw signals (B, L, 3000, C) and spectrograms (B, L, 29, 129, C)."""
    rng = np.random.default_rng(channels)
    raw = 2 * rng.standard_normal((BATCH, LENGTH, SAMPLES, channels))
    return raw.astype("f4"), rng.standard_normal((BATCH, LENGTH, FRAMES, BINS, channels), "f4")
