"""Every check of an audit passes on a finished run, and fails on a fault that is planted in it."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.results.audit import finished
from tests.results.audit.finished import (
    AGAIN,
    FINETUNED,
    FOLDS,
    INDEX,
    PRETRAINED,
    RECORDINGS,
    SOURCE_INDEX,
    SPLIT,
    TABLE2,
    edit_json,
    folder,
)
from xsleep.config.names import IMPORTED
from xsleep.core.files import read_csv, sha256
from xsleep.networks import checkpoints
from xsleep.results.audit import checks, finding, page, results
from xsleep.results.audit.trainings import Imported
from xsleep.results.published import Size
from xsleep.store.predictions import read_predictions, write_predictions
from xsleep.store.recordings import read_index, write_index
from xsleep.training import origin, sequences
from xsleep.training.parts import load_part

RUN, SCORING = folder() / "run.json", folder() / "scoring.json"
MODEL, HISTORY = folder() / "model.safetensors", folder() / "history.csv"
SCORES = folder() / "predictions.h5"
RECORDING = Path("recordings/SC4001E0-PSG.edf")
TRANSFERRED = folder(FINETUNED)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setattr(origin, "commit", lambda: finished.COMMIT)
        finished.make()
    return path


@pytest.fixture
def run(template, tmp_path, monkeypatch):
    """The working folder is a copy of a finished run."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def audited():
    """Verdicts by check."""
    found = checks.verdicts(finished.evidence(), lambda line: None)
    return {verdict.check: verdict for verdict in found}


def failed():
    return {name: v for name, v in audited().items() if v.status == finding.FAILED}


def test_all_checks_pass_on_a_finished_run_and_say_what_they_examined(run):
    verdicts = audited()
    assert {name: v.line for name, v in verdicts.items() if v.status != finding.PASSED} == {
        "epoch counts": "nothing is published on X",
        **dict.fromkeys(("imports", "imported epochs"), "everything in Table 2 is trained here"),
    }
    assert verdicts["recordings"].line == "12 files"
    assert verdicts["stores"].line == "12 files"
    assert verdicts["pretrained on"].line == "2 finetuned networks"
    assert verdicts["normalisation"].line == "5 networks"
    assert verdicts["retrained history"].line == f"3 evaluations of {AGAIN}, bit for bit"


def append(path, what=b"\0"):
    with path.open("ab") as file:
        file.write(what)


def replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def with_network(change):
    """Change the network of a run as if it had been trained so: the records agree."""
    network, system, channels = checkpoints.load(MODEL)
    change(network)
    checkpoints.save(MODEL, network, system, channels)
    recorded_anew()


def recorded_anew():
    """The records of a run have the hashes of its files as they are."""
    for path in (MODEL, HISTORY):
        edit_json(RUN, "outputs", path.name, value=sha256(path))
    edit_json(SCORING, "inputs", MODEL.name, value=sha256(MODEL))
    edit_json(SCORING, "outputs", SCORES.name, value=sha256(SCORES))


def nudged(path=MODEL):
    network, system, channels = checkpoints.load(path)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-6
    checkpoints.save(path, network, system, channels)


def with_predictions(path, change):
    first, *others = read_predictions(path)
    write_predictions(path, [change(first), *others])


def wrong_scores(prediction):
    branch = next(iter(prediction.probabilities))
    return replace(prediction, probabilities={branch: np.eye(5)[(prediction.stages + 1) % 5]})


def wrong_stages(prediction):
    return replace(prediction, stages=(prediction.stages + 1) % 5)


def subject_that_tests_trains():
    rows = read_csv(FOLDS)
    tested = next(row for row in rows if row["role"] == "test" and row["fold"] == "2")
    append(FOLDS, f"2,training,{tested['subject']},{tested['recording']}\n".encode())


def one_file_of_two_subjects():
    first, second, *others = read_index(INDEX).values()
    hashes = dict(zip(second.info.hashes, first.info.hashes.values(), strict=True))
    twin = replace(second, info=replace(second.info, hashes=hashes))
    write_index(INDEX, [first, twin, *others])


def recording_that_tests_trained():
    tested = read_predictions(SCORES)[0].recording
    edit_json(RUN, "recordings", "training", change=lambda names: [*names, tested])


def normalised_with_all():
    recordings = read_index(INDEX).values()
    parts = [load_part(stored, "whole-night", ("EEG",), finished.NETWORK) for stored in recordings]
    with_network(lambda network: network.set_normalisation(*sequences.normalisation(parts)))


