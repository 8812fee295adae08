"""The demo: a small run from training to figures, with nothing to download."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from jtdiag import figures, finding, presets
from jtdiag.engine.progress import Listener
from jtdiag.engine.train import train
from jtdiag.figures.drawing import plot
from jtdiag.finding import Finding
from jtdiag.probing import probe
from jtdiag.registry import probe_names
from jtdiag.store import Run


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the demo has to show."""

    run: Run
    performance: xr.Dataset
    findings: list[Finding]
    figures: list[Path]


def run_demo(out: Path, listener: Listener) -> Shown:
    """Train the demo recipe unless that is done already, probe it, and draw every figure."""
    run = train(presets.find("demo"), out, resume=True, listener=listener)
    for name in probe_names():
        probe(run, name)
    return Shown(
        run=run,
        performance=probe(run, "performance"),
        findings=finding.read(run.path),
        figures=[path for name in figures.FIGURES for path in plot(run, name)],
    )
