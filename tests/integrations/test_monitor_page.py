"""The page on the monitor, run block by block against the real libraries."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytest_examples import find_examples

from jtdiag import Run

PAGE = Path(__file__).parents[2] / "docs" / "monitor.md"
BATCHES = 36

pytestmark = [
    # Of Lightning 2.6 on torch 2.13 and of torchmetrics: their own use of what torch deprecates.
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
    pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated:DeprecationWarning"),
    # The page's loaders are of small examples in memory.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the names of the page stand for at its end, and the monitors in their order."""
    known: dict[str, Any] = {"__name__": "__main__", "__monitors__": []}
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("page"))
    torch.manual_seed(0)
    try:
        for block in find_examples(PAGE):
            if block.prefix == "python":
                exec(compile("\n" * block.start_line + block.source, PAGE, "exec"), known)
                known["__monitors__"].append(known.get("monitor"))
        known["run"] = Run(Path("runs/mine").resolve())
    finally:
        os.chdir(before)
    return known


@pytest.mark.slow
def test_the_plain_loop_finds_what_the_page_says(page):
    monitor = page["__monitors__"][1]
    finding = monitor.findings[0]
    [shown] = re.findall(r"^```text\n(.*?\()", PAGE.read_text("utf-8"), flags=re.M)
    assert finding.sentence.startswith(shown)
    assert [epoch.batches for epoch in monitor.epochs] == 4 * [BATCHES]


@pytest.mark.parametrize("name", ["callback", "watching", "handler"])
def test_every_library_feeds_its_monitor_with_each_batch_and_ends_its_epochs(page, name):
    monitor = page[name].monitor
    assert [epoch.batches for epoch in monitor.epochs] == 3 * [BATCHES]
    error = monitor.history.ensemble_error
    assert error[-1] < error[0] < monitor.history.chance_error


def test_the_branches_are_members(page):
    monitor = page["__monitors__"][-2]
    assert monitor.history.member_error.shape == (3, 4)
    assert not any(module._forward_hooks for module in page["net"].modules())


def test_the_store_is_a_run(page):
    run, monitor = page["run"], page["__monitors__"][-1]
    assert run.done
    stored = run.metrics()["member_error"].sel(lam=1, trial=0, split="train")
    np.testing.assert_array_equal(stored[1:], monitor.history.member_error)
