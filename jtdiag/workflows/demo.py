"""The demo: train, probe and plot a small run without downloading anything."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.figures import FIGURES
from jtdiag.figures.drawing import plot
from jtdiag.probing import findings
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe import presets
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The run of the demo, its results and its figures."""

    run: Run
    performance: xr.Dataset
    findings: list[Finding]
    figures: list[Path]


def run_demo(out: Path, listener: Listener) -> DemoResult:
    """Train the demo recipe unless it is already trained, run the cheap probes and plot."""
    run = train(presets.find("demo"), out, resume=True, listener=listener)
    cheap = [each.name for each in PROBES.all() if each.cost == "cheap"]
    for name in cheap:
        probe(run, name)
    drawn = [figure.name for figure in FIGURES.all() if figure.needs in cheap]
    return DemoResult(
        run=run,
        performance=probe(run, "performance"),
        findings=findings.read(run.path),
        figures=[path for name in drawn for path in plot(run, name)],
    )
