"""What commands end with, from stored results and findings."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jtdiag.probing.findings import Finding
from jtdiag.recipe.members import Members
from jtdiag.report.evidence import Evidence
from jtdiag.tables.performance import ERRORS
from jtdiag.terminal.closing import Closing, alert_line, next_commands, print_closing


def finding(probe, rule, lam=None, headline="", level="info"):
    return Finding(
        probe=probe,
        rule=rule,
        level=level,
        lam=lam,
        number=0.0,
        sentence=f"The sentence of {rule}.",
        headline=headline,
    )


def performance():
    variables = {
        f"{name}_{suffix}": (("lam", "split"), np.full((2, 1), value))
        for name in (*ERRORS, "diversity")
        for suffix, value in (("mean", 0.04), ("se", 0.01), ("low", 0.02), ("high", 0.06))
    }
    return xr.Dataset(variables, coords={"lam": [0.0, 1.0], "split": ["test"]})


def alerts(number):
    return xr.Dataset(
        {
            "number": (("rule", "lam", "trial", "epoch"), np.asarray(number)[None]),
            "limit": (("rule",), [0.48]),
        },
        coords={"rule": ["dominance"]},
    )


def evidence(*findings, **results):
    recipe = SimpleNamespace(
        members=Members(count=4, arch="mlp"), data=SimpleNamespace(name="digits")
    )
    run = SimpleNamespace(recipe=recipe, path=Path("runs/a"))
    return Evidence(run=run, results=results, findings=list(findings))


FINDINGS = (
    finding("alerts", "dominance", 1.0, level="alert"),
    finding("alerts", "stagnation", 1.0, level="alert"),
    finding("alerts", "stagnation", 0.5, level="alert"),
    finding("alerts", "carried", headline="one member dominates the ensemble at λ = 1"),
    finding("performance", "best-lambda", 0.0, "λ = 0 is best"),
    finding("robustness", "tolerance", 0.0, "the ensemble tolerates losing 2 at λ = 0"),
    finding("robustness", "tolerance", 1.0, "losing one costs 9 points at λ = 1"),
    finding("calibration", "calibration-error", 0.0, "a fourth answer"),
)


def printed(closing):
    file = io.StringIO()
    print_closing(Console(file=file, width=120), closing)
    return file.getvalue().splitlines()


def test_the_table_comes_first_then_alerts_files_the_answer_and_commands():
    lines = printed(
        Closing(
            evidence=evidence(*FINDINGS, performance=performance()),
            figures=[Path("a.png"), Path("b.png")],
            commands=["jtdiag report runs/a"],
        )
    )
    assert lines[0].strip().startswith("Test error")
    table = [line for line in lines if line.startswith("│")]
    assert [line.split("│")[1].strip() for line in table] == ["0", "1"]
    assert lines[-10:] == [
        "Alerts: dominance at λ = 1; stagnation at λ = 0.5 and 1.",
        "All 8 findings: -v, or the report.",
        "Figures:",
        "  a.png",
        "  b.png",
        "One member dominates the ensemble at λ = 1.",
        "λ = 0 is best.",
        "The ensemble tolerates losing 2 at λ = 0; losing one costs 9 points at λ = 1.",
        "Next:",
        "  jtdiag report runs/a",
    ]
    assert not any("sentence of" in line for line in lines)


def test_verbose_prints_every_finding_instead_of_their_number():
    lines = printed(Closing(evidence=evidence(*FINDINGS), style="verbose"))
    told = [line for line in lines if "The sentence of" in line]
    assert len(told) == len(FINDINGS)
    assert told[0].startswith("ALERT")
    assert not any(line.startswith("All ") for line in lines)


def test_without_results_only_what_is_known_is_printed():
    assert printed(Closing(evidence=evidence())) == []


def test_without_alerts_the_last_measured_skill_is_printed_with_its_limit():
    number = [[[0.1, 0.9, np.nan]], [[0.2, 0.3, 0.62]]]  # a lane that stopped after epoch 1
    assert alert_line(evidence(alerts=alerts(number))) == (
        "No rule fired (lowest median skill of members other than leaders 0.62, limit 0.48)."
    )


@pytest.mark.parametrize(
    ("path", "command"),
    [("runs/a", "jtdiag report runs/a"), ("my runs/a", "jtdiag report 'my runs/a'")],
)
def test_commands_can_be_pasted(path, command):
    assert next_commands(Path(path), "report") == [command]
