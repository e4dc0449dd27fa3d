"""The configuration: checked before anything runs, one line that names the key or value."""

import re
from pathlib import Path

import pytest
import yaml

from xsleep import systems
from xsleep.config.names import SYSTEMS
from xsleep.config.network import NetworkSettings
from xsleep.config.presets import DIFFERENCES
from xsleep.config.robustness import RobustnessSettings
from xsleep.config.training import OPTIONAL, TrainingSettings
from xsleep.config.workflow import load
from xsleep.core.errors import InputError
from xsleep.systems import registry, slug

CONFIG = Path(__file__).parents[2] / "config"
BASE = yaml.safe_load((CONFIG / "config.yaml").read_text())


@pytest.mark.parametrize("database", sorted(p.stem for p in (CONFIG / "databases").glob("*.yaml")))
def test_every_shipped_database_and_its_preset_load(database):
    workflow = load(BASE | {"databases": [database]}, CONFIG)
    assert workflow.systems == SYSTEMS
    assert workflow.databases[database].preset in workflow.presets


def test_presets_come_in_one_order_as_jobs_run_again_where_a_parameter_differs():
    assert [*load(BASE, CONFIG).presets] == ["paper", "released", "embedded"]


def test_the_released_preset_is_what_the_published_numbers_came_from():
    preset = load(BASE | {"databases": ["SleepEDF-20"]}, CONFIG).presets["released"]
    training = preset.training_of("XSleepNet2")
    assert (training.learning_rate, training.batch_size) == (1e-4, 32)
    assert (training.training_epochs, training.evaluate_every) == (10, 100)
    assert (training.adam_epsilon, training.l2, training.longest_gap) == (1e-8, 1e-3, None)
    assert preset.network.filters == (16, 16, 32, 32, 64, 64, 128, 128, 256)
    assert (preset.network.gru_units, preset.network.sequence_units) == (256, 64)


def test_the_database_of_zero_shot_is_there_without_being_selected():
    workflow = load(BASE | {"databases": ["simulated"]}, CONFIG)
    assert list(workflow.databases) == ["simulated"]
    assert list(workflow.sources) == ["simulated", workflow.zero_shot.database, "SleepEDF-20"]


@pytest.mark.parametrize("window", ["in-bed+30min-as-published", "sleep+30min"])
def test_every_window_can_be_selected(window):
    changes = {"database_settings": {"simulated": {"windows": [window]}}}
    assert load(BASE | changes, CONFIG).databases["simulated"].windows == (window,)


PRESETS = {
    name: yaml.safe_load((CONFIG / f"presets/{name}.yaml").read_text())
    for name in ("paper", "released")
}


OF_DATABASES = {"filter_rate", "evaluation_interval"}
"""Differences of the released preset on some databases alone."""


def test_paper_and_released_differ_in_every_difference_and_in_nothing_else():
    paper, released = (
        {
            f"{group}.{name}": value
            for group in ("network", "training")
            for name, value in preset.pop(group).items()
        }
        | preset
        for preset in (dict(PRESETS["paper"]), dict(PRESETS["released"]))
    )
    of_databases = released.pop("databases")
    assert paper.keys() == released.keys()
    names = DIFFERENCES.keys() - OF_DATABASES
    assert {key for key in paper if paper[key] != released[key]} == {
        setting for name in names for setting in DIFFERENCES[name]
    }
    intervals = {"XSleepNet1": {"evaluate_every": 200}, "Naive Fusion": {"evaluate_every": 200}}
    assert of_databases == {
        "SleepEDF-20": {"systems": intervals},
        "SleepEDF-78": {"systems": intervals},
        "MASS": {
            "network": {"raw_filter": {"EMG": "high-pass-and-notches"}, "filter_rate": "recorded"}
        },
    }


@pytest.mark.parametrize("name", PRESETS)
def test_paper_and_released_leave_no_hyper_parameter_to_the_defaults(name):
    assert PRESETS[name]["network"].keys() == NetworkSettings.model_fields.keys() - {"own"}
    # Both have training_epochs in place of steps, no early stopping, and nothing optional.
    either = {"steps", "patience", "earliest_stop", *OPTIONAL}
    assert PRESETS[name]["training"].keys() == TrainingSettings.model_fields.keys() - either


