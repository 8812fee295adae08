"""Started by torchrun: trains the runs that a file lists, one after the other, on all ranks.

Each has a recipe, a folder, and further arguments of `train`. Rank 0 writes the error of each, or
null, to a second file.
"""

import json
import os
import sys
from pathlib import Path

import torch.distributed as dist

from jtdiag.engine.train import train
from jtdiag.errors import JtdiagError

listed, written = map(Path, sys.argv[1:])
dist.init_process_group("gloo")
errors = []
for run in json.loads(listed.read_text()):
    recipe = run["recipe"]
    # What only the last rank has, such as other data.
    if os.environ["RANK"] == str(dist.get_world_size() - 1):
        for section, values in run.get("last", {}).items():
            recipe[section] = {**recipe[section], **values}
    try:
        train(recipe, run["out"], **run.get("options", {}))
        errors.append(None)
    except JtdiagError as error:
        errors.append(str(error))
if dist.get_rank() == 0:
    written.write_text(json.dumps(errors))
dist.destroy_process_group()
