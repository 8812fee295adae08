"""The sentences of tables."""

from collections.abc import Collection


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
