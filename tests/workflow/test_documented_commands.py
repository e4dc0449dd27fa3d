"""Commands that README, docs and comments name: each is found where it stands, and tried.

One that is added there is tried without a word here. Those of Snakemake are dry runs in a copy of
the project, with empty files in place of recordings and weights: that each option, setting and
target is known is shown, not that jobs succeed.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import defaultdict
from contextlib import chdir, nullcontext
from dataclasses import dataclass

import pytest
from snakemake.cli import parse_args

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import environment
from xsleep import cli
from xsleep.databases.base import Listed
from xsleep.databases.fetch.servers import write_list

TEXTS = ("README.md", "docs/**/*.md", "benchmarks/*.md", "captions/*.rst")
COMMENTED = ("config/**/*.yaml", "profiles/*/*.yaml", "environment.yml", "dvc.yaml", "Makefile")

TRIED = ("snakemake", "xsleep", "make", "dvc", "pip", "python")
NOT_TRIED = {
    "conda": "downloads the environment; test_environment.py compares its versions",
    "docker": "builds from a registry; test_containers.py reads its file",
    "apptainer": "builds from a registry; test_containers.py reads its file",
    "curl": "downloads a database",
    "echo": "checks with md5sum what curl downloads",
    "unar": "unpacks what curl downloads",
    "git": "works on the reader's own clone and remotes",
    "read": "asks for a token",
    "export": "is of the shell",
    "cd": "is of the shell",
}
"""Programs that are not called here, and why."""

PROGRAM = rf"(?:{'|'.join([*TRIED, *NOT_TRIED])})"
IN_IMAGE = re.compile(r"(?:docker|apptainer) run .*\bxsleep(?:\.sif)? (--.*)")
"""Arguments of ``snakemake`` after the name of an image (docs/how-to/containers.md)."""

COPIED = (
    *("Snakefile", "Makefile", "pyproject.toml", "dvc.yaml"),
    *(path.name for path in ROOT.glob("requirements*.lock")),
    *("rules", "workflow_scripts", "config", "captions", "profiles", "xsleep", "benchmarks"),
)
WEIGHTS = ("1chan_eeg", "1chan_eog", "2chan_eegeog")
RECORDINGS = {
    "own": [f"{n}.{kind}" for n in range(10) for kind in ("edf", "csv")],
    "surrey-ceegrid": [f"{n}.{kind}" for n in range(12) for kind in ("edf", "csv")],
    "sleep-cassette": ["SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"],
    "mesa/polysomnography": [f"edfs/mesa-sleep-{n:04}.edf" for n in range(12)],
    "mros/polysomnography": [f"edfs/visit1/mros-visit1-aa{n:04}.edf" for n in range(12)],
    "isruc/subgroupIII": [f"{n}/{n}{kind}" for n in range(10) for kind in (".rec", "_1.txt")],
    "dod-h": [f"{n}.h5" for n in range(25)],
    "dreem-learning-evaluation/scorers/dodh": [
        f"scorer_{scorer}/{n}.json" for scorer in range(1, 6) for n in range(25)
    ],
}
PUBLISHED = {
    "physio2018/training": [f"tr03-{n:04}/tr03-{n:04}.hea" for n in range(10)],
    "shhs/polysomnography": [f"edfs/shhs1/shhs1-20000{n}.edf" for n in range(10)],
}
"""The lists that would be asked for."""


@dataclass(frozen=True)
class Command:
    """The words of a command, and where it stands."""

    words: tuple[str, ...]
    where: str

    def __str__(self):
        return f"{self.where}: {shlex.join(self.words)}"


def commands_in(path):
    """The commands that a file names, in its code, in its comments or between backticks."""
    where, text = str(path.relative_to(ROOT)), path.read_text()
    if path.suffix not in (".md", ".rst"):
        # Comments, recipes and what is indented, as code; two blanks begin an explanation.
        lines = re.findall(r"^(?:#|\t| {4}) *(.*?)(?:  .*)?$", text, re.MULTILINE)
        text = "\n".join(f"    {re.sub(f'^.*: (?={PROGRAM} )', '', line)}" for line in lines)
    text = re.sub(r"\s*\\\n\s*", " ", text)
    code = re.findall(rf"^ {{4,}}({PROGRAM} .*)", text, re.MULTILINE)
    quoted = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    for line in [*code, *(span for span in quoted if re.match(f"{PROGRAM} ", span))]:
        for part in re.split(r" && ", line.partition(" #")[0].strip()):
            if "..." in part or "$(" in part:
                continue  # to be filled in by a person, or by make
            yield Command(tuple(shlex.split(part)), where)
            if arguments := IN_IMAGE.search(part):
                yield Command(("snakemake", *shlex.split(arguments[1])), where)


# test_extending.py follows docs/how-to/extending.md, whose system and database exist only there.
FILES = sorted(
    {path for pattern in (*TEXTS, *COMMENTED) for path in ROOT.glob(pattern)}
    - {ROOT / "docs/how-to/extending.md"}
)
COMMANDS = [command for path in FILES for command in commands_in(path)]


def of(*words):
    """Each different command that begins with these words."""
    return {c.words: c for c in COMMANDS if c.words[: len(words)] == words}.values()


def test_every_program_is_tried_or_has_a_reason():
    assert {command.words[0] for command in COMMANDS} == {*TRIED, *NOT_TRIED}


def test_what_is_known_to_be_named_is_found():
    found = {shlex.join(command.words) for command in COMMANDS}
    assert found >= {
        "make table2",
        "dvc repro",
        "snakemake --cores all all results/metrics.json",  # of dvc.yaml
        "snakemake --cores 8",
        "snakemake provenance audit --report report.html",  # over the end of a line
        "snakemake --workflow-profile profiles/gpu results/table2.csv",  # after a colon
        "xsleep plan --configfile config/paper.yaml",
        "snakemake --cores 8 results/table2.csv --config 'databases=[DREAMS]' "
        "'database_settings={DREAMS: {source: {folder: /data/dreams}}}'",  # over a backslash
    }


def parsed(command):
    """Return the words as Snakemake parses them, with the profile that it would use."""
    with chdir(ROOT):
        try:
            return parse_args([*command.words[1:]])[1]
        except SystemExit:
            pytest.fail(f"{command}: not understood by Snakemake, see stderr")


def test_snakemake_is_told_on_how_many_cores():
    """A dry run does without, so it does not show what lacks them."""
    for command in of("snakemake"):
        given = parsed(command)
        idle = given.dryrun or given.report or given.unlock
        assert idle or given.cores or given.jobs, command


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, in which all that a dry run looks for is there."""
    folder = tmp_path_factory.mktemp("documented") / "project"
    folder.mkdir()
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    shutil.copy(folder / "config/databases/own.yaml", folder / "config/databases/MINE.yaml")
    recordings = folder / "data/recordings"
    placed = [recordings / place / name for place, names in RECORDINGS.items() for name in names]
    parity = folder.parent / "shared/reference/parity"
    placed += [parity / f"seqsleepnet_mass_{name}.npz" for name in WEIGHTS]
    for path in placed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for place, names in PUBLISHED.items():
        (recordings / place).mkdir(parents=True)
        write_list(recordings / place, dict.fromkeys(names, Listed("0")))
    return folder


