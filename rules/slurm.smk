# Workarounds for defects of snakemake-executor-plugin-slurm 2.8.0 that leave a run hanging or failing;
# they apply where the installed version has the function.
import sys
from functools import partial


async def query_job_status(query, *args, **options):
    """Return no states where the query fails (the plugin would forget its jobs after some failures,
    and Snakemake would wait for ever), and `CANCELLED by 0` as `CANCELLED`, the state it knows.
    """
    states, seconds = await query(*args, **options)
    states = {job: state.partition(" by ")[0] for job, state in (states or {}).items()}
    return states, seconds or 0.0


def get_submit_command(command, *args, **options):
    """Return the command that submits a job, on any node that Slurm has.

    For a job whose node was lost, the plugin excludes the node that Slurm names then: `None assigned`
    (issue 485), or the healthy one on which the job runs again. `sbatch` would refuse every later job.
    """
    return command(*args, **options | {"failed_nodes": None})


PLUGIN = sys.modules.get("snakemake_executor_plugin_slurm")
for change in (query_job_status, get_submit_command):
    if hasattr(PLUGIN, change.__name__):
        original = getattr(PLUGIN, change.__name__)
        setattr(PLUGIN, change.__name__, partial(change, original))
