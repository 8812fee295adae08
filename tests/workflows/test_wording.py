"""Every line that workflows print."""

from pathlib import Path

from jtdiag.workflows import wording

RUN = Path("runs/demo")

SENTENCES = {
    wording.RUN_COMPLETE: "The run is complete.",
    wording.figure_needs_probe("reliability", RUN, "calibration"): (
        "reliability: skipped, its probe is slow. To draw it: jtdiag probe runs/demo calibration"
    ),
    wording.figure_not_applicable("filters"): "filters: skipped, not applicable to this run.",
    wording.figure_drawn(3, Path("figures/a.png")): "epoch 3: figures/a.png",
    wording.figure_skipped(3, "displacement", "There are no checkpoints."): (
        "epoch 3: displacement skipped. There are no checkpoints."
    ),
    wording.exited_early(RUN): "runs/demo: the training process exited early.",
    wording.budget_too_small(1.5, 2.345): (
        "--budget is 1.5 hours, but with the fewest trials and epochs that are allowed, the study "
        "takes about 2.3. Raise the budget, or set trials and train.epochs with --set."
    ),
    wording.epochs_are_fixed("proxy"): (
        "--budget: the epochs of the run 'proxy' cannot be reduced, since its milestones or "
        "modules.epochs depend on them. Set trials and epochs with --set."
    ),
    wording.no_progress(RUN, "2/4", 3): (
        "runs/demo, part 2/4: no epoch was completed in 3 starts, so the job is not put into the "
        "queue again. Submit it again with more --hours."
    ),
}


def test_every_line_reads_as_written_here():
    assert list(SENTENCES) == list(SENTENCES.values())


def test_no_line_is_forgotten():
    source = Path(__file__).read_text("utf-8")
    public = [
        name for name in vars(wording) if name[0] != "_" and name not in {"Path", "shell_word"}
    ]
    assert [name for name in public if f"wording.{name}" not in source] == []


def test_no_line_has_stray_spaces():
    assert not any("  " in text or " ." in text for text in SENTENCES)