def test_the_documentation_has_every_difference_and_no_setting_that_does_not_exist():
    rows = {}
    for line in (CONFIG.parent / "docs/explanation/fidelity.md").read_text().splitlines():
        name, *cells = line.strip("|").split("|") if line.count("|") == 6 else [""]
        rows.setdefault(name.strip(" `"), []).extend(
            re.findall(r"`(\w+\.\w+)`", "".join(cells[:1]))
        )
    both = {"network": NetworkSettings, "training": TrainingSettings}
    assert {name: tuple(rows[name]) for name in DIFFERENCES} == DIFFERENCES
    for group, setting in (name.split(".") for names in rows.values() for name in names):
        assert setting in both[group].model_fields


def preset(name, database="simulated", **changes):
    """A preset for a database, and the paper's."""
    config = BASE | {
        "databases": [database],
        "database_settings": {database: {"preset": name}},
        "preset_settings": {name: changes},
    }
    workflow = load(config, CONFIG)
    return workflow.preset(database), workflow.presets["paper"]


def test_the_defaults_are_the_released_settings():
    released, _ = preset("released")
    assert released.network == NetworkSettings()
    assert released.training == TrainingSettings(training_epochs=10)


CASES = [
    *(("released", "MASS", d) for d in DIFFERENCES if d != "evaluation_interval"),
    *(("released", "SleepEDF-20", d) for d in DIFFERENCES if d not in OF_DATABASES),
    *(("embedded", "simulated", d) for d in DIFFERENCES if d not in OF_DATABASES),
]


@pytest.mark.parametrize(("name", "database", "difference"), CASES)
def test_a_difference_is_switched_alone(name, database, difference):
    before, paper = preset(name, database)
    after = before.switched(difference, paper)
    changed = {
        f"{group}.{key}"
        for group in ("network", "training")
        for key, value in getattr(before, group)
        if value != getattr(getattr(after, group), key)
    }
    assert changed == set(DIFFERENCES[difference])
    assert (after.systems, after.resources) == (before.systems, before.resources)


@pytest.mark.parametrize("database", ["SleepEDF-20", "SleepEDF-78", "MASS", "Physio2018", "SHHS"])
def test_all_differences_switched_make_the_paper_of_the_released(database):
    switched, paper = preset("released", database)
    for difference in DIFFERENCES:
        switched = switched.switched(difference, paper)
    printed, _ = preset("paper", database)
    for system in registry():
        for finetuning in (False, True):
            assert switched.training_of(system, finetuning) == printed.training_of(
                system, finetuning
            )
    assert switched.network == printed.network == paper.network


@pytest.mark.parametrize(
    ("name", "database", "system", "not_there"),
    [
        ("released", "MASS", "XSleepNet1", ["evaluation_interval"]),
        ("released", "SleepEDF-20", "XSleepNet1", ["filter_rate"]),
        ("released", "SleepEDF-78", "Naive Fusion", ["filter_rate"]),
        ("released", "SleepEDF-20", "XSleepNet2", [*OF_DATABASES]),
        ("released", "SHHS", "XSleepNet1", [*OF_DATABASES]),
        ("embedded", "simulated", "XSleepNet1", [*OF_DATABASES]),
    ],
)
def test_differences_are_those_of_the_released_code_for_that_database_and_system(
    name, database, system, not_there
):
    before, paper = preset(name, database)
    found = before.differences(system, paper)
    assert found == [difference for difference in DIFFERENCES if difference not in not_there]


SECTION_4_2 = "SleepEDF-20", "SleepEDF-78", "MASS", "Physio2018", "SHHS"


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("database", SECTION_4_2)
def test_sec4_2_physio2018_and_shhs_stop_after_200_validations_and_no_other_does(database, name):
    found, _ = preset(name, database)
    expected = 200 if database in ("Physio2018", "SHHS") else None
    stops = {(t.patience, t.earliest_stop) for t in map(found.training_of, SYSTEMS)}
    assert stops == {(expected, 0)}


@pytest.mark.parametrize("database", SECTION_4_2)
def test_sec4_2_the_paper_validates_every_100_steps(database):
    printed, _ = preset("paper", database)
    assert {printed.training_of(system).evaluate_every for system in SYSTEMS} == {100}


