# What Snakemake 9.27 and version 2.8.0 of its plugin for Slurm get wrong, mended from outside.
import subprocess
from collections import defaultdict
from functools import partial
from importlib.metadata import version

import snakemake_executor_plugin_slurm as slurm
from snakemake.jobs import GroupJob
from snakemake.logging import logger
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

MENDED, INSTALLED = "2.8.0", version("snakemake-executor-plugin-slurm")


def log_error(group, msg=None, log_error=GroupJob.log_error, **more):
    """Of a group of jobs that failed, too, what the executor says of it: how Slurm refused it, say."""
    if msg:
        logger.error(msg)
    log_error(group, msg, **more)


def get_submit_command(command, job, params, settings=None, failed_nodes=()):
    """Without `None assigned` among the nodes to keep off, which is what a job has that waits again
    since its node was lost. No submission thereafter succeeded (issue 485 of the plugin).
    """
    nodes = {node for node in failed_nodes or () if node != "None assigned"}
    return command(job, params, settings, failed_nodes=nodes)


async def query_job_status(query, command, logger):
    """Of each task of an array its own state: the raw numbers that the plugin asks for do not name it.
    `5_[2-4]` is what waits of array 5, which the plugin looks up as `5`; `CANCELLED by 0` is an end.

    Where the query fails nothing is known of any job, and they are asked for again. The plugin would
    forget them after some such failures in a row, and Snakemake wait for them for ever.
    """
    states, seconds = await query(command.replace("JobIdRaw", "JobID"), logger)
    states = {
        job.partition("_[")[0]: state.partition(" by ")[0]
        for job, state in (states or {}).items()
    }
    return states, seconds or 0.0


def run_array_jobs(executor, jobs):
    """Jobs of a rule as arrays of those that ask for the same, each task called as a job by itself is.

    The plugin asks for what the first job needs, and every task waits for the output of that one.
    """
    alike = defaultdict(list)
    for n, job in enumerate(jobs):
        asked = str(sorted(job.resources.items()))
        alike[n // executor.max_array_size, asked].append(job)
    for same in alike.values():
        if len(same) == 1:
            executor.run_job(same[0])
            continue
        try:
            submit_array(executor, same)
        except Exception as error:  # unless it is reported, Snakemake waits for ever
            for job in same:
                info = SubmittedJobInfo(job)
                executor._report_job_error_threadsafe(info, f"{error}\n")


def submit_array(executor, jobs):
    first, settings = jobs[0], executor.workflow.executor_settings
    slurm.validate_slurm_extra(first)
    log = executor.slurm_logdir / f"rule_{first.name}" / "%A_%a.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    params = {
        "run_uuid": executor.run_uuid,
        "slurm_logfile": log,
        "comment_str": f"rule_{first.name}",
        "account": next(executor.get_account_arg(first)),
        "partition": executor.get_partition_arg(first),
        "workdir": executor.workflow.workdir_init,
    }
    call = slurm.get_submit_command(first, params, settings, executor._failed_nodes)
    call += f"{slurm.set_gres_string(first)} --array=1-{len(jobs)} /dev/stdin"
    tasks = enumerate(map(executor.format_job_exec, jobs), 1)
    cases = [f"{n}) {task} ;;" for n, task in tasks]
    script = "\n".join(["#!/bin/sh", "case $SLURM_ARRAY_TASK_ID in", *cases, "esac\n"])
    done = subprocess.run(
        call, shell=True, input=script, capture_output=True, text=True
    )
    if done.returncode:
        raise WorkflowError(f"SLURM sbatch failed. {done.stderr.strip()}\n    {call}")
    number = done.stdout.split(";")[0].strip()
    array = slurm.validate_or_get_slurm_job_id(number, done.stdout)
    # Where Ctrl-C has to cancel.
    clusters = map(first.resources.get, ("cluster", "clusters", "slurm_cluster"))
    executor._submitted_job_clusters.update(filter(None, clusters))
    for n, job in enumerate(jobs, 1):
        path = log.with_name(f"{array}_{n}.log")
        logger.info(
            f"Job {job.jobid} has been submitted with SLURM jobid {array}_{n} (log: {path})."
        )
        info = SubmittedJobInfo(job, f"{array}_{n}", {"slurm_logfile": path})
        executor._report_job_submission_threadsafe(info)


def none_awaited(dag, name):
    """An array is of what is ready; whatever else is still to come is not waited for."""
    return 0


def refuse(executor, jobs):
    raise WorkflowError(
        f"snakemake-executor-plugin-slurm {INSTALLED} is installed, and rules/slurm.smk mends {MENDED}: "
        f"pip install snakemake-executor-plugin-slurm=={MENDED}"
    )


GroupJob.log_error = log_error
if INSTALLED == MENDED:
    slurm.get_submit_command = partial(get_submit_command, slurm.get_submit_command)
    slurm.query_job_status = partial(query_job_status, slurm.query_job_status)
    slurm.pending_jobs_for_rule = none_awaited
    slurm.Executor.run_array_jobs = run_array_jobs
else:
    slurm.Executor.run_jobs = refuse
