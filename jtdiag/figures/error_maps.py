"""Maps of errors by layer or module and by epoch, one panel for each λ."""

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.figures import heat_map, labels, panels, style


def draw(errors: Sequence[xr.DataArray], rows: str, xlabel: str) -> Figure:
    """Draw errors (trial, epoch, member, rows), one array for each λ, as fractions.

    Args:
        errors: Each with its λ as a coordinate.
        rows: Dimension whose entries are rows; the last one is set apart.
        xlabel: Label of the epochs.
    """
    height = 0.75 + 0.19 * min(heat_map.ROWS + 1, errors[0].sizes[rows])
    width = 8 + heat_map.CELL * max(values.sizes[names.EPOCH] for values in errors)
    figure, axes = panels.in_rows(len(errors), height, share=False, min_width=width)
    for panel, values in zip(axes, errors, strict=True):
        image = _draw_on(values.mean((names.TRIAL, names.MEMBER)), rows, panel)
        lam = style.lam_text(float(values[names.LAM]))
        panel.set_title(f"{lam} ($n = {values.sizes[names.TRIAL]}$)")
        panel.set_xlabel(xlabel)
    figure.colorbar(image, ax=axes, label="Test error (%)", shrink=0.9, aspect=30)
    return figure


def _draw_on(values: xr.DataArray, rows: str, ax: Axes) -> AxesImage:
    """Draw errors (epoch, rows) at one λ as fractions, and return the image."""
    count = values.sizes[rows] - 1
    shown = [*heat_map.few_rows(count), count]
    percent = 100 * values.isel({rows: shown}).transpose(rows, names.EPOCH).values
    image = heat_map.of_errors(percent, ax)
    ax.set_xticks(range(percent.shape[1]), [str(epoch) for epoch in values[names.EPOCH].values])
    row_names = labels.drawable([str(values[rows].values[row]) for row in shown])
    ax.set_yticks(range(len(row_names)), row_names)
    ax.axhline(len(row_names) - 1.5, color="white", linewidth=2.5)
    return image