@pytest.mark.parametrize("database", SECTION_4_2)
def test_released_xsleepnet1_and_naive_fusion_are_evaluated_every_200_steps_on_sleep_edf(database):
    released, _ = preset("released", database)
    on_sleep_edf = 200 if database.startswith("SleepEDF") else 100
    expected = dict.fromkeys(SYSTEMS, 100) | {
        "XSleepNet1": on_sleep_edf,
        "Naive Fusion": on_sleep_edf,
    }
    assert {s: released.training_of(s).evaluate_every for s in SYSTEMS} == expected
    assert released.training_of("XSleepNet1", finetuning=True).evaluate_every == 10


@pytest.mark.parametrize(
    ("database", "emg", "rate"),
    [
        ("SleepEDF-20", "high-pass", "resampled"),
        ("MASS", "high-pass-and-notches", "recorded"),
        ("SHHS", "high-pass", "resampled"),
    ],
)
def test_released_filters_are_those_of_each_database(database, emg, rate):
    network = preset("released", database)[0].network
    assert network.raw_filter == {"EEG": "band-pass", "EOG": "band-pass", "EMG": emg}
    assert network.filter_rate == rate
    assert set(preset("paper", database)[0].network.raw_filter.values()) == {"none"}


def test_a_database_and_a_system_of_it_have_hyper_parameters_of_their_own():
    changes = {
        "network": {"raw_filter": {"EMG": "none"}},
        "training": {"patience": "7"},
        "systems": {"XSleepNet1": {"batch_size": 3}, "FCNN+RNN": {"steps": 9}},
        "finetuning": {"patience": "null"},
    }
    config = BASE | {"databases": ["simulated", "DREAMS"], "database_settings": {"DREAMS": changes}}
    workflow = load(config, CONFIG)
    plain, changed = map(workflow.preset, ("simulated", "DREAMS"))
    assert plain == workflow.presets["embedded"]
    assert changed.network == plain.network.model_copy(
        update={"raw_filter": {"EEG": "band-pass", "EOG": "band-pass", "EMG": "none"}}
    )
    assert changed.training_of("ARNN+RNN").model_dump() == (
        plain.training_of("ARNN+RNN").model_dump() | {"patience": 7}
    )
    assert changed.training_of("XSleepNet1").batch_size == 3
    raw = changed.training_of("FCNN+RNN")
    assert (raw.steps, raw.evaluate_every) == (9, plain.training_of("FCNN+RNN").evaluate_every)
    assert changed.training_of("XSleepNet2", finetuning=True).patience is None


def test_hyper_parameters_of_a_network_of_ones_own_are_those_of_its_system_alone():
    own = {"network": {"own": {"XSleepNet (equal weights)": {"width": 8}}}}
    plain, changed = (
        load(BASE | {"preset_settings": {"embedded": changes}}, CONFIG).preset("simulated")
        for changes in ({}, own)
    )
    assert changed.record("XSleepNet (equal weights)")["network"]["own"] == own["network"]["own"]
    assert changed.record("XSleepNet2") == plain.record("XSleepNet2")


def test_one_filter_is_for_all_channels_and_one_left_out_is_as_released():
    assert NetworkSettings(raw_filter="none").raw_filter == dict.fromkeys(
        ("EEG", "EOG", "EMG"), "none"
    )
    assert NetworkSettings(raw_filter={"EOG": "none"}).raw_filter == {
        "EEG": "band-pass",
        "EOG": "none",
        "EMG": "high-pass",
    }


@pytest.mark.parametrize("system", registry())
def test_a_system_in_a_path_has_letters_digits_plus_and_hyphen_alone(system):
    assert re.fullmatch(r"[\w+]+(-[\w+]+)*", slug(system))
    assert slug("Naive Fusion") == "Naive-Fusion"
    assert slug("XSleepNet (equal weights)") == "XSleepNet-equal-weights"


def test_the_paper_has_no_difference_to_itself():
    paper, _ = preset("paper")
    assert paper.differences("XSleepNet2", paper) == []
    assert all(paper.switched(difference, paper) == paper for difference in DIFFERENCES)