def better_validation(path=RUN):
    """As if another set had been validated on: all accuracies are higher."""
    history = path.with_name("history.csv")
    rows = read_csv(history)
    with history.open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            column = "time-frequency validation accuracy"
            writer.writerow(row | {column: float(row[column]) + 0.1})
    edit_json(path, "outputs", history.name, value=sha256(history))


def pretrained_on_who_tests():
    """A recording of the source is, under another name, one of a subject that is tested."""
    tested = read_index(INDEX)[read_predictions(TRANSFERRED / SCORES.name)[0].recording]
    first, *others = read_index(SOURCE_INDEX).values()
    hashes = dict(zip(first.info.hashes, tested.info.hashes.values(), strict=True))
    twin = replace(first, info=replace(first.info, hashes=hashes))
    write_index(SOURCE_INDEX, [twin, *others])


def pretraining_subject_on_two_sides():
    rows = read_csv(SPLIT)
    validates = next(row for row in rows if row["role"] == "validation")
    append(SPLIT, f"training,Y,{validates['subject']},{validates['recording']}\n".encode())


def scores_of_another_fold():
    for path in (SCORES, SCORING):
        shutil.copy(folder(FINETUNED, fold=1) / path.name, TRANSFERRED)


def recordings_twice_over():
    recordings = list(read_index(INDEX).values())
    for stored in recordings:
        stored.info.places[20:] -= 20
    write_index(INDEX, recordings)


def across_recordings(count):
    """The number of sequences where the recordings are one after another."""
    return count + finished.NETWORK.sequence_length - 1


def longer(path=TABLE2):
    accuracy = re.search(r"measured,.*?,(\d+\.\d),", path.read_text())[1]
    replaced(path, f",{accuracy},", f",{float(accuracy) + 0.2:.1f},")


