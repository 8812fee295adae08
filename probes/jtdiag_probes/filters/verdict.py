"""What the numbers of the filters probe mean: who stagnates, and how many filters are strong."""

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.probing.findings import Finding
from jtdiag_probes.filters import first_layer

STAGNANT = 0.2
"""A member stagnates when its first layer has come less than this share of the longest way. On
256 members of 4 units, the shortest is 0.25 to 0.78 of the longest, at λ from 0 to 1; of ten
ConvNets on digits 0.84 at λ = 0 and 0.06 at λ = 1."""
NAMED = 8
"""Most members that a sentence names."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Say for each λ how many filters are strong, and raise an alert where members stagnate."""
    if "filter_norm" not in result:
        return []
    findings = []
    for lam in result[names.LAM].values:
        at = result.sel({names.LAM: lam})
        measured = [t for t in at[names.TRIAL].values if int(at["measured_epoch"].sel(trial=t)) > 0]
        lanes = [_at_epoch_shown(at, t) for t in measured]
        if lanes:
            findings.append(_strong(lanes, float(lam)))
            findings += _stagnation(lanes, measured, float(lam))
    return findings


def _at_epoch_shown(at: xr.Dataset, trial: int) -> xr.Dataset:
    lane = at.sel({names.TRIAL: trial})
    return lane.sel({names.EPOCH: int(lane["measured_epoch"])})


def _strong(lanes: list[xr.Dataset], lam: float) -> Finding:
    share = np.array([np.sort(lane["strong_share"].values) for lane in lanes])
    median = float(np.median(share, 1).mean())
    return Finding(
        probe="filters",
        rule="strong-filters",
        level="info",
        lam=lam,
        number=median,
        sentence=(
            f"λ = {lam:g}: at the epoch shown, {100 * median:.0f} % of the median member's "
            f"first-layer filters are strong ({100 * float(share[:, 0].mean()):.0f} % of the "
            f"weakest member's, {100 * float(share[:, -1].mean()):.0f} % of the strongest's)."
        ),
    )


def _stagnation(lanes: list[xr.Dataset], trials: list[int], lam: float) -> list[Finding]:
    """Name the members that have hardly moved, by trial."""
    found = {}
    for trial, lane in zip(trials, lanes, strict=True):
        way = lane["start_distance"].values
        if np.isfinite(way).any() and len(way) > 1:
            members = np.flatnonzero(first_layer.stagnating(way, STAGNANT))
            if members.size:
                found[int(trial)] = members
    if not found:
        return []
    total = lanes[0].sizes[names.MEMBER]
    number = float(np.mean([len(members) for members in found.values()])) / total
    advice = (
        "compare with a smaller λ, or with fewer members"
        if lam > 0
        else "λ is not the cause; try a smaller learning rate, or more epochs"
    )
    told = "; ".join(f"trial {trial}: {_listed(members)}" for trial, members in found.items())
    return [
        Finding(
            probe="filters",
            rule="stagnation",
            level="alert",
            lam=lam,
            trials=tuple(found),
            members=tuple(sorted({int(m) for members in found.values() for m in members})),
            number=number,
            limit=0.0,
            sentence=(
                f"λ = {lam:g}: in {len(found)} of {len(lanes)} trials members stagnate, that is, "
                f"their first layer has come less than {STAGNANT:g} of the way of the member that "
                f"went farthest ({told}). Their parameters are spent for little; {advice}."
            ),
        )
    ]


def _listed(members: np.ndarray) -> str:
    named = ", ".join(str(m) for m in members[:NAMED])
    more = len(members) - NAMED
    return f"member{'s' if len(members) > 1 else ''} {named}" + (
        f" and {more} more" if more > 0 else ""
    )
