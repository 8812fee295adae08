"""Started by torchrun: trains the runs that a file lists, one after the other, on all ranks.

Each has a recipe, a folder, and further arguments of `train`. Rank 0 writes the error of each, or
null, to a second file.
"""

import json
import os
import sys
from pathlib import Path

import torch.distributed as dist

from jtdiag.engine.progress import NullListener
from jtdiag.engine.stopping import StopRequest, TrainingStopped
from jtdiag.engine.train import train
from jtdiag.errors import JtdiagError


class Stopping(NullListener):
    """Requests to stop after an epoch; only the listener of rank 0 is told of epochs."""

    def __init__(self, after: int) -> None:
        self.stop, self._after = StopRequest(), after

    def epoch(self, report):
        if report.epoch == self._after:
            self.stop.request(60)


def result_of(run):
    """Return the error of a run; None without one."""
    recipe, listener = run["recipe"], Stopping(run.get("stop_after", -1))
    if int(os.environ["RANK"]) == dist.get_world_size() - 1:
        for section, values in run.get("of_last_rank", {}).items():
            recipe[section] = {**recipe[section], **values}
    try:
        train(recipe, run["out"], listener=listener, stop=listener.stop, **run.get("options", {}))
    except TrainingStopped:
        return "stopped"
    except JtdiagError as error:
        return str(error)
    return None


dist.init_process_group("gloo")
results = [result_of(run) for run in json.loads(Path(sys.argv[1]).read_text())]
if dist.get_rank() == 0:
    Path(sys.argv[2]).write_text(json.dumps(results))
dist.destroy_process_group()
