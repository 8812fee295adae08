"""Recipes, overrides and values that no careful person writes, drawn at random from a seed.

Documents are valid recipes with a few lines or bytes changed, so that most of each is read before
what is wrong with it is met. `fuzz_recipes.py` hands them to jtdiag.
"""

import datetime
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Recipe

DIGITS_OF_HUGE = 5_000
"""Python refuses to print integers of more than 4,300 digits."""

SMALL = """\
name = "small"
lam = [0, 0.5, 1]
trials = 2
seed = 3

[data]
name = "small.npz"
val = 5

[members]
arch = "mlp"
count = 3
hidden = [4, 3]

[train]
epochs = 2
batch = 10
lr = [0.1, 0.2, 0.3]
milestones = [1]

[keep]
outputs = [1, "last"]
checkpoints = "all"
splits = ["val", "test"]

[engine]
lanes = 1
threads = 1
execution = "stacked"
products = "float32"
"""
"""A recipe of networks that train in milliseconds, on the file of `write_data`."""

STUDY = (
    SMALL + "\n[runs.first]\nlam = 0.5\ntrain = { lr = 0.1 }\n\n[runs.second]\nlam = 1\n"
    "members = { count = 2, hidden = [8] }\ntrain = { lr = 0.1 }\n"
)
"""A study of two runs of `SMALL`."""

WORDS = (
    "auto", "all", "none", "best", "last", "joint", "paper", "matched", "linear", "sgd", "mlp",
)  # fmt: skip
TEXTS = (
    "", " ", "x" * 20_000, "é" * 300, "日本語", "مرحبا", "\u202eevil\u202c", "a\u2066b",
    "\x1b[31mred",
    "\x1b]0;title\x07", "a\tb", "a\nb\nc", "\x7f", "\u0085", "\u2028", "\ufeff", "..",
    "/etc/passwd", "~", "nul\\u0000", "%s%n{0}", "$x$", "a|b", "=1+1", "<b>", "🙂", "no:such",
    "no/such.py:F",
)  # fmt: skip
NUMBERS = (
    "0", "-1", "1", "2", "3.0", "0.5", "1e308", "-1e308", "1e309", "nan", "-nan", "inf", "-inf",
    "-0.0", "5e-324", "1e-9", "9223372036854775807", "18446744073709551616", "1_000", "0xff",
    "0o17", "0b1", "9" * DIGITS_OF_HUGE, "-" + "9" * DIGITS_OF_HUGE, "1" + 25 * "0", "100000000",
)  # fmt: skip
OTHERS = (
    "true", "false", "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "[]", "{}", "[[]]", "[{}]",
    "[[1, 2], [3]]", "{ a = 1 }", "{ a = { b = { c = [] } } }", "[" * 200 + "]" * 200,
    "[" * 5_000 + "]" * 5_000, "[" + "1, " * 5_000 + "1]", "", "=", "'unclosed", "[1, 2", "# c",
)  # fmt: skip
KEYS = (
    "unknown", "lambda", "λ", "LAM", "member", "trial", "a.b.c", "a.b", '"quoted key"', '""', "''",
    "1", "-", "__class__", "name.name", "lam.lam", "k" * 10_000, '"\\u001b[2J"', '"\\u202e"',
    "data.name.name", "members.options", "members.options.x", "runs", "runs.first.lam", "runs.x.y",
)  # fmt: skip
PLAUSIBLE = (
    "lam=0.9", "lam=[0, 1]", "lam=[0.99999999, 1]", "trials=1", "seed=18446744073709551615",
    "name=日本 語", "name=$x$", "name=-", "data.val=0", "data.standardize=false",
    "data.name=digits",
    "members.count=1", "members.hidden=[]", "members.hidden=7", "members.start=[1, 2, 0.5]",
    "members.start_spread=[0.5, 2]", "train.epochs=1000000", "train.batch=1", "train.batch=1000",
    "train.lr=1e-30", "train.lr=1e300", "train.lr=matched", "train.optimiser=adamw",
    "train.optimiser=soap", "train.schedule=cosine", "train.warmup=3", "train.clip=1e-300",
    "train.momentum=0", "train.nesterov=true", "train.weight_decay=1e300", "keep.outputs=none",
    "keep.checkpoints=[0]", "keep.dtype=float16", "keep.splits=train", "scheme=bagging",
    "scheme=stacking", "scheme=single", "bootstrap=batches", "family=gaussian", "family=poisson",
    "combiner=probabilities", "objective.drop=0.5", "objective.lam_schedule=linear",
    "objective.loss=gncl-exact", "objective.lam_epochs=1", "engine.precision=float64",
    "engine.execution=loop", "engine.lanes=auto", "engine.products=bfloat16", "engine.device=cpu",
    "train.lr_factor=1e30", "train.milestones=[1, 1, 1]", "members.start_spread=[1e-300, 1e29]",
    "data.scale=1e-300", "data.scale=1e30", "data.scale=5e-324", "members.start=1e29",
    "alerts.stop_on=dominance", "alerts.lower_lam=0.5", "engine.threads=2", "members.depth=3",
)  # fmt: skip
BYTES = (
    b"\xff", b"\xfe\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\x1b[2J", b"\r", b"\r\n",
    b"\x7f", b"\xef\xbb\xbf", b'"', b"'", b"[", b"]", b"{", b"=", b"\n", b"\\", b"#", b'"""',
    b"\xe2\x80\xae",
)  # fmt: skip

