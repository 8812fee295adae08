"""Every sentence of advice."""

from pathlib import Path

from jtdiag.advising import wording
from jtdiag.stats import Interval

NAN = float("nan")
ERROR = Interval(0.028, 0.021, 0.035)

SENTENCES = {
    wording.label("single", 1, 1.0): "a single network",
    wording.label("bagging", 16, 0.0): "16 bagged members",
    wording.label("independent", 16, 0.0): "16 independent members",
    wording.label("joint", 16, 0.9): "16 members at λ = 0.9",
    wording.label("joint", 16, 1.0): "16 members trained end to end",
    wording.progress("a single network", trials=1, epoch=5, epochs=20, error=0.0312): (
        "a single network: validation error 3.12 % after 5 of 20 epochs"
    ),
    wording.progress("a single network", trials=3, epoch=20, epochs=20, error=0.0312): (
        "a single network: validation error 3.12 % after 3 trials"
    ),
    wording.recommended("16 members at λ = 0.9", ERROR, 4): (
        "Recommended: 16 members at λ = 0.9, validation error 2.80 % (95 % interval 2.10 to "
        "3.50 %) in 4 trials."
    ),
    wording.on_test(Interval(0.03, NAN, NAN), 1): (
        "Its test error, which the search did not use: 3.00 % in 1 trial."
    ),
    wording.against_single(Interval(0.01, 0.004, 0.016)): (
        "It is better than a single network, whose error differs by +1.00 points (95 % interval "
        "+0.40 to +1.60 points)."
    ),
    wording.against_single(Interval(0.01, -0.004, 0.024)): (
        "It is not significantly better than a single network, whose error differs by +1.00 "
        "points (95 % interval −0.40 to +2.40 points)."
    ),
    wording.against_single(Interval(0.01, NAN, NAN)): (
        "Whether it is better than a single network is unknown: that takes 3 trials of both, "
        "beside the first."
    ),
    wording.undecided(["a single network", "4 bagged members"]): (
        "There is not enough evidence to prefer it to all others; not significantly worse: "
        "a single network and 4 bagged members."
    ),
    wording.decided(4): "It is significantly better than each of the 3 other contenders.",
    wording.decided(2): "It is significantly better than the other contender.",
    wording.decided(1): "No other candidate has a complete trial to compare it with.",
    wording.not_compared(24, 0, 37): (
        "Of 37 candidates, 24 were dropped within their first trial, without a test."
    ),
    wording.not_compared(20, 4, 37): (
        "Of 37 candidates, 20 were dropped within their first trial, without a test and 4 were "
        "not trained."
    ),
    wording.not_compared(0, 0, 37): "",
    wording.better_at(wording.CALIBRATION, "4 bagged members", Interval(-0.01, -0.015, -0.005)): (
        "Better calibrated: 4 bagged members, −1.00 points of calibration error (95 % interval "
        "−1.50 to −0.50 points of calibration error)."
    ),
    wording.better_at(wording.LOST, "4 bagged members", Interval(-0.01, -0.015, -0.005)): (
        "Lower loss with a fifth of the members lost: 4 bagged members, −0.010 nats (95 % "
        "interval −0.015 to −0.005 nats)."
    ),
    wording.none_better_at([wording.CALIBRATION, wording.PARTIAL]): (
        "No other of these is significantly better in calibration and loss with two fifths of the "
        "members evaluated."
    ),
    wording.NO_EVIDENCE: (
        "There is not enough evidence for a recommendation: no candidate has a complete trial yet."
    ),
    wording.LIMIT: "The limit ended the search; the same command continues it.",
    wording.recipe_title("a single network", Path("runs/a b")): (
        "# A single network: recommended by the search in 'runs/a b'."
    ),
}


def test_every_line_reads_as_written_here():
    assert list(SENTENCES) == list(SENTENCES.values())


def test_no_line_is_forgotten():
    source = Path(__file__).read_text("utf-8")
    helpers = {"counted", "lam_text", "listed", "shell_word", "with_interval"}
    imported = {"Interval", "Path", "Sequence", *helpers}
    public = [name for name in vars(wording) if name[0] != "_" and name not in imported]
    missing = [name for name in public if f"wording.{name}" not in source]
    assert missing == ["LEAST_TRIALS"]


def test_no_line_has_stray_spaces():
    assert not any("  " in text or " ." in text for text in SENTENCES)
