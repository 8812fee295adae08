import pytest

from jtdiag import Run
from jtdiag.probing.findings import Finding


@pytest.mark.slow
def test_a_run_says_what_it_is_and_how_far(probed_run):
    run = Run(probed_run.path)
    assert repr(run).startswith(f"<Run {run.path}: ")
    assert "λ = 0, 0.9, 1, 2 trials, complete>" in repr(run)
    facts = dict(line.split(None, 1) for line in run.summary().splitlines())
    assert facts["lanes"] == "6 of 6 complete"
    assert "performance" in facts["results"]
    html = run._repr_html_()
    assert html.count("<td>complete</td>") == 6
    assert "<th>λ = 0.9</th>" in html


def test_a_finding_is_shown_as_its_sentence():
    finding = Finding(probe="a", rule="b", level="alert", sentence="λ < 1: bad.", number=1.0)
    assert str(finding) == "ALERT λ < 1: bad."
    assert finding._repr_html_() == "<p><strong>ALERT</strong> λ &lt; 1: bad.</p>"
