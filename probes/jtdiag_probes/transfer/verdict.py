"""What the result of the probe `transfer` shows, tested over trials."""

import numpy as np
import xarray as xr

from jtdiag import names, stats
from jtdiag.compare.sources import RANKING, STATIC, TARGET
from jtdiag.probing.findings import Finding
from jtdiag.stats import Interval
from jtdiag.stats.comparisons import LEAST_TRIALS
from jtdiag_probes.transfer import wording
from jtdiag_probes.transfer.wording import Context


def judge(result: xr.Dataset) -> list[Finding]:
    """Return how well scores rank sources, what choosing by them costs, and what is significant."""
    if "tau" not in result or not result["head_error"].notnull().any():
        return []
    context = Context(
        sources=int(result["sources"].max()),
        tasks=result.sizes[TARGET],
        trials=int(result["input_error"].notnull().any(TARGET).sum()),
    )
    if context.sources < stats.LEAST_SOURCES:
        sentence = wording.too_few_sources(context, stats.LEAST_SOURCES)
        return [_finding("too-few-sources", context.sources, sentence)]
    taus = _intervals(result, "tau", 1)
    if not taus:
        return [_finding("nothing-differs", 0, wording.nothing_differs(context))]
    best = max(taus, key=lambda name: taus[name].mean)
    regrets = _intervals(result, "regret", 100)
    at_random = 100 * float(result["random_regret"].mean())
    findings = [
        _finding("ranking", taus[best].mean, wording.ranking(context, taus)),
        _finding("regret", regrets[best].mean, wording.regret(context, regrets, at_random)),
    ]
    if context.trials < LEAST_TRIALS:
        sentence = wording.too_few_trials(context, LEAST_TRIALS)
        return [*findings, _finding("too-few-trials", context.trials, sentence)]
    return [*findings, *_tested(result, context)]


def _intervals(result: xr.Dataset, name: str, factor: float) -> dict[str, Interval]:
    """Return means over tasks and trials with bootstrap intervals over tasks, largest τ first."""
    intervals, taus = {}, {}
    for ranking in _rankings(result):
        own = result.sel({RANKING: ranking})
        low, high = (float(own[f"{name}_bootstrap_{end}"]) for end in ("low", "high"))
        mean, taus[ranking] = (
            float(own[f"target_{each}"].mean(names.TRIAL).mean(TARGET)) for each in (name, "tau")
        )
        if np.isfinite(taus[ranking]):
            intervals[ranking] = Interval(mean, low, high).scaled(factor)
    return {name: intervals[name] for name in sorted(intervals, key=lambda n: -taus[n])}


def _rankings(result: xr.Dataset) -> list[str]:
    return [str(name) for name in result[RANKING].values]


def _tested(result: xr.Dataset, context: Context) -> list[Finding]:
    """Test whether τ differs from 0, and from that of the static ranking, over trials."""
    taus = result["tau"].transpose(RANKING, names.TRIAL)
    own = {name: taus.sel({RANKING: name}).values for name in _rankings(result)}
    against_0 = _family(own)
    against_static = _family(
        {name: values - own[STATIC] for name, values in own.items() if name != STATIC}
    )
    findings = []
    if against_0:
        above = [name for name, (tau, _) in against_0.items() if tau.low > 0]
        sentence = wording.above_0(context, against_0)
        findings.append(_finding("above-0", len(above), sentence))
    if against_static:
        largest = max((change.mean for change, _ in against_static.values()), key=abs)
        sentence = wording.against_static(context, against_static)
        findings.append(_finding("against-static", largest, sentence))
    return findings


def _family(values: dict[str, np.ndarray]) -> wording.Compared:
    """Return intervals over trials that hold for all rankings together, and their power."""
    known = {name: each[np.isfinite(each)] for name, each in values.items()}
    known = {name: each for name, each in known.items() if each.size >= LEAST_TRIALS}
    return {
        name: (stats.paired(each, len(known)), stats.smallest_detectable(each, len(known)))
        for name, each in known.items()
    }


def _finding(rule: str, number: float, sentence: str) -> Finding:
    return Finding(probe="transfer", rule=rule, level="info", number=number, sentence=sentence)