def test_what_a_preset_or_a_system_has_as_in_the_paper_is_no_difference():
    changed, paper = preset(
        "embedded", network={"gru_layers": 1}, systems={"XSleepNet1": {"l2": 0}}
    )
    rest = [d for d in DIFFERENCES if d not in {"gru_layers", *OF_DATABASES}]
    assert changed.differences("XSleepNet2", paper) == rest
    assert changed.differences("XSleepNet1", paper) == [d for d in rest if d != "l2"]


def test_units_are_exchanged_so_that_a_preset_keeps_its_sizes():
    embedded, paper = preset("embedded")
    units = embedded.switched("units", paper).network
    assert (units.gru_units, units.sequence_units) == (
        embedded.network.sequence_units,
        embedded.network.gru_units,
    )


def test_a_difference_is_switched_for_a_system_with_a_value_of_its_own():
    embedded, paper = preset("embedded", systems={"XSleepNet2": {"l2": 0.5, "batch_size": 3}})
    training = embedded.switched("l2", paper).training_of("XSleepNet2")
    assert (training.l2, training.batch_size) == (0, 3)


def test_the_ablation_takes_the_first_of_what_is_not_given():
    config = BASE | {"databases": ["SleepEDF-20"], "ablation": {"channels": "EEG-EOG"}}
    assert load(config, CONFIG).ablation.model_dump() == {
        "database": "SleepEDF-20",
        "window": "in-bed",
        "channels": "EEG-EOG",
        "system": "XSleepNet2",
    }


def test_hyper_parameters_given_on_the_command_line_are_numbers_again():
    given = {"sequence_length": "100", "dropout": "0.2", "mixer": "folded", "tied": "true"}
    changes = {"embedded": {"network": {"own": {"XSleepMix": given}}}}
    network = load(BASE | {"preset_settings": changes}, CONFIG).preset("simulated").network
    found = network.own["XSleepMix"]
    expected = {"sequence_length": 100, "dropout": 0.2, "mixer": "folded", "tied": True}
    assert {name: found[name] for name in given} == expected


VARIANTS = {
    "short": {"network": {"sequence_length": 3}},
    "very long": {"network": {"sequence_length": 1000}},
    "long but few": {"network": {"sequence_length": 40}, "training": {"batch_size": 5}},
    "brief": {"training": {"training_epochs": 1}},
    "once": {"training": {"scoring_stride": 1000}},
}


@pytest.fixture
def varied(monkeypatch):
    """Return a function that loads the ablation of TinySleepNet with these variants."""

    def loaded(variants, chosen=()):
        system = systems.registry()["TinySleepNet"]
        content = system.model_dump() | {"variants": variants}
        changed = systems.System.model_validate(content)
        monkeypatch.setitem(systems.registry(), system.name, changed)
        config = BASE | {"systems": [system.name], "ablation": {"variants": [*chosen]}}
        return load(config, CONFIG), changed.variants

    return loaded


def test_a_variant_wins_with_as_many_epochs_in_a_minibatch_and_none_left_out(varied):
    workflow, variants = varied(VARIANTS)
    preset = workflow.preset("simulated")
    own = preset.record("TinySleepNet")
    assert (own["network"]["sequence_length"], own["training"]["batch_size"]) == (10, 8)
    found = {name: preset.varied("TinySleepNet", one) for name, one in variants.items()}
    network, training = (
        {name: getattr(one, f"{group}_of")("TinySleepNet") for name, one in found.items()}
        for group in ("network", "training")
    )
    assert [one.sequence_length for one in network.values()] == [3, 1000, 40, 10, 10]
    assert [one.batch_size for one in training.values()] == [27, 1, 5, 8, 8]
    assert [one.training_epochs for one in training.values()] == [None, None, None, 1, None]
    assert training["once"].scoring_stride == 10  # at most the length of a sequence
    assert network["short"].own["TinySleepNet"]["filters"] == 16  # as the preset has it
    for one in found.values():
        assert one.record("XSleepNet2") == preset.record("XSleepNet2")


def test_some_variants_can_be_chosen(varied):
    assert varied(VARIANTS, ["brief"])[0].ablation.variants == ("brief",)
    assert "variants" not in varied(VARIANTS)[0].ablation.model_dump()


