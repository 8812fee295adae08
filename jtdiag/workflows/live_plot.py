"""Redraw the figures of a run during training."""

import gc
import time
from collections.abc import Iterator

import xarray as xr

from jtdiag.errors import JtdiagError
from jtdiag.figures.contract import FigureKind, OtherRunsError
from jtdiag.figures.drawing import DEFAULT, Output, draw_results
from jtdiag.free_memory import return_free_memory
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import ask
from jtdiag.store.run import Run
from jtdiag.workflows import wording


def redraw(
    run: Run, wanted: list[FigureKind], output: Output = DEFAULT, interval: float = 0.5
) -> Iterator[str]:
    """Draw figures of a run after every new epoch and yield a line for each figure drawn.

    Probes that only need the metrics are computed from the metrics; of the others, only the cheap
    ones are run. Figures of slow probes are skipped. Apart from the figures, nothing is written to
    the run.

    Args:
        run: A run that is training, or whose training has ended.
        wanted: Figures to draw.
        output: Style, formats and folder of the files.
        interval: Polling interval in seconds.
    """
    probes = {name: PROBES.find(name) for name in {drawing.needs for drawing in wanted}}
    drawings = []
    for drawing in wanted:
        probe = probes[drawing.needs]
        if not (probe.cost == "cheap" or _metrics_suffice(drawing, probe)):
            yield wording.figure_needs_probe(drawing.name, run.path, drawing.needs)
        elif not probe.applies(run):
            yield wording.figure_not_applicable(drawing.name)
        else:
            drawings.append(drawing)
    for _ in _polls_with_new_epochs(run, interval):
        yield from _draw_all(run, drawings, probes, output)
        gc.collect()  # figures refer to themselves: memory would grow for minutes before it levels
        return_free_memory()
    yield wording.RUN_COMPLETE if run.done else wording.exited_early(run.path)


def _polls_with_new_epochs(run: Run, interval: float) -> Iterator[None]:
    """Yield whenever a lane has saved an epoch, until the run is complete or no longer trained."""
    previous = dict.fromkeys(run.lanes, -1)
    while True:
        # Read before the seals, so that the last epochs of a process that exits are still seen.
        training = run.training
        epochs = {lane: run.seal(lane).epoch for lane in run.lanes}
        over = run.done or not training
        if epochs != previous:
            previous = epochs
            yield
        if over:
            return
        time.sleep(interval)


def _metrics_suffice(drawing: FigureKind, probe: Probe) -> bool:
    """Return whether a figure uses only variables that its probe computes from the metrics."""
    return not any(probe.writes[name].from_outputs for name in drawing.uses)


def _draw_all(
    run: Run, drawings: list[FigureKind], probes: dict[str, Probe], output: Output
) -> Iterator[str]:
    """Compute the result of each probe once and draw its figures."""
    epoch = max(run.seal(lane).epoch for lane in run.lanes)
    results: dict[tuple[str, bool], xr.Dataset] = {}
    for drawing in drawings:
        probe = probes[drawing.needs]
        metrics_only = _metrics_suffice(drawing, probe)
        key = drawing.needs, metrics_only
        try:
            if key not in results:
                origin = {"jtdiag": "", "recipe_hash": run.recipe_hash}
                result = ask(run, probe, Options(metrics_only=metrics_only))
                results[key] = result.assign_attrs(origin)
            [path, *_] = draw_results([run], drawing, [results[key]], output)
            yield wording.figure_drawn(epoch, path)
        except OtherRunsError:
            continue
        except JtdiagError as error:  # cannot be drawn yet
            yield wording.figure_skipped(epoch, drawing.name, str(error))
