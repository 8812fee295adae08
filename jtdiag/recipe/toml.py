"""Recipes as TOML: read, written, changed by ``--set key=value``, hashed and compared."""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from jtdiag.errors import RecipeError, nearest
from jtdiag.recipe import checks as check
from jtdiag.recipe.alerts import Alerts
from jtdiag.recipe.objective import Objective, weight
from jtdiag.recipe.recipe import Data, Engine, Keep, Members, Recipe, Train

SECTIONS = {
    "data": Data,
    "members": Members,
    "objective": Objective,
    "alerts": Alerts,
    "train": Train,
    "keep": Keep,
    "engine": Engine,
}


def read(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe in a TOML file, with ``key=value`` overrides applied.

    Raises:
        RecipeError: if the file is missing, is not TOML, or holds what no recipe may hold.
    """
    table = load(path)
    table.setdefault("name", path.stem)
    return from_table(override(table, overrides, str(path)), str(path))


def load(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds, as plain values.

    Raises:
        RecipeError: if it is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}). Name a recipe file or a preset; "
            "`jtdiag presets` lists the presets."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: is not valid TOML: {error}.") from error


def from_table(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Return the recipe that a table of plain values describes; unknown keys are refused."""
    check.known_keys(where, table, [f.name for f in dataclasses.fields(Recipe)])
    values: dict[str, Any] = {}
    for key, value in table.items():
        values[key] = _section(where, key, value) if key in SECTIONS else value
    for key in ("data", "members"):
        if key not in values:
            raise RecipeError(f"{where}: [{key}] is missing; every recipe must have it.")
    return Recipe(**values)


def _section(where: str, name: str, table: object) -> object:
    if not isinstance(table, Mapping):
        _refuse_plain(where, name, table)
    kind = SECTIONS[name]
    fields = dataclasses.fields(kind)
    check.known_keys(f"{where}, [{name}]", table, [f.name for f in fields])
    for f in fields:
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if needed and f.name not in table:
            raise RecipeError(f"{where}: [{name}] has no '{f.name}'; it must be given.")
    return kind(**table)


def _refuse_plain(where: str, section: str, value: object) -> NoReturn:
    raise RecipeError(f"{where}: {section} is {value!r}; it must be a table, [{section}].")


def override(
    table: Mapping[str, Any], changes: Iterable[str], where: str = "recipe"
) -> dict[str, Any]:
    """Return a table with ``key=value`` changes applied; a value is TOML, or else plain text.

    When the lambdas change and the learning rates, one per lambda, do not, each lambda keeps
    the rate that the recipe gives it.
    """
    result = {k: dict(v) if isinstance(v, Mapping) else v for k, v in table.items()}
    changed = dict(_parse(change) for change in changes)
    for key, value in changed.items():
        section, dot, field = key.rpartition(".")
        if dot and section not in SECTIONS:
            raise RecipeError(
                f"--set {key}: there is no section '{section}'.{nearest(section, SECTIONS)}"
            )
        target = result.setdefault(section, {}) if dot else result
        if not isinstance(target, dict):
            _refuse_plain(where, section, target)
        target[field] = value
    if "lam" in changed and "train.lr" not in changed:
        _carry_learning_rates(table, result)
    return result


def _parse(change: str) -> tuple[str, Any]:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {change}: must be key=value, such as --set train.epochs=3.")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _carry_learning_rates(old: Mapping[str, Any], new: dict[str, Any]) -> None:
    section = old.get("train")
    rates = section.get("lr") if isinstance(section, Mapping) else None
    lams = old.get("lam")
    if not isinstance(rates, list) or not isinstance(lams, list) or len(rates) != len(lams):
        return
    lams = [weight("lam", lam) for lam in lams]
    wanted = check.several("lam", new["lam"])
    new["train"]["lr"] = [_rate_at(lam, sorted(zip(lams, rates, strict=True))) for lam in wanted]


def _rate_at(lam: Any, known: list[tuple[float, float]]) -> float:
    """Return the rate at a lambda that is listed, or that lies between two with one rate."""
    exact = [rate for at, rate in known if at == lam]
    if exact:
        return exact[0]
    number = weight("lam", lam)
    below, above = [r for at, r in known if at < number], [r for at, r in known if at > number]
    around = below[-1:] + above[:1]
    if len(set(around)) != 1:
        listed = ", ".join(f"{at:g}" for at, _ in known)
        raise RecipeError(
            f"lam {lam} has no learning rate in this recipe, which lists one for each of {listed}; "
            "give them with --set train.lr=…, one for all or one per lambda."
        )
    return around[0]


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML with every field, so that changed defaults cannot change it.

    Fields marked quiet are left out at their defaults, which never change.
    """
    lines = _fields(recipe)
    for name in SECTIONS:
        inside = _fields(getattr(recipe, name))
        lines += ["", f"[{name}]", *inside] if inside else []
    return "\n".join(lines) + "\n"


def _fields(record: Any) -> list[str]:
    """Return a line for every field of a recipe or section that is to be written."""
    found = []
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if f.name not in SECTIONS and not (f.metadata.get("quiet") and value == f.default):
            found.append(f"{f.name} = {plain(value)}")
    return found


def plain(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    # JSON's text, numbers and truth values are TOML's, but for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def digest(recipe: Recipe) -> str:
    """Return 16 hexadecimal digits that name the recipe's content."""
    return hashlib.sha256(to_toml(recipe).encode()).hexdigest()[:16]


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Return the fields in which two recipes would give different runs.

    Where the data lie and where the arithmetic runs do not count: a run may be resumed on
    another machine.
    """
    a, b = dataclasses.asdict(old), dataclasses.asdict(new)
    found = [k for k in a if k not in SECTIONS and a[k] != b[k]]
    for section in SECTIONS:
        for key in a[section]:
            machine = (
                section == "engine" and key != "precision"
            ) or f"{section}.{key}" == "data.root"
            if a[section][key] != b[section][key] and not machine:
                found.append(f"{section}.{key}")
    return found
