"""Two processes that train one model (DistributedDataParallel): each has its monitor."""

import json
import subprocess
import sys

import numpy as np
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


COMBINED = """
import json, logging, sys
import torch
import torch.distributed as dist
from jtdiag import DominanceMonitor

rank, folder, together = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "together"
if together:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
told = []
monitor = DominanceMonitor(lam=1, every=1, tell=told.append)
monitor.combine_processes()
if rank:
    monitor.in_background()
for epoch in range(4):
    random = torch.Generator().manual_seed(epoch)
    y = torch.randint(3, (400,), generator=random)
    y[torch.rand(400, generator=random) < 0.5] = 0
    logits = 0.1 * torch.randn(3, 400, 3, generator=random)
    logits[0] += 6 * torch.nn.functional.one_hot(y, 3)  # member 0 leads
    for batch in torch.arange(400).split(40):
        mine = batch[rank::2] if together else batch
        if together and rank and epoch == 3:  # a mistake: the other does not wait for ever
            monitor.update(logits[:2, mine], y[mine])
        else:
            monitor.update(logits[:, mine], y[mine])
    monitor.end_epoch()
history = monitor.history
numbers = {name: getattr(history, name)[2].tolist() for name in ("member_error", "ensemble_loss")}
numbers |= {"chance": history.chance_error, "examples": [e.examples for e in monitor.epochs]}
found = [[f.rule, f.sentence] for f in monitor.findings]
print(json.dumps([numbers, found, len(told), monitor.stopped]))
if together:
    dist.destroy_process_group()
"""


SHARDED = """
import json, sys
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from jtdiag import DominanceMonitor

rank, folder, how = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if how != "alone":
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
torch.manual_seed(0)
x, y = torch.randn(40, 5), torch.randint(0, 3, (40,))


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        layers = ((nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)) for _ in range(3))
        self.members = nn.ModuleList(nn.Sequential(*each) for each in layers)

    def forward(self, x):
        return torch.stack([member(x) for member in self.members])


model = Ensemble().double()
if how != "alone":
    names = ("replicate", "shard")
    mesh = init_device_mesh("cpu", (2, 1) if how == "replicated" else (1, 2), mesh_dim_names=names)
    for member in model.members:
        fully_shard(member, mesh=mesh)
    fully_shard(model, mesh=mesh)
sgd = torch.optim.SGD(model.parameters(), lr=0.5)
monitor = DominanceMonitor(lam=1, every=1)
if how != "uncombined":
    monitor.combine_processes()
if rank:
    monitor.in_background()
monitor.watch_parameters(model.members)
for epoch in range(2):
    for batch in torch.arange(40).split(10):
        batch = batch if how == "alone" else batch[rank::2]
        logits = model(x[batch].double())
        sgd.zero_grad()
        nn.functional.cross_entropy(logits.mean(0), y[batch]).backward()
        sgd.step()
        monitor.update(logits, y[batch])
    monitor.end_epoch()
errors = monitor.history.member_error.tolist() if monitor.epochs else []
numbers = [[e.displacement.tolist(), error] for e, error in zip(monitor.epochs, errors)]
print(json.dumps([numbers, monitor.stopped]))
if how != "alone":
    dist.destroy_process_group()
"""


def in_processes(tmp_path, code, ranks, *arguments):
    """Return the last line that each of several processes printed, read as JSON."""
    file = tmp_path / "loop.py"
    file.write_text(code)
    processes = [
        subprocess.Popen(
            [sys.executable, str(file), str(rank), str(tmp_path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ranks
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert not any(process.returncode for process in processes), outputs
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


@pytest.mark.slow
def test_combined_processes_have_the_numbers_of_one_that_sees_all_examples(tmp_path):
    [(expected, findings, told, _)] = in_processes(tmp_path, COMBINED, [0], "alone")
    assert (told, expected["examples"]) == (len(findings), [400] * 4)
    assert "dominance" in [rule for rule, _ in findings]
    first, second = in_processes(tmp_path, COMBINED, [0, 1], "together")
    for numbers, found, _, _ in (first, second):
        assert numbers["chance"] == expected["chance"] != pytest.approx(2 / 3)
        assert numbers["member_error"] == pytest.approx(expected["member_error"])
        assert numbers["ensemble_loss"] == pytest.approx(expected["ensemble_loss"])
        assert found == findings
    assert first[2] == len(findings)  # the main process reports each of them once
    assert second[2] == 0
    # In the last epoch, the second process has stopped.
    assert first[0]["examples"] == [400, 400, 400, 200]
    assert first[3] == ""
    assert "a batch has 2 members; previous batches had 3" in second[3]


@pytest.mark.slow
def test_each_process_of_a_distributed_training_has_its_own_monitor(tmp_path):
    first, second = in_processes(tmp_path, LOOP, [0, 1])
    assert first[:2] == [2, 20]
    assert first[3] == ""
    assert second[:2] == [1, 20]
    assert "a batch has 1 member; previous batches had 2" in second[3]
    assert second[2] != first[2]
    assert (tmp_path / "run").is_dir()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sharded", "replicated"])
def test_parameters_that_are_distributed_move_as_far_as_those_of_one_process(tmp_path, how):
    [(expected, stopped)] = in_processes(tmp_path, SHARDED, [0], "alone")
    assert (len(expected), stopped) == (2, "")
    for numbers, stopped in in_processes(tmp_path, SHARDED, [0, 1], how):
        assert stopped == ""
        np.testing.assert_allclose(numbers, expected, rtol=1e-12)


@pytest.mark.slow
def test_distributed_parameters_of_which_no_process_knows_all_are_refused(tmp_path):
    for numbers, stopped in in_processes(tmp_path, SHARDED, [0, 1], "uncombined"):
        assert numbers == []
        assert "parameters are distributed over processes (FSDP); call monitor.combine" in stopped