OBJECTS = (
    None, True, 0, -1, 3, 2.5, float("nan"), float("inf"), -0.0, 10**DIGITS_OF_HUGE, 1 << 70, 1e308,
    np.int64(3), np.float32(0.5), np.float64("nan"), np.bool_(True), np.str_("mlp"), np.array(2),
    np.array([0.25, 0.5]), np.array([[1, 2], [3, 4]]), np.array([]), np.datetime64("2020-01-01"),
    np.array(["best", "last"]), np.array([None]), np.complex64(1j), 1j, b"bytes", bytearray(b"x"),
    (), (1,), ((1, 2), 3), [[]], {}, {1: 2}, {"a": 1}, set(), {1}, frozenset({0.5}), range(3),
    Path("small.npz"), Path("/"), object(), int, len, datetime.date(2020, 1, 1), Ellipsis,
    memoryview(b"x"), iter([1]), slice(3), "text", "\x1b[31m", "\ud800", "x" * 20_000,
)  # fmt: skip
"""Values that Python can pass and TOML cannot, and some that it can."""

Draw = random.Random


def write_data(folder: Path) -> None:
    """Write the data of `SMALL`, 40 examples of 4 features in 3 classes."""
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(60, 4)).astype("float32"), np.arange(60) % 3
    np.savez(
        folder / "small.npz",
        x_train=inputs[:40],
        y_train=labels[:40],
        x_test=inputs[40:],
        y_test=labels[40:],
    )


def fields() -> list[str]:
    """Return the full names of all fields of a recipe, such as "train.lr"."""
    top = [field.name for field in attrs.fields(Recipe) if field.name not in toml.SECTIONS]
    own = [
        f"{name}.{field.name}"
        for name, kind in toml.SECTIONS.items()
        for field in attrs.fields(kind)
    ]
    return [*top, *own]


# --- values and keys ------------------------------------------------------------------------------


def value(draw: Draw) -> str:
    """Return a value as it is written in TOML, or what cannot be one."""
    kind = draw.randrange(6)
    if kind == 0:
        return _quoted(draw.choice(TEXTS))
    if kind == 1:
        return _quoted(draw.choice(WORDS))
    if kind == 2:
        return draw.choice(OTHERS)
    if kind == 3:
        items = [value(draw) for _ in range(draw.randrange(1, 4))]
        return "[" + ", ".join(items) + "]"
    if kind == 4:
        return f"{{ {draw.choice(KEYS)} = {value(draw)} }}"
    return draw.choice(NUMBERS)


def _quoted(text: str) -> str:
    """Return a string of TOML; control characters are escaped, as TOML demands."""
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in text)
    return f'"{escaped}"'


def key(draw: Draw) -> str:
    """Return the name of a field, mostly one that exists."""
    return draw.choice(KEYS) if draw.random() < 0.25 else draw.choice(fields())


def override(draw: Draw) -> str:
    """Return the text of a `--set`."""
    if draw.random() < 0.05:
        return draw.choice(("", "=", "=1", "lam", " = ", "train.=1", ".lr=1", "..=1", "\x1b[2J=1"))
    if draw.random() < 0.35:
        return draw.choice(PLAUSIBLE)
    bare = draw.random() < 0.2  # a string without quotes, as a shell passes it
    text = draw.choice((*TEXTS, *WORDS)) if bare else value(draw)
    return f"{key(draw)}={text}"


