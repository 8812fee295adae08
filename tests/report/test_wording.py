"""Every sentence that the report composes."""

import re

import numpy as np
import pytest

from jtdiag.report import wording
from jtdiag.stats import Interval

NAN = float("nan")
POINTS = [
    wording.point(16.6, (16.4, 16.8), wording.at_tick("0")),
    wording.point(-1, (NAN, NAN), "at 1"),
]

SENTENCES = {
    "headline": (wording.headline(["one leads", "λ = 1 is best"]), "One leads; λ = 1 is best."),
    "headline with λ first": (wording.headline(["λ = 1 is best"]), "λ = 1 is best."),
    "no headline": (wording.headline([]), "No probe has been run on this run yet."),
    "runs": (
        wording.runs_headline(
            [
                wording.run_error("a", "2.7 % (95 % interval 2.1 to 3.3 %)", 0.0),
                wording.run_error("b", "3.0 %", 0.9),
            ],
            same_data=True,
        ),
        "Lowest test error of each run: a 2.7 % (95 % interval 2.1 to 3.3 %) at λ = 0 and b 3.0 % "
        "at λ = 0.9.",
    ),
    "a difference of two runs": (
        wording.runs_difference("a", Interval(-0.6, -1.1, -0.1)),
        "The difference is −0.6 points (95 % interval −1.1 to −0.1 points): a has the lower error.",
    ),
    "a difference that cannot be told": (
        wording.runs_difference("a", Interval(-0.6, -1.4, 0.2)),
        "The difference is −0.6 points (95 % interval −1.4 to +0.2 points), which is not "
        "significant.",
    ),
    "a difference of one trial": (
        wording.runs_difference("a", Interval(-0.6, np.nan, np.nan)),
        "",
    ),
    "runs of different data": (
        wording.runs_headline(["a 2.7 % at λ = 0"], same_data=False),
        "The runs have different data. Lowest test error of each: a 2.7 % at λ = 0.",
    ),
    "no runs": (
        wording.runs_headline([], same_data=True),
        "The test errors of these runs are not measured yet: run the probe performance.",
    ),
    "one run diverged": (
        wording.runs_headline(
            ["a 2.7 % at λ = 0"],
            [wording.run_lost("b", "all 6 lanes diverged"), wording.run_lost("c", "1 of 6 did")],
            same_data=True,
        ),
        "b: all 6 lanes diverged; c: 1 of 6 did. Lowest test error of each run: a 2.7 % at λ = 0.",
    ),
    "every run diverged": (
        wording.runs_headline([], ["a: all 6 lanes diverged"], same_data=True),
        "a: all 6 lanes diverged.",
    ),
    "layers, together at some λs": (
        wording.layers_together(
            "runs-local",
            "whole",
            "local, pred",
            {0.0: Interval(1.7, 0.1, 3.4), 0.9: Interval(2.4, 0.7, 4.0)},
            {},
            {1.0: Interval(0.2, -0.4, 0.8)},
            detectable=0.9,
            trials=5,
            comparisons=3,
        ),
        "Layers of runs-local (local, pred) against end to end (whole): the test error is "
        "significantly higher at λ = 0 (+1.70 points (95 % interval +0.10 to +3.40 points)) and at "
        "λ = 0.9 (+2.40 points (95 % interval +0.70 to +4.00 points)) and not significantly "
        "different at λ = 1 (+0.20 points (95 % interval −0.40 to +0.80 points)). At λ = 0 and "
        "0.9, layers had to be trained together to be as good, with these recipes. Where it is not "
        "significantly different, a difference of 0.90 points would have been detected with a "
        "probability of 80 %. 5 paired trials; intervals hold for all 3 differences.",
    ),
    "layers, better alone": (
        wording.layers_together(
            "b",
            "a",
            "frozen",
            {},
            {0.5: Interval(-1.7, -3.4, -0.1)},
            {},
            detectable=NAN,
            trials=3,
            comparisons=1,
        ),
        "Layers of b (frozen) against end to end (a): the test error is significantly lower at "
        "λ = 0.5 (−1.70 points (95 % interval −3.40 to −0.10 points)). 3 paired trials.",
    ),
    "versus": (wording.versus("b", "a"), "b (B) against a (A)"),
    "recipes": (wording.recipes_caption("b", "a"), "Recipes: b (B) against a (A)"),
    "results": (wording.results_caption("b", "a"), "Test results: b (B) against a (A)"),
    "removal": (
        "; ".join(wording.removal_headings(2, exact=False)),
        "λ; all members; 2 missing at random; 2 missing, worst case found; fraction missing at a "
        "drop of 1 point",
    ),
    "cell": (wording.cell(11.57, 0.06), "11.6 ± 0.1 %"),
    "cell, not measured": (wording.cell(NAN, NAN), "not measured"),
    "difference": (
        "; ".join(wording.difference_row(0.5, Interval(4, 1.25, 6.75), worse=True, trials=3)),
        "0.5; +4.00; +1.25 to +6.75; yes",
    ),
    "difference, not significant": (
        "; ".join(wording.difference_row(0.5, Interval(0.3, -1.2, 1.8), worse=False, trials=3)),
        "0.5; +0.30; −1.20 to +1.80; no",
    ),
    "difference, two trials": (
        "; ".join(wording.difference_row(0.5, Interval(4, 1.25, 6.75), worse=False, trials=2)),
        "0.5; +4.00; +1.25 to +6.75; too few trials",
    ),
    "difference, one trial": (
        "; ".join(wording.difference_row(0.5, Interval(0.3, NAN, NAN), worse=False, trials=1)),
        "0.5; +0.30; none; not tested",
    ),
    "best": ("; ".join(wording.best_row(0.9)), "0.9; lowest; ; "),
    "panel": (
        wording.panel("Test", "λ", "error (%)", [wording.few_points("vote", POINTS, "at 1")], 1),
        "Test, error (%) against λ: vote 16.6 (16.4 to 16.8) at 0, −1 at 1, lowest at 1; 1 more "
        "line.",
    ),
    "panel without labels": (wording.panel("", "", "", ["a 1 at 2"], 0), "a 1 at 2."),
    "panel without series": (wording.panel("", "λ", "", [], 0), "λ."),
    "empty panel": (wording.panel("", "", "", [], 0), ""),
    "many points": (
        wording.many_points("", "5 at 0", "9 at 19", "1 at 1", "30 at 18"),
        "5 at 0 to 9 at 19, lowest 1 at 1, highest 30 at 18",
    ),
    "places": (
        ", ".join([wording.at_number(-0.5), wording.between("0", "1"), wording.outside("1")]),
        "at −0.5, between 0 and 1, beyond 1",
    ),
    "figure": (wording.figure_text("A figure.", "", ["x 1 at 2."], 99), "A figure. x 1 at 2."),
    "figure with bars": (
        wording.figure_text("A figure.", "95 % intervals", ["x 1 (0 to 2) at 2."], 99),
        "A figure. In parentheses: 95 % intervals. x 1 (0 to 2) at 2.",
    ),
    "long figure": (
        wording.figure_text("A figure.", "", ["x 1 at 2; y 1 at 2."], 25),
        "A figure. x 1 at 2; for more, see the tables and findings.",
    ),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is(name):
    sentence, expected = SENTENCES[name]
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_captions_name_the_standard_error_and_the_number_of_trials():
    for caption in (
        wording.performance_caption,
        wording.removal_caption,
        wording.calibration_caption,
    ):
        assert caption(3).endswith("mean ± SE over 3 trials")
        assert caption(1).endswith("one trial")
