"""Judge the results of the probe `specialisation`: dominance, specialization or independence."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing import last_epoch
from jtdiag.probing.findings import Finding
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch
from jtdiag_probes.specialisation import wording

# The limits are for the fraction f = (E − 1)/(M − 1) of the other members that take part in a mode,
# with E the effective members per mode: 0 if each mode has one member, 1 if all are equal. The page
# of the probe states how often they name what was made on purpose.
DOMINANCE = 0.2
"""Largest f of dominance: starts of 1.6 and 0.6 at λ = 1 gave 0.00 to 0.01, drawn ones 0.00 to
0.28."""
SPECIALISATION = 0.6
"""Largest f of specialization: four or eight deep members with equal starts at λ = 1 gave 0.11 to
0.69, in one of 48 lanes above 0.6."""
INDEPENDENCE = 0.9
"""Smallest f of independence: members trained at λ = 0 until all had learned gave 0.92 to 1.00."""
NEARLY_ALL = 0.9
"""Weight of the modes that one member must win for dominance: equal starts at λ = 1 gave 0.39 to
0.85. In specialization it is less."""

Pattern = Literal["dominance", "specialisation", "independence", ""]


def pattern(effective: float, leader_weight: float, members: int) -> Pattern:
    """Return the name of what the modes of one trial show; "" for what lies between.

    Args:
        effective: Effective members per mode, 1 to M.
        leader_weight: Largest weight of the modes that one member wins, 0 to 1.
        members: Number of members M, two or more.
    """
    fraction = (effective - 1) / (members - 1)
    if fraction <= DOMINANCE and leader_weight >= NEARLY_ALL:
        return "dominance"
    if fraction <= SPECIALISATION and leader_weight < NEARLY_ALL:
        return "specialisation"
    return "independence" if fraction >= INDEPENDENCE else ""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return for each λ what the modes show at each trial's last epoch with outputs, on test."""
    if "mode_share" not in result or result.sizes[names.MEMBER] < 2:
        return []
    findings = []
    for lam in result[names.LAM].values:
        at_lam = result.sel({names.LAM: lam, names.SPLIT: names.TEST})
        if last_epoch.distinct(at_lam[LAST_EPOCH]):
            last = at_last_epoch(at_lam, at_lam[LAST_EPOCH])
            findings += _of_lam(last, float(lam))
    return findings


def _of_lam(last: xr.Dataset, lam: float) -> list[Finding]:
    """Return the finding of one λ, over the trials that have learned something."""
    members = last.sizes[names.MEMBER]
    measured = last["effective_members_per_mode"].notnull()  # NaN if a member diverged
    learned = last.isel({names.TRIAL: np.flatnonzero(measured & (last["learned"] > 0))})
    trials = learned.sizes[names.TRIAL]
    if trials == 0:
        epochs = last_epoch.distinct(last[LAST_EPOCH])
        sentence = wording.nothing_learned(lam, epochs)
        return [_finding("nothing-learned", lam, epochs, 0.0, sentence)]
    epochs = last_epoch.distinct(learned[LAST_EPOCH])
    effective = learned["effective_members_per_mode"].values
    leader = learned["weight_won"].max(names.MEMBER).values
    sentence = wording.modes(
        lam,
        epochs,
        effective=stats.mean_interval(effective).within(1, members),
        leader_percent=stats.mean_interval(100 * leader).within(0, 100),
        members=members,
        patterns=Counter(pattern(e, w, members) for e, w in zip(effective, leader, strict=True)),
        single_mode=bool((learned["singular_value"].notnull().sum(names.MODE) == 1).all()),
        left_out=int(last["learned"].notnull().sum()) - trials,
    )
    return [_finding("pattern", lam, epochs, float(effective.mean()), sentence)]


def _finding(rule: str, lam: float, epochs: Sequence[int], number: float, sentence: str) -> Finding:
    return Finding(
        probe="specialisation",
        rule=rule,
        level="info",
        lam=lam,
        epoch=last_epoch.of_finding(epochs),
        number=number,
        sentence=sentence,
    )
