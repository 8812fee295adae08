"""Recipes that are no TOML, no recipe, or ask for what no machine can do."""

from pathlib import Path

import attrs
import numpy as np
import pytest
from hostile_case import hostile, is_one_line, is_refused, jtdiag

from jtdiag.errors import RecipeError
from jtdiag.names import lam_text
from jtdiag.recipe import toml
from jtdiag.recipe.recipe import Data, Members, Recipe, Train
from jtdiag.recipe.toml import from_table

KIND = "recipe"
DATA, MEMBERS = '[data]\nname = "digits"\n', '[members]\narch = "mlp"\ncount = 2\nhidden = [3]\n'
TABLE = {"data": {"name": "digits"}, "members": {"arch": "mlp", "count": 2, "hidden": [3]}}


def _refused(text: str | bytes, *parts: str) -> None:
    """Check that a document is refused by one line that names its file."""
    raw = text.encode("utf-8") if isinstance(text, str) else text
    Path("r.toml").write_bytes(raw)
    is_refused(jtdiag("train", "r.toml", "--dry-run"), *parts)
    assert not Path("runs").exists()


def _set_is_refused(change: str, *parts: str) -> None:
    is_refused(jtdiag("train", "demo", "--dry-run", "--set", change), *parts)


def _planned(text: str | bytes) -> None:
    Path("r.toml").write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    ran = jtdiag("train", "r.toml", "--dry-run", "--set", "train.batch=1000")
    assert ran.exit_code == 0, ran.output
    assert "members     2 × " in ran.output


def _python_refuses(table: object, *parts: str) -> None:
    with pytest.raises(RecipeError) as caught:
        from_table(table)  # type: ignore[arg-type]
    is_one_line(str(caught.value), *parts)


@hostile(KIND, "an empty file", "refused")
def empty(_: Path) -> None:
    _refused("", r"r\.toml: \[data\] is missing")


@hostile(KIND, "random bytes", "refused")
def random_bytes(_: Path) -> None:
    _refused(bytes(range(256)), r"r\.toml: is not valid TOML")


@hostile(KIND, "text that is no UTF-8", "refused")
def not_utf8(_: Path) -> None:
    _refused(b'name = "\xff\xfe"\n' + (DATA + MEMBERS).encode(), "is not valid TOML: 'utf-8'")


@hostile(KIND, "UTF-16, as some editors write it", "refused")
def utf16(_: Path) -> None:
    _refused((DATA + MEMBERS).encode("utf-16"), "is not valid TOML")


@hostile(KIND, "a byte order mark before valid TOML", "read")
def byte_order_mark(_: Path) -> None:
    _planned((DATA + MEMBERS).encode("utf-8-sig"))


@hostile(KIND, "lines that end as on Windows", "read")
def windows_lines(_: Path) -> None:
    _planned((DATA + MEMBERS).replace("\n", "\r\n").encode())


@hostile(KIND, "a document that is cut in the middle of a string", "refused")
def cut(_: Path) -> None:
    _refused('[data]\nname = "dig', "is not valid TOML")


@hostile(KIND, "a zero byte", "refused")
def zero_byte(_: Path) -> None:
    _refused(DATA + MEMBERS + "\x00", "is not valid TOML")


@hostile(KIND, "a key that is given twice", "refused")
def twice(_: Path) -> None:
    _refused("trials = 1\ntrials = 2\n" + DATA + MEMBERS, "is not valid TOML: Cannot overwrite")


@hostile(KIND, "a list of 5,000 levels", "refused")
def deep(_: Path) -> None:
    _refused("lam = " + "[" * 5_000 + "]" * 5_000 + "\n" + DATA + MEMBERS, "is not valid TOML")


@hostile(KIND, "a section that is an array of tables", "refused")
def array_of_tables(_: Path) -> None:
    _refused(DATA + MEMBERS.replace("[members]", "[[members]]"), "members is .*must be a table")


@hostile(KIND, "a section that is a number", "refused")
def number_as_section(_: Path) -> None:
    _refused("train = 3\n" + DATA + MEMBERS, r"train is 3; it must be a table, \[train\]")


@hostile(KIND, "lists within the list of λs", "refused")
def nested_lams(_: Path) -> None:
    _refused("lam = [[0, 1], [2]]\n" + DATA + MEMBERS, r"lam is \[0, 1\]; it must be a number in")


@hostile(KIND, "a λ that is NaN, infinite, negative, above 1, or a date", "refused")
def lams(_: Path) -> None:
    for value in ("nan", "inf", "-1e-9", "1.0000001", "1979-05-27"):
        _refused(f"lam = {value}\n" + DATA + MEMBERS, r"lam is .*; it must be a number in \[0, 1\]")


