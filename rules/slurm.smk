# What Snakemake 9.27 and version 2.8.0 of its plugin for Slurm get wrong, mended from outside.
import snakemake_executor_plugin_slurm as slurm
from snakemake.jobs import GroupJob
from snakemake.logging import logger


def log_error(group, msg=None, log_error=GroupJob.log_error, **more):
    """Of a group of jobs that failed, too, what the executor says of it: how Slurm refused it, say."""
    if msg:
        logger.error(msg)
    log_error(group, msg, **more)


def get_submit_command(
    job,
    params,
    settings=None,
    failed_nodes=(),
    get_submit_command=slurm.get_submit_command,
    **more,
):
    """Without `None assigned` among the nodes to keep off, which is what a job has that waits again
    since its node was lost. No submission thereafter succeeded (issue 485 of the plugin).
    """
    nodes = {node for node in failed_nodes or () if node != "None assigned"}
    return get_submit_command(job, params, settings, failed_nodes=nodes, **more)


GroupJob.log_error = log_error
slurm.get_submit_command = get_submit_command
