"""Limits on size and naming, and the agreement of pyproject.toml with constraints.txt.

Size and naming are asked of the packages as installed, so they hold for the wheel too.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import jtdiag
import jtdiag_probes

ROOT = Path(__file__).parents[1]
FUNCTION_LINES = 40
NAMES_WITHOUT_AN_IDEA = {"utils", "helpers", "common", "misc"}
NAMES_THAT_SAY_NOTHING = {"found", "one", "said", "told"}

PINNED = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+)")
LOWER_BOUND = re.compile(r"(?P<name>[\w.-]+)(\[[\w,-]+\])?>=[\w.]+")


def modules() -> list[Path]:
    """Every source file of both packages."""
    return [
        file
        for package in (jtdiag, jtdiag_probes)
        for folder in package.__path__
        for file in sorted(Path(folder).rglob("*.py"))
    ]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without decorators and docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        docstring = function.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def value_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each value that is bound: assigned, looped over, matched or an argument."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store(), lineno=line):
                yield line, name
            case ast.arg(arg=name, lineno=line):
                yield line, name
            case ast.ExceptHandler(name=str(name), lineno=line):
                yield line, name
            case (
                ast.MatchAs(name=str(name), lineno=line)
                | ast.MatchStar(name=str(name), lineno=line)
            ):
                yield line, name
            case ast.MatchMapping(rest=str(name), lineno=line):
                yield line, name


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, str]:
    """Versions in constraints.txt by canonical name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    matches = [PINNED.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(matches), "constraints.txt holds a line that is no `name==version`"
    return {canonical(match["name"]): match["version"] for match in matches}


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every source file of both packages, parsed."""
    return {file: ast.parse(file.read_text("utf-8")) for file in modules()}


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("package", [jtdiag, jtdiag_probes], ids=lambda package: package.__name__)
def test_the_rules_see_each_package(package):
    assert any(Path(package.__file__) == file for file in modules())


def test_a_function_is_measured_without_decorators_and_docstring():
    source = '@a\n@b\ndef f(x):\n    """One.\n\n    Two.\n    """\n    y = x\n    return y\n'
    [function] = functions(ast.parse(source))
    assert length(function) == 3


@pytest.mark.slow
def test_no_function_is_too_long(trees):
    long = [
        f"{file}:{function.lineno} {function.name}: {length(function)}"
        for file, tree in trees.items()
        for function in functions(tree)
        if length(function) > FUNCTION_LINES
    ]
    assert not long, f"functions of more than {FUNCTION_LINES} lines:\n" + "\n".join(long)


def test_no_module_is_named_for_nothing():
    nameless = [
        str(file)
        for file in modules()
        if NAMES_WITHOUT_AN_IDEA & {file.stem.strip("_"), file.parent.name.strip("_")}
    ]
    assert not nameless, "name the idea instead:\n" + "\n".join(nameless)


def test_names_of_values_are_seen():
    source = """
a = b.x
c: int
for d, *e in [f := g for h in i]:
    with j as k: pass
def l(m, *n, o=p, **q): return lambda r: s
try: pass
except T as u: pass
match v:
    case [w, *x] | {"y": w, **x}: pass
"""
    assert sorted({name for _, name in value_names(ast.parse(source))}) == list("acdefhkmnoqruwx")


@pytest.mark.slow
def test_values_are_named_for_what_they_hold(trees):
    empty = [
        f"{file}:{line} {name}"
        for file, tree in trees.items()
        for line, name in value_names(tree)
        if name in NAMES_THAT_SAY_NOTHING
    ]
    assert not empty, "name what the value is instead:\n" + "\n".join(empty)


def test_what_jtdiag_runs_on_has_lower_bounds_only(pyproject):
    loose = [
        entry for entry in pyproject["project"]["dependencies"] if not LOWER_BOUND.fullmatch(entry)
    ]
    assert not loose, f"not of the form name>=version: {loose}"


def test_everything_jtdiag_asks_for_is_pinned(pyproject):
    extras = pyproject["project"]["optional-dependencies"]
    asked = [
        *pyproject["project"]["dependencies"],
        *(e for extra in extras.values() for e in extra),
    ]
    names = {canonical(re.match(r"[\w.-]+", entry)[0]) for entry in asked}
    assert not names - pins().keys(), "missing in constraints.txt"


def test_development_tools_have_one_version(pyproject):
    tools = [PINNED.fullmatch(e) for e in pyproject["project"]["optional-dependencies"]["dev"]]
    assert {canonical(t["name"]): t["version"] for t in tools}.items() <= pins().items()


def test_every_recipe_goes_into_the_wheel(pyproject):
    listed = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    runs = ROOT / "runs"
    recipes = [*runs.glob("*.toml"), *(runs / "studies").glob("*.toml")]
    wanted = {
        f"runs/{path}": f"jtdiag/recipe/bundled/{path}"
        for path in (file.relative_to(runs).as_posix() for file in recipes)
    }
    assert listed == wanted, "list each recipe of runs/ under force-include in pyproject"
