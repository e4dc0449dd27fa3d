"""Numbers of parameters of the networks, beside those of the paper."""

import pytest

from tests.networks.test_prior_work import preset
from xsleep.config.names import SYSTEMS
from xsleep.networks import build
from xsleep.results import footprint as results


@pytest.fixture(scope="module")
def table():
    networks = {
        name: {system: preset(name).network_of(system) for system in SYSTEMS}
        for name in ("released", "paper")
    }
    with pytest.MonkeyPatch.context() as without:  # which takes a fifth of a second each
        without.setattr(results, "night_operations", lambda network, channels: 1e9)
        return results.footprint(networks).set_index(["preset", "system", "channels"]).sort_index()


def test_sec2_the_released_streams_have_5_6e6_and_1_6e5_parameters(table):
    for system, published in (("FCNN+RNN", "5.6e6"), ("ARNN+RNN", "1.6e5")):
        row = table.loc["released", system, "EEG"]
        assert (row["published"], row["agree"]) == (published, "yes")
        assert f"{row['parameters']:.1e}" == f"{float(published):.1e}"
    # "about 35 times more"
    parameters = table.loc["released"]["parameters"]
    ratio = parameters["FCNN+RNN", "EEG"] / parameters["ARNN+RNN", "EEG"]
    assert round(ratio) in range(33, 36)


def test_sec5_xsleepnet_has_5_8e6_parameters_with_two_or_three_channels(table):
    rows = table.loc["released", "XSleepNet2"]
    assert rows["parameters"].tolist() == [5_736_831, 5_757_839, 5_778_847]
    assert rows["published"].tolist() == ["5.8e6"] * 3
    assert rows["agree"].tolist() == ["no", "yes", "yes"]


def test_the_network_as_printed_has_not_the_papers_parameters(table):
    row = table.loc["paper", "FCNN+RNN", "EEG"]
    assert row["agree"] == "no"
    assert table.loc["paper", "Naive Fusion", "EEG"]["agree"] == ""


@pytest.mark.parametrize("system", ["ARNN+RNN", "Chambon 2018"])
def test_operations_of_a_night_are_those_of_all_its_epochs_and_sequences(monkeypatch, system):
    network = build(system, 2, preset("embedded").network_of(system), seed=0)
    monkeypatch.setattr(results, "NIGHT", 30)
    counted = results.night_operations(network, 2)
    monkeypatch.setattr(results, "MORE", 20)  # all that a night has more than a sequence
    assert counted == results.night_operations(network, 2)
    monkeypatch.setattr(results, "NIGHT", 960)
    assert results.night_operations(network, 2) > 31 * counted
    # Of the convolutions of Chambon et al., in both channels, and the classifier's 2 * 408 weights.
    if system == "Chambon 2018":
        convolutions = 2 * (3001 * 50 * 8 + 231 * 50 * 8 * 8) + 3000 * 2 * 2
        assert counted == 2 * (30 * convolutions + 21 * 10 * 5 * 2 * 408)
