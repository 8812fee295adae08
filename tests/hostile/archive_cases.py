"""Files of data: damaged, malicious, of other kinds, with other names, and changed later."""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_case import hostile, is_one_line, is_refused, jtdiag
from hostile_data import (
    FEATURES,
    LABELS,
    TRAIN,
    arrays,
    is_read,
    is_refused_by_train,
    is_said_by_train,
    read,
    standardized,
    toml,
    write,
)

from jtdiag import Run, probe
from jtdiag.engine.progress import EpochReport, NullListener
from jtdiag.engine.train import train
from jtdiag.errors import DataError
from jtdiag.recipe.presets import find

KIND = "data file"


class Malicious:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.mkdir, ("executed",)


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """Return an array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(shape: Iterable[int], descr: str = "<f4") -> bytes:
    """Return the header of an array without its content."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": tuple(shape)}
    )
    return file.getvalue()


def archive(**members: bytes) -> None:
    """Write data.npz with members given as bytes in place of arrays."""
    with zipfile.ZipFile("data.npz", "w", zipfile.ZIP_DEFLATED) as file:
        for key, array in arrays().items():
            file.writestr(f"{key}.npy", members.get(key, npy(array)))


@hostile(KIND, "compressed by np.savez_compressed", "read")
def compressed(_: Path) -> None:
    np.savez_compressed("data.npz", **arrays())
    is_read(standardized(FEATURES))


@hostile(KIND, "a symbolic link to a file", "read")
def link(_: Path) -> None:
    write(arrays(), "elsewhere.npz")
    Path("data.npz").symlink_to("elsewhere.npz")
    is_read(standardized(FEATURES))


@hostile(KIND, "none, and a symbolic link that leads nowhere or to itself", "refused")
def missing(_: Path) -> None:
    is_refused_by_train(r"data\.npz: there is no such file; give the path")
    for target in ("nowhere", "data.npz"):
        Path("data.npz").symlink_to(target)
        is_refused_by_train(r"data\.npz: there is no such file; give the path")
        Path("data.npz").unlink()


@hostile(KIND, "a folder and a pipe in its place", "refused")
def other_kinds(_: Path) -> None:
    Path("data.npz").mkdir()
    is_refused_by_train(r"data\.npz: not a regular file; ")
    Path("data.npz").rmdir()
    os.mkfifo("data.npz")
    is_refused_by_train(r"data\.npz: not a regular file; ")


@hostile(KIND, "empty, text, and random bytes", "refused")
def no_archive(_: Path) -> None:
    for content in (b"", b"x,y\n1,2\n", np.random.default_rng(0).bytes(1000), b"PK\x05\x06"):
        Path("data.npz").write_bytes(content)
        is_refused_by_train(r"data\.npz: not a complete \.npz archive")


