"""The lines that workflows print, as pure functions of plain values."""

from pathlib import Path

from jtdiag.printable import shell_word

RUN_COMPLETE = "The run is complete."


def figure_needs_probe(figure: str, run: Path, probe: str) -> str:
    """Return that a figure is not drawn during training because its probe is slow."""
    return (
        f"{figure}: skipped, its probe is slow. To draw it: jtdiag probe {shell_word(run)} {probe}"
    )


def figure_not_applicable(figure: str) -> str:
    """Return that a figure is not drawn because its probe does not apply to the run."""
    return f"{figure}: skipped, not applicable to this run."


def figure_drawn(epoch: int, path: Path) -> str:
    """Return the file of a figure that was drawn after an epoch."""
    return f"epoch {epoch}: {path}"


def figure_skipped(epoch: int, figure: str, reason: str) -> str:
    """Return why a figure was not drawn after an epoch; the reason is a sentence."""
    return f"epoch {epoch}: {figure} skipped. {reason}"


def exited_early(run: Path) -> str:
    """Return that a run is not complete and no process is training it."""
    return f"{run}: the training process exited early."


def budget_too_small(hours: float, least: float) -> str:
    """Return that a study cannot be reduced to a number of hours."""
    return (
        f"--budget is {hours:g} hours, but with the fewest trials and epochs that are allowed, the "
        f"study takes about {least:.2g}. Raise the budget, or set trials and train.epochs with "
        "--set."
    )


def epochs_are_fixed(run: str) -> str:
    """Return that the epochs of a run cannot be reduced."""
    return (
        f"--budget: the epochs of the run '{run}' cannot be reduced, since its milestones or "
        "modules.epochs depend on them. Set trials and epochs with --set."
    )


def no_progress(run: Path, part: str, starts: int) -> str:
    """Return that a job is not put into the queue again, since it makes no progress."""
    return (
        f"{run}, part {part}: no epoch was completed in {starts} starts, so the job is not put "
        "into the queue again. Submit it again with more --hours."
    )
