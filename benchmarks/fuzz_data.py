"""Damage data files at random, and judge what becomes of them when they are loaded.

    python benchmarks/fuzz_data.py
    python benchmarks/fuzz_data.py --count 600 --seed 4

Archives of arrays (.npz) and images in folders (.png, .jpg, .tif, .webp and .bmp, in several modes)
take turns. In each, up to four places are changed: bits flipped, bytes replaced, copied or removed.
In every other archive an array's header is changed instead, with correct checksums around it. What
is loaded must be the numbers that were written (damaged headers and images have no checksum; what
they give must be finite, and images in [0, 1]); all else must be refused by one printable line
below 500 characters, in less than 10 seconds of the processor. A traceback, a warning or a wrong
number is a failure, and is printed.
"""

import argparse
import io
import os
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from jtdiag.engine.datasets import Arrays, folder, npz
from jtdiag.errors import DataError

LONGEST_LINE = 500
SLOWEST = 10.0
"""Seconds of the processor."""
HEADER = 128
"""Bytes of the header of a small array."""
MODES = {
    "png": ("RGB", "P", "L", "RGBA", "I;16"),
    "jpg": ("RGB", "L", "CMYK"),
    "tif": ("RGB", "P", "L", "CMYK", "I;16"),
    "webp": ("RGB", "RGBA"),
    "bmp": ("RGB", "P", "L"),
}
"""Modes of images by the kind of file."""

Draw = np.random.Generator


def main() -> None:
    """Judge what the command line asks for; exit with status 1 if an answer is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=6_000, help="damaged files in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("error")
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        _write_folder(np.random.default_rng(options.seed))
        for i in range(options.count):
            draw = np.random.default_rng((options.seed, i))
            outcome = (_archive, _image)[i % 2](draw)
            outcomes[outcome if outcome in ("loaded", "refused") else "wrong"] += 1
            if outcome not in ("loaded", "refused"):
                print(f"{i}: {outcome}")
        os.chdir("/")
    right = options.count - outcomes["wrong"]
    print(f"{right:,} of {options.count:,} ({dict(outcomes)})")
    sys.exit(right < options.count)


def damaged(draw: Draw, content: bytes) -> bytes:
    """Return a file with up to four places changed in one way."""
    changed, way = bytearray(content), draw.integers(4)
    for _ in range(draw.integers(1, 5)):
        place, other, length = (int(draw.integers(n)) for n in (len(changed), len(changed), 40))
        if way == 0:
            changed[place] ^= 1 << int(draw.integers(8))
        elif way == 1:
            changed[place] = draw.integers(256)
        elif way == 2:
            changed[place : place + length] = changed[other : other + length]
        else:
            del changed[place : place + length]
    return bytes(changed)


def _judged(load: Callable[[], Arrays], right: Callable[[Arrays], bool]) -> str:
    """Return "loaded", "refused", or what is wrong."""
    start = time.process_time()
    try:
        outcome = "loaded" if right(load()) else "other numbers than were written"
    except DataError as error:
        line = str(error)
        well = line.isprintable() and 20 < len(line) < LONGEST_LINE
        outcome = "refused" if well else f"not one short printable line: {line!r}"
    except Exception:  # noqa: BLE001 - any other is a failure, and printed
        outcome = traceback.format_exc(limit=-3)
    seconds = time.process_time() - start
    return outcome if seconds < SLOWEST else f"{outcome}, after {seconds:.0f} s"


# --- archives -------------------------------------------------------------------------------------


def _archive(draw: Draw) -> str:
    labels = np.arange(60) % 3
    words = (labels, np.array(["a", "b", "c"])[labels], np.eye(3)[labels])[draw.integers(3)]
    x = draw.normal(size=(60, 3))
    arrays = {"x_train": x[:40], "y_train": words[:40], "x_test": x[40:], "y_test": words[40:]}
    path = Path("data.npz")
    if with_checksums := bool(draw.integers(2)):
        (np.savez, np.savez_compressed)[draw.integers(2)](path, **arrays)
        path.write_bytes(damaged(draw, path.read_bytes()))
    else:
        _with_damaged_header(draw, path, arrays)

    def right(loaded: Arrays) -> bool:
        if not with_checksums:  # another type in the header is another array, for all readers
            return bool(np.isfinite(loaded.x_train).all())
        given = np.concatenate([loaded.x_train, loaded.x_test])
        targets = np.concatenate([loaded.y_train, loaded.y_test])
        return np.array_equal(given, x.astype(np.float32)) and np.array_equal(targets, labels)

    return _judged(lambda: npz.load(path), right)


def _with_damaged_header(draw: Draw, path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an archive with correct checksums, in which the header of an array is damaged."""
    chosen = draw.choice(list(arrays))
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            file = io.BytesIO()
            np.save(file, array)
            content = file.getvalue()
            if name == chosen:
                content = damaged(draw, content[:HEADER]) + content[HEADER:]
            archive.writestr(f"{name}.npy", content)


# --- images ---------------------------------------------------------------------------------------


def _write_folder(draw: Draw) -> None:
    for place in ("train/a", "train/b", "test/a", "test/b"):
        path = Path("images", place, "a.png")
        path.parent.mkdir(parents=True)
        Image.fromarray(draw.integers(0, 256, (12, 10, 3), np.uint8)).save(path)


def _image(draw: Draw) -> str:
    kind = str(draw.choice(list(MODES)))
    mode = str(draw.choice(MODES[kind]))
    path = Path(f"images/train/b/z.{kind}")
    if mode == "I;16":
        image = Image.fromarray(draw.integers(0, 65_536, (12, 10), np.uint16))
    else:
        image = Image.fromarray(draw.integers(0, 256, (12, 10, 3), np.uint8)).convert(mode)
    image.save(path)
    path.write_bytes(damaged(draw, path.read_bytes()))

    def right(loaded: Arrays) -> bool:
        x = loaded.x_train
        return x.shape == (3, 3, 12, 10) and 0 <= x.min() <= x.max() <= 1

    try:
        return _judged(lambda: folder.load(Path("images"), resize=(12, 10)), right)
    finally:
        path.unlink()


if __name__ == "__main__":
    main()
