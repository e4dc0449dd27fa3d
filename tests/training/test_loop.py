"""The loop: what is kept, how it stops, and that it goes on where it was stopped."""

import csv
import json
import random

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from safetensors import safe_open
from safetensors.torch import save

from tests.helpers.recordings import NETWORK, make_part
from tests.helpers.rounding import SINGLE
from xsleep.compute import device
from xsleep.config.names import BLOCKS, STRATEGIES, SYSTEMS, TRANSFER_SYSTEMS
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.networks import build, checkpoints
from xsleep.training import CHECKPOINT, loop, resume
from xsleep.training.evaluation import Losses, evaluate
from xsleep.training.loop import train
from xsleep.training.parts import Data, Training

QUICK = TrainingSettings(
    steps=8, batch_size=4, learning_rate=1e-2, evaluate_every=2, blending_window=2
)


@pytest.fixture
def data(tmp_path):
    parts = [make_part(tmp_path / "store", f"n{n}", epochs=16, seed=n) for n in range(4)]
    return Data(parts[:2], parts[1:2], parts[2:3])


def run(
    system,
    data,
    folder,
    settings=QUICK,
    report=lambda line: None,
    network=NETWORK,
    start=None,
    blocks=BLOCKS,
):
    folder.mkdir(exist_ok=True)
    start = start or build(system, 1, network, seed=1)
    return train(start, Training(system, ("EEG",), 1, settings, data, blocks), folder, report)


def interrupted(system, data, folder, settings=QUICK, *, step):
    """Train as `run` does, and stop after the evaluation at a step."""

    def stop(line):
        if f"step {step}" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(system, data, folder, settings, stop)


def history(folder, *without):
    with (folder / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in without} for row in csv.DictReader(file)]


@pytest.mark.parametrize("system", SYSTEMS + TRANSFER_SYSTEMS)
def test_history_has_a_line_per_evaluation_the_first_before_training(tmp_path, data, system):
    facts = run(system, data, tmp_path / "run")
    rows = history(tmp_path / "run")
    assert [int(row["step"]) for row in rows] == [0, 2, 4, 6, 8]
    assert facts["steps"] == 8
    network, name, channels = checkpoints.load(tmp_path / "run" / "model.safetensors")
    assert (name, channels) == (system, ("EEG",))
    for branch in network.branches:
        columns = {f"{branch} {c}" for c in ("weight", "G", "O", "validation loss")}
        assert columns <= set(rows[0])


def test_the_model_kept_has_the_best_validation_accuracy_of_its_last_branch(tmp_path, data):
    facts = run("XSleepNet2", data, tmp_path / "run")
    rows = history(tmp_path / "run")
    accuracies = [float(row["joint validation accuracy"]) for row in rows[1:]]
    network, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    kept = evaluate(network.to(device.best()), data.validation, None).accuracies["joint"]
    assert kept == max(accuracies)
    latest = max(i for i, a in enumerate(accuracies) if a == max(accuracies))
    assert facts["best_step"] == 2 * (latest + 1)


