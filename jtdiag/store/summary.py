"""What a run is and how far it has come, as text and as HTML."""

from html import escape
from typing import TYPE_CHECKING

from jtdiag.names import lam_text
from jtdiag.printable import printable
from jtdiag.store.lanes import Lane
from jtdiag.store.layout import readable

if TYPE_CHECKING:
    from jtdiag.store.run import Run

RESULTS = "results"


def line(run: "Run") -> str:
    """Return a run on one line."""
    done = sum(run.seal(lane).done for lane in run.lanes)
    lanes = len(run.lanes)
    state = "complete" if done == lanes else f"{done} of {lanes} lanes complete"
    return printable(f"<Run {run.path}: {_members(run)}, {_lams(run)}, {_trials(run)}, {state}>")


def rows(run: "Run") -> list[tuple[str, str]]:
    """Return what a run consists of, as names and values."""
    recipe = run.recipe
    seals = [run.seal(lane) for lane in run.lanes]
    done = sum(seal.done for seal in seals)
    unknown = "unknown (recorded from another training loop)"
    results = sorted(path.stem for path in (run.path / RESULTS).glob("*.zarr"))
    return [
        ("run", str(run.path)),
        ("members", _members(run)),
        ("data", unknown if run.recorded else recipe.data.name),
        ("λ", _lams(run).removeprefix("λ = ")),
        ("trials", str(recipe.trials)),
        ("epochs", str(recipe.train.epochs)),
        ("lanes", f"{done} of {len(seals)} complete"),
        ("size", readable(run.size)),
        ("results", ", ".join(results) or "none; run jtdiag.probe(run, …)"),
    ]


def text(run: "Run") -> str:
    """Return `rows` as lines of text."""
    shown = rows(run)
    width = max(len(name) for name, _ in shown)
    return "\n".join(printable(f"{name:<{width}}  {value}") for name, value in shown)


def html(run: "Run") -> str:
    """Return `rows` and the state of every lane as HTML tables."""
    facts = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(printable(value))}</td></tr>"
        for name, value in rows(run)
    )
    return f"<table>{facts}</table><table>{_lanes(run)}</table>"


def _lanes(run: "Run") -> str:
    """Return one row per λ with the state of each trial."""
    trials = range(run.recipe.trials)
    head = "".join(f"<th>trial {trial}</th>" for trial in trials)
    body = "".join(
        f"<tr><th>λ = {lam_text(lam)}</th>"
        + "".join(f"<td>{_state(run, Lane(trial, index))}</td>" for trial in trials)
        + "</tr>"
        for index, lam in enumerate(run.recipe.lam)
    )
    return f"<tr><th></th>{head}</tr>{body}"


def _state(run: "Run", lane: Lane) -> str:
    seal = run.seal(lane)
    if seal.done:
        return "complete"
    return "not started" if seal.epoch < 0 else f"epoch {seal.epoch}"


def _members(run: "Run") -> str:
    members = run.recipe.members
    count = f"{members.count} member{'' if members.count == 1 else 's'}"
    return count if run.recorded else f"{count} ({members.arch})"


def _lams(run: "Run") -> str:
    return f"λ = {', '.join(map(lam_text, run.recipe.lam))}"


def _trials(run: "Run") -> str:
    return f"{run.recipe.trials} trial{'' if run.recipe.trials == 1 else 's'}"
