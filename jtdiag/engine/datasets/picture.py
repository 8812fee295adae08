"""One image file as pixels: upright, in grayscale or RGB, in [0, 1].

Images in other modes are converted: a palette, CMYK and the like to RGB; 16 bits are kept; what is
transparent becomes white.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from jtdiag.errors import DataError
from jtdiag.printable import one_line

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_DEEP: Final = ("I", "I;16", "I;16B", "I;16L")
"""Modes of grayscale images of 16 bits."""
_GRAY: Final = ("1", "L", "LA", "La", *_DEEP)
_TRANSPARENT: Final = ("LA", "La", "PA", "RGBA", "RGBa")
_PLAIN: Final = ("1", "L", "P", "RGB")
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""
_SIDEWAYS: Final = (5, 6, 7, 8)
"""EXIF orientations in which rows and columns are exchanged."""
_WHITE_OF_16_BITS: Final = 65_535


@dataclass(frozen=True)
class Header:
    """What is known about an image before it is decoded."""

    size: tuple[int, int]
    """Width and height when upright, in pixels."""
    gray: bool
    conversions: tuple[str, ...]
    """What will be converted, such as "palette"."""


def header(path: Path) -> Header:
    """Read the header of an image.

    Raises:
        DataError: if the file is not an image that can be read.
    """
    with opened(path) as image:
        mode, (width, height) = image.mode, image.size
        transparent = "transparency" in image.info
        several = getattr(image, "n_frames", 1) > 1
        deep = any(_is_deep(tile[-1]) for tile in getattr(image, "tile", ()))
        orientation = _orientation(image)  # last, since it may decode the image
    if mode == "F":
        raise DataError(
            f"{_place(path)} has pixels of floating point, whose range is unknown; save it with 8 "
            "or 16 bits."
        )
    size = (height, width) if orientation in _SIDEWAYS else (width, height)
    conversions = {
        "16 bits": mode in _DEEP,
        "colors of 16 bits": deep and mode not in _DEEP,
        "palette": mode in ("P", "PA"),
        "transparency": mode in _TRANSPARENT or (transparent and mode not in _DEEP),
        mode: mode not in (*_PLAIN, *_DEEP, *_TRANSPARENT),
        "orientation": orientation in _UPRIGHT,
        "frames": several,
    }
    applied = tuple(name for name, applies in conversions.items() if applies)
    return Header(size, mode in _GRAY, applied)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, if there is none or the metadata are damaged."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - Pillow raises many kinds for damaged metadata
        return 1
    return value if isinstance(value, int) else 1


def _is_deep(arguments: object) -> bool:
    """Return whether a decoder's arguments are those of colors of 16 bits per channel."""
    mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(mode, str) and mode.startswith("RGB") and ";16" in mode


def pixels(path: Path, *, gray: bool, resize: tuple[int, ...] = ()) -> NDArray[np.float32]:
    """Return an image as (C, H, W) in [0, 1], with C = 1 or 3.

    Args:
        path: The file.
        gray: Whether the result has one channel; else it has three.
        resize: Height and width to which the image is resized; empty for its own size.

    Raises:
        DataError: if the file is not an image that can be read.
    """
    with opened(path) as image:
        orientation = _orientation(image)
        upright = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        if upright.mode in _DEEP:
            values = np.asarray(upright)
            if values.min() < 0 or values.max() > _WHITE_OF_16_BITS:
                raise DataError(
                    f"{_place(path)} has pixels outside 0..65,535, whose range is unknown; save it "
                    "with 8 or 16 bits."
                )
            deep = Image.fromarray(values.astype(np.float32))
            plane = np.asarray(_resized(deep, resize), dtype=np.float32)
            return np.repeat((plane / _WHITE_OF_16_BITS)[None], 1 if gray else 3, axis=0)
        plain = _resized(_opaque(upright).convert("L" if gray else "RGB"), resize)
        values = np.atleast_3d(np.asarray(plain)).transpose(2, 0, 1).astype(np.float32)
    values /= 255
    return values


def _opaque(image: Image.Image) -> Image.Image:
    """Return an image without transparency, on white."""
    if image.mode not in _TRANSPARENT and "transparency" not in image.info:
        return image
    colored = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, colored).convert("RGB")


def _resized(image: Image.Image, resize: tuple[int, ...]) -> Image.Image:
    if not resize or image.size == resize[::-1]:
        return image
    return image.resize((resize[1], resize[0]), Image.Resampling.BILINEAR)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever fails while it is read becomes a `DataError`.

    Raises:
        DataError: if the file is not a regular file or not an image, is damaged, or is larger when
            decompressed than Pillow considers safe.
    """
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            raise DataError(f"{_place(path)} is not a regular file; remove it.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, such as a damaged EXIF block
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                yield image
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise DataError(
            f"{_place(path)} cannot be read as an image ({one_line(str(error), 150)}); save it "
            "again or remove it."
        ) from error


def _place(path: Path) -> str:
    return f"{path.name} in {path.parent.name}"
