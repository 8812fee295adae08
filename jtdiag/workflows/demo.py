"""The demo: a small run from training to figures, with nothing to download."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.figures import FIGURES
from jtdiag.figures.drawing import plot
from jtdiag.probing import findings as finding
from jtdiag.probing.findings import Finding
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe import presets
from jtdiag.store.run import Run


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the demo has to show."""

    run: Run
    performance: xr.Dataset
    findings: list[Finding]
    figures: list[Path]


def run_demo(out: Path, listener: Listener) -> Shown:
    """Train the demo recipe unless that is done already; ask and draw what takes a moment."""
    run = train(presets.find("demo"), out, resume=True, listener=listener)
    quick = [one.name for one in PROBES.all() if one.cost == "cheap"]
    for name in quick:
        probe(run, name)
    drawn = [figure.name for figure in FIGURES.all() if figure.needs in quick]
    return Shown(
        run=run,
        performance=probe(run, "performance"),
        findings=finding.read(run.path),
        figures=[path for name in drawn for path in plot(run, name)],
    )