# --- documents ------------------------------------------------------------------------------------


def document(draw: Draw, valid: str) -> bytes:
    """Return a valid document with one to four changes of its lines or bytes."""
    lines = valid.splitlines()
    changes: tuple[Callable[[Draw, list[str]], None], ...] = (
        _other_value, _other_value, _other_value, _variation, _variation, _extra_line, _extra_line,
        _repeat, _remove, _header, _swap,
    )  # fmt: skip
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        draw.choice(changes)(draw, lines)
    raw = ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")
    return _damaged(draw, raw) if draw.random() < 0.15 else raw


def _other_value(draw: Draw, lines: list[str]) -> None:
    places = [index for index, line in enumerate(lines) if "=" in line]
    if places:
        index = draw.choice(places)
        lines[index] = f"{lines[index].partition('=')[0]}= {value(draw)}"


def _variation(draw: Draw, lines: list[str]) -> None:
    """Change a number a little, so that the document may stay valid."""
    places = [index for index, line in enumerate(lines) if re.search(r"= .*\d", line)]
    if places:
        index = draw.choice(places)
        name, _, number = lines[index].partition("=")
        change = draw.choice((lambda n: n + 1, lambda n: 2 * n, lambda n: max(0, n - 1)))
        number = re.sub(r"(?<![\d.e-])\d{1,3}(?![\d.])", lambda m: str(change(int(m[0]))), number)
        lines[index] = f"{name}={number}"


def _extra_line(draw: Draw, lines: list[str]) -> None:
    name = draw.choice(KEYS) if draw.random() < 0.4 else draw.choice(fields()).rpartition(".")[2]
    lines.insert(draw.randrange(len(lines) + 1), f"{name} = {value(draw)}")


def _repeat(draw: Draw, lines: list[str]) -> None:
    if lines:
        lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))


def _remove(draw: Draw, lines: list[str]) -> None:
    if lines:
        del lines[draw.randrange(len(lines))]


def _swap(draw: Draw, lines: list[str]) -> None:
    if lines:
        one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]


def _header(draw: Draw, lines: list[str]) -> None:
    """Turn a table into an array of tables, into another table, or into none."""
    places = [index for index, line in enumerate(lines) if line.startswith("[")]
    if places:
        index = draw.choice(places)
        other = draw.choice((*KEYS, *toml.SECTIONS, "members.options", "train.lr", "lam"))
        lines[index] = draw.choice(
            (f"[{lines[index]}]", f"[{other}]", f"[[{other}]]", f"[{lines[index][1:-1]}.more]")
        )


def _damaged(draw: Draw, raw: bytes) -> bytes:
    """Return a document that is cut, has bytes inserted, begins with a mark or is random bytes."""
    kind, place = draw.randrange(5), draw.randrange(len(raw) + 1)
    if kind == 0:
        return raw[:place]
    if kind == 1:
        return raw[:place] + draw.choice(BYTES) + raw[place:]
    if kind == 2:
        return draw.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00")) + raw
    if kind == 3:
        return draw.randbytes(draw.randrange(400))
    flipped = bytearray(raw)
    for _ in range(draw.randrange(1, 6)):
        flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    return bytes(flipped)


# --- tables of Python -----------------------------------------------------------------------------


def table(draw: Draw, valid: dict[str, Any]) -> dict[Any, Any]:
    """Return a table of Python values, some of which no field accepts."""
    changed = {name: dict(item) if isinstance(item, dict) else item for name, item in valid.items()}
    for _ in range(draw.choice((1, 1, 2, 3))):
        section, _, field = draw.choice(fields()).rpartition(".")
        inside = changed.setdefault(section, {}) if section else changed
        if draw.random() < 0.1:
            changed[draw.choice((*toml.SECTIONS, "x", 3, None, ("a",)))] = draw.choice(OBJECTS)
        elif isinstance(inside, dict):
            inside[field] = _object(draw)
    return changed


def _object(draw: Draw) -> Any:
    """Return a value, alone, in a list, in a tuple or in a table."""
    item = draw.choice(OBJECTS)
    return draw.choice((item, item, [item], (item, item), {"a": item}, [[item]]))
