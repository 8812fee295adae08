"""How similar layers of the members of two runs are, on the same test examples."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.errors import ProbeError
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.similarity import one_lane
from jtdiag_probes.similarity.representations import Representations, Units
from jtdiag_probes.similarity.similarity import MEMBERS
from jtdiag_probes.similarity.verdict import LAYER, OTHER_LAYER

OTHER_LAM = "other_lam"


def between(run: Run, other: Run) -> xr.DataArray:
    """Return the unbiased linear CKA of layers of two runs (lam, other_lam, trial, layer, other).

    At the last kept epoch of each λ and trial, mean over all pairs of a member of one run and a
    member of the other; trial t of one is compared with trial t of the other. NaN where features
    do not vary, or no checkpoint is kept. At most 1; the layers are those of the probe
    `similarity`.

    Args:
        run: Its layers are the dimension `layer`.
        other: A run on the same data set, with the same test examples.

    Raises:
        ProbeError: if the runs were evaluated on different test examples.
        DataError: if the data of a run are missing.
    """
    means, layers, examples, counts = zip(*(_of_run(each) for each in (run, other)), strict=True)
    if run.recipe.data.name != other.recipe.data.name or not np.array_equal(*examples):
        raise ProbeError(
            f"{run.path} and {other.path} have different test examples; compare runs on the same "
            "data set and the same data.classes."
        )
    trials = min(run.recipe.trials, other.recipe.trials)
    products = np.einsum("atld,btkd->abtlk", *(each[:, :trials] for each in means))
    dims = (names.LAM, OTHER_LAM, names.TRIAL, LAYER, OTHER_LAYER)
    coords = (run.recipe.lam, other.recipe.lam, range(trials), *layers)
    return xr.DataArray(
        np.minimum(products, 1),
        dims=dims,
        coords={dim: list(values) for dim, values in zip(dims, coords, strict=True)},
        name="similarity",
        attrs={
            "unit": names.FRACTION,
            "meaning": "CKA of layers of two runs, mean over pairs",
            "examples": counts[0],
        },
    )


def _of_run(run: Run) -> tuple[Units, list[str], NDArray[np.intp], int]:
    """Return mean unit vectors (lam, trial, layer, D), layers, positions of the test examples.

    Last comes the number of those that are measured.

    The mean of all products of two vectors is the product of the mean vectors.
    """
    replay, prepared = None, None
    members = evenly(run.recipe.members.count, MEMBERS)
    by_lane = {}
    for lane in run.lanes:
        kept = run.seal(lane).checkpoints
        if kept:
            replay = Replay.of(run, lane, max(kept), beside=replay)
            prepared = prepared or Representations(replay, members)
            by_lane[lane] = one_lane.mean(prepared.of(replay), 1)
    if replay is None or prepared is None:
        raise ProbeError(f"{run.path} keeps no checkpoints; train with keep.checkpoints.")
    first = next(iter(by_lane.values()))
    means = np.full((len(run.recipe.lam), run.recipe.trials, *first.shape), np.nan)
    for lane, own in by_lane.items():
        means[lane.lam_index, lane.trial] = own
    positions = replay.session.data.sources(names.TEST, 0)
    return means, prepared.layers, positions, len(prepared.x)
