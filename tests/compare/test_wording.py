"""Every sentence of the comparison of two runs."""

import re

import pytest

from jtdiag.compare import wording
from jtdiag.compare.contract import BY_EXAMPLE, BY_GROUP, BY_TRIAL, Difference, Field
from jtdiag.stats import Interval

NAN = float("nan")

SENTENCES = {
    "paired trials": (
        wording.intervals(BY_TRIAL, 3),
        "Paired intervals (Student) over 3 trials: the seeds are the same, so trial t of both "
        "runs has the same data split. They estimate the difference for new trials of these "
        "recipes.",
    ),
    "groups": (
        wording.intervals(BY_GROUP, 3),
        "Unpaired intervals (Welch) over trials: the seeds or the data are different, so trials "
        "cannot be paired.",
    ),
    "examples": (
        wording.intervals(BY_EXAMPLE, 10_000),
        "Paired intervals over 10,000 test examples: they compare two trained ensembles of one "
        "trial each, and do not include the variation between trainings. Train more trials to "
        "measure it.",
    ),
    "none": (
        wording.intervals("", 0),
        "No interval: there is only one trial, or all trials differ by the same amount. Train "
        "more trials, or keep the outputs of the selected epoch in both runs (keep.outputs, "
        "keep.splits).",
    ),
    "mcnemar": (
        wording.mcnemar(1, 8, 0.0390625),
        "only A is right on 1 example, only B on 8 examples (exact McNemar test, p = 0.039)",
    ),
    "mcnemar, several λs": (
        wording.mcnemar(4, 0, 0.125, 3),
        "only A is right on 4 examples, only B on 0 examples (exact McNemar test, p = 0.12, "
        "significant below 0.017 for 3 λs)",
    ),
    "simultaneous": (
        wording.simultaneous(3),
        "The intervals of each quantity hold simultaneously for 3 λs, at a level of 95 %.",
    ),
    "one λ": (wording.simultaneous(1), "Intervals have a level of 95 %."),
    "power": (
        wording.power(0.94),
        "No significant difference in ensemble error; at every λ that was tested, a difference of "
        "0.94 points would have been detected with a probability of 80 %.",
    ),
    "mcnemar, the same": (wording.mcnemar(0, 0, 1.0), "A and B are right on the same examples"),
    "not measured": (
        wording.not_measured(),
        "No results to compare: no common λ has test errors in both runs yet.",
    ),
    "no common λ": (
        wording.no_common_lam([0.0, 0.5, 0.9], [1.0]),
        "No results to compare: the runs have no λ in common (A: 0, 0.5 and 0.9; B: 1).",
    ),
    "changed data": (
        wording.changed_data("my.npz"),
        "The runs were trained on different data under the same name (my.npz), so differences "
        "also reflect the data.",
    ),
    "tasks": (
        wording.different_tasks("digits", "fraction wrong", "sine", "fraction of variance"),
        "The runs have different data or error measures (A: digits, fraction wrong; B: sine, "
        "fraction of variance), so differences also reflect the tasks.",
    ),
    "mark": (wording.SIGNIFICANT, "* The interval excludes 0."),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_is(name):
    sentence, expected = SENTENCES[name]
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def row(unit, interval, a=12.5, b=-1.5):
    difference = Difference(
        lam=0.9,
        quantity="diversity",
        unit=unit,
        a=a,
        b=b,
        interval=interval,
        doubt=BY_TRIAL,
        count=3,
    )
    return wording.result_rows([difference])[0]


def test_rows_have_their_units_signs_and_marks():
    assert row("points", Interval(-0.2, -0.5, -0.1)) == (
        "0.9",
        "diversity, %",
        "12.50",
        "−1.50",
        "−0.20",
        "−0.50 to −0.10 *",
    )
    assert row("nat", Interval(0.2, -0.5, 0.9)) == (
        "0.9",
        "diversity, nats",
        "12.5000",
        "−1.5000",
        "+0.2000",
        "−0.5000 to +0.9000  ",
    )
    assert row("points", Interval(0.2, NAN, NAN))[-1] == "none"


def test_a_field_is_a_row():
    assert wording.field_rows([Field(name="lam", a="[0.0]", b="[1.0]")]) == [
        ("lam", "[0.0]", "[1.0]")
    ]
