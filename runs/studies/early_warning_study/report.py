"""The study's answers as Markdown tables, and a page whose tables they are."""

from itertools import product

import numpy as np

from early_warning_study import depth, factors, questions, roc, sgd
from early_warning_study.grid import BATCHES, EARLY, LAMBDAS, NORMS, RATES, SHOWN, STARTS
from early_warning_study.lanes import CHANCE, Flags, Floats, Lanes
from early_warning_study.questions import CLAIM, epoch_index
from early_warning_study.roc import Estimate, Rates
from jtdiag import stats
from jtdiag.rules import limits
from study_page import markdown

TOLERATED = 0.05
"""Share of good lanes that a rule without a curve of its own may alarm."""
IN_USE = {
    "skill of the others": -limits.MEDIAN_SKILL,
    "least displacement over median": -limits.STAGNATION,
    "diversity over ln K": limits.DIVERSITY,
}
"""Limits that the rules use, as scores: high ones alarm."""
DETECTED = ("dominance", "codependence", questions.ANY)
"""Rules with a table of their own, by epoch."""


def tables(lanes: Lanes, cases: list[depth.Case], about_sgd: Lanes) -> dict[str, str]:
    """Return every table of the page by its name."""
    return {
        "lanes": outcomes(lanes),
        "starts": outcomes_by_start(lanes),
        **{rule.replace(" ", "-"): detection(lanes, rule) for rule in DETECTED},
        "detection-by-group": detection_by_group(lanes),
        "detection-by-rule": detection_by_rule(lanes),
        "signs": signs(lanes),
        "sgd": sgd_outcomes(about_sgd),
        "sgd-signs": sgd_signs(about_sgd),
        "sgd-detection": detection(about_sgd, "dominance"),
        "areas": areas(lanes),
        "limits": limits_by_epoch(lanes),
        "scores": other_scores(lanes),
        "rules": other_rules(lanes),
        "leader": leaders(lanes),
        "leader-limit": leader_limit(lanes),
        "sensitivity": sensitivity(lanes),
        "claim": claims(lanes),
        "capacity": capacity(lanes),
        "depth": depths(cases),
        "contrasts": contrasts(cases),
    }


def interval(estimate: Estimate) -> str:
    """Return a number in [0, 1] with its interval."""
    if np.isnan(estimate.value):
        return "–"
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def mean(estimate: depth.Mean) -> str:
    """Return a mean with its standard error."""
    if np.isnan(estimate.value):
        return "–"
    return f"{estimate.value:.2f} ± {estimate.error:.2f}"


# --- tables --------------------------------------------------------------------------------------


def outcomes(lanes: Lanes) -> str:
    """Return how the lanes ended, by λ."""
    groups = {f"λ = {lam:g}": lanes.lam == lam for lam in LAMBDAS} | {"all": lanes.lam >= 0}
    return _outcomes(lanes, groups)


def outcomes_by_start(lanes: Lanes) -> str:
    """Return how the lanes at λ = 1 ended, by start and hidden layers."""
    one = lanes.lam == 1
    groups = {
        f"{start}, {layers}": one & (lanes.start == start) & (lanes.depth == layers)
        for start in STARTS
        for layers in np.unique(lanes.depth)
    }
    return _outcomes(lanes, groups)


def _outcomes(lanes: Lanes, groups: dict[str, Flags]) -> str:
    good = lanes.learnt & ~lanes.failed
    ends = (~lanes.learnt, good, lanes.codependent, lanes.dominated)
    body = [
        [name, str(of.sum()), *(str((of & end).sum()) for end in ends)]
        for name, of in groups.items()
    ]
    head = ["lanes", "number", "not learned", "members good on their own", "codependent"]
    return markdown([*head, "dominated"], body)


def detection(lanes: Lanes, rule: str) -> str:
    """Return a rule's precision and recall after each epoch, with both kinds of intervals."""
    body = []
    for epoch in EARLY:
        outcome = questions.detection(lanes, rule, epoch)
        body.append([str(epoch), *_precision_and_recall(outcome)])
    head = ["right", "precision", "over configurations", "found", "recall", "over configurations"]
    return markdown(["after epoch", *head], body)


