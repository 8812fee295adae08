"""Turn the numbers of the filters probe into findings."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag_probes.filters import first_layer, wording

STAGNANT = 0.2
"""A member stagnates if its first layer moved less than this share of the largest distance.

For 256 members of 4 units, the smallest distance is 0.25 to 0.78 of the largest, at λ from 0 to 1;
for ten ConvNets on digits it is 0.84 at λ = 0 and 0.06 at λ = 1."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the share of strong filters of every λ, and an alert where members stagnate.

    Both compare members, so there is nothing for a single one.
    """
    if "filter_norm" not in result or result.sizes[names.MEMBER] < 2:
        return []
    findings = []
    for lam in result[names.LAM].values:
        of_lam = result.sel({names.LAM: lam})
        measured = [
            int(trial)
            for trial in of_lam[names.TRIAL].values
            if int(of_lam["measured_epoch"].sel({names.TRIAL: trial})) > 0
        ]
        lanes = {trial: _at_measured_epoch(of_lam, trial) for trial in measured}
        if lanes:
            findings.append(_strong_filters(lanes, float(lam)))
            findings += _stagnation(lanes, float(lam))
    return findings


def _at_measured_epoch(of_lam: xr.Dataset, trial: int) -> xr.Dataset:
    lane = of_lam.sel({names.TRIAL: trial})
    return lane.sel({names.EPOCH: int(lane["measured_epoch"])})


def _strong_filters(lanes: dict[int, xr.Dataset], lam: float) -> Finding:
    share = np.array([np.sort(lane["strong_share"].values) for lane in lanes.values()])
    median = stats.mean_interval(np.median(share, 1))
    return Finding(
        probe="filters",
        rule="strong-filters",
        level="info",
        lam=lam,
        number=median.mean,
        sentence=wording.strong_filters(
            lam,
            median=median,
            weakest=float(share[:, 0].mean()),
            strongest=float(share[:, -1].mean()),
        ),
    )


def _stagnation(lanes: dict[int, xr.Dataset], lam: float) -> list[Finding]:
    """Return an alert that names the members that barely moved, by trial."""
    stagnating = {}
    for trial, lane in lanes.items():
        distance = lane["start_distance"].values
        if np.isfinite(distance).any() and len(distance) > 1:
            members = np.flatnonzero(first_layer.stagnating(distance, STAGNANT)).tolist()
            if members:
                stagnating[trial] = members
    if not stagnating:
        return []
    counts = [len(members) for members in stagnating.values()]
    total = next(iter(lanes.values())).sizes[names.MEMBER]
    return [
        Finding(
            probe="filters",
            rule="stagnant-filters",
            level="alert",
            lam=lam,
            trials=tuple(stagnating),
            members=tuple(sorted({m for members in stagnating.values() for m in members})),
            number=float(np.mean(counts)) / total,
            limit=0.0,
            sentence=wording.stagnation(lam, stagnating, len(lanes), STAGNANT),
        )
    ]
