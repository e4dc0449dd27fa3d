"""The configuration: checked before anything runs, one line that names the key or value."""

from pathlib import Path

import pytest
import yaml

from xsleep.errors import InputError
from xsleep.settings import SYSTEMS, load

CONFIG = Path(__file__).parents[1] / "config"
BASE = yaml.safe_load((CONFIG / "config.yaml").read_text())


@pytest.mark.parametrize("database", sorted(p.stem for p in (CONFIG / "databases").glob("*.yaml")))
def test_every_shipped_database_and_its_preset_load(database):
    workflow = load(BASE | {"databases": [database]}, CONFIG)
    assert workflow.systems == SYSTEMS
    assert workflow.databases[database].preset in workflow.presets


def test_the_released_preset_is_what_the_published_numbers_came_from():
    preset = load(BASE | {"databases": ["SleepEDF-20"]}, CONFIG).presets["released"]
    training = preset.training_of("XSleepNet2")
    assert (training.learning_rate, training.batch_size) == (1e-4, 32)
    assert (training.training_epochs, training.evaluate_every) == (10, 100)
    assert (training.adam_epsilon, training.l2, training.longest_gap) == (1e-8, 1e-3, None)
    assert preset.training_of("Naive Fusion").evaluate_every == 200
    assert preset.network.filters == (16, 16, 32, 32, 64, 64, 128, 128, 256)
    assert (preset.network.gru_units, preset.network.sequence_units) == (256, 64)


def test_the_database_of_zero_shot_is_there_without_being_selected():
    workflow = load(BASE | {"databases": ["simulated"]}, CONFIG)
    assert list(workflow.databases) == ["simulated"]
    assert list(workflow.sources) == ["simulated", workflow.zero_shot.database]


@pytest.mark.parametrize("window", ["in-bed+30min-as-published", "sleep+30min"])
def test_every_window_can_be_selected(window):
    changes = {"database_settings": {"simulated": {"windows": [window]}}}
    assert load(BASE | changes, CONFIG).databases["simulated"].windows == (window,)


def test_settings_can_be_changed_by_name():
    changes = {"database_settings": {"DREAMS": {"source": {"folder": "elsewhere"}}}}
    database = load(BASE | changes | {"databases": ["DREAMS"]}, CONFIG).databases["DREAMS"]
    assert database.source.folder == Path("elsewhere")
    assert database.source.labels["EEG"] == ("C3-A1", "CZ-A1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"database": ["DREAMS"]},
            "configuration: database is not a known key; choose from databases",
        ),
        ({"zero_shot": {"weights": "a.npz"}}, "configuration: zero_shot.database: Field required"),
        (
            {"zero_shot": {"weights": "a.npz", "database": "MASS"}},
            "configuration: zero_shot.database: 'MASS' is not known; choose from DREAMS, Sleep",
        ),
        ({"databases": ["DREAM"]}, "databases: 'DREAM' is not known; choose from DREAMS, Sleep"),
        ({"systems": ["XSleepNet3"]}, "configuration: systems.0 = 'XSleepNet3': Input should be"),
        (
            {"seeds": [-1]},
            "configuration: seeds.0 = -1: Input should be greater than or equal to 0",
        ),
        ({"seeds": []}, "configuration: seeds = []"),
        (
            {"preset_settings": {"embedded": {"training": {"learning_rate": 0}}}},
            "presets/embedded.yaml: training.learning_rate = 0: Input should be greater than 0",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"lr": 1}}}},
            "presets/embedded.yaml: training.lr is not a known key; choose from training_epochs",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"training_epochs": 3}}}},
            "presets/embedded.yaml: training = ",
        ),
        ({"preset_settings": {"embeded": {}}}, "preset_settings: 'embeded' is not known; choose"),
        (
            {"database_settings": {"simulated": {"windows": ["all-night"]}}},
            "databases/simulated.yaml: windows.0 = 'all-night'",
        ),
        (
            {"database_settings": {"simulated": {"channels": ["EEG-EOG-EMG"]}}},
            "channels has EEG-EOG-EMG, but source.labels has no EMG",
        ),
        (
            {"database_settings": {"simulated": {"preset": "fast"}}},
            "'fast' is not known; choose from embedded, released",
        ),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_it(change, message):
    with pytest.raises(InputError) as error:
        load(BASE | change, CONFIG)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
