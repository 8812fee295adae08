"""A rule that another package brings: one file, and an entry point."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

RULE = '''"""Fires when the ensemble has learned: a rule of another package."""
from jtdiag.rules.contract import Rule, Verdict

LIMIT = 0.5


def score(history):
    return float(history.ensemble_error[-1])


def judge(history):
    if history.last < 1 or score(history) >= LIMIT:
        return None
    return Verdict(
        rule="learned",
        level="alert",
        epoch=history.last,
        number=score(history),
        limit=LIMIT,
        observation=f"the ensemble's training error is {100 * score(history):.0f} %",
        advice="Stop here.",
    )


RULE = Rule(
    name="learned",
    compares="the ensemble's training error",
    limit=LIMIT,
    score=score,
    judge=judge,
)
'''


@pytest.fixture
def learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a distribution with one more rule, `learned`; return the file of its code."""
    site = tmp_path / "site"
    info = site / "third_party_rules-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[jtdiag.rules]\nlearned = rules_of_a_test:RULE\n")
    code = site / "rules_of_a_test.py"
    code.write_text(RULE, "utf-8")
    monkeypatch.syspath_prepend(site)
    yield code
    sys.modules.pop("rules_of_a_test", None)