@pytest.mark.parametrize(
    ("variants", "chosen", "message"),
    [
        (VARIANTS, ["shirt"], "ablation.variants = 'shirt': not a variant of TinySleepNet; ch"),
        ({}, ["short"], "ablation.variants = 'short': not a variant of TinySleepNet; it has none"),
        (
            {"x": {"training": {"batchsize": 1}}},
            [],
            "ablation: TinySleepNet, variant 'x': systems.TinySleepNet.batchsize is not a known",
        ),
        (
            {"x": {"training": {"scoring_stride": "long"}}},
            [],
            "ablation: TinySleepNet, variant 'x': systems.TinySleepNet.scoring_stride = 'long': In",
        ),
    ],
)
def test_a_wrong_variant_is_one_line(varied, variants, chosen, message):
    with pytest.raises(InputError, match=re.escape(f"configuration: {message}")) as error:
        varied(variants, chosen)
    assert "\n" not in str(error.value)


def test_settings_can_be_changed_by_name():
    changes = {"database_settings": {"DREAMS": {"source": {"folder": "elsewhere"}}}}
    database = load(BASE | changes | {"databases": ["DREAMS"]}, CONFIG).databases["DREAMS"]
    assert database.source.folder == Path("elsewhere")
    assert database.source.labels["EEG"] == ("C3-A1", "CZ-A1")


@pytest.mark.parametrize("none", ["null", "~"])
def test_what_is_nested_in_config_may_be_text(none):
    # As Snakemake has it of --config; its own parser is in tests/workflow.
    text = {
        "databases": ["SleepEDF-20", "own"],
        "seeds": ["1", "2"],
        "database_settings": {
            "SleepEDF-20": {"source": {"fetch": none}, "preset": "embedded"},
            "own": {"source": {"hypnogram": {"epoch": "20", "stages": {"A": none, "2": "N2"}}}},
        },
        "preset_settings": {
            "embedded": {
                "network": {"filters": ["4", "8"], "dropout_after_last_convolution": "true"},
                "training": {"l2": "1e-3", "longest_gap": none},
                "systems": {"XSleepNet2": {"patience": none, "batch_size": "3"}},
            }
        },
    }
    workflow = load(BASE | text, CONFIG)
    assert workflow.databases["SleepEDF-20"].source.fetch is None and workflow.seeds == (1, 2)
    hypnogram = workflow.databases["own"].source.hypnogram
    assert hypnogram.epoch == 20
    assert (hypnogram.stages["A"], hypnogram.stages["2"]) == (None, "N2")
    preset = workflow.presets["embedded"]
    assert (
        preset.network.filters == (4, 8) and preset.network.dropout_after_last_convolution is True
    )
    assert (preset.training.l2, preset.training.longest_gap) == (1e-3, None)
    training = preset.training_of("XSleepNet2")
    assert (training.patience, training.batch_size) == (None, 3)


