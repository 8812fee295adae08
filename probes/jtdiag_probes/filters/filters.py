"""Filters: what the first layers of members have become, and which have hardly moved (Fig. 5)."""

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
"""Most members, and filters of each, that a result holds as images."""
SHOWN_PIXELS = 2**20
"""Most pixels of one lane; of large images fewer filters are held."""

FILTER = "filter"
_LANE = (names.LAM, names.TRIAL)
_BY_EPOCH = (*_LANE, names.EPOCH, names.MEMBER)
_SHOWN = (*_LANE, "column", "place")

WRITES = {
    "measured_epoch": Var(
        dims=_LANE,
        unit=names.INDEX,
        meaning="epoch shown: the chosen one, or else the last with a checkpoint; -1 for none",
    ),
    "strong_share": Var(
        dims=_BY_EPOCH,
        unit=names.FRACTION,
        meaning="share of a member's filters with half the 95th percentile of all norms or more",
        from_outputs=True,
    ),
    "start_distance": Var(
        dims=_BY_EPOCH,
        unit=names.FRACTION,
        meaning="Euclidean distance of a member's first layer from its start; NaN without epoch 0",
        from_outputs=True,
    ),
    "filter_norm": Var(
        dims=(*_LANE, names.MEMBER, FILTER),
        unit=names.FRACTION,
        meaning="Euclidean norm of a filter at the epoch shown",
        from_outputs=True,
    ),
    "shown_member": Var(
        dims=_SHOWN[:3],
        unit=names.INDEX,
        meaning="member in a column of images: all, or a sample from the weakest to the strongest",
        from_outputs=True,
    ),
    "shown_filter": Var(
        dims=_SHOWN,
        unit=names.INDEX,
        meaning="filter in a place of the column, the member's strongest first",
        from_outputs=True,
    ),
    "image": Var(
        dims=(*_SHOWN, "y", "x"),
        unit=names.FRACTION,
        meaning="the filter as an image, the mean over input channels",
        from_outputs=True,
    ),
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure norms and ways of first-layer filters in every kept checkpoint; show one epoch."""
    metrics = run.metrics()
    coords = {name: metrics[name] for name in (*_LANE, names.EPOCH, names.MEMBER)}
    shape = [metrics.sizes[dim] for dim in _LANE]
    result = xr.Dataset({"measured_epoch": (_LANE, np.full(shape, -1))}, coords=coords)
    for lane in run.lanes:
        kept = tuple(e for e in run.seal(lane).checkpoints if e < metrics.sizes[names.EPOCH])
        result["measured_epoch"][lane.lam_index, lane.trial] = measured_epoch(run, lane, kept)
    if options.metrics_only:
        return result
    name = first_layer.find(run)
    filters, *inputs = run.parameters[name] if name else (0, 0)
    image, known = first_layer.image_shape(run, (filters, *inputs))
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
    return result.assign_attrs(image_from=known, first_layer=name or "")


def _measure_lane(
    run: Run, lane: Lane, name: str, image: tuple[int, int, int], result: xr.Dataset
) -> None:
    at = (lane.lam_index, lane.trial)
    kept = [e for e in run.seal(lane).checkpoints if e < result.sizes[names.EPOCH]]
    start = first_layer.weights(run, lane, 0, name) if 0 in kept else None
    for epoch in kept:
        now = first_layer.weights(run, lane, epoch, name)
        norm = first_layer.norms(now)
        result["strong_share"].values[(*at, epoch)] = first_layer.strong_share(norm)
        if start is not None:
            way = first_layer.norms((now - start).reshape(len(now), -1))
            result["start_distance"].values[(*at, epoch)] = way
        if epoch == result["measured_epoch"].values[at]:
            result["filter_norm"].values[at] = norm
            with np.errstate(over="ignore"):  # weights of diverged members outgrow float32
                _show(now, norm, image, result, at)


def _show(
    now: first_layer.Floats,
    norm: first_layer.Floats,
    image: tuple[int, int, int],
    result: xr.Dataset,
    at: tuple[int, int],
) -> None:
    """Keep some filters of some members as images."""
    members = first_layer.sample(norm.mean(1), result.sizes["column"])
    places = first_layer.strongest(norm[members], result.sizes["place"])
    shown = now[members[:, None], places].reshape(*places.shape, *image)
    result["shown_member"].values[at] = members
    result["shown_filter"].values[at] = places
    result["image"].values[at] = shown.mean(2, dtype=np.float64)


probe = Probe(
    name="filters",
    question="What have the members' first layers become, and which of them have hardly moved?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    own_weights=True,
)
