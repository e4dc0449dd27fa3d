"""A finished run in a folder, as the workflow leaves it: small enough to be damaged many times."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from tests.conftest import edf_signal, noise, write_night
from xsleep import inventory, pipeline, runs, store, tables
from xsleep.audit.evidence import Evidence, Run
from xsleep.outcomes import Cell, gather
from xsleep.settings import KFold, NetworkSettings, Source, TrainingSettings

SYSTEMS = ("ARNN+RNN", "FCNN+RNN")
NETWORK = NetworkSettings(
    filters=[4, 4],
    kernel=5,
    gru_units=6,
    gru_layers=1,
    filterbank=6,
    frame_units=4,
    attention=4,
    sequence_units=4,
    sequence_length=5,
)
TRAINING = TrainingSettings(
    steps=4, batch_size=4, learning_rate=1e-2, evaluate_every=2, blending_window=2, longest_gap=2
)
NIGHTS = [f"SC40{n}1E0" for n in range(4)]
INDEX, FOLDS, RECORDINGS = (
    Path(path) for path in ("index.h5", "results/X/folds.csv", "results/X/recordings.csv")
)
TABLE2 = Path("results/table2.csv")
AGAIN = "results/audit/retrained"
COMMIT = 40 * "a"


def make() -> None:
    """Make it in the working folder."""
    source = Source(reader="sleep-edf-20", folder=Path("nights"), labels={"EEG": ("EEG Fpz-Cz",)})
    for number, name in enumerate(NIGHTS):
        start = datetime.time(22, number)
        write_night(source.folder, name, signals=[_eeg(number)], start=start)
    pipeline.prepare(
        *(source, ("EEG",), "band-pass", NIGHTS),
        *(Path("epochs"), Path("spectrograms"), INDEX, lambda line: None),
    )
    nights = [stored.night for stored in store.read_index(INDEX).values()]
    inventory_of = inventory.recordings("X", source, ["whole-night"], nights)
    RECORDINGS.parent.mkdir(parents=True)
    inventory.write_csv(inventory_of, RECORDINGS)
    pipeline.make_folds("X", KFold(folds=2, validation=1, training_subset=1), RECORDINGS, FOLDS)
    for run in evidence().runs:
        _train_and_score(run)
    _train_and_score(evidence().retrained[1])
    outcomes = gather([run.cell for run in evidence().runs], {"X": RECORDINGS})
    tables.write_csv(tables.table2(outcomes), TABLE2)


def _eeg(seed: int):
    return edf_signal("EEG Fpz-Cz", 1200, values=(seed + 1) * noise(1200, 100, seed))


def _train_and_score(run: Run) -> None:
    address = {k: v for k, v in vars(run.cell).items() if k != "predictions"}
    runs.train_run(address, NETWORK, TRAINING, FOLDS, INDEX, run.folder, 1, lambda line: None)
    runs.score_run(
        run.folder / "model.safetensors",
        *(FOLDS, run.cell.fold, INDEX, run.cell.window),
        *(TRAINING.longest_gap, TRAINING.scoring_stride, run.cell.predictions, 1),
    )


def evidence() -> Evidence:
    """What an audit in the working folder looks at."""
    settings = {
        "network": NETWORK.model_dump(mode="json"),
        "training": TRAINING.model_dump(mode="json"),
    }
    found = [
        Run(
            Cell(
                "X", "whole-night", "EEG", system, 1, fold, folder(system, fold) / "predictions.h5"
            ),
            INDEX,
            settings,
        )
        for system in SYSTEMS
        for fold in (1, 2)
    ]
    again = found[0].at(Path(AGAIN, "predictions.h5"))
    return Evidence(found, {"X": RECORDINGS}, {"X": FOLDS}, TABLE2, (found[0], again))


def folder(system="ARNN+RNN", fold=2) -> Path:
    """The files of a run; not of the one that is trained again."""
    return Path(f"results/X/{system}/fold-{fold}")


def edit_json(path: Path, *keys: str, value=None, change=None) -> None:
    """Give one of the values in a record another."""
    record = json.loads(path.read_text())
    group = record
    for key in keys[:-1]:
        group = group[key]
    group[keys[-1]] = change(group[keys[-1]]) if change else value
    path.write_text(json.dumps(record))