def call(words, folder):
    """Exit status and everything printed. Nothing can be asked of a network."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=environment() | nowhere | {"PYTHONPATH": str(folder), "NSRR_TOKEN": "1-token"},
    )
    return done.returncode, done.stdout


def without(words, *options):
    """Words without these options and the value of each."""
    kept = list(words)
    for option in options:
        if option in kept:
            at = kept.index(option)
            del kept[at : at + 2]
    return kept


@pytest.mark.long
def test_snakemake_plans_what_it_is_asked_for(project):
    """Targets that are named with the same options are asked for together, as a run takes seconds.

    A report can only be made of a finished run: its targets are planned.
    """
    together = defaultdict(list)
    (dreams := project / "dreams").mkdir()  # nothing is planned for a folder that does not exist
    for command in of("snakemake"):
        targets = parsed(command).targets
        options = without(command.words[1:], "--cores", "--report")
        options = [option.replace("/data/dreams", str(dreams)) for option in options]
        key = tuple(o for o in options if o not in targets and o != "--dry-run")
        together[key].append((command, targets))
    failed = []
    for options, asked in together.items():
        targets = {target for _, targets in asked for target in targets or ["all"]}
        if "--unlock" in options:
            targets = ()
        words = (sys.executable, "-m", "snakemake", *sorted(targets), "--dry-run", *options)
        status, text = call((*words, "--quiet", "all"), project)
        if status:
            named = "\n".join(str(command) for command, _ in asked)
            failed.append(f"{named}\n{text}")
    assert not failed, "\n\n".join(failed)


def test_xsleep_understands_its_arguments(monkeypatch, capsys):
    modules = (cli.score, cli.evaluate, cli.info, cli.models, cli.weights, cli.init)
    modules += (cli.plan, cli.compare)
    for module in modules:
        monkeypatch.setattr(module, "_run", lambda given: 0)
    commands = [(c, c.words[1:]) for c in of("xsleep")]
    commands += [(c, c.words[3:]) for c in of("python", "-m", "xsleep")]
    for command, arguments in commands:
        # One that is named without arguments is not meant to be called so.
        with pytest.raises(SystemExit) if len(arguments) == 1 else nullcontext() as left:
            assert cli.main([*arguments, "--help"] if len(arguments) == 1 else arguments) == 0
        assert not left or left.value.code == 0, f"{command}\n{capsys.readouterr().err}"


def test_make_has_the_targets(project):
    for command in of("make"):
        status, text = call((*command.words, "--dry-run"), project)
        assert not status, f"{command}\n{text}"


def test_dvc_understands_its_arguments(capsys):
    dvc = pytest.importorskip("dvc.cli", reason="DVC is not installed")
    for command in of("dvc"):
        try:
            dvc.parse_args([*command.words[1:]])
        except (SystemExit, dvc.DvcParserError):
            pytest.fail(f"{command}\n{capsys.readouterr()}")


def test_pip_is_asked_for_extras_that_there_are():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in of("pip"):
        for word in command.words:
            if found := re.fullmatch(r"\.\[(\w+)\]", word):
                assert found[1] in extras["optional-dependencies"], command


def test_python_is_given_modules_and_files_of_the_project():
    for command in of("python"):
        first = command.words[1]
        assert (ROOT / first).is_file() or command.words[1:3] == ("-m", "xsleep"), command
