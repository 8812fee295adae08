import io
from dataclasses import replace

import pytest
from rich.console import Console

from jtdiag.probing.registry import PROBES
from jtdiag.terminal import probing
from jtdiag.terminal.probing import Measuring, announce, measuring


def test_the_line_tells_the_time_and_what_was_read_since(toy):
    list(toy.outputs(toy.lanes[0], 1, "test"))  # before
    line = Measuring(toy, "votes")
    line._start -= 7
    [block] = toy.outputs(toy.lanes[0], 2, "test")
    assert line.__rich__().plain == f"  votes: 7 s, {block.logits.nbytes / 1e6:.1f} MB read"


def test_checkpoints_count_too(toy):
    before = toy.bytes_read
    weights = toy.checkpoint(toy.lanes[0], 2)
    assert toy.bytes_read - before == sum(array.nbytes for array in weights.values())


def test_without_a_terminal_nothing_is_shown(toy, capsys):
    with measuring(toy, "votes"):
        pass
    assert capsys.readouterr().out == ""


def test_on_a_terminal_the_line_goes_when_the_probe_is_done(toy, monkeypatch):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    monkeypatch.setattr(probing, "Console", lambda: console)
    with measuring(toy, "votes"):
        pass
    assert "votes: 0 s, 0.0 MB read" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (None, []),
        (29.0, []),
        (90.0, ["votes: takes roughly 2 minutes."]),
    ],
)
def test_a_probe_that_takes_long_says_so_beforehand(toy, capsys, seconds, printed):
    votes = PROBES.find("votes")
    announce(toy, replace(votes, seconds=seconds and (lambda run: seconds)))
    first, *more = capsys.readouterr().out.splitlines()
    assert first == f"votes: running. {votes.question}"
    assert more == printed
