"""Two processes that train one model (DistributedDataParallel): each has its monitor."""

import json
import subprocess
import sys

import pytest

LOOP = """
import json, sys
import torch
import torch.distributed as dist
from torch import nn
from jtdiag import DominanceMonitor

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
torch.manual_seed(0)
x, y = torch.randn(40, 5), torch.randint(0, 3, (40,))
x, y = x[rank::2], y[rank::2]


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        self.members = nn.ModuleList(nn.Linear(5, 3) for _ in range(2))

    def forward(self, x):
        return torch.stack([member(x) for member in self.members])


model = nn.parallel.DistributedDataParallel(Ensemble())
sgd = torch.optim.SGD(model.parameters(), lr=0.1)
monitor = DominanceMonitor(lam=1, every=1, store=f"{folder}/run" if rank == 0 else None, epochs=2)
if rank:
    monitor.in_background()
monitor.watch_parameters(model.module.members)
for epoch in range(2):
    for part in torch.arange(20).split(10):
        logits = model(x[part])
        sgd.zero_grad()
        nn.functional.cross_entropy(logits.mean(0), y[part]).backward()
        sgd.step()
        # One process makes a mistake in the second epoch: the other must not wait for it.
        monitor.update(logits[:1] if rank and epoch else logits, y[part])
    monitor.end_epoch()
last = monitor.epochs[-1]
print(json.dumps([last.epoch, last.examples, last.displacement.tolist(), monitor.stopped]))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_each_process_of_a_distributed_training_has_its_own_monitor(tmp_path):
    file = tmp_path / "loop.py"
    file.write_text(LOOP)
    processes = [
        subprocess.Popen(
            [sys.executable, str(file), str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    first, second = (json.loads(out.splitlines()[-1]) for out, _ in outputs)
    assert first[:2] == [2, 20]
    assert first[3] == ""
    assert second[:2] == [1, 20]
    assert "a batch has 1 member; previous batches had 2" in second[3]
    assert second[2] != first[2]
    assert (tmp_path / "run").is_dir()
