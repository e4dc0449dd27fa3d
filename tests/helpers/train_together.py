"""Trains in PROCESSES processes, as a rule's script does; each training has a folder in FOLDER."""

import json
import os
from pathlib import Path

import torch

from tests.compute.test_parallel import TRAININGS, trained
from xsleep.compute import parallel

with parallel.processes(int(os.environ["PROCESSES"])):
    torch.set_num_threads(1)
    folder = Path(os.environ["FOLDER"])
    facts = {name: trained(name, folder / name, folder / "store") for name in TRAININGS}
    trained("dropping", folder / "stopped", folder / "store", stop=True)
    facts["stopped"] = trained("dropping", folder / "stopped", folder / "store")
    seeds = parallel.gathered(torch.initial_seed())
    if parallel.rank() == 0:
        (folder / "facts.json").write_text(json.dumps({"facts": facts, "seeds": seeds}))