def test_the_last_model_can_be_kept_instead(tmp_path, data):
    """Without a blend, evaluations change nothing: one at the end alone keeps the last as well."""
    models = {}
    for name, change in {
        "last": {"model_kept": "last", "evaluate_every": 3},
        "best": {"model_kept": "best", "evaluate_every": 3},
        "only": {"model_kept": "best", "evaluate_every": 8},
    }.items():
        run("ARNN+RNN", data, tmp_path / name, QUICK.model_copy(update=change))
        models[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert models["last"] == models["only"] != models["best"]


def test_sequences_can_be_shuffled_in_every_pass(tmp_path, data):
    """24 sequences are five minibatches of four: the second pass begins after step 5."""
    for name in ("once", "every-pass"):
        run("ARNN+RNN", data, tmp_path / name, QUICK.model_copy(update={"shuffle": name}))
    once, every_pass = (history(tmp_path / name, "seconds") for name in ("once", "every-pass"))
    assert once[:3] == every_pass[:3]  # steps 0, 2 and 4
    assert once[3] != every_pass[3]


RANDOM = {"polarity": True, "gain": 2.0, "weight_averaging": 0.8}


@pytest.mark.parametrize("change", ({}, {"shuffle": "every-pass", "model_kept": "last"}, RANDOM))
def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(tmp_path, data, change):
    settings = QUICK.model_copy(update=change)
    run("XSleepNet2", data, tmp_path / "whole", settings)

    interrupted("XSleepNet2", data, tmp_path / "stopped", settings, step=6)
    assert (tmp_path / "stopped" / CHECKPOINT).exists()
    lines = []
    run("XSleepNet2", data, tmp_path / "stopped", settings, lines.append)
    assert "XSleepNet2: resumes from step 6" in lines
    assert history(tmp_path / "whole", "seconds") == history(tmp_path / "stopped", "seconds")
    models = [tmp_path / name / "model.safetensors" for name in ("whole", "stopped")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_what_is_evaluated_and_kept_is_the_moving_average_of_weights_and_statistics(
    tmp_path, data, monkeypatch
):
    """From the weights after the first step on; frozen blocks keep theirs."""
    decay, states = 0.7, []
    updated = loop.Average.update

    def update(self, network, *, first):
        states.append({n: v.cpu().clone() for n, v in network.state_dict().items()})
        updated(self, network, first=first)

    monkeypatch.setattr(loop.Average, "update", update)
    settings = QUICK.model_copy(update={"weight_averaging": decay, "model_kept": "last"})
    start = build("ARNN+RNN", 1, NETWORK, seed=1)
    frozen = state(start, "sequence")
    blocks = ("epoch", "softmax")
    run("ARNN+RNN", data, tmp_path / "run", settings, start=start, blocks=blocks)
    kept, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    assert len(states) == 8
    for name, value in kept.state_dict().items():
        expected = states[0][name].double()
        for later in states[1:]:
            expected = decay * expected + (1 - decay) * later[name].double()
        largest = max(one[name].abs().max().item() for one in states)
        bound = 8 * 3 * SINGLE * largest  # eight steps of three roundings
        assert torch.allclose(value.double(), expected, rtol=0, atol=bound), name
    parameters = dict(kept.blocks()["sequence"].named_parameters())
    assert all(torch.equal(value, frozen[name]) for name, value in parameters.items())
    last = float(history(tmp_path / "run")[-1]["time-frequency validation loss"])
    found = evaluate(kept.to(device.best()), data.validation, None)
    assert found.sums["time-frequency"] / found.count == last
    assert any(not torch.equal(v, states[-1][n]) for n, v in kept.state_dict().items())


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(tmp_path, data):
    interrupted("ARNN+RNN", data, tmp_path / "run", step=4)
    lines = []
    other = QUICK.model_copy(update={"learning_rate": 1e-3})
    run("ARNN+RNN", data, tmp_path / "run", other, lines.append)
    path = tmp_path / "run" / CHECKPOINT
    assert lines[1].startswith(f"{path}: of a training with other settings, recordings or version")
    assert not [line for line in lines if "resumes" in line]


DAMAGES = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "cut": lambda content: content[:-1],
    "a flipped bit of a weight": lambda content: (
        content[: (middle := len(content) // 2)]
        + bytes([content[middle] ^ 1])
        + content[middle + 1 :]
    ),
    "garbage": lambda content: random.Random(0).randbytes(len(content)),
    "another file": lambda content: b"recording,subject\na,a\n",
    "what PyTorch writes": lambda content: content[32:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_as_none_with_a_line(tmp_path, data, damage):
    run("ARNN+RNN", data, tmp_path / "whole")
    interrupted("ARNN+RNN", data, tmp_path / "run", step=4)
    path = tmp_path / "run" / CHECKPOINT
    path.write_bytes(damage(path.read_bytes()))
    lines = []
    run("ARNN+RNN", data, tmp_path / "run", report=lines.append)
    assert [line for line in lines if str(path) in line] == [
        f"{path}: damaged, or not a checkpoint of xsleep; the training begins anew"
    ]
    models = [tmp_path / name / "model.safetensors" for name in ("whole", "run")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_a_checkpoint_that_cannot_be_read_now_is_not_begun_anew_from(tmp_path, data):
    path = tmp_path / "run" / CHECKPOINT
    path.mkdir(parents=True)
    with pytest.raises(InputError, match=rf"{path}: cannot be read \(Is a directory\); mend that"):
        run("ARNN+RNN", data, tmp_path / "run")


def test_a_run_goes_on_with_the_optimiser_of_its_own_device(tmp_path, data, monkeypatch):
    """On a GPU Adam can be captured in a graph, and its checkpoint says so."""
    interrupted("ARNN+RNN", data, tmp_path / "run", step=4)
    path = tmp_path / "run" / CHECKPOINT
    saved = resume.read(path)
    for group in saved["optimizer"]["param_groups"]:
        group["capturable"] = not torch.cuda.is_available()
    resume.write(path, saved)
    seen = []
    taken = torch.optim.Adam.step

    def step(optimizer):
        seen.extend(group["capturable"] for group in optimizer.param_groups)
        return taken(optimizer)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run("ARNN+RNN", data, tmp_path / "run")
    assert set(seen) == {torch.cuda.is_available()}


def test_one_seed_gives_one_history(tmp_path, data):
    for name in ("a", "b"):
        run("Naive Fusion", data, tmp_path / name)
    assert history(tmp_path / "a", "seconds") == history(tmp_path / "b", "seconds")


@pytest.mark.parametrize(("patience", "earliest", "steps"), [(2, 0, 6), (2, 14, 14), (1, 0, 4)])
def test_early_stopping_after_patience_evaluations_below_the_best(
    tmp_path, data, monkeypatch, patience, earliest, steps
):
    """An accuracy as good as the best is a gain, as released; the first is before training."""
    accuracies = iter([0.9, 0.9, 0.2, 0.5, 0.4, 0.5, 0.4, 0.4, 0.3, 0.1])

    def measured(network, parts, gap, stride):
        accuracy = next(accuracies) if parts is data.validation else 0.0
        return Losses({"raw": 1.0}, {"raw": accuracy}, 1)

    monkeypatch.setattr(loop, "evaluate", measured)
    changes = {"patience": patience, "earliest_stop": earliest, "steps": 40}
    facts = run("FCNN+RNN", data, tmp_path / "run", QUICK.model_copy(update=changes))
    assert (facts["steps"], facts["best_step"]) == (steps, 2)


def test_training_learns_what_the_signals_tell(tmp_path, data):
    """The loss falls below the entropy of the stages at each place of a sequence: no answer that
    does not look at the signals has less."""
    stages = [part.info.stages for part in data.training_subset]
    length = NETWORK.sequence_length
    sequences = np.concatenate([sliding_window_view(one, length) for one in stages])
    shares = (sequences[..., None] == np.arange(5)).mean(0)
    entropy = -np.sum(shares * np.log(np.where(shares, shares, 1)), axis=1).mean()
    settings = QUICK.model_copy(update={"steps": 120, "evaluate_every": 120})
    without_dropout = NETWORK.model_copy(update={"recurrent_dropout": 0.0})
    run("ARNN+RNN", data, tmp_path / "run", settings, network=without_dropout)
    first, last = (float(row["time-frequency training loss"]) for row in history(tmp_path / "run"))
    assert last < entropy < first


@pytest.mark.parametrize(("over", "axes"), [("bins", (0, 1)), ("channels", (0, 1, 2))])
def test_normalisation_comes_from_the_training_recordings_alone(tmp_path, data, over, axes):
    settings = NETWORK.model_copy(update={"normalisation": over})
    run("ARNN+RNN", data, tmp_path / "run", network=settings)
    network, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    frames = np.concatenate([p.data.time_frequency(0, len(p)) for p in data.training])
    expected = frames.mean(axes, dtype=float)[..., 0]  # once rounded to single precision
    assert network.mean[:, 0].numpy() == pytest.approx(np.broadcast_to(expected, 129), rel=SINGLE)
    assert network.settings.normalisation == over


def test_training_takes_its_loss_from_the_settings(tmp_path, data):
    """Adam divides a loss's scale out of its steps: but for L2 and epsilon, nothing may change.

    Of four sequences, the mean is a quarter of the sum, and exactly so in binary.
    """
    settings = QUICK.model_copy(update={"l2": 0.0, "adam_epsilon": 1e-20, "learning_rate": 1e-4})
    losses = {}
    for name, change in {
        "sum": {},
        "mean": {"loss_reduction": "mean"},
        "mean, l2": {"loss_reduction": "mean", "l2": 1.0},
        "sum, l2": {"l2": 1.0},
    }.items():
        run("FCNN+RNN", data, tmp_path / name, settings.model_copy(update=change))
        losses[name] = float(history(tmp_path / name)[-1]["raw validation loss"])
    assert losses["mean"] == pytest.approx(losses["sum"], rel=8 * SINGLE)
    assert losses["mean, l2"] != pytest.approx(losses["sum, l2"], rel=1e-4)


def test_a_diverging_training_is_one_line(tmp_path, data):
    settings = QUICK.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(InputError, match=r"training loss of FCNN\+RNN is .* at step .*; lower"):
        run("FCNN+RNN", data, tmp_path / "run", settings)


def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a checkpoint of xsleep"):
        checkpoints.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": 1}, "system = 1: Input should be a valid string"),
        ({"system": "ARNN"}, "unknown system 'ARNN'"),
        ({"channels": "EEG"}, r"channels = 'EEG': give a list, as in \[EEG\]"),
        ({"channels": ["ECG"]}, "'ECG' is no channel"),
        ({"channels": []}, "its tensors are not those of its settings"),
        ({"network": None}, "network = None"),
        ({"network": {"gru_units": 10**6}}, "its tensors are not those of its settings"),
        ({"seed": 1}, "seed is not a known key"),
        ([], "metadata: Input should be a valid dictionary"),
    ],
)
def test_metadata_that_are_no_networks_are_one_line(tmp_path, change, message):
    path, network = tmp_path / "model.safetensors", build("FCNN+RNN", 1, NETWORK, seed=0)
    checkpoints.save(path, network, "FCNN+RNN", ("EEG",))
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["xsleep"])
    facts = facts | change if isinstance(change, dict) else change
    path.write_bytes(save(dict(network.state_dict()), {"xsleep": json.dumps(facts)}))
    with pytest.raises(InputError, match=rf"^{path}: not a checkpoint of xsleep \(.*{message}"):
        checkpoints.load(path)


def state(network, block):
    return {n: v.clone() for n, v in network.blocks()[block].state_dict().items()}


@pytest.mark.parametrize("frozen", ["parameters", "everything"])
@pytest.mark.parametrize("strategy", ["direct", "softmax", "softmax+SPB", "softmax+EPB", "all"])
@pytest.mark.parametrize("system", ["XSleepNet1", *TRANSFER_SYSTEMS])
def test_only_the_blocks_of_a_strategy_are_trained(tmp_path, data, system, strategy, frozen):
    """Frozen means frozen: parameters always, statistics where everything is frozen."""
    network = build(system, 1, NETWORK, seed=2)
    before = {block: state(network, block) for block in BLOCKS}
    settings = QUICK.model_copy(update={"frozen": frozen})
    trained = STRATEGIES[strategy]
    facts = run(system, data, tmp_path / "run", settings, start=network, blocks=trained)
    after, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    sizes = 0
    for block in BLOCKS:
        parameters = dict(after.blocks()[block].named_parameters())
        sizes += (block in trained) * sum(p.numel() for p in parameters.values())
        for name, value in state(after, block).items():
            changed = not torch.equal(value, before[block][name])
            if name in parameters:
                assert changed == (block in trained), name
            elif block not in trained and (frozen == "everything" or not trained):
                assert not changed, name
    assert facts["parameters_trained"] == sizes
    assert facts["steps"] == (8 if trained else 0)


@pytest.mark.parametrize("system", TRANSFER_SYSTEMS)
def test_frozen_blocks_learn_population_statistics_as_released(tmp_path, data, system):
    network = build(system, 1, NETWORK, seed=2)
    before = state(network, "epoch")
    run(system, data, tmp_path / "run", start=network, blocks=("softmax",))
    after, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    assert any(not torch.equal(v, before[n]) for n, v in state(after, "epoch").items())


def test_an_untrained_network_is_normalised_for_its_target_and_nothing_else(tmp_path, data):
    network = build("SeqSleepNet+", 1, NETWORK, seed=2)
    facts = run("SeqSleepNet+", data, tmp_path / "run", start=network, blocks=())
    assert (facts["steps"], facts["best_step"], len(history(tmp_path / "run"))) == (0, 0, 1)
    frames = np.concatenate([p.data.time_frequency(0, len(p)) for p in data.training])
    after, _, _ = checkpoints.load(tmp_path / "run" / "model.safetensors")
    expected = frames.mean((0, 1), dtype=float)[..., 0]
    assert after.mean[:, 0].numpy() == pytest.approx(expected, rel=SINGLE)


def test_a_run_goes_on_only_from_the_weights_that_it_started_from(tmp_path, data):
    interrupted("ARNN+RNN", data, tmp_path / "run", step=4)
    lines = []
    other = build("ARNN+RNN", 1, NETWORK, seed=2)
    run("ARNN+RNN", data, tmp_path / "run", report=lines.append, start=other)
    assert not [line for line in lines if "resumes" in line]
