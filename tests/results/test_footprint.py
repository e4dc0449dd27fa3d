"""Numbers of parameters of the networks, beside those of the paper."""

import pytest
import yaml

from tests.helpers.recordings import ROOT
from xsleep.config.network import NetworkSettings
from xsleep.results.footprint import footprint


@pytest.fixture(scope="module")
def table():
    networks = {
        name: NetworkSettings(
            **yaml.safe_load((ROOT / f"config/presets/{name}.yaml").read_text())["network"]
        )
        for name in ("released", "paper")
    }
    return footprint(networks).set_index(["preset", "system", "channels"]).sort_index()


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
