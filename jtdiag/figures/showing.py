"""Figures in Python and in notebooks, without files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import FIGURES, given_axes, style, venues
from jtdiag.figures.labels import drawable
from jtdiag.probing.running import probe
from jtdiag.recipe.labels import labels
from jtdiag.store.run import Run


def plot(
    run: Run | str | Path,
    name: str,
    *others: Run | str | Path,
    ax: Axes | Sequence[Axes] | None = None,
    venue: str = venues.DEFAULT,
) -> Figure:
    """Draw a figure of a run, or of several, and return it; a notebook shows it.

    The probe of the figure is run first if it has no up-to-date result. pyplot is not used, so no
    figure has to be closed. Write it with `savefig`.

    Args:
        run: A run or its folder.
        name: Name of the figure, such as "errors-by-epoch".
        others: Further runs, for figures that compare runs.
        ax: Axes to draw into, one for each panel; by default a new figure is made.
        venue: Style of a venue, such as "neurips".

    Returns:
        The figure; with `ax`, the one that the axes belong to.

    Raises:
        ProbeError: if there is no such figure, the run has nothing to draw, or there are too few
            axes.
        StoreError: if a folder contains no run.
    """
    kind = FIGURES.find(name)
    runs = [each if isinstance(each, Run) else Run(each) for each in (run, *others)]
    if len(runs) > 1 and not kind.compares:
        raise ProbeError(f"The figure '{name}' shows a single run; call plot once for each run.")
    results = [probe(each, kind.needs) for each in runs]
    folders = [each.path.resolve().name for each in runs]
    run_names = drawable(labels([each.recipe for each in runs], folders))
    pairs = list(zip(run_names, results, strict=True))
    lams = [float(lam) for d in results if names.LAM in d for lam in np.ravel(d[names.LAM])]
    with style.of(venue, lams):
        if ax is None:
            return kind.draw(pairs)
        axes = [ax] if isinstance(ax, Axes) else list(np.ravel(np.asarray(ax, object)))
        with given_axes.into(axes) as given:
            kind.draw(pairs)
        given.require_enough()
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    return figure
