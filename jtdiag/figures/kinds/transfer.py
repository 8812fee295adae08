"""Errors of new heads on the features of sources for target tasks, and how scores rank sources."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jtdiag import names
from jtdiag.compare import sources
from jtdiag.compare.sources import LAYER, RANKING, SOURCE, STATIC, TARGET
from jtdiag.figures import available, error_bars, heat_map, labels, style
from jtdiag.figures.contract import FigureKind, Results

ROWS = 16
"""Largest number of rows and of columns; of more, evenly spaced ones."""
FEWEST = 7
"""Rows for which there is room in any case: the label of the colors needs it."""
WRITTEN = 10
"""Columns up to which every error is written into its cell."""
DARK = 6
"""Points above the best source from which text is white."""
LARGEST = 10
"""Points above the best source that have the darkest color."""
SCALE = PowerNorm(0.5, vmin=0, vmax=LARGEST, clip=True)
"""Colors by the square root: small differences matter."""
TAU_HEIGHT = 2.3
"""Height of the panel with τ in inches, for LNCS."""
MISSING = (
    "The run has no hidden layer with a head after training. Train members with hidden layers, and "
    'with keep.checkpoints = ["best"] or more.'
)


def draw(results: Results) -> Figure:
    """Draw the result of the probe `transfer` of one run, or of several runs as sources.

    Raises:
        ProbeError: if there are no errors of new heads, or the target tasks of the runs differ.
    """
    if len(results) == 1:
        [(_, result)] = results
        result = available.lams(result, "head_error", MISSING)
        available.lams(sources.at_last_epoch(result), "head_error", MISSING)
        errors, ranked = rows_of_run(result), result
    else:
        every = sources.of_runs(dict(results))
        errors, ranked = rows_of_runs(every), sources.ranked(every)
    rows, columns = (min(ROWS, size) for size in errors.shape)
    names_height = 0.05 * min(30, max(len(str(name)) for name in errors[TARGET].values))
    height = 0.5 + 0.16 * max(rows, FEWEST) + names_height
    ranked = ranked.sel({RANKING: ranked["target_tau"].notnull().any((names.TRIAL, TARGET))})
    heights = [height, TAU_HEIGHT] if ranked.sizes[RANKING] else [height]
    figure = style.figure(sum(heights), rows=True)
    axes = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    image = draw_errors(errors, axes[0], written=columns <= WRITTEN)
    figure.colorbar(image, ax=axes[0], label="Points above the best", shrink=0.9, aspect=20)
    if ranked.sizes[RANKING]:
        draw_taus(ranked, axes[1])
    return figure


def rows_of_run(result: xr.Dataset) -> xr.DataArray:
    """Return errors (row, target) in percent: two controls, and each layer at each λ.

    Means over members and trials at the last epoch. The controls are the inputs, and the last layer
    before training.
    """
    by_epoch = result["head_error"].mean((names.TRIAL, names.MEMBER))
    at_end = sources.at_last_epoch(result)["head_error"]
    error = at_end.mean((names.TRIAL, names.MEMBER))
    rows = {"inputs": result["input_error"].mean(names.TRIAL)}
    if result.sizes[LAYER] and 0 in result[names.EPOCH].values[:-1]:
        last = by_epoch.sel({names.EPOCH: 0}, drop=True).isel({LAYER: -1})
        [name] = labels.drawable([str(last[LAYER].values)])
        rows[f"{name} before training"] = last.mean(names.LAM).drop_vars(LAYER)
    lams = [float(lam) for lam in result[names.LAM].values]
    for lam in sorted(lams):
        for layer in map(str, result[LAYER].values):
            [name] = labels.drawable([layer])
            at_lam = f"{style.lam_text(lam)}, " if len(lams) > 1 else ""
            rows[f"{at_lam}{name}"] = error.sel({names.LAM: lam, LAYER: layer}, drop=True)
    return _rows(rows)


def rows_of_runs(every: xr.Dataset) -> xr.DataArray:
    """Return errors (row, target) in percent, of each run; means over members, λs and trials.

    Args:
        every: As from `sources.of_runs`.
    """
    error = every["head_error"].mean(names.TRIAL)
    runs = dict.fromkeys(str(name) for name in every["run"].values)
    return _rows({name: error[{SOURCE: every["run"].values == name}].mean(SOURCE) for name in runs})


def _rows(errors: dict[str, xr.DataArray]) -> xr.DataArray:
    """Return rows with an error, in percent."""
    known = {name: 100 * own for name, own in errors.items() if own.notnull().any()}
    if not known:
        return xr.DataArray(np.zeros((0, 0)), dims=("row", TARGET))
    values = np.stack([own.transpose(TARGET).values for own in known.values()])
    target = next(iter(known.values()))[TARGET].values
    return xr.DataArray(values, coords={"row": list(known), TARGET: target})


def draw_errors(errors: xr.DataArray, ax: Axes, *, written: bool) -> AxesImage:
    """Draw errors (row, target) in percent; colors are points above the smallest of a column."""
    few = {
        dim: np.linspace(0, size - 1, min(ROWS, size)).round().astype(int)
        for dim, size in errors.sizes.items()
    }
    best = errors.min("row")
    errors, above = errors.isel(few), (errors - best).isel(few)
    image = ax.imshow(above.values, cmap="Blues", norm=SCALE, aspect="auto")
    tasks = labels.drawable([str(name) for name in errors[TARGET].values])
    ax.set_xticks(range(len(tasks)), tasks, rotation=90)
    ax.set_yticks(range(errors.sizes["row"]), [str(name) for name in errors["row"].values])
    heat_map.without_frame(ax)
    if written:
        for color, inside in (("black", above < DARK), ("white", above >= DARK)):
            _write(errors.where(inside).values, ax, color)
    return image


def _write(percent: np.ndarray, ax: Axes, color: str) -> None:
    dark = -np.inf if color == "white" else np.inf
    heat_map.write(
        percent, lambda value: f"{value:.1f}" if value < 9.95 else f"{value:.0f}", ax, dark=dark
    )


def draw_taus(ranked: xr.Dataset, ax: Axes) -> None:
    """Draw Kendall's τ of each ranking, mean over tasks and trials, with bootstrap intervals."""
    rankings = [str(name) for name in ranked[RANKING].values]
    x = np.arange(len(rankings))
    tau = ranked["target_tau"].mean(names.TRIAL).mean(TARGET).values
    low, high = (ranked[f"tau_bootstrap_{end}"].values for end in ("low", "high"))
    control = np.array(rankings) == STATIC
    for own, color in ((~control, style.ENSEMBLE), (control, style.QUIET)):
        line = {"color": color, "marker": "o", "linestyle": "none"}
        error_bars.draw(ax, x[own], (tau[own], low[own], high[own]), **line)
    ax.axhline(0, color=style.QUIET, linewidth=0.8, zorder=0)
    ax.set_xticks(
        x,
        [f"{name} ranking" if name == STATIC else name for name in rankings],
        rotation=90,
    )
    ax.set_ylabel("Kendall's τ")
    ax.margins(y=0.12)


FIGURE = FigureKind(
    name="transfer",
    needs="transfer",
    uses=(
        "head_error",
        "head_loss",
        "score_value",
        "input_error",
        "own_task",
        "target_tau",
        "tau_bootstrap_low",
        "tau_bootstrap_high",
    ),
    compares=True,
    caption=(
        "Test error of new heads on frozen features for target tasks, and how well scores rank the "
        "features. Top: errors in percent, written where there is room; darker is farther above "
        "the best row of a column. Of one run, rows are two controls, the inputs and the last "
        "layer before training, and the hidden layers at each λ, means over members and trials at "
        "the last epoch; of several runs, the last hidden layer of each, white for the task that "
        "it is trained on. Of more than 16 rows or columns, 16 evenly spaced ones. Bottom: "
        "Kendall's τ between a score and small errors over sources, mean over tasks and trials, "
        "with 95 % bootstrap intervals over tasks, none for fewer than 5; absent for fewer than 3 "
        "sources. 1 is a ranking by the "
        "error itself; the static ranking, a control, is the mean error over the other tasks. "
        "Compare Duan, Yu and Principe (2022)."
    ),
    draw=draw,
)
