"""A scored recording: stages and probabilities of its epochs, and what they rest on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xsleep.core.arrays import Floats, Integers
from xsleep.core.recording import EPOCH_SECONDS
from xsleep.core.stages import STAGES, UNSCORED

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import yasa
    from matplotlib.figure import Figure

LOW_CONFIDENCE = 0.5
"""Probability of the most probable stage below which an epoch is worth a look."""


@dataclass(frozen=True)
class Taken:
    """Signal that was scored for a channel.

    Attributes:
        label: in the recording, or the difference of two as in ``C4 - M1``.
        why: how it was chosen.
        unit: of its numbers in the file.
        rate: sampling rate in hertz.
        others: labels of the signals that fitted as well, best first.
    """

    label: str
    why: str
    unit: str
    rate: float
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scored:
    """Stages of the 30-s epochs of one recording, scored by a network.

    Attributes:
        name: of the recording.
        start: date and clock time of its first sample, if known.
        onsets: (n,) start of each epoch in seconds from the first sample.
        probabilities: (n, 5) of the stages W, N1, N2, N3, REM; NaN where the signals are bad.
        bad: (n,) epochs whose signals are bad; they have no stage.
        channels: channel (``EEG``, ``EOG``, ``EMG``) to the signal that was scored for it.
        network: name, origin, training data and licence of the network.
        normalisation: ``training``: spectrograms were normalised by the statistics of the training
            set; ``night``: by those of this recording.
        doubts: what a reader should know before trusting the stages, a line each.
        spectrum: (n, 129) mean decibels of each epoch of the first channel, 0 to 50 Hz.
    """

    name: str
    start: datetime | None
    onsets: Floats = field(repr=False)
    probabilities: Floats = field(repr=False)
    bad: NDArray[np.bool_] = field(repr=False)
    channels: dict[str, Taken]
    network: dict[str, Any]
    normalisation: str
    doubts: tuple[str, ...]
    spectrum: Floats = field(repr=False)

    @property
    def stages(self) -> Integers:
        """(n,) labels of the most probable stages; ``UNSCORED`` where the signals are bad."""
        filled = np.nan_to_num(self.probabilities).argmax(axis=1)
        return np.where(self.bad, UNSCORED, filled)

    @property
    def confidence(self) -> Floats:
        """(n,) probability of the most probable stage; NaN where the signals are bad."""
        highest: Floats = self.probabilities.max(axis=1)
        return highest

    @property
    def entropy(self) -> Floats:
        """(n,) entropy of the probabilities in bits, at most log2(5); NaN where bad."""
        from scipy.stats import entropy

        return np.asarray(entropy(self.probabilities, base=2, axis=1))

    def uncertain(self) -> Integers:
        """Return the indices of the epochs worth a look, the least confident first."""
        order = np.argsort(self.confidence, kind="stable")
        return order[self.confidence[order] < LOW_CONFIDENCE]

    def to_frame(self) -> pd.DataFrame:
        """Return onset, duration, stage, probabilities, confidence and ``bad`` of each epoch."""
        import pandas as pd

        frame = pd.DataFrame({"onset": self.onsets, "duration": float(EPOCH_SECONDS)})
        frame["stage"] = self.names
        frame[list(STAGES)] = self.probabilities
        return frame.assign(confidence=self.confidence, bad=self.bad)

    def annotations(self) -> mne.Annotations:
        """Return the stages as ``Sleep stage W``, ..., bad epochs as ``BAD_signal``, for MNE."""
        import mne

        names = ["BAD_signal" if stage is None else f"Sleep stage {stage}" for stage in self.names]
        return mne.Annotations(self.onsets, float(EPOCH_SECONDS), names)

    @property
    def names(self) -> list[str | None]:
        """Names of the stages of the epochs; ``None`` where the signals are bad."""
        return [None if stage == UNSCORED else STAGES[stage] for stage in self.stages]

    def hypnogram(self) -> yasa.Hypnogram:
        """Return the hypnogram with its probabilities as a `yasa.Hypnogram`; bad is ``Art``."""
        import pandas as pd
        import yasa

        titles = ["Wake" if stage == "W" else stage for stage in STAGES]
        table = pd.DataFrame(self.probabilities, columns=[title.upper() for title in titles])
        return yasa.Hypnogram(
            ["Art" if stage is None else stage for stage in self.names],
            start=self.start,
            scorer=f"xsleep {self.network['name']}",
            proba=table if not self.bad.any() else table.fillna(1 / len(STAGES)),
        )

    def statistics(self) -> dict[str, float]:
        """Return the sleep statistics of YASA (TST, SE, SOL, WASO, latencies, minutes, shares)."""
        return dict(self.hypnogram().sleep_statistics())

    def rounded_statistics(self) -> dict[str, float | None]:
        """Return the statistics for JSON: four decimals, ``None`` for what does not occur."""
        found = self.statistics()
        return {n: round(float(v), 4) if np.isfinite(v) else None for n, v in found.items()}

    def facts(self) -> dict[str, Any]:
        """Return what the stages rest on: network, channels, normalisation, doubts, versions."""
        from xsleep import __version__

        entropy, uncertain = self.entropy[~self.bad], self.uncertain()
        return {
            "recording": self.name,
            "start": self.start.isoformat() if self.start else None,
            "epochs": len(self.onsets),
            "bad_epochs": int(self.bad.sum()),
            "mean_entropy_bits": round(float(entropy.mean()), 4) if len(entropy) else None,
            "epochs_below_confidence": {str(LOW_CONFIDENCE): len(uncertain)},
            "epochs_to_look_at": [int(i) + 1 for i in uncertain[:20]],
            "channels": {name: asdict(taken) for name, taken in self.channels.items()},
            "network": self.network,
            "normalisation": self.normalisation,
            "doubts": list(self.doubts),
            "xsleep": __version__,
        }

    def plot(self) -> Figure:
        """Return a figure: hypnogram, hypnodensity, spectrogram and confidence by clock time."""
        from xsleep.staging.picture import draw

        return draw(self)

    def save(self, path: str | Path) -> list[Path]:
        """Write the answer in the format of the suffix: ``.tsv``, ``.csv``, ``.edf``, ``.png``, ...

        Returns:
            The files written: a ``.tsv`` has a ``.json`` beside it.

        Raises:
            InputError: there is no such format, or the path is a file of another kind.
        """
        from xsleep.staging.writing import write

        return write(self, Path(path))
