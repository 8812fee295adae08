"""Test error of linear classifiers on the layers of the members, by epoch, for each λ."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, heat_map, labels, panels, style
from jtdiag.figures.contract import FigureKind, Results

LAYER = "layer"


def draw(results: Results) -> Figure:
    """Draw the result of the probe `layers` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints, or those of a single epoch.
    """
    [(_, result)] = results
    shown = available.lams(result, "probe_error", available.NO_CHECKPOINTS)
    errors = [
        available.trials_and_epochs(shown["probe_error"].sel({names.LAM: lam}))
        for lam in shown[names.LAM].values
    ]
    if all(values.sizes[names.EPOCH] < 2 for values in errors):
        raise ProbeError(
            "Layers are measured at one epoch only, which the figure by-depth shows. Train with "
            'keep.checkpoints = [0, 3, "last"], or keep more.'
        )
    height = 0.75 + 0.19 * min(heat_map.ROWS + 1, shown.sizes[LAYER])
    width = 8 + heat_map.CELL * max(values.sizes[names.EPOCH] for values in errors)
    figure, axes = panels.in_rows(len(errors), height, share=False, min_width=width)
    for panel, values in zip(axes, errors, strict=True):
        image = draw_on(values.mean((names.TRIAL, names.MEMBER)), panel)
        lam = style.lam_text(float(values[names.LAM]))
        panel.set_title(f"{lam} ($n = {values.sizes[names.TRIAL]}$)")
        panel.set_xlabel("Epoch")
    figure.colorbar(image, ax=axes, label="Test error (%)", shrink=0.9, aspect=30)
    return figure


def draw_on(values: xr.DataArray, ax: Axes) -> AxesImage:
    """Draw errors (epoch, layer) at one λ as fractions, and return the image."""
    count = values.sizes[LAYER] - 1
    rows = [*heat_map.few_rows(count), count]
    percent = 100 * values.isel({LAYER: rows}).transpose(LAYER, names.EPOCH).values
    image = heat_map.of_errors(percent, ax)
    ax.set_xticks(range(percent.shape[1]), [str(epoch) for epoch in values[names.EPOCH].values])
    ax.set_yticks(
        range(len(rows)), labels.drawable([str(values[LAYER].values[row]) for row in rows])
    )
    ax.axhline(len(rows) - 1.5, color="white", linewidth=2.5)  # the head is the member itself
    return image


FIGURE = FigureKind(
    name="by-depth-and-epoch",
    needs="layers",
    uses=("probe_error",),
    caption=(
        "Test error of linear classifiers on the layers of the members by epoch, for each λ. "
        "Rows are the inputs and the layers up to the head, where the error is that of the members "
        "themselves; of more than 12 layers, 12 evenly spaced ones and the head. Columns are "
        "epochs, 0 before training. Numbers are errors in percent, means over members and n "
        "trials. A layer that is lighter than the one above it has made the classes easier to "
        "separate. Compare Alain and Bengio (2016)."
    ),
    draw=draw,
)
