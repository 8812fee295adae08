"""Read, override, hash and compare recipes as TOML; `toml_writing` writes them."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs
import cattrs
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from jtdiag.errors import RecipeError, nearest, shortened, shown
from jtdiag.names import lam_text
from jtdiag.recipe import checks
from jtdiag.recipe.objective import weight
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml_writing import (
    SECTIONS as SECTIONS,
    dumps as dumps,
    to_table as to_table,
    to_toml as to_toml,
)

OPTIONS: Final = "members.options"
"""The only table within a section."""


class _InvalidTableError(Exception):
    """A table that is not a section of a recipe."""

    def __init__(self, section: str, key: str = "") -> None:
        super().__init__(section, key)
        self.section, self.key = section, key


def _converter() -> cattrs.Converter:
    """Return the converter from plain tables to recipes; the checks of the fields do the rest."""
    converter = cattrs.Converter(
        forbid_extra_keys=True, detailed_validation=False, prefer_attrib_converters=True
    )
    for section, kind in SECTIONS.items():
        converter.register_structure_hook(kind, _section_hook(converter, section, kind))
    # A field with a check would otherwise be given the plain table.
    sections: dict[str, Any] = {
        name: cattrs.override(struct_hook=converter.get_structure_hook(kind))
        for name, kind in SECTIONS.items()
    }
    converter.register_structure_hook(
        Recipe,
        make_dict_structure_fn(Recipe, converter, _cattrs_forbid_extra_keys=True, **sections),
    )
    return converter


def _section_hook(converter: cattrs.Converter, section: str, kind: type) -> Any:
    structure: Any = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)

    def hook(table: object, _: object) -> object:
        if not isinstance(table, Mapping):
            raise _InvalidTableError(section)
        missing = [name for name in _required(kind) if name not in table]
        if missing and table.keys() <= {field.name for field in attrs.fields(kind)}:
            raise _InvalidTableError(section, missing[0])
        return structure(table, kind)

    return hook


def _required(kind: type) -> list[str]:
    return [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]


CONVERTER: Final = _converter()


# --- reading --------------------------------------------------------------------------------------


def read(path: Path, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe in a TOML file, with ``key=value`` overrides applied.

    Raises:
        RecipeError: if the file is missing, is not TOML, or is not a valid recipe.
    """
    table = load(path)
    table.setdefault("name", path.stem)
    return from_table(override(table, overrides, str(path)), str(path))