def own(**source):
    return {"own": {"source": source}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"database": ["DREAMS"]},
            "configuration: database is not a known key; choose from databases",
        ),
        (
            {
                "databases": ["MASS"],
                "database_settings": {"MASS": {"source": {"fetch": {"url": "https://a"}}}},
            },
            "fetch is for the readers dreams, dreams-subjects-aasm, "
            "dreams-subjects-rk, nsrr, physionet, physio2018, ",
        ),
        (
            {"databases": "DREAMS"},
            "configuration: databases = 'DREAMS': give a list, as in [DREAMS]",
        ),
        ({"seeds": 3}, "configuration: seeds = 3: give a list, as in [3]"),
        ({"zero_shot": {"weights": "a.npz"}}, "configuration: zero_shot.database: Field required"),
        (
            {"zero_shot": {"weights": "a.npz", "database": "MAS"}},
            "configuration: zero_shot.database: 'MAS' is not known; choose from BOAS, ",
        ),
        ({"databases": ["DREAM"]}, "databases: 'DREAM' is not known; choose from BOAS, "),
        (
            {"databases": ["own"], "database_settings": own(hypnogram={"file": "a.csv"})},
            "'a.csv' has no field in braces, as {name} or {subject}",
        ),
        (
            {"databases": ["own"], "database_settings": own(hypnogram={"stages": {"A": "N4"}})},
            "source.hypnogram.stages.A = 'N4': Input should be 'W', 'N1', 'N2', 'N3' or 'REM'",
        ),
        (
            {"databases": ["own"], "database_settings": own(hypnogram={"epochs": 30})},
            "source.hypnogram.epochs is not a known key; choose from file, epoch, stages, ignored",
        ),
        (
            {"databases": ["own"], "database_settings": own(subject="(")},
            "subject = '(': not a regular expression",
        ),
        (
            {"database_settings": {"simulated": {"source": {"subject": "a"}}}},
            "subject belongs to the reader own or physionet, and only to it",
        ),
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
            {"preset_settings": {"released": {"training": {"precision": "bf16"}}}},
            "presets/released.yaml: training.precision is not a known key; choose from",
        ),
        (
            {"database_settings": {"simulated": {"training": {"patiense": 200}}}},
            "databases/simulated.yaml: training.patiense is not a known key; choose from "
            "training_epochs, steps, ",
        ),
        (
            {"database_settings": {"simulated": {"training": {"patience": 0}}}},
            "databases/simulated.yaml: training.patience = 0: Input should be greater than 0",
        ),
        (
            {"database_settings": {"simulated": {"systems": {"FCNN+RNN": {"lr": 1}}}}},
            "databases/simulated.yaml: systems.FCNN+RNN.lr is not a known key; choose from ",
        ),
        (
            {"database_settings": {"simulated": {"systems": {"FCNN+RNN": {"l2": -1}}}}},
            "databases/simulated.yaml: systems.FCNN+RNN.l2 = -1: Input should be greater than or",
        ),
        (
            {"database_settings": {"simulated": {"systems": {"FCNN": {"l2": 1}}}}},
            "databases/simulated.yaml: systems.FCNN",
        ),
        (
            {"database_settings": {"simulated": {"network": {"raw_filter": {"EEG": "notch"}}}}},
            "databases/simulated.yaml: network.raw_filter.EEG = 'notch': Input should be "
            "'band-pass', 'high-pass', 'high-pass-and-notches' or 'none'",
        ),
        (
            {"preset_settings": {"embedded": {"network": {"own": {"Conv": {"width": 8}}}}}},
            "presets/embedded.yaml: network.own.Conv = 'Conv': Input should be 'XSleepNet2', ",
        ),
        (
            {"database_settings": {"simulated": {"training": 3}}},
            "databases/simulated.yaml: training = 3: ",
        ),
        (
            {"database_settings": {"simulated": {"finetuning": {"stepz": 3}}}},
            "databases/simulated.yaml: finetuning.stepz is not a known key; choose from ",
        ),
        (
            {"preset_settings": {"embedded": {"databases": {"simulate": {}}}}},
            "presets/embedded.yaml: databases: 'simulate' is not known; choose from BOAS, ",
        ),
        (
            {"preset_settings": {"embedded": {"databases": {"simulated": {"trainings": {}}}}}},
            "embedded.yaml: databases.simulated.trainings is not a known key; choose from network",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"training_epochs": 3}}}},
            "presets/embedded.yaml: training = ",
        ),
        (
            {"preset_settings": {"embedded": {"network": {"activation": "relu"}}}},
            "network.activation = 'relu': Input should be 'leaky_relu' or 'prelu'",
        ),
        (
            {"preset_settings": {"embedded": {"network": {"convolution_lengths": 325}}}},
            "network.convolution_lengths = 325: Input should be 'halved' or 'printed'",
        ),
        (
            {"preset_settings": {"paper": {"training": {"loss_reduction": "max"}}}},
            "presets/paper.yaml: training.loss_reduction = 'max': Input should be 'sum' or 'mean'",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"weight_formula": "G/O"}}}},
            "training.weight_formula = 'G/O': Input should be 'guarded' or 'plain'",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"xsleepnet2_losses": "sum"}}}},
            "training.xsleepnet2_losses = 'sum': Input should be 'sums' or 'means'",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"scoring_stride": 11}}}},
            "presets/embedded.yaml: training.scoring_stride is 11: it leaves epochs out where "
            "sequences are 10 epochs long",
        ),
        (
            {"preset_settings": {"embedded": {"systems": {"ARNN+RNN": {"scoring_stride": 20}}}}},
            "presets/embedded.yaml: training.scoring_stride is 20",
        ),
        (
            {"preset_settings": {"embedded": {"training": {"shuffle": "never"}}}},
            "training.shuffle = 'never': Input should be 'once' or 'every-pass'",
        ),
        (
            {"ablation": {"database": "DREAMS"}},
            "configuration: ablation.database = 'DREAMS': not selected; choose from simulated",
        ),
        ({"ablation": {"window": "whole-night"}}, "ablation.window = 'whole-night': not selected"),
        ({"ablation": {"seed": 1}}, "ablation: seed is not a known key; choose from database"),
        ({"preset_settings": {"embeded": {}}}, "preset_settings: 'embeded' is not known; choose"),
        (
            {"database_settings": {"simulated": {"windows": ["all-night"]}}},
            "databases/simulated.yaml: windows.0 = 'all-night'",
        ),
        (
            {"database_settings": {"simulated": {"channels": ["EEG-EOG-EMG"]}}},
            "channels has EEG-EOG-EMG, but source.labels has no EMG",
        ),
        *(
            ({"database_settings": {"simulated": {"channels": [given]}}}, f"{given!r}: {says}")
            for given, says in (
                ("EOG-EEG", "write EEG-EOG: each channel once, EEG before EOG before EMG"),
                ("EEG-EOG-EEG", "write EEG-EOG: each channel once"),
                ("EEG-C4", "'C4' is no channel; name it EEG, EOG or EMG, several of a kind with"),
                ("EEG-EEG_2", "'EEG_2' is no channel"),
                ("EEG-", "'' is no channel"),
            )
        ),
        (
            {"database_settings": {"simulated": {"channels": ["EEG-EEG2"]}}},
            "databases/simulated.yaml: channels has EEG-EEG2, but source.labels has no EEG2",
        ),
        (
            {"database_settings": {"simulated": {"source": {"labels": {"ECG": ["ECG"]}}}}},
            "databases/simulated.yaml: source.labels.ECG = 'ECG': 'ECG' is no channel",
        ),
        (
            {"database_settings": {"simulated": {"network": {"raw_filter": {"EEG2": "none"}}}}},
            "network.raw_filter.EEG2 = 'EEG2': Input should be 'EEG', 'EOG' or 'EMG'",
        ),
        (
            {"database_settings": {"simulated": {"preset": "fast"}}},
            "'fast' is not known; choose from embedded, paper, released",
        ),
        (
            {"database_settings": {"simulated": {"folds": "publish"}}},
            "simulated.yaml: folds = 'publish': Input should be 'published'",
        ),
        (
            {"database_settings": {"simulated": {"folds": {"validation": 0}}}},
            "simulated.yaml: folds.validation = 0: Input should be greater than 0",
        ),
        (
            {"database_settings": {"simulated": {"folds": {"fold": 3}}}},
            "folds.fold is not a known key; choose from folds, test, validation",
        ),
        (
            {"database_settings": {"simulated": {"folds": {"folds": 1}}}},
            "give test, the fraction of subjects that test, with folds: 1 and only there",
        ),
        (
            {"database_settings": {"simulated": {"folds": {"test": 0.3}}}},
            "give test, the fraction of subjects that test, with folds: 1 and only there",
        ),
        (
            {"database_settings": {"simulated": {"folds": {"folds": 1, "test": 30}}}},
            "simulated.yaml: folds.test = 30: Input should be less than 1",
        ),
    ],
)
def test_a_wrong_key_or_value_is_one_line_that_names_it(change, message):
    with pytest.raises(InputError) as error:
        load(BASE | change, CONFIG)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("channels", "stored"),
    [
        (["EOG"], ["EOG"]),
        (["EEG-EOG", "EEG"], ["EEG", "EOG"]),
        (["EOG-EMG", "EEGfrontal-EEG2"], ["EEG2", "EEGfrontal", "EOG", "EMG"]),
        (["EEG2-EEG-EOG2-EMG", "EEG"], ["EEG", "EEG2", "EOG2", "EMG"]),
    ],
)
def test_a_channel_set_has_any_channels_that_have_labels(channels, stored):
    labels = {name: ["EEG Fpz-Cz"] for name in stored}
    changes = {"simulated": {"source": {"labels": labels}, "channels": channels}}
    database = load(BASE | {"database_settings": changes}, CONFIG).databases["simulated"]
    assert list(database.channels) == channels
    assert list(database.stored_channels) == stored


