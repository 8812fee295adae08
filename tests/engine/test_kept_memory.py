"""Memory of large tensors stays with the process while it trains."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from contextlib import nullcontext
import torch
from jtdiag.engine.kept_memory import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.zeros(60 * 2**18)  # 60 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
torch.zeros(1)
for context in (nullcontext(), kept_memory()):
    with context:
        print([faults() for _ in range(5)][-1])  # at first, the heap has to grow
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs the C library of GNU")
def test_large_tensors_get_their_pages_once():
    answer = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    before, inside = map(int, answer.stdout.split())
    pages = 60 * 2**20 // 4096
    assert before > pages  # even if some pages are large
    assert inside < pages / 100
