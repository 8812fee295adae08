"""The tables of the page."""

from collections import Counter
from collections.abc import Sequence

from jtdiag.names import lam_text
from jtdiag.stats import with_interval
from reproduction_study import elsewhere, quantities
from reproduction_study.claims import CLAIMS, HOLDS, MISSING, OPEN, SMALL, Claim
from reproduction_study.lanes import Measured
from study_page import markdown

RATES = {
    "as the authors": {},
    "5.12": dict.fromkeys((0.99, 1.0), "mlp-256x4-high-rate"),
    "1.536": dict.fromkeys((0.0, 0.9, 0.95), "mlp-256x4-low-rate"),
}
"""The control of the learning rate: the λs at which the authors had another one, and the run."""
RATE_LAMBDAS = (0.0, 0.9, 0.95, 0.99, 1.0)


def tables(measured: Measured) -> dict[str, str]:
    """Return every table of the page by its name."""
    return {
        "summary": summary(measured),
        "claims": claims(measured, CLAIMS),
        "elsewhere": markdown(elsewhere.HEAD, elsewhere.rows(), words=3),
        "errors": errors(measured),
        "rates": rates(measured),
        "members": members(measured),
    }


def summary(measured: Measured) -> str:
    """Return a sentence with the numbers of verdicts."""
    verdicts = Counter(claim.judged(measured, len(CLAIMS))[1] for claim in CLAIMS)
    counts = [f"{count} {_ends(verdict, count)}" for verdict, count in verdicts.most_common()]
    return f"Of {len(CLAIMS)} claims that this study can judge, {', '.join(counts)}."


def _ends(verdict: str, count: int) -> str:
    if count > 1 and verdict == HOLDS:
        return "hold"
    if verdict in (MISSING, OPEN):
        return f"are {verdict}" if count > 1 else f"is {verdict}"
    return verdict.replace("does", "do") if count > 1 else verdict


def claims(measured: Measured, of_study: Sequence[Claim]) -> str:
    """Return every claim with the paper's number, ours and the verdict."""
    body = []
    for claim in of_study:
        interval, verdict = claim.judged(measured, len(of_study))
        cells = (claim.paper, claim.text(interval), _required(claim), f"**{verdict}**")
        body.append([claim.source, claim.statement, *cells])
    head = ["source", "claim", "paper", "here", "holds if", "verdict"]
    return markdown(head, body, words=2)


def _required(claim: Claim) -> str:
    """Return the values with which a claim holds."""
    unit = f" {claim.unit}"
    if claim.unit == "points" and 1 in (claim.least, claim.most):
        unit = " point"
    if claim.least == -claim.most:
        return f"within ±{claim.most:g}{unit}"
    if abs(claim.least) != float("inf") and abs(claim.most) != float("inf"):
        return f"{claim.least:.1f} to {claim.most:.1f}{unit}"
    return (
        f"above {claim.least:g}{unit}"
        if claim.least > -float("inf")
        else (f"below {claim.most:g}{unit}")
    )


def errors(measured: Measured) -> str:
    """Return the test error of every run at every λ, with its interval and its trials."""
    runs = list(dict.fromkeys(row["run"] for row in measured.lanes))
    lams = sorted({float(row["lam"]) for row in measured.lanes})
    count = sum(len(measured.lams(run)) for run in runs)
    pooled = quantities.column(measured, "test_ensemble_best", count)
    body = [[f"`{run}`", *(mean(pooled, (run, lam)) for lam in lams)] for run in runs]
    return markdown(["run", *(f"λ = {lam_text(lam)}" for lam in lams)], body)


def rates(measured: Measured) -> str:
    """Return the errors of 256x4H by λ and learning rate, and whether λ = 1 is worse than 0.95."""
    comparisons = (len(RATE_LAMBDAS) + 1) * len(RATES)
    pooled = quantities.column(measured, "test_ensemble_best", comparisons)
    body = []
    for name, others in RATES.items():
        cells = {lam: (others.get(lam, SMALL), lam) for lam in RATE_LAMBDAS}
        difference = pooled.contrast({cells[1.0]: 100.0, cells[0.95]: -100.0})
        text = "–" if difference is None else with_interval(difference, "+.1f", "points")
        body.append([name, *(mean(pooled, cell) for cell in cells.values()), _short(text)])
    head = ["learning rate", *(f"λ = {lam_text(lam)}" for lam in RATE_LAMBDAS)]
    return markdown([*head, "λ = 1 minus λ = 0.95"], body)


def members(measured: Measured) -> str:
    """Return by run and λ how good members are alone at the end, and who leads."""
    body = []
    for run in dict.fromkeys(row["run"] for row in measured.lanes):
        for lam in measured.lams(run) if measured.members(run) > 1 else ():
            kept = measured.values(run, lam, "leader_kept")
            columns = ("test_ensemble_last", "test_lowest_last", "test_median_last")
            means = [percent(measured, run, lam, name) for name in columns]
            leader = f"{sum(kept.values()):.0f} of {len(kept)}"
            body.append([f"`{run}`", lam_text(lam), *means, leader])
    head = ["run", "λ", "ensemble", "best member", "median member"]
    return markdown([*head, "leader after epoch 3 leads at the end"], body)


def percent(measured: Measured, run: str, lam: float, name: str) -> str:
    """Return the mean of a column over trials, in percent."""
    values = list(measured.values(run, lam, name).values())
    return f"{100 * sum(values) / len(values):.1f} %"


def mean(pooled: quantities.Pooled, cell: quantities.Cell) -> str:
    """Return the mean error of a cell with its interval, and its trials if they are few."""
    interval = pooled.contrast({cell: 1.0})
    if interval is None:
        return "–"
    trials = len(pooled.values[cell])
    text = _short(with_interval(interval.scaled(100).within(0, 100), ".1f"))
    return f"{text}{'' if trials >= 3 else f', {trials} trial' + 's' * (trials > 1)}"


def _short(text: str) -> str:
    """Return a number with its interval, whose level the page states."""
    return text.replace("95 % interval ", "")
