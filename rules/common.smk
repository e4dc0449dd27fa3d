import gc
import sys
from pathlib import Path

from xsleep.core.errors import InputError
from xsleep.core.running import enter

# A plan is millions of objects that stay. Collecting garbage less often saves a twelfth of its time.
gc.set_threshold(100_000)

try:  # the registry of systems is read when it is imported
    from xsleep import systems
    from xsleep.compute.sharing import start_mps
    from xsleep.results.figures import FORMATS
    from xsleep.results.formatting import entitled
    from xsleep.store.recordings import FORMAT_VERSION
    from xsleep.study import beforehand, paths, snapshot
    from xsleep.study.figures import OF_SYSTEMS, PICKS
    from xsleep.study.messages import Messages
    from xsleep.study.runs import folder, has
    from xsleep.study.study import Study
    from xsleep.workflow import FOLDER

    beforehand.check()
    if workflow.is_main_process:
        beforehand.check_dependencies(FOLDER / "pyproject.toml")
        beforehand.check_clock(FOLDER / "workflow_scripts")
        configuration = Path(workflow.basedir) / "config"
        snapshot.take(config, configuration)
    else:
        configuration = snapshot.folder()
        config.clear()
        config.update(snapshot.config())
    STUDY = Study(config, configuration)
    if workflow.is_main_process:
        beforehand.check_sources(STUDY)
except InputError as error:
    raise WorkflowError(str(error)) from None
if not STUDY.databases.names:
    raise WorkflowError(next(iter(STUDY.databases.left_out.values())))
MESSAGES = Messages(STUDY, workflow)
if workflow.is_main_process:
    RUNNING, others = enter()  # open, and so locked, until the process ends
    if others:
        print(others, file=sys.stderr)


# Passed on to jobs on other machines.
envvars:
    "XSLEEP_CONFIGURATION",


wildcard_constraints:
    **STUDY.constraints,


def fetched(database):
    """The files of a database, once those that can be fetched are there."""
    files = STUDY.databases.files[database]
    if files.to_fetch:
        checkpoints.fetch.get(database=database, attempt=files.attempt)
    return files


def listed(database):
    """The files of a database, once its recordings are known."""
    files = STUDY.databases.files[database]
    return files if files.entries else fetched(database)


def growing(**amounts):
    """Resources of a job, numbers or functions of the wildcards: as much more at each attempt."""

    def grown(amount):
        return lambda wildcards, attempt: attempt * (
            amount(wildcards) if callable(amount) else amount
        )

    return {name: grown(amount) for name, amount in amounts.items()}


def preset(resource):
    """Function from the wildcards of a run to a resource of a training, as its preset has it."""
    return lambda wildcards: getattr(
        STUDY.settings.preset_of(wildcards).resources, resource
    )


def trained(folder):
    """Files that a training writes."""
    names = {"model": "model.safetensors", "history": "history.csv", "run": "run.json"}
    return {key: f"{folder}/{name}" for key, name in names.items()}


def reported(path, caption, category, of=STUDY.databases.names, **labels):
    """A file that is in the report, of these databases."""
    return report(
        path,
        caption=f"../captions/{caption}.rst",
        category=entitled(category, of, STUDY.databases.simulated),
        labels=labels,
    )


def drawn(path, caption, figure, category="Figures", **labels):
    """A figure that is in the report, with the database, window and channels of its path."""
    names = ("database", "window", "channels")
    case = {name: f"{{{name}}}" if f"{{{name}}}" in path else "all" for name in names}
    return reported(path, caption, category, figure=figure, **case, **labels)


def pictures(stem, caption, figure, **labels):
    """The files of a figure by format; the SVG is in the report."""
    files = {suffix: f"{stem}.{suffix}" for suffix in FORMATS}
    return files | {"svg": drawn(files["svg"], caption, figure, **labels)}


def other_formats(stem):
    """The files of a figure but its SVG, which the report has."""
    return [f"{stem}.{suffix}" for suffix in FORMATS if suffix != "svg"]


def existing(path):
    """The file as an input, if it is there; one that is missing is for the job to name."""
    return path if path.exists() else []
