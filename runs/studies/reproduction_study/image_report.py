"""The tables of the page on capacity and depth."""

from collections import Counter

from jtdiag.names import lam_text
from reproduction_study import image_claims, report
from reproduction_study.collecting import Row
from reproduction_study.image_lanes import RULES
from reproduction_study.lanes import Measured
from study_page import markdown


def tables(measured: Measured) -> dict[str, str]:
    """Return every table of the section by its name."""
    return {
        "image-claims": report.claims(measured, image_claims.CLAIMS),
        "image-errors": errors(measured),
        "image-members": members(measured),
    }


def errors(measured: Measured) -> str:
    """Return the test error of every run at every λ, with intervals by run."""
    runs = list(dict.fromkeys(row["run"] for row in measured.lanes))
    lams = sorted({float(row["lam"]) for row in measured.lanes})
    body = []
    for run in runs:
        pooled = image_claims.errors(measured, len(runs) * len(lams), (run,))
        body.append([f"`{run}`", *(report.mean(pooled, (run, lam)) for lam in lams)])
    return markdown(["run", *(f"λ = {lam_text(lam)}" for lam in lams)], body)


def members(measured: Measured) -> str:
    """Return by run and λ what becomes of members, since when, and what the rules said."""
    body = []
    for run in dict.fromkeys(row["run"] for row in measured.lanes):
        for lam in measured.lams(run):
            rows = [r for r in measured.lanes if r["run"] == run and float(r["lam"]) == lam]
            columns = ("test_ensemble_last", "test_lowest_last", "test_median_last")
            means = [report.percent(measured, run, lam, name) for name in columns]
            body.append([f"`{run}`", lam_text(lam), *means, _outcomes(rows), _alerts(rows)])
    head = ["run", "λ", "ensemble", "best member", "median member"]
    return markdown([*head, "members at the end, and since which epoch", "alerts"], body)


def _outcomes(rows: list[Row]) -> str:
    """Return such as "2 codependent (since 9 and 13), 1 good on their own (since 8)"."""
    counts = Counter(row["outcome"] for row in rows)
    return ", ".join(
        f"{count} {outcome} ({_epochs(rows, 'since', outcome)})"
        for outcome, count in counts.most_common()
    )


def _epochs(rows: list[Row], column: str, outcome: str) -> str:
    return ", ".join(row[column] for row in rows if row["outcome"] == outcome)


def _alerts(rows: list[Row]) -> str:
    """Return the rules that fired, in how many lanes, and from which epoch on."""
    fired = {
        rule: [int(r[f"{rule}_from"]) for r in rows if r[f"{rule}_from"] != "0"] for rule in RULES
    }
    texts = [
        f"{rule} in {len(epochs)} from epoch {min(epochs)} on"
        for rule, epochs in fired.items()
        if epochs
    ]
    return ", ".join(texts) or "none"
