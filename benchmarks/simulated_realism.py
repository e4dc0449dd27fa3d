"""Realism of the simulated cohort, compared with the 153 cassette recordings of Sleep-EDF.

Prints band powers per stage, channel and band, the performance of a logistic regression on them,
and statistics of the hypnograms, next to the real figures from the reference folder, whose README
defines the features.

    python benchmarks/simulated_realism.py --subjects 36 --hours 9

``--calibrate N`` corrects the background's calibration file N times by the differences found.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
from scipy.signal import firwin2, oaconvolve
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, recall_score
from sklearn.model_selection import GroupKFold

from xsleep.core.stages import RK_STAGES, STAGES
from xsleep.databases.simulated.background import BANDS as KNOTS
from xsleep.databases.simulated.background import CALIBRATION, CHANNELS
from xsleep.databases.simulated.cohort import Cohort, hypnogram_name, recordings
from xsleep.databases.simulated.files import write_recording
from xsleep.external.logistic import BANDS, classifier, log_powers

PASS = {"EEG Fpz-Cz": (0.5, 30), "EEG Pz-Oz": (0.5, 30), "EOG horizontal": (0.5, 15)}
AROUND = 60
"""Epochs kept before the first and after the last epoch of sleep."""

REAL_SCORES = {
    "EEG Fpz-Cz": (71.3, 0.594, 59.5, (0.87, 0.10, 0.84, 0.66, 0.50)),
    "with EOG": (73.7, 0.629, 63.1, (0.88, 0.16, 0.85, 0.67, 0.57)),
    "all three": (76.4, 0.670, 66.5, None),
}
COLUMNS = {"EEG Fpz-Cz": [0], "with EOG": [0, 2], "all three": [0, 1, 2]}


def band_pass(signal: np.ndarray, low: float, high: float) -> np.ndarray:
    """Apply a zero-phase FIR band-pass that falls to 0 at 0 Hz and at 1.25 ``high``."""
    taps = firwin2(661, [0, low, high, 1.25 * high, 50], [0, 1, 1, 0, 0], fs=100)
    return oaconvolve(signal, taps, mode="same")


def features(recording: str, cohort: Cohort) -> dict:
    """Write and read a recording, and return features in the window around sleep.

    Returns:
        ``powers`` (epochs, 3, 5) logarithmic; ``stages`` (epochs,); ``in_bed`` (epochs,);
        ``subject``; ``hypnogram``: the letters scored in bed.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_recording(Path(folder), recording, cohort)
        psg = edfio.read_edf(Path(folder) / f"{recording}-PSG.edf")
        scored = edfio.read_edf(Path(folder) / hypnogram_name(recording)).annotations
        letters = "".join(
            ("M" if a.text == "Movement time" else a.text[-1]) * round(a.duration / 30)
            for a in scored
            if not a.text.startswith("Lights")
        )
        lights = [round(a.onset / 30) for a in scored if a.text.startswith("Lights")]
        stages = np.array([STAGES.index(RK_STAGES[s]) if s in RK_STAGES else -1 for s in letters])
        asleep = np.flatnonzero(stages > 0)
        first, last = max(asleep[0] - AROUND, 0), min(asleep[-1] + 1 + AROUND, len(stages))
        powers = []
        for channel in CHANNELS:
            signal = band_pass(psg.get_signal(channel).data, *PASS[channel])
            powers.append(log_powers(signal[first * 3000 : last * 3000].reshape(-1, 3000)))
    place = np.arange(first, last)
    scored = stages[first:last] >= 0
    return {
        "powers": np.stack(powers, axis=1)[scored],
        "stages": stages[first:last][scored],
        "in_bed": ((place >= lights[0]) & (place < lights[1]))[scored],
        "subject": recording[3:5],
        "hypnogram": letters[lights[0] : lights[1]],
    }


def moments(nights: list[dict]) -> pd.DataFrame:
    """Return mean and standard deviations between and within subjects by stage, channel, band."""
    rows = []
    for label, stage in enumerate(STAGES):
        by_subject: dict[str, list] = {}
        for night in nights:
            found = night["powers"][night["stages"] == label]
            by_subject.setdefault(night["subject"], []).append(found)
        people = [p for p in map(np.concatenate, by_subject.values()) if len(p) > 4]
        means = np.array([p.mean(0) for p in people])
        deviations = np.array([p.std(0) for p in people])
        for c, channel in enumerate(CHANNELS):
            for b, band in enumerate(BANDS):
                rows.append(
                    (
                        stage,
                        channel,
                        band,
                        means[:, c, b].mean(),
                        means[:, c, b].std(ddof=1),
                        deviations[:, c, b].mean(),
                    )
                )
    index = ["stage", "channel", "band"]
    return pd.DataFrame(rows, columns=[*index, "mean", "between", "within"]).set_index(index)


