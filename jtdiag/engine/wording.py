"""What is printed about images that were converted and data that were left out."""

from collections.abc import Sequence

from jtdiag.errors import shortened


def converted(count: int, kind: str) -> str:
    """Return how many images were converted.

    Args:
        count: Number of images.
        kind: What was converted: "palette", "16 bits", "colors of 16 bits", "transparency",
            "orientation", "frames", or a mode.
    """
    images = "1 image" if count == 1 else f"{count} images"
    actions = {
        "16 bits": "with 16 bits divided by 65,535",
        "colors of 16 bits": "with colors of 16 bits, of which 8 are kept",
        "transparency": "with transparency put on white",
        "frames": "with several frames, of which the first is read",
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


def other_arrays(names: Sequence[str]) -> str:
    """Return that a file contains arrays that are not read.

    Args:
        names: Their names.
    """
    shown = shortened(", ".join(names), 80)
    return f"{'1 array' if len(names) == 1 else f'{len(names)} arrays'} not used: {shown}"


def different_units(count: int, total: int, far: float, ratio: float, *, images: bool) -> str:
    """Return that the two parts may be in different units.

    Args:
        count: Number of features or channels that differ.
        total: Number of those that are not constant.
        far: Distance of the means that counts, in standard deviations.
        ratio: Ratio of the standard deviations that counts.
        images: Whether they are channels.
    """
    noun = "channels" if images else "features"
    return (
        f"in {count} of {total} {noun}, x_test has a mean more than {far:g} standard deviations "
        f"from that of x_train, or a spread more than {ratio:g} times larger or smaller; check "
        "that both parts are scaled alike"
    )
