"""Every line that the commands print, with representative values."""

import inspect
import math
from pathlib import Path

from jtdiag import stats
from jtdiag.stats import Interval
from jtdiag.store.layout import Size
from jtdiag.terminal import wording
from jtdiag.terminal.wording import duration, percent, short_duration

RUN = Path("runs/demo")
SIZE = Size(metrics=10**6, outputs=2 * 10**9, checkpoints=3 * 10**6, resuming=500_000)

SENTENCES = [
    (
        wording.only_stored_results(RUN),
        "runs/demo cannot be written: no probe is run, and the report uses the stored results.",
    ),
    (
        wording.candidates_title(),
        "Validation error, mean ± SE over trials; difference from the recommended candidate",
    ),
    (wording.difference_in_points(Interval(0.012, -0.001, 0.025)), "+1.20 (−0.10 to 2.50)"),
    (wording.difference_in_points(Interval(-0.012, math.nan, math.nan)), "−1.20"),
    (wording.difference_in_points(Interval(math.nan, math.nan, math.nan)), ""),
    # --- check
    (wording.damage("lane lam0-trial0", "a: gone."), "lane lam0-trial0: a: gone."),
    (wording.damage("", "a: gone."), "a: gone."),
    (
        wording.checked("runs/demo", parts=1, results=2, damages=0, by_place=True),
        "runs/demo: 1 part of the store and 2 results checked, no damage.",
    ),
    (
        wording.checked("runs/demo", parts=1_200, results=1, damages=2, by_place=False),
        "runs/demo: 1,200 parts of the store and 1 result checked, 2 damaged. The run is of an "
        "older version: exchanged chunks cannot be detected.",
    ),
    # --- training
    (
        wording.plan("demo", lambdas=3, trials=3, epochs=12, members=4, parameters=170_536),
        "demo: 9 lanes (3 values of λ × 3 trials), 12 epochs each; "
        "4 members, 170,536 parameters in total.",
    ),
    (
        wording.plan("one", lambdas=1, trials=1, epochs=1, members=1, parameters=1),
        "one: 1 lane (1 value of λ × 1 trial), 1 epoch each; 1 member, 1 parameter in total.",
    ),
    (wording.grid(3, 1), "3 values of λ × 1 trial"),
    (wording.scheme("stacking", "weights"), "stacking"),
    (wording.scheme("bagging", "batches"), "bagging, bootstrap by batches"),
    (wording.device("cpu", "1"), "cpu, 1 thread"),
    (wording.device("cpu", "2"), "cpu, 2 threads"),
    (wording.lanes_at_a_time("1"), "1 lane at a time"),
    (wording.lanes_at_a_time("3"), "3 lanes at a time"),
    (
        wording.execution("stacked", "float32", "4", channels_last=False, reason=""),
        "stacked, float32, 4 members at a time",
    ),
    (
        wording.execution("loop", "bfloat16", "1", channels_last=True, reason="a step takes 2 ms"),
        "loop, bfloat16, channels last, 1 member at a time; a step takes 2 ms",
    ),
    (
        wording.disk_space(RUN, SIZE),
        "Disk space for runs/demo: 2.0 GB (outputs 2.0 GB, checkpoints 3.0 MB, other 1.5 MB).",
    ),
    (wording.lane(0.9, 2), "λ = 0.9, trial 2"),
    (
        wording.epoch(0.9, 2, 7, 1.23456, "val", 0.125),
        "λ = 0.9, trial 2, epoch 7: loss 1.2346, val error 12.50 %",
    ),
    (
        wording.epoch(1.0, 0, 3, math.nan, "test", math.inf),
        "λ = 1, trial 0, epoch 3: loss not finite, test error not finite",
    ),
    (wording.module("layer2"), " (training layer2)"),
    (wording.stopped("dominance"), "; lane stopped by rule dominance"),
    (wording.lowered(0.9, "dominance"), "; λ lowered to 0.9 by rule dominance"),
    (wording.progress(0, 9, "Epoch", None), "[0/9] Epoch; starting"),
    (wording.progress(3, 9, "Epoch", 12.4), "[3/9] Epoch; 12 s left"),
    (wording.lanes_done(1, 9, 2_500_000), "1 of 9 lanes done · 2.5 MB on disk"),
    (wording.lanes_done(0, 1, 0), "0 of 1 lane done · 0.0 MB on disk"),
    (wording.trained(RUN, 4 * 10**8), "Training finished: runs/demo (peak memory 400.0 MB)."),
    (wording.answer_incomplete("a: no space."), "The answer is incomplete. a: no space."),
    (
        wording.part_trained(RUN, "3/16", 1, 32, 4 * 10**8),
        "Part 3/16 finished: 1 of 32 lanes of runs/demo is complete (peak memory 400.0 MB).",
    ),
    (
        wording.part_trained(RUN, "3/16", 2, 32, 4 * 10**8),
        "Part 3/16 finished: 2 of 32 lanes of runs/demo are complete (peak memory 400.0 MB).",
    ),
    (
        wording.merged(RUN, 3, 12, 12),
        "Merged 3 runs: 12 of 12 lanes complete. Next: jtdiag probe runs/demo",
    ),
    (
        wording.merged(RUN, 2, 0, 1),
        "Merged 2 runs: 0 of 1 lane complete. Next: jtdiag train runs/demo --resume",
    ),
    (
        wording.imported(RUN, 3, 1, {"val": 40, "test": 1200}),
        "Wrote runs/demo: 3 members, 1 epoch, 40 examples of val and 1,200 examples of test. "
        "Unknown: data, architecture, optimizer, and weights.",
    ),
    # --- dry run
    (wording.members(4, 42_634), "4 × 42,634 parameters, 170,536 in total"),
    (wording.branches(16, 8_268_196), "16 branches of one network with 8,268,196 parameters"),
    (wording.branches(1, 10), "1 branch of one network with 10 parameters"),
    (wording.lanes(3, 3, "1"), "9 (3 values of λ × 3 trials), 1 at a time"),
    (wording.steps(4200, 12), "4,200 per lane, 12 epochs"),
    (wording.store(SIZE), "2.0 GB (outputs 2.0 GB, checkpoints 3.0 MB)"),
    (wording.memory(5 * 10**9), "about 5.0 GB, including the data"),
    (wording.training_time(8.5412, 0.00189), "about 8.54 s (1.89 ms per step)"),
    (wording.training_time(300.0, 1.5), "about 5 min (1,500 ms per step)"),
    (wording.training_time(720_000.0, 0.1), "about 200 h (100 ms per step)"),
    (
        wording.submitted(Path("runs/a"), Path("runs/a.jobs"), ["12_0", "12_1"]),
        "Submitted 2 jobs: 12_0 to 12_1. Their output: runs/a.jobs. Next: jtdiag watch runs/a",
    ),
    (
        wording.submitted(Path("a"), Path("a.jobs"), ["12"]),
        "Submitted 1 job: 12. Their output: a.jobs. Next: jtdiag watch a",
    ),
    (wording.estimated_time(4500), "1.25 h"),
    (wording.runs_not_begun(["single", "joint"]), "Not trained yet: single, joint."),
    # --- probes, figures, reports
    (
        wording.probe_running("votes", "Are votes any good?"),
        "votes: running. Are votes any good?",
    ),
    (wording.probe_takes("votes", 25), "votes: takes roughly 1 minute."),
    (wording.probe_takes("votes", 60 * 119), "votes: takes roughly 119 minutes."),
    (wording.probe_takes("votes", 60 * 150), "votes: takes roughly 2 hours."),
    (
        wording.probe_up_to_date("votes", "Are votes any good?"),
        "votes: up to date. Are votes any good?",
    ),
    (
        wording.probe_not_applicable("votes", "Are votes any good?"),
        "votes: skipped, not applicable to this run. Are votes any good?",
    ),
    (wording.probe_failed("votes", "There are none."), "votes: failed. There are none."),
    (
        wording.probes_failed(["votes", "filters"], 16),
        "2 of 16 probes failed: votes, filters. The reasons are above; results of the others are "
        "stored.",
    ),
    (wording.lanes_used(RUN, "1 of 2 lanes diverged.", 1), "1 of 2 lanes diverged."),
    (wording.lanes_used(RUN, "1 of 2 lanes diverged.", 2), "runs/demo: 1 of 2 lanes diverged."),
    (wording.probe_progress("votes", 7.2, 1_234_567), "  votes: 7 s, 1.2 MB read"),
    (
        wording.figure_skipped("reliability", "There are no outputs."),
        "reliability: skipped. There are no outputs.",
    ),
    (
        wording.figure_not_applicable("credit", "credit"),
        "credit: skipped, its probe credit is not applicable to this run.",
    ),
    (
        wording.figure_without_result("reliability", RUN, "calibration"),
        "reliability: skipped, its probe has no result. "
        "To draw it: jtdiag probe runs/demo calibration",
    ),
    (
        wording.figure_outdated("reliability", RUN, "calibration"),
        "reliability: drawn from an outdated result. "
        "To update it: jtdiag probe runs/demo calibration",
    ),
    (
        wording.probe_missing("stacking", RUN, []),
        "stacking: no result yet. To add its findings: jtdiag probe runs/demo stacking",
    ),
    (
        wording.probe_missing("filters", RUN, ["filters", "filter-norms"]),
        "filters: no result yet. To add filters and filter-norms: jtdiag probe runs/demo filters",
    ),
    (
        wording.results_outdated(["votes"], RUN),
        "Outdated result: votes. To update: jtdiag probe runs/demo votes",
    ),
    (
        wording.results_outdated(["dominance", "filters", "votes"], RUN),
        "Outdated results: dominance, filters and votes. "
        "To update: jtdiag probe runs/demo dominance filters votes",
    ),
    (wording.report_written(RUN / "report.html", 640_000), "Wrote runs/demo/report.html (0.6 MB)."),
    (wording.recipe_written(Path("runs/a.toml")), "Wrote runs/a.toml."),
    (
        wording.error_table_title(),
        "Test error at the epoch chosen on validation (else the last), mean ± SE over trials",
    ),
    (wording.files([Path("a.pdf")]), "Figure:\n  a.pdf"),
    (wording.files([Path("a.pdf"), Path("a.png")]), "Figures:\n  a.pdf\n  a.png"),
    (
        wording.alerts({"dominance": [1.0], "stagnation": [1.0, 0.5], "nothing-kept": []}),
        "Alerts: dominance at λ = 1; stagnation at λ = 0.5 and 1; nothing-kept.",
    ),
    (wording.alerts({}), ""),
    (
        wording.no_rule_fired(0.621, 0.48),
        "No rule fired (lowest median skill of members other than leaders 0.62, limit 0.48).",
    ),
    (wording.no_rule_fired(float("nan"), 0.48), "No rule fired."),
    (
        wording.rules_without_training(),
        "The early-warning rules need errors in training, which this run does not have.",
    ),
    (wording.more_in_report(1), "All 1 finding: -v, or the report."),
    (wording.more_in_report(77), "All 77 findings: -v, or the report."),
    (
        wording.next_commands(["jtdiag report a", "jtdiag plot a"]),
        "Next:\n  jtdiag report a\n  jtdiag plot a",
    ),
    (
        wording.SAME_RECIPES,
        "The recipes do not differ in any field that affects the results.",
    ),
    (wording.TEST_RESULTS, "Results on the test split"),
    (wording.RECIPES, "Recipes"),
    # --- watching
    (wording.state("silent"), "stalled"),
    (wording.state("dead"), "exited"),
    (wording.state("training"), "training"),
    (
        wording.run_appeared("training", 1, 4, 4),
        "training; 1 lane of 4 epochs, 4 members",
    ),
    (
        wording.run_appeared("dead", 9, 1, 1),
        "training process exited early; 9 lanes of 1 epoch, 1 member",
    ),
    (
        wording.epoch_saved(0.9, 0, 4, (0.1, 0.155)),
        "λ = 0.9, trial 0, epoch 4: training error 10.0 % (ensemble), 15.5 % (median member)",
    ),
    (
        wording.epoch_saved(1.0, 1, 4, (0.1, math.nan)),
        "λ = 1, trial 1, epoch 4: training error 10.0 % (ensemble), not finite (median member)",
    ),
    (
        wording.epoch_saved(1.0, 1, 4, None),
        "λ = 1, trial 1, epoch 4: training error not measured",
    ),
    (wording.stalled(40.0), "no new epoch for 40 s; process still running"),
    (wording.resumed(), "training resumed"),
    (wording.ended(done=True), "done"),
    (wording.ended(done=False), "training process exited early"),
    (wording.EXITED_EARLY, "training process exited early"),
    (wording.removed(), "folder removed"),
    (wording.no_runs_yet(Path("runs")), "No runs in runs yet."),
    (wording.waiting_for_runs(Path("runs")), "No runs in runs yet; waiting."),
    (wording.stopped_watching(), "Stopped watching; training is not affected."),
    (wording.CTRL_C, "Ctrl-C stops watching; training continues"),
    (wording.run_header((1, 2), (3, 8)), "1/2 lanes  3/8 epochs"),
    (wording.run_header((0, 1), (0, 1)), "0/1 lane  0/1 epoch"),
    (wording.folder_header([], ["training", "done"]), "0 runs"),
    (
        wording.folder_header(["done", "training", "done"], ["training", "exited", "done"]),
        "3 runs: 1 training, 2 done",
    ),
    (wording.with_alerts(0), ""),
    (wording.with_alerts(2), "2 with alerts"),
    (wording.more_lanes(["done", "waiting", "done"]), "… 3 more lanes: 2 done, 1 waiting"),
    (wording.more_lanes(["done"]), "… 1 more lane: 1 done"),
    (wording.more_runs(8, 0), "… 8 more runs"),
    (wording.more_runs(1, 1), "… 1 more run, 1 with alerts"),
    (wording.more_findings(1), "… 1 more finding"),
    (wording.more_findings(2), "… 2 more findings"),
    # --- numbers
    (stats.counted(1, "alert"), "1 alert"),
    (stats.counted(2_000, "alert"), "2,000 alerts"),
    (percent(0.12345), "12.3 %"),
    (duration(5.2), "5 s"),
    (short_duration(5.2), "5s"),
]