def real_moments(reference: Path) -> pd.DataFrame:
    """Return the moments of the real recordings."""
    table = pd.read_csv(reference / "sleep_edf_band_powers.csv")
    table = table.set_index(["stage", "channel", "band"])
    return table[
        ["log_power_mean", "log_power_sd_between_subjects", "log_power_sd_within_subject"]
    ].set_axis(["mean", "between", "within"], axis=1)


def compare_powers(simulated: pd.DataFrame, real: pd.DataFrame) -> None:
    both = simulated.add_suffix("_sim").join(real.add_suffix("_real"))
    both["off"] = (both.mean_sim - both.mean_real) / both.between_real
    print("Band powers (ln), and how far the simulated mean is off in deviations between subjects")
    print(both.round(2).to_string())
    worst = both.off.abs().idxmax()
    print(f"worst: {both.off[worst]:+.2f} at {', '.join(worst)}")
    print(f"cells within one deviation: {(both.off.abs() < 1).sum()} of {len(both)}")
    for spread in ("between", "within"):
        ratio = both[f"{spread}_sim"] / both[f"{spread}_real"]
        low, middle, high = ratio.min(), ratio.median(), ratio.max()
        print(f"{spread}: simulated/real {middle:.2f} ({low:.2f}-{high:.2f})")


