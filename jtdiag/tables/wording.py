"""The sentences of tables."""

from collections.abc import Collection
from pathlib import Path

from jtdiag.printable import shell_word


def errors_caption(trials: Collection[int]) -> str:
    """Return the caption of the table of test errors.

    Args:
        trials: Numbers of trials of its means, at least one.
    """
    low, high = min(trials), max(trials)
    count = f"{low}" if low == high else f"{low} to {high}"
    trials_text = f"mean ± SE over {count} trials" if high > 1 else "one trial"
    return f"Test error of the ensemble (%), {trials_text}; lowest value of each row in bold."


def configurations_caption() -> str:
    """Return the caption of the table of architectures."""
    return "Architectures and numbers of parameters."


def no_run_begun(study: Path) -> str:
    """Return that no run of a study has been trained yet."""
    return f"{study}: no run of the study is trained yet; run `jtdiag study {shell_word(study)}`."
