"""Made-up runs, for what is computed from predictions."""

import json

import numpy as np
import pandas as pd

from xsleep.results.measurements import RunPredictions, gather
from xsleep.results.table2 import table2
from xsleep.store.predictions import Prediction, write_predictions

HEADER = "recording,subject,epochs,W,N1,N2,N3,REM,skipped"


class Study:
    """Made-up runs: each recording has the same stages in whatever system it is tested.

    Recordings a1, a2, b1 and d1 to h1 are there and c1 is skipped; subjects are their letters.
    """

    def __init__(self, folder):
        self.folder = folder
        self.runs = []

    def run(self, *recordings, seed=0, fold=1, channels="EEG", system="XSleepNet2", **options):
        """Write the predictions of a run; the better the ``skill``, the more of them are right."""
        where = {"database": "SleepEDF-20", "window": "in-bed"}
        where |= {name: options.pop(name) for name in where if name in options}
        path = self.folder / f"run-{len(self.runs)}" / "predictions.h5"
        path.parent.mkdir()
        run = RunPredictions(
            **where, channels=channels, system=system, seed=seed, fold=fold, predictions=path
        )
        nights = [night(name, seed=len(self.runs), **options) for name in recordings]
        write_predictions(path, nights)
        self.runs.append(run)
        return nights

    def results(self):
        databases = {run.database for run in self.runs}
        return gather(self.runs, {name: self.recordings(name) for name in databases})

    def table(self, **not_run):
        return table2(self.results(), not_run)

    def recordings(self, database):
        path = self.folder / f"{database}.csv"
        names = ("a1", "a2", "b1", "d1", "e1", "f1", "g1", "h1")
        lines = [f"{name},{name[0]},20,4,4,4,4,4," for name in names]
        path.write_text("\n".join([HEADER, *lines, "c1,c,0,0,0,0,0,0,no hypnogram\n"]))
        return path


def night(name, seed, skill=0.5, branches=("joint",)):
    stages = np.roll(np.repeat(np.arange(5), 4), sum(map(ord, name)))
    random = np.random.default_rng([seed, *map(ord, name)])
    scores = {b: random.dirichlet(np.ones(5), 20) + skill * np.eye(5)[stages] for b in branches}
    return Prediction(name, name[0], np.arange(20), stages, scores)


def epochs(nights):
    true = np.concatenate([n.stages for n in nights])
    return true, np.concatenate([n.probabilities["joint"].argmax(1) for n in nights])


def write_history(run, raw_losses, weights=(1 / 3, 1 / 3, 1 / 3), best_step=None, kept="best"):
    """A run's ``history.csv`` with an evaluation every ten steps, and its ``run.json``."""
    names = ("raw", "time-frequency", "joint")
    lines = [
        {"step": 10 * place, "raw validation loss": loss}
        | {f"{n} weight": w for n, w in zip(names, weights, strict=True)}
        for place, loss in enumerate(raw_losses)
    ]
    folder = run.predictions.parent
    pd.DataFrame(lines).to_csv(folder / "history.csv", index=False)
    steps = lines[-1]["step"]
    facts = {"best_step": steps if best_step is None else best_step, "steps": steps}
    (folder / "run.json").write_text(json.dumps(facts | {"training": {"model_kept": kept}}))
