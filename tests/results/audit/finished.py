"""A finished run in a folder, as the workflow leaves it: small enough to be damaged many times."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from tests.helpers.recordings import edf_signal, noise, write_recording
from xsleep.config.databases import KFold
from xsleep.config.network import Filtering, NetworkSettings
from xsleep.config.training import TrainingSettings
from xsleep.core.files import write_csv
from xsleep.databases import source_of
from xsleep.preparation.jobs import make_folds, make_source_split, prepare
from xsleep.results import formatting, inventory, table2
from xsleep.results.audit.evidence import Evidence
from xsleep.results.audit.trainings import Pretraining, Run
from xsleep.results.measurements import RunPredictions, gather
from xsleep.scoring.jobs import score_run
from xsleep.store.recordings import read_index
from xsleep.training.jobs import TrainingJob

SYSTEMS = ("ARNN+RNN", "FCNN+RNN")
FINETUNED = "FT-SeqSleepNet+"
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
NAMES = [f"SC40{n}1E0" for n in range(4)]
INDEX, FOLDS, RECORDINGS = (
    Path(path) for path in ("index.h5", "results/X/folds.csv", "results/X/recordings.csv")
)
SOURCE_NAMES = ["SC4101E0", "SC4111E0"]
SOURCE_INDEX, SOURCE_RECORDINGS, SPLIT, PRETRAINED = (
    Path(path)
    for path in ("source.h5", "results/Y/recordings.csv", "results/split.csv", "results/pretrained")
)
TABLE2 = Path("results/table2.csv")
AGAIN = "results/audit/retrained"
COMMIT = 40 * "a"
QUIET = {"threads": 1, "report": lambda line: None}


def make() -> None:
    """Make it in the working folder."""
    _prepare("X", Path("recordings"), NAMES, INDEX, RECORDINGS)
    make_folds("X", KFold(folds=2, validation=1, training_subset=1), RECORDINGS, FOLDS)
    _prepare("Y", Path("source"), SOURCE_NAMES, SOURCE_INDEX, SOURCE_RECORDINGS)
    make_source_split({"Y": (SOURCE_INDEX, "whole-night")}, 1, 1, SPLIT)
    _pretrain()
    for run in evidence().runs:
        _train_and_score(run)
    _train_and_score(evidence().retrained[1])
    results = gather([run.identity for run in evidence().runs], {"X": RECORDINGS})
    formatting.write_csv(TABLE2, table2.table2(results))


def _prepare(database: str, folder: Path, names: list[str], index: Path, recordings: Path) -> None:
    source = source_of(reader="sleep-edf-20", folder=folder, labels={"EEG": ("EEG Fpz-Cz",)})
    for name in names:
        number = int(name[3:5])
        start = datetime.time(22, number)
        write_recording(source.folder, name, signals=[_eeg(number)], start=start)
    prepare(
        source,
        ("EEG",),
        Filtering(),
        names,
        epochs=Path("epochs"),
        spectrograms=Path("spectrograms"),
        index=index,
        seen=Path("seen.json"),
        report=lambda line: None,
    )
    infos = [stored.info for stored in read_index(index).values()]
    recordings.parent.mkdir(parents=True)
    write_csv(recordings, inventory.recordings(database, source, ["whole-night"], infos))


def _pretrain() -> None:
    (pretraining,) = evidence().pretrainings
    address = {key: pretraining.settings[key] for key in ("source", "channels", "system", "seed")}
    job = TrainingJob(address, TRAINING, PRETRAINED, **QUIET)
    job.pretrain(NETWORK, SPLIT, {"Y": (SOURCE_INDEX, "whole-night")})


def _eeg(seed: int):
    return edf_signal("EEG Fpz-Cz", 1200, values=(seed + 1) * noise(1200, 100, seed))


def _train_and_score(run: Run) -> None:
    settings = {**run.settings}
    address = {k: v for k, v in settings.items() if k not in ("network", "training")}
    job = TrainingJob(address, TRAINING, run.folder, **QUIET)
    if run.pretrained:
        job.finetune(None, run.pretrained, FOLDS, INDEX)
    else:
        job.train(NETWORK, FOLDS, INDEX)
    score_run(
        run.folder / "model.safetensors",
        FOLDS,
        run.identity.fold,
        INDEX,
        window=run.identity.window,
        longest_gap=TRAINING.longest_gap,
        scoring_stride=TRAINING.scoring_stride,
        out=run.identity.predictions,
        threads=1,
    )


def evidence() -> Evidence:
    """Return the evidence of an audit in the working folder."""
    configured = {
        "network": NETWORK.model_dump(mode="json"),
        "training": TRAINING.model_dump(mode="json"),
    }
    transferred = {"source": "Y", "source_channels": "EEG", "system": "SeqSleepNet+"}
    found = []
    for system in (*SYSTEMS, FINETUNED):
        for fold in (1, 2):
            address = dict(
                database="X", window="whole-night", channels="EEG", system=system, seed=1, fold=fold
            )
            settings, pretrained = address | configured, None
            if system == FINETUNED:
                settings |= transferred | {"strategy": "all"}
                pretrained = PRETRAINED / "model.safetensors"
            identity = RunPredictions(
                **address, predictions=folder(system, fold) / "predictions.h5"
            )
            found.append(Run(identity, INDEX, FOLDS, settings, pretrained))
    pretraining = Pretraining(
        PRETRAINED,
        {"source": "Y", "channels": "EEG", "system": "SeqSleepNet+", "seed": 1} | configured,
        SPLIT,
        {"Y": (SOURCE_INDEX, "whole-night")},
    )
    return Evidence(
        runs=found,
        recordings={"X": RECORDINGS, "Y": SOURCE_RECORDINGS},
        table2=TABLE2,
        retrained=(found[0], found[0].at(Path(AGAIN, "predictions.h5"))),
        pretrainings=[pretraining],
    )


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