def _precision_and_recall(outcome: questions.Detection) -> list[str]:
    return [
        f"{outcome.right} of {outcome.alarms}",
        *_share(outcome.exact_precision, outcome.clustered.precision),
        f"{outcome.right} of {outcome.positives}",
        *_share(outcome.exact_recall, outcome.clustered.recall),
    ]


def _share(exact: tuple[float, float], clustered: Estimate) -> list[str]:
    if np.isnan(clustered.value):
        return ["–", "–"]
    ends = "–" if np.isnan(clustered.low) else f"{clustered.low:.2f} to {clustered.high:.2f}"
    return [f"{clustered.value:.2f} ({exact[0]:.2f} to {exact[1]:.2f})", ends]


def detection_by_group(lanes: Lanes) -> str:
    """Return dominance after epoch 3 by λ, start, members, depth and data."""
    groups = {f"λ = {lam:g}": lanes.lam == lam for lam in LAMBDAS}
    groups |= {f"starts {start}": lanes.start == start for start in STARTS}
    groups |= {f"M = {m}": lanes.members == m for m in np.unique(lanes.members)}
    groups |= {f"hidden layers: {d}": lanes.depth == d for d in np.unique(lanes.depth)}
    groups |= {str(data): lanes.data == data for data in np.unique(lanes.data)}
    body = []
    for name, among in groups.items():
        outcome = questions.detection(lanes, "dominance", CLAIM, among)
        wrong = outcome.alarms - outcome.right
        cells = (
            f"{outcome.right} of {outcome.positives}",
            f"{wrong} of {outcome.negatives}",
        )
        body.append([name, *cells])
    return markdown(["lanes", "dominated, found", "others, false alarms"], body)


def detection_by_rule(lanes: Lanes) -> str:
    """Return what each rule finds and alarms wrongly after epochs 3 and 10."""
    body = []
    for rule in questions.kinds(lanes):
        for epoch in (CLAIM, EARLY[-1]):
            outcome = questions.detection(lanes, rule, epoch)
            rates = outcome.clustered
            columns = (rates.precision, rates.recall, rates.false_alarms)
            body.append([rule, str(epoch), *map(interval, columns)])
    return markdown(["rule", "after epoch", "precision", "recall", "false alarms"], body)


def signs(lanes: Lanes) -> str:
    """Return the predicted and the measured effect of each factor."""
    effects = factors.effects(lanes)
    return _signs(effects, [f"{_SIGN[e.sign]} ({stats.signed(e.predicted)})" for e in effects])


def sgd_signs(lanes: Lanes) -> str:
    """Return the same of BatchNorm, rate and batch size, of which theory gives the sign only."""
    effects = sgd.effects(lanes)
    return _signs(effects, [_SIGN[effect.sign] for effect in effects])


def _signs(effects: list[factors.Effect], predicted: list[str]) -> str:
    body = [
        [
            effect.factor.name,
            str(effect.dominated.size),
            sign,
            _difference(effect.concentration),
            stats.signed(float(effect.dominated.mean())) if effect.dominated.size else "–",
            f"{effect.more}, {effect.fewer}",
            _p(effect.p),
        ]
        for effect, sign in zip(effects, predicted, strict=True)
    ]
    head = ["factor", "pairs", "predicted", "concentration", "share dominated", "more, fewer", "p"]
    return markdown(head, body)


_SIGN = {-1: "−", 0: "0", 1: "+"}


def sgd_outcomes(lanes: Lanes) -> str:
    """Return how the lanes about SGD ended, by normalization, rate and batch size."""
    groups = {
        f"{'BatchNorm' if norm == 'batch' else 'no normalization'}, rate {rate:g}, batch {batch}": (
            (lanes.norm == norm) & (lanes.rate == rate) & (lanes.batch == batch)
        )
        for norm, rate, batch in product(NORMS, RATES, BATCHES)
    }
    return _outcomes(lanes, groups | {"all": lanes.lam >= 0})


