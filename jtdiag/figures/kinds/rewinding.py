"""Test error with one module set back to an earlier epoch, for each λ."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.figures import available, heat_map, labels, panels, style
from jtdiag.figures.contract import FigureKind, Results

ROWS = 12
"""Maximum number of modules; of more, evenly spaced ones with the first and the last."""
CELL = 2.4
"""Width of a cell with its number, in widths of the letter m."""
DARK = 30
"""Error in percent from which text is white."""
SCALE = PowerNorm(0.5, vmin=0, vmax=100)
"""Colors by the square root of the error in percent: what matters is small."""


def draw(results: Results) -> Figure:
    """Draw the result of the probe `modules` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    shown = available.lams(result, "reestimated_member_error", available.NO_CHECKPOINTS)
    errors = [
        of_trials(shown["reestimated_member_error"].sel({names.LAM: lam}))
        for lam in shown[names.LAM].values
    ]
    height = 0.75 + 0.19 * min(ROWS + 1, shown.sizes["rewound"])
    width = 8 + CELL * max(values.sizes[names.EPOCH] for values in errors)
    figure, axes = panels.in_rows(len(errors), height, share=False, min_width=width)
    for panel, values in zip(axes, errors, strict=True):
        image = draw_on(values.mean((names.TRIAL, names.MEMBER)), panel)
        lam = style.lam_text(float(values[names.LAM]))
        panel.set_title(f"{lam} ($n = {values.sizes[names.TRIAL]}$)")
        panel.set_xlabel("Set back to epoch")
    figure.colorbar(image, ax=axes, label="Test error (%)", shrink=0.9, aspect=30)
    return figure


def of_trials(values: xr.DataArray) -> xr.DataArray:
    """Select the trials with values, and the epochs that all of them have."""
    trials = values.notnull().any([dim for dim in values.dims if dim != names.TRIAL])
    values = values.isel({names.TRIAL: trials.values})
    epochs = values.notnull().all([dim for dim in values.dims if dim != names.EPOCH])
    if not epochs.any():  # such as unfinished trials that keep the best epochs only
        return of_trials(values.isel({names.TRIAL: [0]}))
    return values.isel({names.EPOCH: epochs.values})


def draw_on(values: xr.DataArray, ax: Axes) -> AxesImage:
    """Draw errors (epoch, rewound) at one λ as fractions, and return the image."""
    count = values.sizes["rewound"] - 1
    few = np.linspace(0, count - 1, min(ROWS, count)).round().astype(int)
    values = values.isel({"rewound": [*few, count]}).transpose("rewound", names.EPOCH)
    percent = 100 * values.values
    image = ax.imshow(percent, cmap="Blues", norm=SCALE, aspect="auto")
    ax.set_xticks(range(percent.shape[1]), [str(epoch) for epoch in values[names.EPOCH].values])
    modules = labels.drawable([str(name) for name in values["rewound"].values])
    ax.set_yticks(range(len(modules)), modules)
    ax.axhline(len(modules) - 1.5, color="white", linewidth=2.5)  # apart from single modules
    heat_map.without_frame(ax)
    heat_map.write(percent, _error_text, ax, dark=DARK)
    return image


def _error_text(percent: float) -> str:
    return f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"


FIGURE = FigureKind(
    name="rewinding",
    needs="modules",
    uses=("reestimated_member_error",),
    caption=(
        "Test error with one module set back to an earlier epoch, for each λ. "
        "Rows are the modules of the members from the inputs to the head, up to 12 evenly spaced "
        "ones; in the last row all modules are set back, which are the members of that epoch. "
        "Columns are epochs; the other modules are as after the last one. Numbers are errors in "
        "percent, means over members and n trials. Statistics of BatchNorm, if any, are estimated "
        "again on training examples. Modules with a light row are not needed in their trained "
        "form. Compare Zhang, Bengio and Singer (2022)."
    ),
    draw=draw,
)
