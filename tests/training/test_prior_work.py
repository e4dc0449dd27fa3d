"""Settings of the training of prior work, and its recipes."""

import json

import numpy as np
import pytest
import torch
import yaml

from tests.helpers.recordings import NETWORK, ROOT, make_part
from tests.networks.test_prior_work import PRIOR, SMALL, preset
from tests.training.test_loop import data, history, run  # noqa: F401
from tests.training.test_step import minibatch
from xsleep import systems
from xsleep.config.training import OPTIONAL, TrainingSettings
from xsleep.networks import build, checkpoints
from xsleep.training.sequences import TrainingSequences, read
from xsleep.training.step import Step, weighted_loss


def test_records_of_other_systems_do_not_have_the_settings_of_prior_work():
    recorded = TrainingSettings(steps=1).model_dump(mode="json")
    assert not recorded.keys() & {*OPTIONAL}
    assert TrainingSettings(**recorded) == TrainingSettings(steps=1)
    weighted = TrainingSettings(steps=1, class_weights=[1, 1.5, 1, 1, 1], balanced=True)
    again = json.loads(json.dumps(weighted.model_dump(mode="json")))
    assert TrainingSettings(**again) == weighted and "shift" not in again


def test_a_recipe_wins_over_a_preset_and_what_a_preset_has_for_the_system_over_the_recipe():
    released, embedded = preset("released"), preset("embedded")
    recipe = systems.registry()["TinySleepNet"].recipe.training
    trained = released.training_of("TinySleepNet")
    assert trained.model_dump().items() >= {**recipe, "class_weights": (1, 1.5, 1, 1, 1)}.items()
    brief = embedded.training_of("TinySleepNet")
    assert (brief.steps, brief.training_epochs, brief.class_weights) == (
        300,
        None,
        (1, 1.5, 1, 1, 1),
    )
    lengths = [p.network_of("U-Time").sequence_length for p in (released, embedded)]
    assert lengths == [35, 10] and released.network.sequence_length == 20
    assert released.network_of("U-Time").raw_deviation == 1
    assert released.network_of("ARNN+RNN") == released.network


def test_class_weights_are_factors_on_the_losses_of_epochs():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1, 1], [2, 3, 4]])
    weights = torch.tensor([1, 1.5, 1, 1, 2])
    each = -logits.log_softmax(-1).gather(2, labels[..., None])[..., 0] * weights[labels]
    found = weighted_loss({"raw": logits}, labels, {"raw": 1.0}, "mean", weights)
    assert found.item() == pytest.approx(each.mean().item(), rel=1e-6)


def test_long_gradients_are_scaled_to_their_norm():
    network = build("FCNN+RNN", 1, NETWORK, seed=1).train()
    optimizer = torch.optim.SGD(network.parameters(), 0.0)
    step = Step(network, optimizer, "sum", None, 1e-3)
    step.weigh({"raw": 1.0})
    step(*minibatch(network))
    total = sum(p.grad.square().sum() for p in network.parameters()).sqrt()
    assert total.item() == pytest.approx(1e-3, rel=1e-3)


def test_only_the_parameters_that_a_recipe_names_are_penalised():
    network = build("TinySleepNet", 1, NETWORK, seed=0)
    names = {id(p): name for name, p in network.named_parameters()}
    penalised = {names[id(p)] for p in network.penalised_parameters()}
    kernels = {f"epoch.raw.convolutions.{n}.weight" for n in (0, 3, 4, 5)}
    assert kernels == penalised


def test_balanced_sequences_have_every_stage_in_their_middle_equally_often(tmp_path):
    part = make_part(tmp_path / "store", epochs=80)
    made = dict(batch_size=1, longest_gap=None, seed=1, shuffle="every-pass")
    sequences = TrainingSequences([part], 5, balanced=True, **made)
    steps = range(40 * len(sequences))
    middles = [part.info.stages[first + 2] for step in steps for _, first in sequences.chosen(step)]
    _, drawn = np.unique(middles, return_counts=True)
    _, there = np.unique(part.info.stages[2:-2], return_counts=True)
    assert np.abs(drawn / drawn.mean() - 1).max() < 0.15 < np.abs(there / there.mean() - 1).max()


def test_shifted_signals_begin_earlier_or_later_and_are_the_same_when_read_again(tmp_path):
    part = make_part(tmp_path / "store", epochs=12)
    flat = read(part, "raw", 0, 12).reshape(-1)
    made = dict(batch_size=8, longest_gap=None, seed=1)
    plain, shifted = (TrainingSequences([part], 5, shift=share, **made) for share in (0, 0.1))
    assert plain.chosen(0) == shifted.chosen(0)
    inputs, labels = shifted.batch(0, ["raw", "time-frequency"])
    offsets = shifted._offsets(0, 8)
    assert len({*offsets}) > 1 and max(map(abs, offsets)) <= 300
    for (_, first), offset, sequence in zip(plain.chosen(0), offsets, inputs["raw"], strict=True):
        place = np.arange(5 * 3000) + first * 3000 + offset
        assert np.array_equal(sequence.reshape(-1), flat[place.clip(0, len(flat) - 1)])
    again, _ = shifted.batch(0, ["raw"])
    assert np.array_equal(again["raw"], inputs["raw"])
    unshifted, same = plain.batch(0, ["time-frequency"])
    assert np.array_equal(inputs["time-frequency"], unshifted["time-frequency"])
    assert np.array_equal(labels, same)


def test_the_network_with_the_lowest_validation_loss_can_be_kept(tmp_path, data):  # noqa: F811
    settings = TrainingSettings(
        steps=12, batch_size=4, learning_rate=0.1, evaluate_every=1, selected_by="loss", patience=3
    )
    facts = run("ARNN+RNN", data, tmp_path / "run", settings)
    rows = history(tmp_path / "run")[1:]
    losses = [float(row["time-frequency validation loss"]) for row in rows]
    assert facts["best_step"] == 1 + losses.index(min(losses))
    assert facts["steps"] == 12 or facts["steps"] == facts["best_step"] + 3


@pytest.mark.parametrize("name", PRIOR)
def test_a_few_steps_of_its_recipe_lower_the_loss(tmp_path, data, name):  # noqa: F811
    settings = preset("embedded").training_of(name).model_dump()
    settings = TrainingSettings(
        **settings | {"steps": 30, "batch_size": 4, "evaluate_every": 15, "shuffle": "every-pass"}
    )
    small = SMALL[name].model_copy(update={"sequence_length": 5})
    facts = run(name, data, tmp_path / "run", settings, network=small)
    (view,) = systems.registry()[name].views
    first, *_, last = (float(row[f"{view} training loss"]) for row in history(tmp_path / "run"))
    assert last < first and facts["steps"] == 30
    assert checkpoints.load(tmp_path / "run/model.safetensors")[1] == name


def test_systems_of_prior_work_are_not_trained_by_default():
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())["systems"]
    assert not {*default} & {*PRIOR}
