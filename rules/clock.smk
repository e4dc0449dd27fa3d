# Snakemake deletes the outputs of a job whose inputs are from the future, however long it took: as
# when the clock was set back while it ran.
import os
import time
from contextlib import suppress

from snakemake.dag import DAG


async def with_inputs_of_now(dag, job, *args, **options):
    """Give inputs from the future the present time, before the outputs get it as well."""
    for path in job.input:
        with suppress(OSError):  # not there, or another user's
            if os.path.getmtime(path) > time.time():
                os.utime(path)
    await dag.check_and_touch(job, *args, **options)


DAG.check_and_touch = DAG.check_and_touch_output
DAG.check_and_touch_output = with_inputs_of_now
