"""Drawing a run's figures again and again while it trains."""

import time
from collections.abc import Iterator

import xarray as xr

from jtdiag.errors import JtdiagError
from jtdiag.figures.contract import FigureKind
from jtdiag.figures.drawing import DEFAULT, Output, draw_results
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.registry import PROBES
from jtdiag.store.run import Run


def redraw(
    run: Run, wanted: list[FigureKind], output: Output = DEFAULT, interval: float = 0.5
) -> Iterator[str]:
    """Draw figures of a run after every epoch that is sealed; yield a line for each that changed.

    A probe that suffices with the metrics is asked of them; another is asked in full if it is
    cheap. Figures of slow probes are left out. Nothing is written into the run but its figures.

    Args:
        run: A run that trains, or has trained.
        wanted: What to draw.
        output: What is written, and where.
        interval: Seconds between two looks.
    """
    probes = {name: PROBES.find(name) for name in {drawing.needs for drawing in wanted}}
    drawn = [one for one in wanted if probes[one.needs].cost == "cheap" or _light(one, probes)]
    drawn = [one for one in drawn if probes[one.needs].applies(run)]
    for one in wanted:
        if one not in drawn:
            yield (
                f"{one.name}: left out while the run trains. "
                f"First run: jtdiag probe {run.path} {one.needs}"
            )
    for _ in _looks_that_find_more(run, interval):
        yield from _draw_all(run, drawn, probes, output)
    yield "The run is done." if run.done else f"{run.path}: nobody trains it."


def _looks_that_find_more(run: Run, interval: float) -> Iterator[None]:
    """Yield whenever a lane has come further, until the run is done or nobody trains it."""
    seen = dict.fromkeys(run.lanes, -1)
    while True:
        training = run.training  # before the seals: what it sealed last is still seen
        now = {lane: run.seal(lane).epoch for lane in run.lanes}
        over = run.done or not training
        if now != seen:
            seen = now
            yield
        if over:
            return
        time.sleep(interval)


def _light(drawing: FigureKind, probes: dict[str, Probe]) -> bool:
    """Tell whether a figure draws only what its probe finds in the metrics."""
    return not any(probes[drawing.needs].writes[name].from_outputs for name in drawing.uses)


def _draw_all(
    run: Run, drawn: list[FigureKind], probes: dict[str, Probe], output: Output
) -> Iterator[str]:
    """Ask each probe once and draw what is drawn from it."""
    epoch = max(run.seal(lane).epoch for lane in run.lanes)
    found: dict[tuple[str, bool], xr.Dataset] = {}
    for drawing in drawn:
        light = _light(drawing, probes)
        asked = drawing.needs, light
        try:
            if asked not in found:
                probe = probes[drawing.needs]
                about = {"jtdiag": "", "recipe_hash": run.recipe_hash}
                found[asked] = probe.ask(run, Options(metrics_only=light)).assign_attrs(about)
            [path, *_] = draw_results([run], drawing, [found[asked]], output)
            yield f"epoch {epoch}: {path}"
        except JtdiagError as error:  # not yet
            yield f"epoch {epoch}: {drawing.name} left out. {error}"