@hostile(KIND, "a λ of minus zero", "read")
def minus_zero(_: Path) -> None:
    recipe = from_table({**TABLE, "lam": [-0.0]})
    assert lam_text(recipe.lam[0]) == "0"


@hostile(KIND, "the same λ twice, also as 1 and 1.0, or with a rounding error", "refused")
def equal_lams(_: Path) -> None:
    _set_is_refused("lam=[1, 1.0]", "lam lists 1.0 more than once")
    _set_is_refused("lam=[0.3, 0.30000000000000004]", "both written 0.3; omit one")


@hostile(KIND, "an integer of 5,000 digits", "refused")
def huge_integer(_: Path) -> None:
    _refused(
        "seed = " + 5_000 * "9" + "\n" + DATA + MEMBERS, "is not valid TOML: Exceeds the limit"
    )
    _set_is_refused("seed=" + 5_000 * "9", "--set seed=9+ … 9+: Exceeds the limit")


@hostile(KIND, "an integer of 4,000 digits, which Python can print", "refused")
def large_integer(_: Path) -> None:
    _refused(
        "trials = " + 4_000 * "9" + "\n" + DATA + MEMBERS,
        "trials is a whole number of about 4,000 digits; it must be 100,000 or less",
    )


@hostile(KIND, "more trials, members, units or threads than any machine has room for", "refused")
def too_many(_: Path) -> None:
    for field in ("trials", "members.count", "members.hidden", "engine.threads", "train.epochs"):
        _set_is_refused(f"{field}=1000000000000", f"{field} is 10+; it must be .* or less")


@hostile(KIND, "members that do not fit in memory", "refused")
def memory(_: Path) -> None:
    _set_is_refused("members.hidden=[1000000, 1000000]", "training takes .* of memory or more")


@hostile(KIND, "rates, factors and penalties that overflow float32", "refused")
def overflow(_: Path) -> None:
    for field in ("lr", "weight_decay", "clip", "lr_factor"):
        _set_is_refused(f"train.{field}=1e300", rf"train.{field} is 1e\+300; .*1e\+30 or less")


@hostile(KIND, "a learning rate that grows beyond float32 by its factor", "refused")
def growing_rate(_: Path) -> None:
    changes = ["train.lr_factor=1e10", "train.milestones=[1, 2, 3, 4]"]
    ran = jtdiag("train", "demo", "--dry-run", *(w for c in changes for w in ("--set", c)))
    is_refused(ran, "learning rate exceeds 1e.30; lower one of them")


@hostile(
    KIND, "groups of classes that are no groups, empty, nested, repeated or a single one", "refused"
)
def no_groups(_: Path) -> None:
    for value in ("3", "cat", "1979-05-27", "[[0, 1]]", "[[], [1]]", "[[[0]], [1]]", "[0, 0]"):
        _set_is_refused(f"data.classes={value}", "data.classes ")
    for entry in ("-1", "0.5", "nan", "true", "{}", "1" + 400 * "0"):
        _set_is_refused(f"data.classes=[0, {entry}]", "data.classes ")


@hostile(KIND, "classes and training examples that the data set does not have", "refused")
def no_classes(_: Path) -> None:
    _set_is_refused("data.classes=[0, 10]", "lists 10; digits has 10 classes, 0 to 9")
    _set_is_refused('data.classes=[0, "\\u001b[2J"]', r"lists '\\x1b\[2J', which is no class of")
    _set_is_refused(f"data.classes=[0, '{10_000 * 'x'}']", "which is no class of digits")
    _set_is_refused("data.limit=1298", "digits has only 1297 training examples; lower it")
    _set_is_refused("data.limit=200", "data.limit is 200 and data.val is 200, which leaves no")


@hostile(KIND, "an unknown key with an escape sequence in it", "refused")
def escape_in_key(_: Path) -> None:
    _refused('"\\u001b[2J" = 1\n' + DATA + MEMBERS, r"unknown key '\\x1b\[2J'")


@hostile(KIND, "a value that turns the direction of text", "refused")
def bidi(_: Path) -> None:
    _refused(DATA + MEMBERS.replace("mlp", "ml\u202ep"), r"members.arch is 'ml\\u202ep'")


@hostile(KIND, "a misspelled key and a misspelled value", "refused")
def misspelled(_: Path) -> None:
    _set_is_refused("train.epoch=3", r"unknown key 'epoch'\. Did you mean 'epochs'\?")
    _set_is_refused("train.optimiser=adamv", "Did you mean 'adamw'")
    _set_is_refused("trian.epochs=3", "there is no section 'trian'. Did you mean 'train'")


