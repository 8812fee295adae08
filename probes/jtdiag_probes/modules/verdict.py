"""What the result of the probe `modules` shows, tested over trials."""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.probing.findings import Finding
from jtdiag.stats.comparisons import LEAST_TRIALS
from jtdiag_probes.modules import wording

MODULE = names.MODULE
"""Dimension of the modules of a member, the last one with the head."""
REWOUND = "rewound"
"""Dimension of what is set back: each module, and last all of them."""
ALL = "all"
INPUTS = "inputs"
MARGIN = 1.0
"""Points of error: a module that costs more carries the network, and a smaller loss or fall of the
error is none."""


def judge(result: xr.Dataset) -> list[Finding]:
    """Return for every λ which modules carry the network, and which add to what is known."""
    if "skill_share" not in result or result.sizes[MODULE] == 0:
        return []
    if result.sizes[MODULE] == 1:
        return [_finding("one-module", None, None, 1.0, wording.one_module())]
    findings, rewound = [], False
    for lam in sorted(float(value) for value in result[names.LAM].values):
        at_lam = result.sel({names.LAM: lam})
        at_lam = at_lam.isel({names.TRIAL: at_lam["last_epoch"].notnull().values})
        if at_lam.sizes[names.TRIAL]:
            of_rewinding = _rewinding(at_lam, lam)
            rewound = rewound or bool(of_rewinding)
            findings += [*of_rewinding, *_skill(at_lam, lam), *_stagnation(at_lam, lam)]
            findings += _displacement(at_lam, lam)
    if findings and not rewound:
        findings.append(_finding("no-start", None, None, 0.0, wording.no_start()))
    return findings


