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


def converted(count: int, kind: str) -> str:
    """Return how many images were converted.

    Args:
        count: Number of images.
        kind: What was converted: "palette", "16 bits", "transparency", "orientation", or a mode.
    """
    images = "1 image" if count == 1 else f"{count} images"
    actions = {
        "16 bits": "with 16 bits divided by 65,535",
        "transparency": "with transparency put on white",
        "orientation": "turned upright by the orientation in the file",
    }
    action = actions.get(kind, f"converted to RGB ({kind})")
    return f"{images} {action}"


def left_out(count: int, example: str) -> str:
    """Return how many files and folders were not read.

    Args:
        count: Their number.
        example: Path of one of them.
    """
    noun = "1 file or folder" if count == 1 else f"{count} files or folders"
    return f"{noun} left out, such as {example}"
