"""The sentences that people read: where they are written, and in which words.

Each room writes its sentences in its module `wording`; its `test_wording.py` prints them. Error
messages are at their `raise`, help texts at their options. `pytest -s tests/test_sentences.py`
prints them all.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import jtdiag
import jtdiag_probes
from jtdiag import errors
from jtdiag.commands import main
from jtdiag.figures import FIGURES
from jtdiag.probing.registry import PROBES
from jtdiag.rules.registry import RULES

TESTS = Path(__file__).parent
PACKAGES = [Path(package.__file__).parent for package in (jtdiag, jtdiag_probes)]

JUDGING = ("report", "compare", "rules", "alerts")
"""Rooms of jtdiag that write findings; of jtdiag_probes, all do."""

FORBIDDEN = (
    "stands alone",
    "stand alone",
    "by itself alone",
    "speaks",
    "speaks of",
    "silent",
    "the doubt",
    "within the doubt",
    "told",
    "passed over",
    "bears",
    "comes about",
    "come about",
    "anybody",
    "somebody",
    "nobody",
    "mend",
    "anew",
    "so many",
    "a guess",
    "an url",
    "1 threads",
    "goes on",
    "go on",
    "lies in",
    "asked of",
    "is asked",
    "are asked",
)
"""Phrases that read like a translation, or are not grammatical."""

FIELD_NAMES = re.compile(r"silent (faults?|data corruptions?|errors?)", re.IGNORECASE)
"""Terms of the field that contain a forbidden word."""

ERRORS = {
    "ValueError",
    "ImportError",
    "ClickException",
    "UsageError",
    "BadParameter",
    *(name for name, kind in vars(errors).items() if isinstance(kind, type)),
}


def room(file: Path) -> str:
    """Return the folder of a module, such as "report" or "probes/filters"."""
    package = next(package for package in PACKAGES if file.is_relative_to(package))
    first = file.relative_to(package).parts[0]
    return f"probes/{first}" if package.name == "jtdiag_probes" else first


def sources(pattern: str) -> list[Path]:
    """Return the source files of both packages whose names match a pattern."""
    return [file for package in PACKAGES for file in sorted(package.rglob(pattern))]


def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def names_in(tree: ast.AST) -> set[str]:
    """Return the names and attributes that code refers to; strings and comments do not count."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def texts(node: ast.AST) -> Iterator[str]:
    """Return the string literals in a piece of code, with "…" for each value of an f-string."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(p.value if isinstance(p, ast.Constant) else "…" for p in parts)
            for part in parts:
                if isinstance(part, ast.FormattedValue):
                    yield from texts(part.value)
        case ast.Subscript(value=value):
            yield from texts(value)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts(child)


def is_sentence(text: str) -> bool:
    """Tell words from names and separators."""
    return bool(re.search(r"[^\W\d_]{2}.*\s|\s.*[^\W\d_]{2}", text))


def written_in_wording(tree: ast.Module) -> Iterator[str]:
    """Return the templates of a wording module, without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            node.body = [
                line
                for line in node.body
                if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))
            ]
    yield from filter(is_sentence, texts(tree))


def error_messages(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            kind = node.exc.func
            name = kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "")
            if name in ERRORS or name == "error":
                for argument in node.exc.args:
                    yield from filter(is_sentence, texts(argument))


def help_texts() -> Iterator[tuple[str, str]]:
    """Return the help of every command and option."""
    yield "jtdiag", main.help
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        yield f"jtdiag {name}", command.help or ""
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield f"jtdiag {name} {parameter.opts[0]}", parameter.help or ""


def declarations() -> Iterator[tuple[str, str]]:
    """Return what the records of probes, figures and rules say about themselves."""
    for probe in PROBES.all():
        yield f"probe {probe.name}", probe.question
        for name, var in probe.writes.items():
            yield f"probe {probe.name}: {name}", var.meaning
    for figure in FIGURES.all():
        yield f"figure {figure.name}", figure.caption
    for rule in RULES.all():
        yield f"rule {rule.name}", rule.compares


def every_sentence() -> list[tuple[str, str]]:
    """Return pairs of a place and a sentence, or a template of one."""
    pairs = [*help_texts(), *declarations()]
    for file in sources("*.py"):
        package = next(package for package in PACKAGES if file.is_relative_to(package))
        place = f"{package.name}/{file.relative_to(package).as_posix()}"
        pairs += [(place, text) for text in error_messages(parse(file))]
        if file.name == "wording.py":
            pairs += [(place, text) for text in written_in_wording(parse(file))]
    return pairs


