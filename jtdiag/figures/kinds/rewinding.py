"""Test error with one module set back to an earlier epoch, for each λ."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.figures import available, heat_map, labels, panels, style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results) -> Figure:
    """Draw the result of the probe `modules` of one run.

    Raises:
        ProbeError: if the run stores no checkpoints.
    """
    [(_, result)] = results
    shown = available.lams(result, "reestimated_member_error", available.NO_CHECKPOINTS)
    errors = [
        available.trials_and_epochs(shown["reestimated_member_error"].sel({names.LAM: lam}))
        for lam in shown[names.LAM].values
    ]
    height = 0.75 + 0.19 * min(heat_map.ROWS + 1, shown.sizes["rewound"])
    width = 8 + heat_map.CELL * max(values.sizes[names.EPOCH] for values in errors)
    figure, axes = panels.in_rows(len(errors), height, share=False, min_width=width)
    for panel, values in zip(axes, errors, strict=True):
        image = draw_on(values.mean((names.TRIAL, names.MEMBER)), panel)
        lam = style.lam_text(float(values[names.LAM]))
        panel.set_title(f"{lam} ($n = {values.sizes[names.TRIAL]}$)")
        panel.set_xlabel("Set back to epoch")
    figure.colorbar(image, ax=axes, label="Test error (%)", shrink=0.9, aspect=30)
    return figure


def draw_on(values: xr.DataArray, ax: Axes) -> AxesImage:
    """Draw errors (epoch, rewound) at one λ as fractions, and return the image."""
    count = values.sizes["rewound"] - 1
    rows = [*heat_map.few_rows(count), count]
    percent = 100 * values.isel({"rewound": rows}).transpose("rewound", names.EPOCH).values
    image = heat_map.of_errors(percent, ax)
    ax.set_xticks(range(percent.shape[1]), [str(epoch) for epoch in values[names.EPOCH].values])
    modules = labels.drawable([str(values["rewound"].values[row]) for row in rows])
    ax.set_yticks(range(len(modules)), modules)
    ax.axhline(len(modules) - 1.5, color="white", linewidth=2.5)  # apart from single modules
    return image


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
