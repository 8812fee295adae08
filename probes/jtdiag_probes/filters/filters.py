"""Filters: first-layer weights of the members, and their distance from initialization (Fig. 5)."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import Run
from jtdiag_probes.filters import first_layer
from jtdiag_probes.filters.verdict import judge
from jtdiag_probes.shared.measured_epoch import measured_epoch

SHOWN_MEMBERS, SHOWN_FILTERS = 16, 16
"""Maximum number of members, and of filters of each, stored as images."""
SHOWN_PIXELS = 2**20
"""Maximum pixels per lane; fewer filters are stored if images are large."""

FILTER = "filter"
_LANE = (names.LAM, names.TRIAL)
_BY_EPOCH = (*_LANE, names.EPOCH, names.MEMBER)
_SHOWN = (*_LANE, "column", "place")

WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="measured epoch: the chosen epoch if it has a checkpoint, else the last that has; "
        "-1 for none",
    ),
    "strong_share": Var(
        dims=_BY_EPOCH,
        unit=names.FRACTION,
        meaning="share of strong filters: norm at least half of the 95th percentile of all",
        from_outputs=True,
    ),
    "start_distance": Var(
        dims=_BY_EPOCH,
        unit=names.FRACTION,
        meaning="Euclidean distance of the first layer from initialization; NaN without epoch 0",
        from_outputs=True,
    ),
    "filter_norm": Var(
        dims=(*_LANE, names.MEMBER, FILTER),
        unit=names.FRACTION,
        meaning="Euclidean norm of a filter at the measured epoch",
        from_outputs=True,
    ),
    "shown_member": Var(
        dims=_SHOWN[:3],
        unit=names.INDEX,
        meaning="member shown in a column: all, or a sample from the weakest to the strongest",
        from_outputs=True,
    ),
    "shown_filter": Var(
        dims=_SHOWN,
        unit=names.INDEX,
        meaning="filter shown at a place of the column, strongest first",
        from_outputs=True,
    ),
    "image": Var(
        dims=(*_SHOWN, "y", "x"),
        unit=names.FRACTION,
        meaning="image of the filter, mean over input channels",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure first-layer filters in every stored checkpoint; store images of one epoch."""
    metrics = run.metrics()
    coords = {name: metrics[name] for name in (*_LANE, names.EPOCH, names.MEMBER)}
    shape = [metrics.sizes[dim] for dim in _LANE]
    result = xr.Dataset({"measured_epoch": (_LANE, np.full(shape, -1))}, coords=coords)
    for lane in run.lanes:
        stored = tuple(e for e in run.seal(lane).checkpoints if e < metrics.sizes[names.EPOCH])
        result["measured_epoch"][lane.lam_index, lane.trial] = measured_epoch(run, lane, stored)
    if options.metrics_only:
        return result
    name = first_layer.find(run)
    filters, *inputs = (run.parameters | run.frozen)[name] if name else (0, 0)
    image, source = first_layer.image_shape(run, (filters, *inputs))
    _, rows, columns = image
    places = max(1, min(SHOWN_FILTERS, SHOWN_PIXELS // max(1, SHOWN_MEMBERS * rows * columns)))
    sizes = {
        **result.sizes,
        FILTER: filters,
        "column": min(SHOWN_MEMBERS, metrics.sizes[names.MEMBER]),
        "place": min(places, filters),
        "y": rows,
        "x": columns,
    }
    for variable, var in WRITES.items():
        if var.from_outputs:
            dtype = np.float32 if variable == "image" else np.float64
            fill = np.full([sizes[dim] for dim in var.dims], np.nan, dtype)
            result[variable] = (var.dims, fill)
    if name:
        for lane in run.lanes:
            _measure_lane(run, lane, name, image, result)
    return result.assign_attrs(image_from=source, first_layer=name or "")


def _measure_lane(
    run: Run, lane: Lane, name: str, image: tuple[int, int, int], result: xr.Dataset
) -> None:
    index = (lane.lam_index, lane.trial)
    stored = [e for e in run.seal(lane).checkpoints if e < result.sizes[names.EPOCH]]
    start = first_layer.weights(run, lane, 0, name) if 0 in stored else None
    for epoch in stored:
        weights = first_layer.weights(run, lane, epoch, name)
        norm = first_layer.norms(weights)
        result["strong_share"].values[(*index, epoch)] = first_layer.strong_share(norm)
        if start is not None:
            distance = first_layer.norms((weights - start).reshape(len(weights), -1))
            result["start_distance"].values[(*index, epoch)] = distance
        if epoch == result["measured_epoch"].values[index]:
            result["filter_norm"].values[index] = norm
            with np.errstate(over="ignore"):  # weights of diverged members overflow float32
                _store_images(weights, norm, image, result, index)


def _store_images(
    weights: first_layer.Floats,
    norm: first_layer.Floats,
    image: tuple[int, int, int],
    result: xr.Dataset,
    index: tuple[int, int],
) -> None:
    """Store the strongest filters of some members as images."""
    members = first_layer.sample(norm.mean(1), result.sizes["column"])
    places = first_layer.strongest(norm[members], result.sizes["place"])
    images = weights[members[:, None], places].reshape(*places.shape, *image)
    result["shown_member"].values[index] = members
    result["shown_filter"].values[index] = places
    result["image"].values[index] = images.mean(2, dtype=np.float64)


probe = Probe(
    name="filters",
    question="What have the members' first layers learned, and which have barely moved?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    needs_skill=True,
    own_weights=True,
)
