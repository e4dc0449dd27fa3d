"""Features of the reference figures on real Sleep-EDF: logarithmic band powers of epochs."""

import numpy as np
from scipy.integrate import simpson
from scipy.signal import welch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 12), "sigma": (12, 16), "beta": (16, 30)}


def log_powers(signal: np.ndarray) -> np.ndarray:
    """Return the natural logarithm (n, 5) of the power in each band of (n, 3000) samples at 100 Hz.

    The signal is standardised over all its epochs; Welch's method with 4-s Hamming segments, half
    overlapping, median average.
    """
    standard = (signal - signal.mean()) / signal.std()
    hz, density = welch(standard, 100, "hamming", 400, average="median")
    powers = [
        simpson(density[:, keep], x=hz[keep])
        for low, high in BANDS.values()
        for keep in [(hz >= low) & (hz <= high)]
    ]
    return np.log(np.stack(powers, axis=1) + 1e-10)


def classifier() -> Pipeline:
    """Return a logistic regression on standardised features."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
