"""The demo: train, probe and plot a small run without downloading anything."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.figures.drawing import Output, plot
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe import presets
from jtdiag.report.evidence import Evidence, gather
from jtdiag.store.run import Run

FIGURES: Final = ("errors-by-epoch", "accuracy-against-dropped")
"""How members that begin unequal develop, and what losing some of them costs."""
PROBES_IN_TIME: Final = ("robustness",)
"""Probes that are slow for large ensembles, but take a second for this one."""
ALL_LANES: Final = "engine.lanes=24"
"""Steps of members this small cost more than their arithmetic, so all lanes take them together. The
recipe itself has groups of a trial, which other processes can take over."""
BEST_EPOCHS: Final = ('keep.outputs=["best"]', 'keep.checkpoints=["best"]')
"""Only these epochs are probed here; those of all epochs would be 3,000 small files."""


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The run of the demo with its results and figures."""

    run: Run
    evidence: Evidence
    figures: list[Path]


def run_demo(out: Path, listener: Listener) -> DemoResult:
    """Train the demo recipe unless it is already trained, run the quick probes and plot."""
    run = train(
        presets.find("demo", (ALL_LANES, *BEST_EPOCHS)), out, resume=True, listener=listener
    )
    for each in PROBES.all():
        if each.cost == "cheap" or each.name in PROBES_IN_TIME:
            probe(run, each.name)
    output = Output(formats=("png",))
    return DemoResult(
        run=run,
        evidence=gather(run),
        figures=[path for name in FIGURES for path in plot(run, name, output=output)],
    )
