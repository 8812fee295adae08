"""Test error of linear classifiers on the layers of the members, by epoch, for each λ."""

from matplotlib.figure import Figure

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.figures import available, error_maps
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
    return error_maps.draw(errors, LAYER, "Epoch")


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