FAULTS = {
    "a recording is another": (
        lambda: append(RECORDING),
        {"recordings": r"recordings/SC4001E0-PSG.edf: its hash is \w+, but .*json recorded \w+"},
    ),
    "a recording is gone": (
        lambda: RECORDING.unlink(),
        {"recordings": r"recordings/SC4001E0-PSG.edf: missing, though .*json recorded it"},
    ),
    "stored epochs are others": (
        lambda: append(Path("epochs/SC4001E0.h5")),
        {"stores": "epochs/SC4001E0.h5: its hash is"},
    ),
    "stored spectrograms are others": (
        lambda: append(Path("spectrograms/SC4001E0.h5")),
        {"stores": "spectrograms/SC4001E0.h5: its hash is"},
    ),
    "a weight is another": (nudged, {"checkpoints": "model.safetensors: its hash is"}),
    "a history is another": (lambda: append(HISTORY, b"\n"), {"checkpoints": "history.csv: its"}),
    "predictions are others": (
        lambda: with_predictions(SCORES, wrong_scores),
        {
            "predictions": f"{re.escape(str(SCORES))}: its hash is",
            "metrics": r"table2.csv: X, .*, EEG: accuracy [\d.]+, recomputed [\d.]+ \(and",
        },
    ),
    "predictions are another network's": (
        lambda: edit_json(SCORING, "inputs", MODEL.name, value="0" * 64),
        {"predictions": "scored by the network 000000000000, but .*run.json recorded"},
    ),
    "another commit": (
        lambda: edit_json(RUN, "commit", value="b" * 40),
        {"code": r"commit: a{40} in 12 records .*, b{40} in 1 record \(.*run.json\)"},
    ),
    "changes to the commit": (
        lambda: edit_json(RUN, "commit", value=f"{finished.COMMIT}+"),
        {"code": "commit: a{40} in 12 records"},
    ),
    "another package": (
        lambda: edit_json(RUN, "packages", "torch", value="1.0"),
        {"packages": r"torch: \S+ in 12 records .*, 1.0 in 1 record \(.*run.json\)"},
    ),
    "another configuration": (
        lambda: edit_json(RUN, "training", "learning_rate", value=5.0),
        {"configuration": "run.json: training.learning_rate was 5.0, configured is 0.01"},
    ),
    "another scoring": (
        lambda: edit_json(SCORING, "scoring", "longest_gap", value=7),
        {"configuration": "scoring.json: scoring.longest_gap was 7, configured is 2"},
    ),
    "another seed's run": (
        lambda: edit_json(RUN, "seed", value=2),
        {"configuration": "run.json: seed was 2, configured is 1"},
    ),
    "finetuned in another way": (
        lambda: edit_json(TRANSFERRED / RUN.name, "strategy", value="softmax"),
        {"configuration": "run.json: strategy was softmax, configured is all"},
    ),
    "pretrained in another way": (
        lambda: edit_json(PRETRAINED / RUN.name, "training", "learning_rate", value=5.0),
        {"configuration": f"{PRETRAINED}/run.json: training.learning_rate was 5.0, configured"},
    ),
    "the pretrained network is another": (
        lambda: nudged(PRETRAINED / MODEL.name),
        {"checkpoints": rf"{PRETRAINED}/model.safetensors: its hash is \w+, but .* recorded \w+$"},
    ),
    "finetuned from another network": (
        lambda: edit_json(TRANSFERRED / RUN.name, "inputs", "pretrained", value="0" * 64),
        {"checkpoints": rf"{PRETRAINED}/.*, but {re.escape(str(TRANSFERRED))}/.* recorded 0{{12}}"},
    ),
    "scores of a finetuned network are another fold's": (
        scores_of_another_fold,
        {
            "predictions": rf"{re.escape(str(TRANSFERRED))}/predictions.h5: scored by the network",
            "roles": rf"{re.escape(str(TRANSFERRED))}: test: .* \(2\) used, but not in .*folds.csv",
            "metrics": r"table2.csv: X, whole-night, FT-SeqSleepNet\+, EEG: 4 subjects, but 2 in",
        },
    ),
    "a recording that was pretrained on is another": (
        lambda: append(Path("source/SC4101E0-PSG.edf")),
        {"recordings": "source/SC4101E0-PSG.edf: its hash is"},
    ),
    "pretrained on a subject that tests": (
        pretrained_on_who_tests,
        {
            "pretrained on": r"subject 0\d of X is in the test, and as subject 1\d of Y in",
            "recordings": r"source/SC41\d1E0-PSG.edf: its hash is \w+, but source.h5 recorded",
        },
    ),
    "a subject validates that pretrained": (
        pretraining_subject_on_two_sides,
        {
            "split": r"split.csv: (subject 1\d of Y) is in training, and as \1 in validation$",
            "checkpoints": "split.csv: its hash is",
            "roles": rf"{PRETRAINED}: training: SC41\d1E0 \(1\) not used, but in .*split.csv",
            "normalisation": "from that of its 2 training recordings",
            "sequences": f"{PRETRAINED}/run.json: 36 training sequences, but 72 lie within",
        },
    ),
    "another validation of the pretraining": (
        lambda: better_validation(PRETRAINED / RUN.name),
        {"stopping": rf"{PRETRAINED}/history.csv: validation accuracy .* but the network has"},
    ),
    "a subject that tests trains too": (
        subject_that_tests_trains,
        {
            "split": r"folds.csv: fold 2: subject \d+ is in training and test",
            "checkpoints": "folds.csv: its hash is",
            "roles": r"training: SC40\d1E0 \(1\) not used, but in .*folds.csv",
        },
    ),
    "two subjects with one file": (
        one_file_of_two_subjects,
        {"split": "index.h5: subjects 00, 01 share a file"},
    ),
    "a recording that tests trained too": (
        recording_that_tests_trained,
        {
            "roles": r"training: SC40\d1E0 \(1\) used, but not in .*folds.csv",
            "normalisation": "its mean differs by up to",
            "sequences": "run.json: 36 training sequences, but 72 lie within one recording",
            "recordings": r"recordings/SC40\d1E0-PSG.edf: .*run.json did not record its hash",
        },
    ),
    "normalised with all recordings": (
        normalised_with_all,
        {"normalisation": r"up to [\d.]+ dB from that of its 1 training recording"},
    ),
    "another step is kept": (
        lambda: edit_json(RUN, "best_step", value=0),
        {"stopping": r"the best validation accuracy is at step \d, but run.json says 0"},
    ),
    "it trained on after its end": (
        lambda: edit_json(RUN, "steps", value=2),
        {"stopping": "ends at step 4, but run.json says 2"},
    ),
    "it trained on though nothing was gained": (
        lambda: edit_json(RUN, "training", "patience", value=1),
        {
            "stopping": "history.csv: continues after step 0, where patience ran out",
            "configuration": "training.patience was 1, configured is None",
        },
    ),
    "validated on other recordings": (
        better_validation,
        {"stopping": r"validation accuracy .* at step \d, but the network has .* on its 1 valid"},
    ),
    "sequences across recordings are counted": (
        lambda: edit_json(RUN, "training_sequences", change=across_recordings),
        {"sequences": r"run.json: \d+ training sequences, but \d+ lie within one recording"},
    ),
    "two recordings in one": (
        recordings_twice_over,
        {
            "sequences": r"index.h5: SC40\d1E0 goes back in time",
            "true stages": "not the stored epochs",
        },
    ),
    "other true stages": (
        lambda: with_predictions(SCORES, wrong_stages),
        {"true stages": r"SC40\d1E0: 40 true stages not as stored", "predictions": "its hash is"},
    ),
    "another figure in the table": (
        longer,
        {"metrics": r"table2.csv: X, whole-night, .*, EEG: accuracy [\d.]+, recomputed [\d.]+$"},
    ),
    "another history when trained again": (
        lambda: replaced(Path(AGAIN, "history.csv"), "\n2,", "\n2,9"),
        {"retrained history": f"{AGAIN}: step 2: time-frequency training loss 9.* first training"},
    ),
    "other predictions when trained again": (
        lambda: with_predictions(Path(AGAIN, "predictions.h5"), wrong_scores),
        {"retrained predictions": rf"{AGAIN}: SC40\d1E0: time-frequency differs by up to [\d.]+"},
    ),
    "far other losses on another machine": (
        lambda: (
            edit_json(Path(AGAIN, "run.json"), "processor", value="another"),
            replaced(Path(AGAIN, "history.csv"), "\n0,", "\n0,9"),
        ),
        {"retrained history": r"step 0: time-frequency training loss differs by .* are 1e-05"},
    ),
    "soon far other losses on another machine": (
        lambda: (
            edit_json(Path(AGAIN, "run.json"), "processor", value="another"),
            replaced(Path(AGAIN, "history.csv"), "\n2,", "\n2,9"),
        ),
        {"retrained history": r"step 2: time-frequency training loss differs by .* are 1e-01"},
    ),
    "far other predictions on another machine": (
        lambda: (
            edit_json(Path(AGAIN, "run.json"), "processor", value="another"),
            with_predictions(Path(AGAIN, "predictions.h5"), wrong_scores),
        ),
        {"retrained predictions": r"accuracy [\d.]+ %, in the first training .*, allowed are 3 p"},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_check_fails_on_its_planted_fault_and_no_other_does(run, name):
    plant, expected = FAULTS[name]
    plant()
    found = failed()
    for check, verdict in found.items():
        print(f"{name} -> {check}: {verdict.line}")
    # A check that has to read what is not as it was written says so.
    unread = {name for name, verdict in found.items() if "not as it was written" in verdict.line}
    assert found.keys() - unread <= expected.keys() <= found.keys()
    for check, line in expected.items():
        assert re.search(line, found[check].line)


def test_on_another_machine_a_training_may_drift(run):
    edit_json(Path(AGAIN, "run.json"), "processor", value="another")
    replaced(Path(AGAIN, "history.csv"), "\n4,", "\n4,9")
    verdict = audited()["retrained history"]
    assert verdict.status == finding.PASSED
    at_first = (
        "losses differ by 0.0e+00 at step 0 (allowed 1e-05), 0.0e+00 at step 2 (allowed 1e-01)"
    )
    assert f"{at_first}, as its processor is another" in verdict.line


def test_sequences_are_those_that_are_drawn(run, monkeypatch):
    every = lambda places, length, gap: np.arange(len(places))  # noqa: E731
    monkeypatch.setattr(sequences, "starts", every)
    line = failed()["sequences"].line
    assert re.search("a sequence of 5 epochs begins at epoch 3[6-9] of the 40 of SC4", line)


def test_a_sequence_across_a_gap_is_found(run, monkeypatch):
    first, *others = read_index(INDEX).values()
    for stored in (first, *others):
        stored.info.places[20:] += 10
    write_index(INDEX, [first, *others])
    assert "sequences" in failed()  # the runs counted those across
    monkeypatch.setattr(sequences, "starts", lambda places, length, gap: np.arange(36))
    line = failed()["sequences"].line
    assert re.search(r"a sequence of SC40\d1E0 bridges a gap at epoch 1[6-9]", line)


def test_epoch_counts_are_the_published_ones_or_the_check_fails(run, monkeypatch):
    monkeypatch.setattr(results, "size", lambda database, window: Size(4, 4, 160, "a note"))
    assert audited()["epoch counts"].status == finding.PASSED
    monkeypatch.setattr(results, "size", lambda database, window: Size(4, 4, 161, "a note"))
    line = "X, whole-night: 160 epochs, 0 skipped; published 161 (a note)"
    assert failed()["epoch counts"].line == line
    monkeypatch.setattr(results, "size", lambda database, window: Size(5, 5))
    assert failed()["epoch counts"].line == "X, whole-night: 4 recordings, 0 skipped; published 5"


FILES = [RUN, SCORING, MODEL, HISTORY, SCORES, INDEX, FOLDS, RECORDINGS, TABLE2, RECORDING]
FILES += [*(PRETRAINED / path.name for path in (RUN, MODEL, HISTORY)), SPLIT, SOURCE_INDEX]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_audit_of_damaged_files_is_made_and_says_what_failed(run, path):
    path.write_bytes(b"no such thing\n")
    audited_with_faults_of(path)


def test_an_audit_of_lost_files_is_made_and_says_what_failed(run):
    for path in FILES:
        path.unlink()
    audited_with_faults_of(RUN, SCORING, INDEX, FOLDS, RECORDINGS, TABLE2)


def audited_with_faults_of(*paths):
    evidence = finished.evidence()
    verdicts = checks.verdicts(evidence, lambda line: None)
    broken = [verdict for verdict in verdicts if verdict.status == finding.FAILED]
    faults = [fault for verdict in broken for fault in verdict.faults]
    assert all(any(str(path) in fault for fault in faults) for path in paths)
    assert not any("\n" in fault for fault in faults)
    content = page.content(verdicts, evidence, ())
    assert page.html(content) and page.as_json(content)


def imported(change=lambda prediction: prediction, remarks=()):
    """Evidence with a further system, whose predictions are those of a trained one, changed."""
    evidence = finished.evidence()
    runs = [run for run in evidence.runs if run.identity.system == "ARNN+RNN"]
    whole = [replace(p, fold=run.identity.fold) for run in runs for p in run.predictions]
    path = Path("results/predictions/X/Other/predictions.h5")
    write_predictions(path, list(map(change, whole)), remarks)
    inputs = {str(finished.FOLDS): sha256(finished.FOLDS)}
    record = {"inputs": inputs, "outputs": {path.name: sha256(path)}}
    path.with_name("import.json").write_text(json.dumps(record))
    where = replace(runs[0].identity, system="Other", fold=0, predictions=path, source=IMPORTED)
    return replace(evidence, imported=[Imported(where, finished.INDEX, finished.FOLDS)])


def verdict(evidence, check):
    found = {v.check: v for v in checks.verdicts(evidence, lambda line: None)}[check]
    return found.status, found.line


def test_imported_predictions_are_examined(run):
    evidence = imported()
    assert verdict(evidence, "imports") == (finding.PASSED, "2 files")
    status, line = verdict(evidence, "imported epochs")
    assert status == finding.PASSED and line.endswith("epochs")
    status, line = verdict(evidence, "metrics")
    assert status == finding.FAILED and "Other, EEG: 0 rows" in line  # not in the table


def test_changed_imported_predictions_are_found(run):
    evidence = imported()
    write_predictions(evidence.imported[0].identity.predictions, [])
    status, line = verdict(evidence, "imports")
    assert status == finding.FAILED and "predictions.h5: its hash is" in line


def test_an_imported_prediction_of_another_fold_is_found(run):
    evidence = imported(lambda p: replace(p, fold=3 - p.fold))
    status, line = verdict(evidence, "imported epochs")
    assert status == finding.FAILED and "not in the test of results/X/folds.csv" in line


@pytest.mark.parametrize(
    ("remarks", "status"), [((), finding.FAILED), (("one is missing",), finding.PASSED)]
)
def test_epochs_that_imported_predictions_lack_must_be_told(run, remarks, status):
    def shorter(p):
        chances = {branch: values[1:] for branch, values in p.probabilities.items()}
        return replace(p, places=p.places[1:], stages=p.stages[1:], probabilities=chances)

    found, line = verdict(imported(shorter, remarks), "imported epochs")
    assert found == status and "missing" in line


def test_without_a_training_only_predictions_are_examined(run):
    evidence = replace(imported(), runs=[], pretrainings=[], retrained=None)
    found = checks.verdicts(evidence, lambda line: None)
    examined = {v.check for v in found if v.line != "nothing in Table 2 is trained here"}
    assert examined == {*checks.OF_PREDICTIONS}
