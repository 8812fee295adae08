"""Files of logits and targets from elsewhere, handed to `jtdiag import`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile_case import hostile, is_refused, jtdiag, log_lines
from numpy.typing import NDArray

from jtdiag import Run

KIND = "logits from elsewhere"
CLASSES = np.arange(40) % 4
"""Targets of 40 examples."""
LOGITS = np.random.default_rng(0).normal(size=(3, 40, 4)) + 2 * np.eye(4)[CLASSES]
"""(M, N, K)."""


def imported(logits: NDArray[Any] = LOGITS, targets: NDArray[Any] = CLASSES, *options: str) -> Any:
    """Save the arrays, and import them into the folder run."""
    np.save("logits.npy", logits, allow_pickle=True)
    np.save("targets.npy", targets)
    return _import("logits.npy", *options)


def _import(file: str, *options: str) -> Any:
    how = ("--targets", "targets.npy", "--lam", "0", *options)
    return jtdiag("import", file, *how, "--out", "run")


def is_imported(ran: Any, error: float) -> None:
    """Check that a run was written, with the test error of its ensemble."""
    assert ran.exit_code == 0, ran.output
    metrics = Run("run").metrics()["ensemble_error"].sel(split="test")
    assert float(metrics.isel(epoch=-1).squeeze()) == error


def is_left_out(ran: Any, *parts: str) -> None:
    """Check that an import ended with one line, and wrote nothing."""
    is_refused(ran, *parts)
    assert not Path("run").exists()


def is_said(ran: Any, warnings: list[str], part: str) -> None:
    """Check that a run was written, and what was logged."""
    assert ran.exit_code == 0, ran.output
    assert [part in warning for warning in warnings] == [True], warnings


def plain_error() -> float:
    """Return the error of the ensemble of the logits that are given."""
    return float((LOGITS.mean(0).argmax(-1) != CLASSES).mean())


@hostile(KIND, "the other byte order, half and extended precision", "read")
def number_formats(_: Path) -> None:
    for number, dtype in enumerate((">f8", ">f4", "f2", np.longdouble)):
        ran = imported(LOGITS.astype(dtype))
        is_imported(ran, plain_error())
        Path("run").rename(f"run{number}")


@hostile(KIND, "probabilities that are rounded to three digits", "read, and said")
def rounded_probabilities(_: Path) -> None:
    powers = np.exp(LOGITS)
    with log_lines() as warnings:
        ran = imported(np.round(powers / powers.sum(-1, keepdims=True), 3))
    is_said(ran, warnings, "they are read as class probabilities")


@hostile(KIND, "complex numbers, text, dates and records", "refused")
def no_numbers(_: Path) -> None:
    for dtype in (complex, str, "datetime64[s]", [("a", "f4")]):
        is_left_out(imported(LOGITS.astype(dtype)), "have the dtype .*numbers")


@hostile(KIND, "Python objects, which a file would execute", "refused")
def objects(_: Path) -> None:
    is_left_out(imported(LOGITS.astype(object)), r"contains Python objects.*array\.astype\(float\)")


@hostile(KIND, "an array without members, examples or outputs", "refused")
def nothing(_: Path) -> None:
    for logits in (LOGITS[:0], LOGITS[:, :0], LOGITS[..., :0]):
        targets = CLASSES[: logits.shape[1]]
        is_left_out(imported(logits, targets), "there must be a member, an example and outputs")


@hostile(KIND, "one logit per example", "refused")
def single_logit(_: Path) -> None:
    is_left_out(imported(LOGITS[..., :1], CLASSES % 2), 'pass family="bernoulli"')


@hostile(KIND, "masked classes with a logit of −∞, and logits that are NaN", "refused")
def not_finite(_: Path) -> None:
    for number in (-np.inf, np.nan):
        logits = np.where(np.arange(4) == 3, number, LOGITS)
        is_left_out(imported(logits), "120 logits are not finite on test")


@hostile(KIND, "no, one, two or five axes", "refused")
def axes(_: Path) -> None:
    for logits in (np.float64(3), LOGITS[0, :, 0], LOGITS[0], LOGITS[None, None]):
        is_left_out(imported(logits), r"logits must be \(M, N, K\)")


@hostile(KIND, "classes in a column, one-hot, from 1 to K, negative, or in words", "refused")
def wrong_targets(_: Path) -> None:
    for targets, advice in (
        (CLASSES[:, None], r"pass classes \(N,\): targets\[:, 0\]"),
        (np.eye(4)[CLASSES], r"targets\.argmax\(1\)"),
        (CLASSES + 1, "Pass targets - 1"),
        (CLASSES - 1, "classes must be 0 to 3"),
        (np.array(list("abcd"))[CLASSES], "have the dtype <U1"),
    ):
        is_left_out(imported(LOGITS, targets), advice)


@hostile(KIND, "classes as fractions, with NaN, or fewer than there are logits", "refused")
def incomplete_targets(_: Path) -> None:
    for targets, advice in (
        (CLASSES + 0.5, "not whole numbers"),
        (np.where(CLASSES == 1, np.nan, CLASSES), "not whole numbers"),
        (CLASSES[:-1], r"targets \(39,\)"),
    ):
        is_left_out(imported(LOGITS, targets), advice)


@hostile(KIND, "classes for a family whose targets are numbers", "refused")
def classes_as_numbers(_: Path) -> None:
    ran = imported(LOGITS, CLASSES, "--family", "gaussian")
    is_left_out(ran, r"for 4 outputs they must be \(N, 4\)")


@hostile(KIND, "classes as whole floating-point numbers", "read")
def floating_classes(_: Path) -> None:
    is_imported(imported(LOGITS, CLASSES.astype(float)), plain_error())


@hostile(KIND, "targets in another order than the logits", "read, and said")
def other_order(_: Path) -> None:
    with log_lines() as warnings:
        ran = imported(LOGITS, (CLASSES + 1) % 4)
    is_said(ran, warnings, "targets may be in another order than the logits")


@hostile(KIND, "no targets at all", "refused")
def no_targets(_: Path) -> None:
    np.save("logits.npy", LOGITS)
    ran = jtdiag("import", "logits.npy", "--lam", "0", "--out", "run")
    is_left_out(ran, "logits are given for 'test', but no targets")


def _as(content: Callable[[Path], object]) -> Any:
    np.save("targets.npy", CLASSES)
    path = Path("logits.npy")
    path.unlink(missing_ok=True)
    content(path)
    return _import("logits.npy")


@hostile(KIND, "text, an empty file, and a file that is cut short, named .npy", "refused")
def no_arrays(_: Path) -> None:
    np.save("whole.npy", LOGITS)
    whole = Path("whole.npy").read_bytes()
    for content in (b"0.1,0.2\n", b"", whole[:200], whole.replace(b"(3, 40, 4)", b"(9, 40, 4)")):
        ran = _as(lambda path, content=content: path.write_bytes(content))
        is_left_out(ran, r"logits\.npy is not a complete file of NumPy")


@hostile(KIND, "a folder, and a pipe that nobody writes to", "refused")
def no_files(_: Path) -> None:
    is_left_out(_as(os.mkfifo), "is not a regular file")
    is_left_out(_as(lambda path: path.mkdir()), "is not a regular file")
    Path("logits.npy").rmdir()


@hostile(KIND, "numbers of epochs that are 0, negative, endless or decreasing", "refused")
def epochs(_: Path) -> None:
    for number in ("0", "-3", "10,20"):
        is_left_out(imported(LOGITS, CLASSES, "--epochs", number), "epochs is .* 1 epoch;")
    for number in ("10000000", "9" * 20):
        is_left_out(imported(LOGITS, CLASSES, "--epochs", number), "at most 100000 can be recorded")
    both = np.stack([LOGITS, LOGITS])
    is_left_out(imported(both, CLASSES, "--epochs", "80,20"), "in increasing order")


@hostile(KIND, "files of single members of other sizes", "refused")
def member_files(_: Path) -> None:
    np.save("targets.npy", CLASSES)
    np.save("first.npy", LOGITS[0])
    for second in (LOGITS[1, :-1], LOGITS[1, :, :3]):
        np.save("second.npy", second)
        ran = jtdiag("import", "first.npy", "second.npy", "--targets", "targets.npy",
                     "--lam", "0", "--out", "run")  # fmt: skip
        is_left_out(ran, r"must be \(N, K\), the same in every file")


@hostile(KIND, "an archive of other arrays, of objects, and one that is cut short", "refused")
def archives(_: Path) -> None:
    np.save("targets.npy", CLASSES)
    for given, advice in (
        ({"foo": LOGITS}, "its arrays are foo; logits must be named test"),
        ({"test": LOGITS.astype(object)}, "test contains Python objects"),
    ):
        np.savez("logits.npz", **given)
        is_left_out(_import("logits.npz"), advice)
    np.savez("logits.npz", test=LOGITS)
    whole = Path("logits.npz").read_bytes()
    Path("logits.npz").write_bytes(whole[:900])
    is_left_out(_import("logits.npz"), "not a complete .npz archive")
