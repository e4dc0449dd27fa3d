"""Test what the registry of systems says of a wrong file."""

import pytest
import yaml

from xsleep import systems
from xsleep.config.training import TrainingSettings
from xsleep.core.errors import InputError
from xsleep.training.blending import POLICIES

OWN = {"name": "Own", "place": 99, "streams": {"raw": "fcnn_rnn"}, "branches": ["raw"], "cost": 1}
RAW = {"name": "Raw", "place": 98, "streams": {"raw": "fcnn_rnn"}, "branches": ["raw"], "cost": 1}


def registry(folder, monkeypatch, own):
    """Return the registry of these two systems."""
    for name in ("systems", "networks"):
        (folder / name).mkdir()
    (folder / "networks/fcnn_rnn.py").touch()
    for name, content in (("Own", own), ("Raw", RAW)):
        (folder / f"systems/{name}.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(systems, "files", lambda package: folder.joinpath(*package.split(".")[1:]))
    return systems.registry.__wrapped__()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"naame": "Own"}, "naame is not a known key; choose from name, place, paper"),
        ({"cost": 0}, "cost = 0: Input should be greater than 0"),
        ({"branches": ["joint"]}, "branches: joint needs two streams"),
        ({"branches": ["raw", "time-frequency"]}, "branches: time-frequency needs a stream "),
        ({"blending": "sums"}, "blending = 'sums': Input should be 'equal', "),
        ({"timed_as": "ARNN"}, "timed_as = 'ARNN': choose from Own, Raw"),
        ({"streams": {"raw": "fcn"}}, "streams: there is no xsleep/networks/fcn.py"),
        ({"variants": {"a": {"net": {}}}}, "variants.a.net is not a known key; choose from netw"),
        ({"variants": {"a/b": {}}}, "variants = .*'a/b': give a name of letters, digits and spa"),
        ({"variants": {"none": {}}}, "variants = .*'none': give a name of letters"),
        ({"variants": {"a b": {}, "a (b)": {}}}, "variants = .*'a .b.' and 'a b' have the same pa"),
        (
            {"variants": {"a": {"network": {"sequence_length": 0}}}},
            "variants.a.network = .*: sequence_length = 0: Input should be greater than 0",
        ),
    ],
)
def test_a_wrong_file_is_one_line_with_its_name(tmp_path, monkeypatch, change, message):
    with pytest.raises(InputError, match=f"^xsleep/systems/Own.yaml: {message}") as error:
        registry(tmp_path, monkeypatch, OWN | change)
    assert "\n" not in str(error.value)


def test_a_misspelt_key_is_told_before_the_one_that_is_missing(tmp_path, monkeypatch):
    content = {("naame" if key == "name" else key): value for key, value in OWN.items()}
    with pytest.raises(InputError, match=r"Own\.yaml: naame is not a known key"):
        registry(tmp_path, monkeypatch, content)


@pytest.mark.parametrize("key", ["name", "place"])
def test_names_and_places_are_unique(tmp_path, monkeypatch, key):
    with pytest.raises(InputError, match=rf"Own.yaml and \S+Raw.yaml: have the same {key}"):
        registry(tmp_path, monkeypatch, OWN | {key: RAW[key]})


def test_systems_are_in_the_order_of_their_places(tmp_path, monkeypatch):
    assert list(registry(tmp_path, monkeypatch, OWN)) == ["Raw", "Own"]


def test_blending_is_by_a_policy():
    """One of a system, or of a training's settings: those, and that of the prediction alone."""
    of_systems = {*systems.System.model_fields["blending"].annotation.__args__}
    of_settings = TrainingSettings.model_fields["blending"].annotation.__args__[0].__args__
    assert {*POLICIES} == {*of_settings} == of_systems | {"joint"}
