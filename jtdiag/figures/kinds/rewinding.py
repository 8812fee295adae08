"""Test error with one module set back to an earlier epoch, for each λ."""

from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.figures import available, error_maps
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
    return error_maps.draw(errors, "rewound", "Set back to epoch")


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