def test_every_line_reads_as_written_here():
    assert [text for text, _ in SENTENCES] == [expected for _, expected in SENTENCES]


def test_no_line_is_forgotten():
    source = Path(__file__).read_text("utf-8")
    functions = inspect.getmembers(wording, inspect.isfunction)
    own = [name for name, function in functions if function.__module__ == wording.__name__]
    public = [name for name in own if name[0] != "_"]
    used = [name for name in public if f"({name}(" in source or f"wording.{name}(" in source]
    assert used == public
    constants = [name for name, value in vars(wording).items() if isinstance(value, str)]
    named = [name for name in constants if name[0] != "_"]
    assert [name for name in named if f"wording.{name}," not in source] == []


def test_no_line_prints_a_number_that_is_not_finite_or_has_stray_spaces():
    for text, _ in SENTENCES:
        words = text.replace(",", " ").replace(".", " ").split()
        assert not {"nan", "inf", "-inf", "None"} & set(words)
        assert " ." not in text
        # Two spaces only indent a line or separate the columns of the watch's header.
        assert "  " not in text.strip().replace("\n  ", "").replace("lanes  ", "lanes ").replace(
            "lane  ", "lane "
        )


def test_an_error_is_never_wider_than_its_column():
    errors = [0.0, 0.12345, 0.9999, 1.5, 12.0, 99.99, 1e9, float("nan"), float("inf")]
    cells = [percent(error) for error in errors]
    assert cells == [
        "0.0 %",
        "12.3 %",
        "100.0 %",
        "150.0 %",
        "1200 %",
        "9999 %",
        ">9999 %",
        "-",
        "-",
    ]
    assert max(map(len, cells)) == 7


def test_a_duration_has_one_unit():
    seconds = (5.2, 59, 61, 3599, 7300)
    assert [short_duration(s) for s in seconds] == ["5s", "59s", "1m", "60m", "2h"]
    assert [duration(s) for s in seconds] == ["5 s", "59 s", "1 min", "60 min", "2 h"]
