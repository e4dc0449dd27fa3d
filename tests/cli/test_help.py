"""The help of the command `xsleep`."""

import os
import subprocess
import sys

import pytest

from tests.helpers.recordings import ROOT

COMMANDS = {
    "score": "score the 30-s epochs of recordings with a trained network",
    "evaluate": "compare what xsleep score wrote with another scoring of the same recordings",
    "info": "tell what a recording, hypnogram, store, network or run is",
    "models": "list the networks that are known by name, fetch or remove them",
    "import-weights": "convert a released TensorFlow network to a checkpoint",
    "plan": "estimate the cost of Table 2 in jobs, hours and disk space",
    "compare": "compare the bundles of results of two laboratories",
}


def shown(*arguments):
    command = [sys.executable, "-m", "xsleep", *arguments, "--help"]
    environment = os.environ | {"COLUMNS": "100"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True
    )
    assert max(map(len, done.stdout.splitlines())) < 100
    return " ".join(done.stdout.split())


def test_help_lists_the_commands_and_what_each_is_for():
    text = shown()
    for command, aim in COMMANDS.items():
        assert f"{command} {aim}" in text


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (
            "import-weights",
            ("file TensorFlow checkpoint", "out checkpoint", "--system NAME which of the"),
        ),
        ("score", ("RECORDING file that MNE reads", "--model NETWORK", "--eeg LABEL signal")),
        ("evaluate", ("--json",)),
        ("info", ("--channels",)),
        ("models", ("--fetch NAME", "--remove NAME")),
        ("compare", ("A.zip bundle of results", "--out FILE.csv CSV file")),
        ("plan", ("--configfile FILE configuration file", "--folder FOLDER folder of")),
    ],
)
def test_help_of_a_command_says_what_it_is_for_and_what_it_takes(command, arguments):
    text = shown(command)
    aim = COMMANDS[command]
    for words in (f"{aim[0].upper()}{aim[1:]}. ", *arguments):
        assert words in text


def test_help_of_score_has_examples_and_exit_statuses():
    assert "xsleep score nights/ --out scored/ --jobs 2" in shown("score")
    assert "1 an input could not be used" in shown()
