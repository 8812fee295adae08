"""What is printed about labels and images that were converted when a data set was read."""

from collections.abc import Sequence


def one_hot() -> str:
    """Return that one-hot rows were read as class indices."""
    return "labels are one-hot rows, read as class indices"


def words(names: Sequence[str]) -> str:
    """Return that words were read as class names.

    Args:
        names: The class names, in the order of their indices.
    """
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"labels are names, read as {len(names)} classes in sorted order ({shown})"


def truth_values() -> str:
    """Return that booleans were read as two classes."""
    return "labels are booleans, read as False = 0 and True = 1"


def whole_floats() -> str:
    """Return that floating-point labels were read as integers."""
    return "labels are whole numbers in floating point, read as integers"


def from_one(count: int) -> str:
    """Return that labels 1..K were read as 0..K-1.

    Args:
        count: Number of classes, K.
    """
    return f"labels are 1..{count}, read as 0..{count - 1}; classes keep their numbers as names"