def transfer(**changes):
    return {"transfer": BASE["transfer"] | changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "MAS"}, "'MAS' is not known; choose from BOAS"),
        ({"source": ["authors", "MASS"]}, "its networks are trained already; name it alone"),
        (transfer(networks=["XSleepNet"]), "source = authors: there are no weights of XSleepNet"),
        (
            {"systems": ["FT-XSleepNet"], "target": "simulated"} | transfer(channels=["EEG"]),
            "source = authors: there are no weights of XSleepNet",
        ),
        ({"systems": ["FT-SeqSleepNet+"]}, "has FT-SeqSleepNet+, but none of the databases is a"),
        (transfer(weights={}), "transfer.weights has no file for EEG; name it there"),
        (transfer(channels=["EEG-to-EEG-EOG"]), "the source has 1 and the target 2 channels"),
        (transfer(channels=["EOG"]), "has EOG of the target DREAMS, of which no EOG is stored"),
        (
            {"source": ["MASS", "simulated-source"], "target": "MASS"},
            "their presets differ (embedded, released); give all the same",
        ),
        (transfer(strategies=["softmax+CPB"]), "Input should be 'scratch', 'direct', 'softmax'"),
    ],
)
def test_a_transfer_that_cannot_be_is_one_line_that_names_it(change, message):
    with pytest.raises(InputError) as error:
        load(BASE | change, CONFIG)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def suffering(**change):
    return {"robustness": {"seed": 1, "perturbations": [change, {"change": "gain", "factor": 2}]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (suffering(change="gain", factor=0), "perturbations.0.gain.factor = 0: Input should be gr"),
        (suffering(change="gain", factor="2.0"), "gain x2 is there twice; take one away"),
        (
            suffering(change="gian", factor=3),
            "perturbations.0 = {'change': 'gian', 'factor': 3}: Input tag 'gian'",
        ),
        (
            suffering(factor=3),
            "perturbations.0 = {'factor': 3}: Unable to extract tag using discriminator 'change'",
        ),
        (suffering(change="flat", channel="ECG"), "'ECG' is no channel; name it EEG, EOG or EMG"),
        (suffering(change="flat", factor=2), "perturbations.0.flat.factor is not a known key"),
        (
            suffering(change="mains", factor=2, frequency=50, relative=1),
            "mains.factor is not a known key; choose from change, frequency, relative",
        ),
        (suffering(change="low-pass", cutoff=60), "cutoff = 60: Input should be less than 50"),
        (
            suffering(change="derivation", channel="EEG", labels={"MAS": ["C3"]}),
            "configuration: robustness.perturbations: 'MAS' is not known; choose from BOAS, ",
        ),
        ({"robustness": {"seed": 1, "perturbations": []}}, "at least 1 item"),
    ],
)
def test_a_perturbation_that_cannot_be_is_one_line_that_names_it(change, message):
    with pytest.raises(InputError) as error:
        load(BASE | change, CONFIG)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "reached"),
    [
        ({"change": "gain", "factor": 3}, True),
        ({"change": "flat", "channel": "EOG"}, True),
        ({"change": "flat", "channel": "EMG"}, False),
        ({"change": "derivation", "channel": "EOG", "labels": {"X": ["EOG(L)"]}}, True),
        ({"change": "derivation", "channel": "EOG", "labels": {"Y": ["EOG(L)"]}}, False),
        ({"change": "derivation", "channel": "EMG", "labels": {"X": ["EMG2"]}}, False),
    ],
)
def test_a_perturbation_reaches_the_channels_that_differ_by_it(change, reached):
    settings = RobustnessSettings(seed=1, perturbations=[change])
    assert settings.perturbations[0].reaches("X", ["EEG", "EOG"]) == reached


def test_finetuning_changes_the_training_of_a_system_further():
    """Validation every 10 steps when finetuning, as released."""
    released = load(BASE | {"databases": ["SleepEDF-20"]}, CONFIG).presets["released"]
    plain, finetuning = (released.training_of("SeqSleepNet+", f) for f in (False, True))
    assert (plain.evaluate_every, finetuning.evaluate_every) == (100, 10)
    assert (finetuning.patience, finetuning.earliest_stop) == (50, 1000)
    assert finetuning.frozen == "parameters"
