"""A network from elsewhere scores a database: the whole cohort, normalised by itself."""

import numpy as np
import pytest

from tests.helpers.recordings import NETWORK, prepare, write_excerpts
from xsleep.core.errors import InputError
from xsleep.core.stages import STAGES
from xsleep.databases import open_database, source_of
from xsleep.networks import build, checkpoints
from xsleep.networks.importing import import_weights
from xsleep.results.table2 import confusion_table
from xsleep.scoring.jobs import zero_shot
from xsleep.store.predictions import read_predictions


def score(folder, recordings, model, window="whole-night"):
    """Lines of the table by true stage, and the predictions."""
    source = source_of(reader="dreams", folder=recordings, labels={"EEG": ["C3-A1", "CZ-A1"]})
    names = [entry.name for entry in open_database(source).entries()]
    index, _ = prepare(folder, source, ["EEG"], *names)
    out = folder / "predictions.h5"
    scored = {"longest_gap": None, "scoring_stride": 1, "out": out, "threads": 1}
    facts = zero_shot("DREAMS", source, model, index, window=window, **scored)
    predictions = read_predictions(out)
    rows = {row["true stage"]: facts | row for row in confusion_table(predictions)}
    return rows, predictions


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, build("ARNN+RNN", 1, NETWORK, seed=0), "ARNN+RNN", ("EEG",))
    return path


def test_the_mass_network_scores_the_616_epochs_of_dreams(tmp_path, reference, dreams_folder):
    model = tmp_path / "model.safetensors"
    import_weights(reference / "parity/seqsleepnet_mass_1chan_eeg.npz", model)
    rows, predictions = score(tmp_path, dreams_folder, model)
    assert (rows["all"]["recordings"], rows["all"]["epochs"]) == (7, 616)
    assert [int(rows[stage]["epochs"]) for stage in STAGES] == [71, 48, 368, 123, 6]
    # No epoch is undecided by rounding, which moves logits by less than 1e-4 (test_released.py).
    chances = np.concatenate([one.probabilities["time-frequency"] for one in predictions])
    _, second, first = np.sort(np.log(chances), axis=1)[:, -3:].T
    assert (first - second).min() > 4 * 1e-4
    assert [int(rows[stage][stage]) for stage in STAGES] == [54, 21, 318, 15, 0]
    assert (rows["all"]["accuracy"], rows["all"]["kappa"]) == ("66.2", "0.393")


def test_the_cohort_is_normalised_as_a_whole(tmp_path, model):
    """A gain common to all recordings changes nothing, one that differs between them does."""
    once, all_louder, one_louder = (
        [
            one.probabilities["time-frequency"]
            for one in score(
                tmp_path / name, write_excerpts(tmp_path / f"{name}-in", *gains), model
            )[1]
        ]
        for name, gains in (("once", (1, 1)), ("all-louder", (2, 2)), ("one-louder", (1, 2)))
    )
    common, differing = (np.abs(np.subtract(once, x)).max() for x in (all_louder, one_louder))
    assert 10 * common < differing


def test_the_table_is_the_confusion_matrix_of_the_predictions(tmp_path, model):
    rows, predictions = score(tmp_path, write_excerpts(tmp_path / "in", 1, 1), model)
    true = np.concatenate([one.stages for one in predictions])
    given = np.concatenate(
        [one.probabilities["time-frequency"].argmax(axis=1) for one in predictions]
    )
    for i, stage in enumerate(STAGES):
        expected = [int(((true == i) & (given == j)).sum()) for j in range(5)]
        assert [int(rows[stage][s]) for s in STAGES] == expected
        assert (int(rows[stage]["epochs"]), rows[stage]["accuracy"]) == (sum(expected), "")
    assert [int(rows["all"][s]) for s in STAGES] == [int((given == j).sum()) for j in range(5)]
    assert float(rows["all"]["accuracy"]) == pytest.approx(100 * np.mean(true == given), abs=0.05)


def test_a_recording_that_cannot_be_used_is_counted(tmp_path, model):
    folder = write_excerpts(tmp_path / "in", 1, 1)
    (folder / "Hypnogram_excerpt2.txt").unlink()
    rows, _ = score(tmp_path, folder, model)
    assert (rows["all"]["recordings"], rows["all"]["skipped"]) == (1, 1)
    (folder / "Hypnogram_excerpt1.txt").unlink()
    with pytest.raises(InputError, match=r"DREAMS: no recording can be used; .*excerpt1\.txt"):
        score(tmp_path, folder, model)


def test_a_recording_without_what_the_window_needs_cannot_be_used(tmp_path, model):
    folder = write_excerpts(tmp_path / "in", 1)
    with pytest.raises(InputError, match=r"no recording .*excerpt1\.edf: no lights times"):
        score(tmp_path, folder, model, "in-bed")