def _difference(interval: stats.Interval) -> str:
    if np.isnan(interval.mean):
        return "–"
    mean = stats.signed(interval.mean)
    if not interval.exists:
        return mean
    ends = f"{stats.signed(interval.low)} to {stats.signed(interval.high)}"
    return f"**{mean}** ({ends})" if interval.significant else f"{mean} ({ends})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def areas(lanes: Lanes) -> str:
    """Return the area under the curve by epoch, on held-out lanes."""
    wanted = [questions.halves(lanes, c) for c in questions.comparisons(lanes)]
    score = questions.weakness(lanes)
    columns = [questions.areas(lanes, score, c) for c in wanted]
    body = [
        [str(epoch), *(interval(column[epoch_index(epoch)]) for column in columns)]
        for epoch in SHOWN
    ]
    at_end = np.repeat(roc.as_score(lanes.final_skill, low_alarms=True)[:, None], len(EARLY), 1)
    ends = [interval(questions.areas(lanes, at_end, c)[0]) for c in wanted]
    counts = [f"{(c.kept & c.positive).sum()} of {c.kept.sum()}" for c in wanted]
    return markdown(
        ["after epoch", *(c.name for c in wanted)],
        [*body, ["at the end, on test", *ends], ["positive lanes", *counts]],
    )


def _rates(rates: Rates) -> list[str]:
    return [interval(x) for x in (rates.precision, rates.recall, rates.false_alarms)]


def limits_by_epoch(lanes: Lanes) -> str:
    """Return each epoch's limit of the others' skill, and its rates on held-out lanes."""
    score = questions.weakness(lanes)
    calibrated = [questions.calibrated(lanes, score, epoch) for epoch in SHOWN]
    body = [
        [str(c.epoch), interval(Estimate(-c.limit, -c.ends[1], -c.ends[0])), *_rates(c.rates)]
        for c in calibrated
    ]
    return markdown(["after epoch", "limit", "precision", "recall", "false alarms"], body)


def other_scores(lanes: Lanes) -> str:
    """Return the area under the curve of other scores, on held-out lanes."""
    failure = questions.halves(lanes, questions.comparisons(lanes)[0])
    body = []
    for name, score in questions.scores(lanes).items():
        estimates = questions.areas(lanes, score, failure)
        body.append([name, *(interval(estimates[epoch_index(epoch)]) for epoch in SHOWN)])
    return markdown(["score", *(f"epoch {epoch}" for epoch in SHOWN)], body)


def other_rules(lanes: Lanes) -> str:
    """Return limits of the other rules after epoch 3: in use, best, and tolerant."""
    body = []
    for name, score in questions.scores(lanes).items():
        if name not in IN_USE:
            continue
        sign = 1 if name.startswith("diversity") else -1
        alarm = score[:, epoch_index(CLAIM)] >= IN_USE[name]
        rows = {
            "in use": (IN_USE[name], questions.held_out_rates(lanes, alarm)),
            "best": _limit_and_rates(questions.calibrated(lanes, score, CLAIM)),
            f"at most {100 * TOLERATED:.0f} % false": _limit_and_rates(
                questions.tolerant(lanes, score, CLAIM, TOLERATED)
            ),
        }
        for method, (limit, rates) in rows.items():
            body.append([name, method, f"{sign * limit:.2f}", *_rates(rates)])
    verdicts = questions.alarms(lanes, questions.ANY)[:, epoch_index(CLAIM)]
    body.append([questions.ANY, "in use", "–", *_rates(questions.held_out_rates(lanes, verdicts))])
    return markdown(["score", "limit set", "limit", "precision", "recall", "false alarms"], body)


def _limit_and_rates(calibrated: questions.Calibrated) -> tuple[float, Rates]:
    return calibrated.limit, calibrated.rates