def forbidden_in(text: str) -> list[str]:
    plain = FIELD_NAMES.sub("", " ".join(text.split())).lower()
    return [phrase for phrase in FORBIDDEN if re.search(rf"\b{phrase}\b", plain)]


def composed(value: ast.expr) -> bool:
    """Tell whether an expression writes text itself: a literal, an f-string, or pieces added."""
    match value:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return composed(left) or composed(right)
        case ast.IfExp(body=body, orelse=orelse):
            return composed(body) or composed(orelse)
        case ast.Call(func=ast.Attribute(value=text, attr="join" | "format")):
            return isinstance(text, ast.JoinedStr) or any(is_sentence(t) for t in texts(value))
    return False


def composed_findings(tree: ast.Module) -> Iterator[ast.keyword]:
    """Return the arguments `sentence` and `headline` that are written where a finding is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in {"sentence", "headline"}:
            empty = isinstance(node.value, ast.Constant) and not node.value.value
            if composed(node.value) and not empty:
                yield node


def test_room_of(file: Path) -> Path:
    prefix = "probes/" if file.is_relative_to(PACKAGES[1]) else ""
    return TESTS / f"{prefix}{file.parent.name}" / "test_wording.py"


test_room_of.__test__ = False


@pytest.mark.parametrize("file", sources("wording.py"), ids=room)
def test_every_function_of_a_wording_module_is_in_its_test(file):
    functions = [
        node.name
        for node in parse(file).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    tests = test_room_of(file)
    assert tests.exists(), f"{tests} is missing: it prints every sentence of {file}"
    assert functions
    assert not set(functions) - names_in(parse(tests)), f"not in {tests}"


@pytest.mark.slow
def test_sentences_of_findings_come_from_wording():
    files = [
        file
        for file in sources("*.py")
        if file.name != "wording.py" and (file.is_relative_to(PACKAGES[1]) or room(file) in JUDGING)
    ]
    assert len(files) > 50
    written = [
        f"{file}:{keyword.value.lineno}: {keyword.arg}={ast.unparse(keyword.value)}"
        for file in files
        for keyword in composed_findings(parse(file))
    ]
    assert not written, "move to the wording module of the room:\n" + "\n".join(written)


@pytest.mark.parametrize(
    ("value", "is_composed"),
    [
        ("'The error is high.'", True),
        ("f'λ = {lam}'", True),
        ("f'{first} {second}'", True),
        ("'a' if alone else wording.b()", True),
        ("wording.a() + ' b'", True),
        ("' '.join([wording.a(), 'and so on.'])", True),
        ("' '.join(sentences)", False),
        ("wording.headline('loss', lam=1)", False),
        ("''", False),
    ],
)
def test_a_composed_sentence_is_recognized(value, is_composed):
    tree = ast.parse(f"Finding(rule='a b', sentence={value})")
    assert any(composed_findings(tree)) == is_composed


def test_texts_of_code_are_found():
    tree = ast.parse(
        "raise errors.StoreError(f'{path}: {\"no disk\" if full else \"\"} at {n:.1f}' + d['a b'])"
    )
    assert list(error_messages(tree)) == ["…: … at …", "no disk"]


def test_a_forbidden_phrase_is_found_as_whole_words():
    assert forbidden_in("Nobody was\ntold.") == ["told", "nobody"]
    assert forbidden_in("Recommended: a silent fault; soldiers lie.") == []


@pytest.mark.slow
def test_no_sentence_reads_like_a_translation(tmp_path):
    pairs = every_sentence()
    lines = [f"{place}: {' '.join(text.split())}" for place, text in pairs]
    (tmp_path / "sentences.txt").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))  # noqa: T201
    assert len(pairs) > 500
    assert {"jtdiag", "probe", "figure", "rule"} <= {place.split()[0] for place, _ in pairs}
    assert {"jtdiag/recipe/checks.py", "jtdiag/terminal/wording.py"} <= dict(pairs).keys()
    wrong = [
        f"{line}\n    contains: {', '.join(forbidden_in(text))}"
        for line, (_, text) in zip(lines, pairs, strict=True)
        if forbidden_in(text)
    ]
    assert not wrong, "reword:\n" + "\n".join(wrong)