def load(path: Path) -> dict[str, Any]:
    """Return the contents of a TOML file as plain values.

    Raises:
        RecipeError: if it is missing or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read ({error.strerror}). Give a recipe file or a preset; "
            "`jtdiag presets` lists the presets."
        ) from error
    except (ValueError, RecursionError) as error:  # also for integers of thousands of digits
        raise RecipeError(f"{path}: is not valid TOML: {shortened(str(error), 200)}.") from error


def from_table(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """Return the recipe that a table of plain values describes; unknown keys are rejected.

    Args:
        table: As read from TOML.
        where: Origin of the table, such as the path of a file, for messages.

    Raises:
        RecipeError: if the table is not a valid recipe.
    """
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where} is {shown(table)}; it must be a table of fields and sections.")
    for key in _required(Recipe):
        if key not in table and table.keys() <= {field.name for field in attrs.fields(Recipe)}:
            raise RecipeError(f"{where}: [{key}] is missing; every recipe requires it.")
    try:
        return CONVERTER.structure(table, Recipe)
    except ForbiddenExtraKeysError as error:
        section = next((name for name, kind in SECTIONS.items() if kind is error.cl), "")
        origin = f"{where}, [{section}]" if section else where
        keys = table[section] if section else table
        key = next(key for key in keys if key in error.extra_fields)
        names = [field.name for field in attrs.fields(error.cl)]
        raise checks.unknown_key(origin, key, names) from error
    except _InvalidTableError as error:
        if error.key:
            raise RecipeError(
                f"{where}: [{error.section}] has no '{error.key}'; it is required."
            ) from None
        _reject_value(where, error.section, table[error.section])


def _reject_value(where: str, section: str, value: object) -> NoReturn:
    raise RecipeError(f"{where}: {section} is {shown(value)}; it must be a table, [{section}].")


# --- overriding -----------------------------------------------------------------------------------


def override(
    table: Mapping[str, Any], changes: Iterable[str], where: str = "recipe"
) -> dict[str, Any]:
    """Return a table with ``key=value`` changes applied; a value is TOML, or else plain text.

    If the λs change and the learning rates, one per λ, do not, each λ keeps the rate that the
    recipe assigns to it.
    """
    result = _copied(table)
    changed = dict(_parse(change) for change in changes)
    for key, value in changed.items():
        *parents, field = key.split(".")
        section = ".".join(parents)
        if parents and section not in (*SECTIONS, OPTIONS):
            raise RecipeError(
                f"--set {shortened(key, 60)}: there is no section '{shortened(section, 60)}'."
                f"{nearest(section, SECTIONS)}"
            )
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                _reject_value(where, section, target)
        target[field] = value
    if "lam" in changed and "train.lr" not in changed:
        _carry_learning_rates(table, result)
    return result


def _copied(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, Mapping) else v for k, v in table.items()}


def _parse(change: str) -> tuple[str, Any]:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise RecipeError(
            f"--set {shortened(change, 60)}: must be key=value, such as --set train.epochs=3."
        )
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"--set {shortened(change, 60)}: {shortened(str(error), 200)}."
        ) from error


def _carry_learning_rates(old: Mapping[str, Any], new: dict[str, Any]) -> None:
    section = old.get("train")
    rates = section.get("lr") if isinstance(section, Mapping) else None
    lams = old.get("lam")
    if not isinstance(rates, list) or not isinstance(lams, list) or len(rates) != len(lams):
        return
    lams = [weight("lam", lam) for lam in lams]
    new_lams = checks.several("lam", new["lam"])
    listed = sorted(zip(lams, rates, strict=True))
    new["train"]["lr"] = [_rate_of(lam, listed) for lam in new_lams]


def _rate_of(lam: Any, listed: list[tuple[float, float]]) -> float:
    """Return the rate of a λ that is listed, or that is between two λs of the same rate."""
    exact = [rate for known_lam, rate in listed if known_lam == lam]
    if exact:
        return exact[0]
    number = weight("lam", lam)
    below = [rate for known_lam, rate in listed if known_lam < number]
    above = [rate for known_lam, rate in listed if known_lam > number]
    neighbors = below[-1:] + above[:1]
    if len(set(neighbors)) != 1:
        lams = ", ".join(lam_text(known_lam) for known_lam, _ in listed)
        raise RecipeError(
            f"lam {lam} has no learning rate in this recipe, which lists one for each of {lams}; "
            "set train.lr with --set train.lr=…, one rate for all λs or one per λ."
        )
    return neighbors[0]


# --- digests and differences ----------------------------------------------------------------------


def digest(recipe: Recipe) -> str:
    """Return 16 hexadecimal digits that identify the contents of a recipe.

    Stored runs and results refer to their recipe by it, so it must never change.
    """
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()[:16]


def canonical(recipe: Recipe) -> str:
    """Return the text that is hashed for the digest: a line per field, in a fixed format."""
    sections = []
    for name, value in to_table(recipe).items():
        if name not in SECTIONS:
            sections.append(f"{name} = {plain(value)}\n")
            continue
        lines = [f"{key} = {plain(item)}\n" for key, item in value.items()]
        sections.append("".join(["\n", f"[{name}]\n", *lines]))
    return "".join(sections)


def plain(value: Any) -> str:
    """Return a value as one line of text, in the notation of TOML."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(plain(item) for item in value) + "]"
    # The notation of JSON, with the one character that TOML escapes in addition.
    return json.dumps(value, ensure_ascii=False, sort_keys=True).replace("\x7f", "\\u007f")


def differences(old: Recipe, new: Recipe) -> list[str]:
    """Return the fields in which two recipes would give different runs.

    The location of the data and most of [engine] do not count, so that a run can be resumed on
    another machine.
    """
    return [name for name in fields() if lookup(old, name) != lookup(new, name)]


def fields() -> list[str]:
    """Return the full names of all fields that affect a run, such as "lam" or "train.epochs"."""
    names = [field.name for field in attrs.fields(Recipe) if field.name not in SECTIONS]
    for section, kind in SECTIONS.items():
        names += [f"{section}.{field.name}" for field in attrs.fields(kind)]
    return [name for name in names if not _machine(name)]


def lookup(recipe: Recipe, name: str) -> Any:
    """Return the value of a field by its full name, such as "lam" or "train.epochs"."""
    section, dot, field = name.rpartition(".")
    return getattr(getattr(recipe, section) if dot else recipe, field)


def _machine(name: str) -> bool:
    """Return whether a field depends on the machine and does not affect results."""
    engine = name.startswith("engine.") and name != "engine.precision"
    return engine or name == "data.root"