def leaders(lanes: Lanes) -> str:
    """Return how the best member's share of the skill is spread, in quantiles over lanes."""

    def row(name: str, skill: Floats) -> list[str]:
        points = np.quantile(skill[np.isfinite(skill)], [0, 0.25, 0.5, 0.75, 0.9, 1])
        return [name, str(len(skill)), *(f"{p:.2f}" for p in points)]

    failed, good = lanes.failed, lanes.learnt & ~lanes.failed
    early = lanes.leader_skill[:, epoch_index(CLAIM)]
    return markdown(
        ["lanes", "number", "least", "25 %", "median", "75 %", "90 %", "most"],
        [
            row("failed, training after epoch 3", early[failed]),
            row("failed, test at the end", lanes.final_leader_skill[failed]),
            row("members good on their own, training after epoch 3", early[good]),
            row("members good on their own, test at the end", lanes.final_leader_skill[good]),
        ],
    )


def leader_limit(lanes: Lanes) -> str:
    """Return the leader's skill that best separates dominated from codependent lanes."""
    body = []
    for epoch in SHOWN:
        fit = questions.leader_limit(lanes, epoch)
        ends = Estimate(fit.limit, *fit.ends)
        body.append([str(epoch), interval(ends), *map(interval, fit.shares)])
    head = ["limit", "dominated lanes above it", "codependent lanes above it"]
    return markdown(["after epoch", *head], body)


def sensitivity(lanes: Lanes) -> str:
    """Return the area at epoch 3 for other meanings of failed."""
    body = [
        [f"{below:.1f}", str(count), interval(estimate)]
        for below, (count, estimate) in questions.sensitivity(lanes).items()
    ]
    return markdown(["failed below", "held-out lanes failed", "area after epoch 3"], body)


def claims(lanes: Lanes) -> str:
    """Return in how many lanes the leader after epoch 3 led at the end."""
    body = [
        [
            c.of,
            f"{c.held} of {c.lanes}",
            f"{c.held / c.lanes:.2f} ({c.interval[0]:.2f} to {c.interval[1]:.2f})",
            f"{c.clustered.low:.2f} to {c.clustered.high:.2f}",
            f"{c.chance:.2f}",
        ]
        for c in questions.claims(lanes)
    ]
    return markdown(["lanes", "held", "exact interval", "over configurations", "chance"], body)


def capacity(lanes: Lanes) -> str:
    """Return how well small training errors at λ = 0 predict that λ = 0.9 does not help."""
    estimates = questions.capacity_areas(lanes)
    alone, enough = questions.capacity_pairs(lanes)
    body = [[str(epoch), interval(estimates[epoch_index(epoch)])] for epoch in SHOWN]
    for row, epoch in zip(body, SHOWN, strict=True):
        alarm = alone.median[:, epoch_index(epoch)] / CHANCE < limits.TRAINING_ERROR
        row.append(f"{(alarm & enough).sum()} of {alarm.sum()}")
    count = f"{enough.sum()} of {len(alone)}"
    return markdown(["after epoch", "area", "right alarms"], [*body, ["lanes", "", count]])


def depths(cases: list[depth.Case]) -> str:
    """Return how unequal members of equal parameters are, by depth."""
    ordered = sorted(cases, key=depth.Case.order)
    body = [
        [
            f"{c.data}, {c.budget:,}",
            f"{c.lam:g}",
            f"{c.depth} × {c.width}",
            f"{c.learnt} of {c.trials}",
            f"{100 * c.error.value:.1f}",
            *(mean(x) for x in (c.median, c.lead, c.gini, c.effective)),
        ]
        for c in ordered
    ]
    return markdown(
        [
            "data, parameters",
            "λ",
            "layers × units",
            "learnt",
            "error (%)",
            "median skill",
            "leader's lead",
            "Gini",
            "effective share",
        ],
        body,
    )


def contrasts(cases: list[depth.Case]) -> str:
    """Return four hidden layers minus one, at λ = 1."""
    body = [
        [f"{data}, {budget:,}", *(mean(x) for x in differences.values())]
        for (data, budget), differences in sorted(depth.contrasts(cases).items())
    ]
    return markdown(
        ["data, parameters", "median skill", "leader's lead", "Gini", "effective share"], body
    )
