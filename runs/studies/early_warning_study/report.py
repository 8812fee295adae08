"""The study's answers as Markdown tables, and a page whose tables they are."""

import numpy as np

from early_warning_study import depth, questions, roc
from early_warning_study.grid import EARLY, LAMBDAS, MOVED
from early_warning_study.lanes import CHANCE, Floats, Lanes
from early_warning_study.questions import CLAIM, epoch_index
from early_warning_study.roc import Estimate, Rates

TOLERATED = 0.05
"""Share of good lanes that a rule without a curve of its own may alarm."""
GUESSES = {
    "median skill": -0.55,
    "least displacement over median": -0.2,
    "diversity over ln K": 2.0,
}
"""Limits that stood in the rules before this study, as scores: high ones alarm."""

FITTED = 0.01
"""Training error of the median member, over the chance-level error, below which over-capacity
alarms."""


def tables(lanes: Lanes, cases: list[depth.Case]) -> dict[str, str]:
    """Return every table of the page by its name."""
    return {
        "lanes": outcomes(lanes),
        "areas": areas(lanes),
        "limits": limits(lanes),
        "one-limit": one_limit(lanes),
        "by-lambda": by_lambda(lanes),
        "scores": other_scores(lanes),
        "rules": other_rules(lanes),
        "leader": leaders(lanes),
        "sensitivity": sensitivity(lanes),
        "claim": claims(lanes),
        "capacity": capacity(lanes),
        "depth": depths(cases),
        "contrasts": contrasts(cases),
    }


def written(page: str, tables_by_name: dict[str, str]) -> str:
    """Return a page with its tables replaced: everything between their two comments.

    Raises:
        ValueError: if the page has no marker for a table.
    """
    for name, table in tables_by_name.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("\n<!-- end -->")
        if not end:
            raise ValueError(f"the page has no marker for the table {name!r}: <!-- {name} -->")
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def markdown(head: list[str], body: list[list[str]]) -> str:
    """Return a Markdown table: the first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


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
    body = []
    groups_of_lanes = {f"{lam:g}": lanes.lam == lam for lam in LAMBDAS} | {"all": lanes.lam >= 0}
    for name, of in groups_of_lanes.items():
        good = lanes.learnt & ~lanes.failed
        codependent = lanes.failed & ~lanes.dominated
        groups = (~lanes.learnt, good, codependent, lanes.dominated)
        body.append([name, str(of.sum()), *(str((of & group).sum()) for group in groups)])
    return markdown(
        ["λ", "lanes", "not learnt", "members good on their own", "codependent", "dominated"], body
    )


def areas(lanes: Lanes) -> str:
    """Return the area under the curve by epoch, on held-out lanes."""
    wanted = [questions.halves(lanes, c) for c in questions.comparisons(lanes)[:5]]
    score = questions.weakness(lanes)
    columns = [questions.areas(lanes, score, c) for c in wanted]
    body = [
        [str(epoch), *(interval(column[e]) for column in columns)] for e, epoch in enumerate(EARLY)
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


def limits(lanes: Lanes) -> str:
    """Return each epoch's limit of the median member's skill, and its rates on held-out lanes."""
    score = questions.weakness(lanes)
    calibrated = [questions.calibrated(lanes, score, epoch) for epoch in EARLY]
    body = [
        [str(c.epoch), interval(Estimate(-c.limit, -c.ends[1], -c.ends[0])), *_rates(c.rates)]
        for c in calibrated
    ]
    return markdown(["after epoch", "limit", "precision", "recall", "false alarms"], body)


def one_limit(lanes: Lanes) -> str:
    """Return the rates of one limit for all epochs: epoch 3's, and the one before the study."""
    score = questions.weakness(lanes)
    body = []
    for limit in (questions.calibrated(lanes, score, CLAIM).limit, GUESSES["median skill"]):
        for epoch in (1, 2, 3, 5, 10):
            rates = questions.held_out_rates(lanes, score[:, epoch_index(epoch)] >= limit)
            body.append([f"{-limit:.2f}", str(epoch), *_rates(rates)])
    return markdown(["limit", "after epoch", "precision", "recall", "false alarms"], body)


def by_lambda(lanes: Lanes) -> str:
    """Return the alarms of two limits after epoch 3 on held-out lanes, by λ and by data."""
    score = questions.weakness(lanes)[:, epoch_index(CLAIM)]
    best = questions.calibrated(lanes, questions.weakness(lanes), CLAIM).limit
    limits = (best, GUESSES["median skill"])
    tests = lanes.learnt & lanes.held_out
    groups_of_lanes = {f"λ = {lam:g}": lanes.lam == lam for lam in LAMBDAS}
    groups_of_lanes |= {str(data): lanes.data == data for data in np.unique(lanes.data)}
    body = []
    for name, of in groups_of_lanes.items():
        failed, good = tests & of & lanes.failed, tests & of & ~lanes.failed
        cells = [
            f"{(group & (score >= limit)).sum()} of {group.sum()}"
            for limit in limits
            for group in (failed, good)
        ]
        body.append([name, *cells])
    head = [f"{label}, {-limit:.2f}" for limit in limits for label in ("found", "false alarms")]
    return markdown(["lanes", *head], body)


def other_scores(lanes: Lanes) -> str:
    """Return the area under the curve of other scores, on held-out lanes."""
    failure = questions.halves(lanes, questions.comparisons(lanes)[0])
    body = []
    for name, score in questions.scores(lanes).items():
        estimates = questions.areas(lanes, score, failure)
        body.append([name, *(interval(estimates[epoch_index(epoch)]) for epoch in MOVED)])
    return markdown(["score", *(f"epoch {epoch}" for epoch in MOVED)], body)


def other_rules(lanes: Lanes) -> str:
    """Return limits of the other rules after epoch 3: before the study, best, and tolerant."""
    body = []
    for name, score in questions.scores(lanes).items():
        if name not in GUESSES:
            continue
        sign = 1 if name.startswith("diversity") else -1
        guess = score[:, epoch_index(CLAIM)] >= GUESSES[name]
        rows = {
            "before": (GUESSES[name], questions.held_out_rates(lanes, guess)),
            "best": _limit_and_rates(questions.calibrated(lanes, score, CLAIM)),
            f"at most {100 * TOLERATED:.0f} % false": _limit_and_rates(
                questions.tolerant(lanes, score, CLAIM, TOLERATED)
            ),
        }
        for method, (limit, rates) in rows.items():
            body.append([name, method, f"{sign * limit:.2f}", *_rates(rates)])
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
    body = [[str(epoch), interval(estimates[epoch_index(epoch)])] for epoch in MOVED]
    for row, epoch in zip(body, MOVED, strict=True):
        alarm = alone.median[:, epoch_index(epoch)] / CHANCE < FITTED
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