@hostile(KIND, "a key of 10,000 letters", "refused")
def long_key(_: Path) -> None:
    _refused(10_000 * "k" + " = 1\n" + DATA + MEMBERS, "unknown key 'k+ … k+'")


@hostile(KIND, "a name that is no folder name: with a slash, dots, or 300 letters", "refused")
def names(_: Path) -> None:
    for name in ("a/b", "..", "", 300 * "é"):
        _set_is_refused(f'name="{name}"', "name is ")


@hostile(KIND, "data whose name is too long for the file system", "refused")
def long_data_name(_: Path) -> None:
    _set_is_refused("data.name=" + 300 * "é", "There is no data set 'é+")


@hostile(KIND, "a preset that does not exist, and a name of 5,000 letters", "refused")
def no_preset(_: Path) -> None:
    is_refused(jtdiag("train", "deom", "--dry-run"), "Did you mean 'demo'")
    is_refused(jtdiag("train", 5_000 * "x", "--dry-run"), "no preset or recipe file 'x+ … x+'")


@hostile(KIND, "a change without a value, a key, or an equals sign", "refused")
def no_change(_: Path) -> None:
    for change in ("trials", "=1", "", " = 1"):
        _set_is_refused(change, "must be key=value")


@hostile(KIND, "a study instead of a recipe, and a recipe instead of a study", "refused")
def wrong_command(_: Path) -> None:
    _refused(DATA + MEMBERS + "[runs.a]\nlam = 1\n", "unknown key 'runs'")
    Path("r.toml").write_text(DATA + MEMBERS, encoding="utf-8")
    is_refused(jtdiag("study", "r.toml"), r"has no \[runs.NAME\].*jtdiag train")


@hostile(KIND, "a study whose run is named with a slash, or is no table", "refused")
def study_names(_: Path) -> None:
    for run in ('[runs."a/b"]\nlam = 1\n', "[runs]\na = 1\n", '[runs."\\u001b"]\nlam = 1\n'):
        Path("s.toml").write_text(DATA + MEMBERS + run, encoding="utf-8")
        is_refused(jtdiag("study", "s.toml"), "must be a table, named with letters")


@hostile(KIND, "an override for a run that the study does not have", "refused")
def study_override(_: Path) -> None:
    Path("s.toml").write_text(DATA + MEMBERS + "[runs.joint]\nlam = 1\n", encoding="utf-8")
    ran = jtdiag("study", "s.toml", "--set", "runs.jiont.lam=" + 600 * "1")
    is_refused(ran, "no run 'jiont' in the study. Did you mean 'joint'")


@hostile(KIND, "numbers and arrays of numpy, tuples and generators, from Python", "read")
def numpy_numbers(_: Path) -> None:
    recipe = Recipe(
        data=Data(name="digits", val=np.int64(5)),
        members=Members(arch="mlp", count=np.int32(2), hidden=np.array([3, 4])),
        lam=np.linspace(0, 1, 3),
        train=Train(lr=np.float32(0.5), nesterov=np.bool_(True)),
    )
    assert recipe.lam == (0, 0.5, 1)
    assert recipe.members.hidden == (3, 4)
    assert toml.differences(recipe, from_table(toml.to_table(recipe))) == []
    assert all(type(getattr(recipe.train, name)) is kind for name, kind in (("nesterov", bool),))


@hostile(KIND, "a path, bytes, a set, None, a function or a dictionary as a value", "refused")
def objects(_: Path) -> None:
    for value in (Path("digits"), b"digits", {"digits"}, None, print, {"a": 1}):
        _python_refuses({**TABLE, "data": {"name": value}}, "data.name is .*non-empty string")


@hostile(KIND, "a number as the name of a section, and a list as a recipe", "refused")
def keys(_: Path) -> None:
    _python_refuses({**TABLE, 3: {}}, "unknown key 3")
    _python_refuses([TABLE], "must be a table of fields and sections")


@hostile(KIND, "a table where Recipe(…) expects a section", "refused")
def table_as_section(_: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe(data={"name": "digits"}, members=Members(arch="mlp", count=1))  # type: ignore[arg-type]
    is_one_line(str(caught.value), "data is .* must be a jtdiag.recipe.recipe.Data.*from_table")


@hostile(KIND, "text with every kind of quote, written to TOML and read", "read")
def quotes(tmp_path: Path) -> None:
    name = "\"'\\\t\x7f\u2028\u202e{}[]=#$%&|日本"
    recipe = attrs.evolve(from_table(TABLE), name=name)
    (tmp_path / "r.toml").write_text(toml.to_toml(recipe), encoding="utf-8")
    assert toml.read(tmp_path / "r.toml") == recipe