def _rewinding(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report what setting a module back to epoch 0 costs ensemble and members."""
    if 0 not in at_lam[names.EPOCH].values:
        return []
    started = at_lam["rewound_ensemble_error"].sel({names.EPOCH: 0}).notnull().all(REWOUND)
    at_lam = at_lam.isel({names.TRIAL: (started & (at_lam["last_epoch"] > 0)).values})
    if not at_lam.sizes[names.TRIAL]:
        return []
    if at_lam.sizes[names.MEMBER] == 1:
        return [_rewinding_of(at_lam, lam, "member", wording.SINGLE)]
    return [
        _rewinding_of(at_lam, lam, "ensemble", wording.ENSEMBLE),
        _rewinding_of(at_lam, lam, "member", wording.MEMBERS),
    ]


def _rewinding_of(at_lam: xr.Dataset, lam: float, whose: str, what: str) -> Finding:
    again, own = (100 * at_lam[f"{kind}_{whose}_error"] for kind in ("reestimated", "rewound"))
    if whose == "member":
        again, own = again.mean(names.MEMBER), own.mean(names.MEMBER)
    increases, own_increases = (
        (errors.sel({names.EPOCH: 0}) - _at_end(errors, at_lam)).isel({REWOUND: slice(-1)})
        for errors in (again, own)
    )
    modules = [str(name) for name in at_lam[MODULE].values]
    changes = {
        name: stats.paired(values, len(modules))
        for name, values in zip(
            modules, increases.transpose(REWOUND, names.TRIAL).values, strict=True
        )
    }
    means = own_increases.mean(names.TRIAL).values
    sentence = wording.rewinding(
        lam,
        _ends(at_lam),
        what,
        stats.mean_interval(_at_end(again, at_lam).isel({REWOUND: -1}).values).within(0, 100),
        changes,
        own_statistics=dict(zip(modules, means, strict=True)) if _normalized(at_lam) else {},
        margin=MARGIN,
        trials=at_lam.sizes[names.TRIAL],
    )
    largest = max(change.mean for change in changes.values())
    return _finding(f"rewinding-{whose}", lam, _ends(at_lam)[1], largest / 100, sentence)


def _normalized(at_lam: xr.Dataset) -> bool:
    return bool(at_lam.attrs.get("batch_norm", 0))


def _at_end(values: xr.DataArray, at_lam: xr.Dataset) -> xr.DataArray:
    """Return values (trial, epoch, …) at the last epoch of each trial."""
    trials = xr.DataArray(np.arange(values.sizes[names.TRIAL]), dims=names.TRIAL)
    position = at_lam.get_index(names.EPOCH).get_indexer(at_lam["last_epoch"].values)
    epochs = xr.DataArray(position, dims=names.TRIAL)
    return values.isel({names.TRIAL: trials, names.EPOCH: epochs}).drop_vars(names.EPOCH)


def _skill(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report at which modules the skill of linear classifiers is first reached."""
    measured = at_lam.isel({names.TRIAL: at_lam["inputs_share"].notnull().values})
    if not measured.sizes[names.TRIAL]:
        return []
    shares = {
        INPUTS: _percent(measured["inputs_share"].values),
        **_by_module(measured["skill_share"], _percent),
    }
    effective = measured["effective_modules"].dropna(names.TRIAL).values
    number = stats.mean_interval(effective).within(1, measured.sizes[MODULE])
    trials = (effective.size, measured.sizes[names.TRIAL])
    sentence = wording.skill(lam, _ends(measured), shares, number, trials)
    amount = float(effective.mean()) if effective.size else 0.0
    return [_finding("skill", lam, _ends(measured)[1], amount, sentence)]


def _percent(values: np.ndarray) -> stats.Interval:
    return stats.mean_interval(values).scaled(100).within(0, 100)


def _stagnation(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report modules behind which a linear classifier errs no less than before them."""
    error = 100 * at_lam["probe_error"].mean(names.MEMBER).isel({MODULE: slice(-1)})
    inputs = 100 * at_lam["inputs_error"]
    values = error.transpose(MODULE, names.TRIAL).values
    changes = np.diff(np.concatenate([inputs.values[None], values]), axis=0)
    changes = changes[:, np.isfinite(changes).all(0)]
    if changes.shape[1] < LEAST_TRIALS:
        return []
    intervals = {
        str(name): stats.paired(row, len(changes))
        for name, row in zip(error[MODULE].values, changes, strict=True)
    }
    sentence = wording.stagnation(
        lam, _ends(at_lam), intervals, margin=MARGIN, trials=changes.shape[1]
    )
    largest = max(interval.mean for interval in intervals.values())
    return [_finding("stagnation", lam, _ends(at_lam)[1], largest / 100, sentence)]


def _displacement(at_lam: xr.Dataset, lam: float) -> list[Finding]:
    """Report how far the modules have moved, relative to their norm at epoch 0."""
    relative = _at_end(at_lam["relative_displacement"], at_lam).mean(names.MEMBER)
    moved = relative.isel({names.TRIAL: relative.notnull().all(MODULE).values})
    if not moved.sizes[names.TRIAL] or _ends(at_lam)[1] == 0:
        return []
    by_module = _by_module(moved, stats.mean_interval)
    sentence = wording.displacement(lam, _ends(at_lam), by_module)
    largest = max(interval.mean for interval in by_module.values())
    return [_finding("displacement", lam, _ends(at_lam)[1], largest, sentence)]


def _by_module(
    values: xr.DataArray, interval: Callable[[np.ndarray], stats.Interval]
) -> Mapping[str, stats.Interval]:
    """Return an interval over trials for each module of values (trial, module)."""
    rows = values.transpose(MODULE, names.TRIAL).values
    return {str(name): interval(row) for name, row in zip(values[MODULE].values, rows, strict=True)}


def _ends(at_lam: xr.Dataset) -> tuple[int, int]:
    last = at_lam["last_epoch"]
    return int(last.min()), int(last.max())


def _finding(
    rule: str, lam: float | None, epoch: int | None, number: float, sentence: str
) -> Finding:
    return Finding(
        probe="modules",
        rule=rule,
        level="info",
        lam=lam,
        epoch=epoch,
        number=number,
        sentence=sentence,
    )