def regression(nights: list[dict], channels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return true and predicted stages over subject-wise folds, trained on every fourth epoch."""
    x = np.concatenate([n["powers"][:, channels].reshape(len(n["powers"]), -1) for n in nights])
    y = np.concatenate([n["stages"] for n in nights])
    groups = np.concatenate([[n["subject"]] * len(n["stages"]) for n in nights])
    predicted = np.empty_like(y)
    for train, test in GroupKFold(min(10, len(set(groups)))).split(x, y, groups):
        predicted[test] = classifier().fit(x[train[::4]], y[train[::4]]).predict(x[test])
    return y, predicted


def compare_scores(nights: list[dict]) -> None:
    print("\nLogistic regression: accuracy, kappa, MF1, recall of W N1 N2 N3 REM")
    in_bed = np.concatenate([n["in_bed"] for n in nights])
    for name, (accuracy, kappa, f1, recall) in REAL_SCORES.items():
        y, predicted = regression(nights, COLUMNS[name])
        recalls = "" if recall is None else " ".join(f"{r:.2f}" for r in recall)
        print(f"{name:11} real      {accuracy:5.1f} {kappa:.3f} {f1:5.1f}  {recalls}")
        for where, kept in (("simulated", in_bed | True), ("in bed", in_bed)):
            true, found = y[kept], predicted[kept]
            scores = (
                f"{100 * accuracy_score(true, found):5.1f} {cohen_kappa_score(true, found):.3f} "
                f"{100 * f1_score(true, found, average='macro'):5.1f}"
            )
            recalls = " ".join(f"{r:.2f}" for r in recall_score(true, found, average=None))
            print(f"{'':11} {where:9} {scores}  {recalls}")


def hypnogram_statistics(letters: list[str]) -> dict[str, float]:
    """Return stage fractions, bout lengths, awakenings and transitions over strings of stages."""
    labels = [
        np.array([STAGES.index(RK_STAGES[s]) if s in RK_STAGES else -1 for s in night])
        for night in letters
    ]
    shares = np.array([[(n == s).sum() / (n >= 0).sum() for s in range(5)] for n in labels])
    result = {"hours in bed": np.mean([len(n) / 120 for n in labels])}
    for s, stage in enumerate(STAGES):
        result[f"share {stage}"] = shares[:, s].mean()
        result[f"share {stage}, deviation"] = shares[:, s].std()
    steps = np.zeros((5, 5))
    bouts: dict[int, list[int]] = {}
    awakenings, latencies, movements = [], [], 0
    for night in labels:
        asleep = np.flatnonzero(night > 0)
        latencies.append(asleep[0] / 2)
        sleep = night[asleep[0] : asleep[-1] + 1]
        awakenings.append(((sleep[:-1] > 0) & (sleep[1:] == 0)).sum() / len(night) * 120)
        movements += (night < 0).sum()
        known = (night[:-1] >= 0) & (night[1:] >= 0)
        np.add.at(steps, (night[:-1][known], night[1:][known]), 1)
        for run in np.split(night, np.flatnonzero(np.diff(night)) + 1):
            bouts.setdefault(int(run[0]), []).append(len(run))
    steps /= steps.sum(axis=1, keepdims=True)
    for s, stage in enumerate(STAGES):
        for t, other in enumerate(STAGES):
            result[f"step {stage} to {other}"] = steps[s, t]
        for percent in (50, 75, 90, 95):
            result[f"bout {stage}, {percent} % (epochs)"] = np.percentile(bouts[s], percent)
    result["awakenings per hour"] = np.mean(awakenings)
    result["awakenings per hour, deviation"] = np.std(awakenings)
    result["sleep latency, median (min)"] = np.median(latencies)
    result["movement epochs per night"] = movements / len(labels)
    result["share of S4 in S3 and S4"] = sum(n.count("4") for n in letters) / sum(
        n.count("3") + n.count("4") for n in letters
    )
    return result


def real_hypnograms(reference: Path) -> list[str]:
    """Return the stages in bed of every real recording, as letters."""
    table = pd.read_csv(reference / "sleep_edf_recordings.csv")
    table = table[table.database == "SleepEDF-78"].set_index("recording")
    clock = table[["recording_start", "lights_off", "lights_on"]].map(pd.Timedelta)
    first = (clock.lights_off - clock.recording_start) % pd.Timedelta("1D") // pd.Timedelta("30s")
    last = (clock.lights_on - clock.recording_start) % pd.Timedelta("1D") // pd.Timedelta("30s")
    nights = json.loads((reference / "sleep_edf_hypnograms.json").read_text())
    return [
        "".join(run[0] * int(run[1:]) for run in runs.split())[first[name] : last[name]]
        for name, runs in nights.items()
    ]


def compare_hypnograms(nights: list[dict], reference: Path) -> None:
    simulated = hypnogram_statistics([night["hypnogram"] for night in nights])
    real = hypnogram_statistics(real_hypnograms(reference))
    table = pd.DataFrame({"simulated": simulated, "real": real})
    print("\nHypnograms in bed")
    print(table.round(3).to_string())


def correct(simulated: pd.DataFrame, real: pd.DataFrame) -> None:
    """Correct the calibration file by the differences from the real figures.

    Normalised signals only show the levels of a channel relative to one another. A deviation common
    to all its sleep cells is corrected by the amplitude of movement artefacts, which contribute
    variance but hardly affect the median spectrum.
    """
    rows = pd.read_csv(CALIBRATION).set_index(["stage", "channel", "band"])
    off = real["mean"] - simulated["mean"]
    common = off[off.index.get_level_values("stage") != "W"].groupby("channel").mean()
    own = off - off.index.get_level_values("channel").map(common)
    rows["level"] = (rows.level + 0.7 * own).clip(-9, 8)
    for spread in ("within", "between"):
        ratio = real[spread] / simulated[spread]
        rows[spread] = (rows[spread] * ratio**0.5).clip(0.02, 1.6)
    factor = np.exp(-0.5 * common).clip(0.7, 1.4)
    rows["movement"] *= rows.index.get_level_values("channel").map(factor)
    rows["movement"] = rows.movement.clip(0.1, 6)
    rows.round(3).reset_index().to_csv(CALIBRATION, index=False, quoting=csv.QUOTE_MINIMAL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--subjects", type=int, default=36)
    parser.add_argument("--nights", type=int, default=1)
    parser.add_argument("--hours", type=float, default=9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--calibrate", type=int, default=0, metavar="N")
    parser.add_argument(
        "--reference",
        type=Path,
        default=Path(__file__).resolve().parents[1] / "../shared/reference",
        help="folder of the real figures",
    )
    args = parser.parse_args()
    if not (args.reference / "sleep_edf_band_powers.csv").is_file():
        sys.exit(f"{args.reference}: no sleep_edf_band_powers.csv there; give --reference FOLDER")
    assert list(KNOTS) == list(BANDS)

    def measured(seed: int) -> list[dict]:
        cohort = Cohort(subjects=args.subjects, nights=args.nights, hours=args.hours, seed=seed)
        with ProcessPoolExecutor(args.processes) as pool:
            return list(pool.map(partial(features, cohort=cohort), recordings(cohort)))

    real = real_moments(args.reference)
    for turn in range(args.calibrate):
        simulated = moments(measured(args.seed + 100 + turn))
        off = ((simulated["mean"] - real["mean"]) / real["between"]).abs()
        print(f"turn {turn}: worst {off.max():.2f} at {', '.join(off.idxmax())}", flush=True)
        correct(simulated, real)
    nights = measured(args.seed)
    compare_powers(moments(nights), real)
    compare_scores(nights)
    compare_hypnograms(nights, args.reference)


if __name__ == "__main__":
    main()