@hostile(KIND, "cut off at every tenth of its length", "refused")
def truncated(_: Path) -> None:
    write(arrays())
    whole = Path("data.npz").read_bytes()
    for tenths in range(1, 10):
        Path("data.npz").write_bytes(whole[: len(whole) * tenths // 10])
        is_refused_by_train(r"data\.npz: not a complete \.npz archive")


@hostile(KIND, "a flipped bit in the content of each array", "refused")
def flipped(_: Path) -> None:
    write(arrays())
    whole = Path("data.npz").read_bytes()
    for array in arrays().values():
        place = whole.index(array.tobytes()[:200])
        Path("data.npz").write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        is_refused_by_train(r"data\.npz: the archive cannot be read \(.*CRC")


@hostile(KIND, "a single array, as np.save writes it, under the name .npz and .npy", "refused")
def single_array(_: Path) -> None:
    Path("data.npz").write_bytes(npy(FEATURES))
    is_refused_by_train(r"data\.npz: a single array; write all arrays to one file")
    np.save("data.npy", FEATURES)
    is_refused_by_train(r"no data set 'data\.npy'.*the path of an \.npz file", name="data.npy")


@hostile(KIND, "tables: .csv, .parquet and .xlsx", "refused")
def tables(_: Path) -> None:
    for name in ("data.csv", "data.parquet", "data.xlsx"):
        Path(name).write_bytes(b"a,b\n1,2\n")
        is_refused_by_train(r"no data set 'data\..*the path of an \.npz file", name=name)


@hostile(KIND, "an archive of other files, and one whose arrays are in a folder", "refused")
def other_archive(_: Path) -> None:
    for name in ("thesis.txt", "folder/x_train.npy", "x_train", "../x_train.npy", "/x_train.npy"):
        with zipfile.ZipFile("data.npz", "w") as file:
            file.writestr(name, npy(FEATURES))
        is_refused_by_train(r"x_train, y_train, x_test, y_test missing; the file must contain")


@hostile(KIND, "a path that leaves the folder, in the name of an array", "read")
def traversal(tmp_path: Path) -> None:
    Path("inner").mkdir()
    os.chdir("inner")
    write(arrays())
    with zipfile.ZipFile("data.npz", "a") as file:
        file.writestr("../evil.npy", npy(FEATURES))
    read()
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["data.npz", "inner"]


@hostile(KIND, "an array that is in the archive twice", "refused")
def twice(_: Path) -> None:
    write(arrays())
    with zipfile.ZipFile("data.npz", "a") as file:
        file.filelist[0].filename, file.filelist[1].filename = ("x_train.npy",) * 2
        file._didModify = True  # type: ignore[attr-defined]
    is_refused_by_train(r"x_train is in the archive 2 times; keep one")


@hostile(KIND, "malicious pickles in every array", "refused")
def pickles(_: Path) -> None:
    for key in (*arrays(), "classes"):
        harmful = np.empty(1, object)
        harmful[0] = Malicious()
        write(arrays(**{key: harmful}))
        is_refused_by_train(rf"{key} contains Python objects, which are not read")
    assert not Path("executed").exists()


@hostile(KIND, "a malicious pickle in its place", "refused")
def bare_pickle(_: Path) -> None:
    Path("data.npz").write_bytes(pickle.dumps(Malicious()))
    is_refused_by_train(r"data\.npz: not a complete \.npz archive")
    archive(x_train=pickle.dumps(Malicious()))
    is_refused_by_train(r"data\.npz: the archive cannot be read \(.*magic")
    assert not Path("executed").exists()


@hostile(KIND, "a header that declares 6 GiB in a small archive", "refused")
def huge(_: Path) -> None:
    archive(x_train=header((40, 6 * 2**30 // 160)))
    is_refused_by_train(r"x_train takes 6,\d+,\d+,\d+ bytes by its header, but there are 0|free")


@hostile(KIND, "a header that declares 4 TB, and one with numbers beyond 64 bits", "refused")
def larger_than_memory(_: Path) -> None:
    for shape in ((10**6, 10**6), (10**30, 3)):
        archive(x_train=header(shape))
        is_refused_by_train(r"its arrays take .* GB, but only .* of memory are free")


@hostile(KIND, "1 TB of zeros, compressed to less than 2 kB", "refused")
def bomb(_: Path) -> None:
    archive(x_train=header((10**6, 250_000)))
    whole = Path("data.npz").read_bytes()
    size = struct.pack("<L", len(header((10**6, 250_000))))
    Path("data.npz").write_bytes(whole.replace(size, struct.pack("<L", 2**32 - 2)))
    is_refused_by_train(r"its arrays take 2\d{3}\.\d GB, but only")


@hostile(KIND, "more bytes compressed than the header of the archive says", "read")
def more_than_declared(_: Path) -> None:
    archive(x_train=npy(FEATURES[TRAIN]) + bytes(10**6))
    is_read(standardized(FEATURES))


@hostile(KIND, "damaged headers: not Python, nested brackets, negative and other shapes", "refused")
def headers(_: Path) -> None:
    texts = ("{", "((" * 4000, "{'descr': '<f8'}", "None", "'a'*10**9", "\xff")
    dicts = [
        f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
        for descr, shape in (("'<f8'", "(-1, 3)"), ("'<f8'", "3"), ("'?!'", "(3,)"), ("5", "()"))
    ]
    for text in (*texts, *dicts):
        content = text.encode("latin1") + b"\n"
        archive(x_train=b"\x93NUMPY\x01\x00" + struct.pack("<H", len(content)) + content)
        is_refused_by_train(r"data\.npz: (the archive cannot be read|x_train)")


@hostile(KIND, "unknown versions of the format of arrays, and headers of 4 GB", "refused")
def versions(_: Path) -> None:
    for version in (b"\x00\x00", b"\x09\x01", b"\xff\xff"):
        archive(x_train=b"\x93NUMPY" + version + struct.pack("<H", 10) + b" " * 10)
        is_refused_by_train(r"data\.npz: the archive cannot be read \(")
    archive(x_train=b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b" " * 10)
    is_refused_by_train(r"data\.npz: the archive cannot be read \(")


@hostile(KIND, "headers of version 2 and 3", "read")
def later_versions(_: Path) -> None:
    for version in ((2, 0), (3, 0)):
        file = io.BytesIO()
        np.lib.format.write_array(file, FEATURES[TRAIN], version)
        archive(x_train=file.getvalue())
        is_read(standardized(FEATURES))


@hostile(KIND, "encrypted, and compressed in an unknown way", "refused")
def encrypted(_: Path) -> None:
    write(arrays())
    whole = bytearray(Path("data.npz").read_bytes())
    for offset, value in ((6, 1), (8, 99)):  # flags, and the method of compression
        changed = bytearray(whole)
        for signature, at in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
            place = changed.find(signature)
            while place >= 0:
                changed[place + offset + at] = value
                place = changed.find(signature, place + 4)
        Path("data.npz").write_bytes(changed)
        is_refused_by_train(r"data\.npz: the archive cannot be read \(")


@hostile(KIND, "without the right to read it", "refused")
def unreadable(_: Path) -> None:
    write(arrays())
    Path("data.npz").chmod(0)
    if os.access("data.npz", os.R_OK):  # root may read everything
        Path("data.npz").unlink()
        Path("data.npz").symlink_to("/proc/self/mem")
        is_refused_by_train(r"data\.npz: ")
        return
    is_refused_by_train(r"data\.npz: the archive cannot be read \(.*Permission denied")


@hostile(KIND, "arrays called X and y, images and labels", "refused")
def other_names(_: Path) -> None:
    write({"X": FEATURES, "y": LABELS})
    is_refused_by_train(r"x_train, .* missing; .*but has X, y; data\.keys gives other names")
    write({"images": FEATURES, "labels": LABELS, "x_train": FEATURES})
    is_refused_by_train(r"y_train, x_test, y_test missing; .*has images, labels, x_train")


@hostile(KIND, "arrays of other names, given by data.keys", "read")
def keys(_: Path) -> None:
    names = ["data", "target", "data test", "ünï/côdé"]
    write(dict(zip(names, arrays().values(), strict=True)))
    is_read(standardized(FEATURES), keys=names)
    is_refused_by_train(r"x missing; the file must contain x, target", keys=["x", *names[1:]])


@hostile(KIND, "further arrays, such as x_val and y_val", "read, and said")
def further(_: Path) -> None:
    write({**arrays(), "x_val": FEATURES, "y_val": LABELS})
    is_said_by_train("2 arrays not used: x_val, y_val")


@hostile(KIND, "1,000 further arrays with terminal escapes in their names", "read, and said")
def harmful_names(_: Path) -> None:
    write(arrays())
    with zipfile.ZipFile("data.npz", "a") as file:
        for i in range(1000):
            file.writestr(f"\x1b[2J{i}.npy", b"")
    is_said_by_train("1000 arrays not used: ")
    assert len(read().notes[0]) < 150


@hostile(KIND, "a name of 5,000 characters, with a line feed, and with a null byte", "refused")
def names_of_files(_: Path) -> None:
    for name in ("a" * 5_000 + ".npz", "a\nb.npz", "a\0b.npz", "a" * 5_000, "a\0b"):
        is_refused_by_train(r"no such file|no data set|data\.name|File name too long", name=name)


@hostile(KIND, "data.root for a file that is named by data.name = 'npz'", "read")
def by_root(_: Path) -> None:
    write(arrays())
    is_read(standardized(FEATURES), name="npz", root="data.npz")


class Interrupting(NullListener):
    """Ends training after the first epoch, as if the process had been killed."""

    def epoch(self, report: EpochReport) -> None:
        """Interrupt."""
        if report.epoch == 1:
            raise KeyboardInterrupt


def interrupt() -> None:
    """Begin to train on data.npz, and end after the first epoch of the first lane."""
    write(arrays())
    toml()
    try:
        train(find("recipe.toml"), "run", listener=Interrupting())
    except KeyboardInterrupt:
        return


def written() -> dict[str, bytes]:
    """Return the content of all files of the run."""
    return {str(p): p.read_bytes() for p in Path("run").rglob("*") if p.is_file()}


@hostile(KIND, "removed before the run is resumed", "refused")
def removed(_: Path) -> None:
    interrupt()
    Path("data.npz").unlink()
    before = written()
    is_refused(jtdiag("train", "run", "--resume"), r"data\.npz: there is no such file")
    assert written() == before


@hostile(KIND, "changed in one number, label or name before the run is resumed", "refused")
def changed(_: Path) -> None:
    interrupt()
    before = written()
    x, y = arrays()["x_test"].copy(), arrays()["y_train"].copy()
    x[3, 1] += 1e-3
    y[[0, 1]] = y[[1, 0]]
    for change in ({"x_test": x}, {"y_train": y}, {"classes": np.array(["a", "b", "c"])}):
        write(arrays(**change))
        ran = jtdiag("train", "run", "--resume")
        is_refused(ran, r"run: the data in data\.npz are not those that the run was trained on")
        assert written() == before


@hostile(KIND, "written again with the same numbers before the run is resumed", "trained")
def rewritten(_: Path) -> None:
    interrupt()
    np.savez_compressed("data.npz", **arrays())
    assert jtdiag("train", "run", "--resume").exit_code == 0
    assert Run("run").done


@hostile(KIND, "changed between training and a probe that loads it", "refused")
def changed_before_a_probe(_: Path) -> None:
    write(arrays())
    toml()
    train(find("recipe.toml", ["lam=[1]"]), "run")
    write(arrays(FEATURES + 1))
    with pytest.raises(DataError, match=r"run: the data in data\.npz are not those") as refused:
        probe(Run("run"), "gradients")
    is_one_line(str(refused.value))


@hostile(KIND, "replaced by other data between a dry run and training", "trained")
def replaced_after_a_dry_run(_: Path) -> None:
    write(arrays())
    toml()
    assert jtdiag("train", "recipe.toml", "--dry-run").exit_code == 0
    write(arrays(np.c_[FEATURES, FEATURES]))
    ran = jtdiag("train", "recipe.toml", "--out", "run")
    assert ran.exit_code == 0
    assert 6 in {size for shape in Run("run").parameters.values() for size in shape}
