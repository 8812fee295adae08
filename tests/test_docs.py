"""The manual agrees with the code; what must be in it is asked of the code, not of a list here."""

import math
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner
from pytest_examples import CodeExample, find_examples

import jtdiag
import jtdiag_probes
from jtdiag import figures, find_recipe, names, rules
from jtdiag.commands import COMMANDS, main
from jtdiag.engine.architectures import build
from jtdiag.probing.contract import Probe
from jtdiag.probing.registry import PROBES
from jtdiag.recipe import presets, toml
from jtdiag.recipe.recipe import ARCHITECTURES, Data, Members, Recipe
from jtdiag.store import layout

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
PAGES = [page for page in PAGES if "_build" not in page.parts]
OURS = [probe for probe in PROBES.all() if probe.measure.__module__.startswith("jtdiag_probes.")]
HEADINGS = ["The question", "How to read", "The formula", "What it cannot tell", "Reference"]

MACHINE = re.compile(r"(?<![\w.~/-])/(?:home|root|tmp|work|mnt|usr|opt|srv|var|data|Users)/")
REGISTRY = re.compile(
    r"pypi|pythonhosted|artifactory|index-url|download\.pytorch|https?_proxy", re.I
)


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def headings(markdown: str, level: int) -> list[str]:
    outside = re.sub(r"^```.*?^```", "", markdown, flags=re.M | re.S)
    return re.findall(rf"^{'#' * level} (.+)$", outside, flags=re.M)


def section(markdown: str, heading: str) -> str:
    """What stands below a heading of the second level, up to the next."""
    below = markdown.partition(f"\n## {heading}\n")[2]
    return re.split(r"^## .+$", below, maxsplit=1, flags=re.M)[0]


def fenced(markdown: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", markdown, flags=re.M | re.S)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- probes --------------------------------------------------------------------------------------


@pytest.fixture(params=OURS, ids=lambda probe: probe.name)
def probe(request: pytest.FixtureRequest) -> Probe:
    return request.param


def test_our_probes_are_found():
    assert OURS


def test_every_probe_has_a_page_with_its_question_and_the_five_headings(probe):
    page = text(f"probes/{probe.name}.md")
    assert headings(page, 1) == [probe.name]
    assert [re.sub(r" the (figure|result)$", "", h) for h in headings(page, 2)] == HEADINGS
    assert probe.question in section(page, "The question")


def test_every_variable_of_a_probe_is_named_on_its_page(probe):
    page = text(f"probes/{probe.name}.md")
    absent = [name for name in probe.writes if f"`{name}`" not in page]
    if "`…_low` and `…_high`" in page:  # the ends of the interval of every mean
        absent = [name for name in absent if f"{name.rpartition('_')[0]}_mean" not in probe.writes]
    assert absent == []


def test_no_page_describes_a_probe_that_is_gone():
    assert {p.stem for p in (DOCS / "probes").glob("*.md")} == {probe.name for probe in OURS}


# --- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_section_of_a_command_has_its_help_made_at_build_time(command):
    shown = section(text("commands.md"), f"jtdiag {command}".strip())
    assert f"```{{jtdiag-help}} {command}".rstrip() + "\n```\n" in shown


@pytest.mark.slow
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_of_the_manual_is_what_the_program_prints(command, monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    shown = import_module("command_help").help_of(command)
    assert shown.startswith(f"Usage: jtdiag {command}".rstrip())
    assert max(map(len, shown.splitlines())) <= 80


def command_lines() -> list[str]:
    blocks = (block for page in PAGES for block in fenced(page.read_text("utf-8"), "sh"))
    lines = (line for block in blocks for line in block.splitlines())
    return sorted({line for line in lines if line.startswith("jtdiag ")})


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_of_the_manual_is_understood(line):
    words = shlex.split(line, comments=True)
    name, *arguments = words[1 : words.index("||") if "||" in words else None]
    command = main.get_command(None, name)
    context = command.make_context(name, arguments)  # raises what the program would
    if name == "train" and context.params["recipe"] in presets.paths():
        find_recipe(context.params["recipe"], context.params["overrides"])


# --- figures, public names, the store ------------------------------------------------------------


@pytest.mark.parametrize("figure", figures.FIGURES.names())
def test_every_figure_has_a_section(figure):
    assert figure in headings(text("figures.md"), 2)


@pytest.mark.parametrize("name", jtdiag.__all__)
def test_every_public_name_is_in_the_reference_and_among_the_examples(name):
    assert re.search(rf"^\.\. auto\w+:: jtdiag\.{name}$", text("api.md"), flags=re.M)
    assert f"`{name}`" in text("python.md")


def test_every_array_of_a_store_is_described():
    recipe = find_recipe("demo")
    parameters = build(recipe.members, (64,), 10).parameters
    extent = layout.Extent(
        examples=dict.fromkeys(names.SPLITS, 1), outputs=10, parameters=parameters
    )
    page = text("store.md")
    for array in layout.arrays(recipe, extent):
        group, _, name = array.path.rpartition("/")
        assert f"`{group.replace('/val', '/test')}`" in page
        assert re.sub(r"layer\d", "layer1", f"`{name}`") in page


# --- recipes -------------------------------------------------------------------------------------


def rows(markdown: str) -> dict[str, list[str]]:
    """Cells of a section's tables by the first, which names a field."""
    cells = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in cells}


def recipe_fields() -> list[tuple[str, attrs.Attribute]]:
    top = [f for f in attrs.fields(Recipe) if f.name not in toml.SECTIONS]
    inside = [(s, f) for s, kind in toml.SECTIONS.items() for f in attrs.fields(kind)]
    return [("Top level", f) for f in top] + inside


@pytest.mark.parametrize(
    ("where", "field"), [pytest.param(w, f, id=f"{w}.{f.name}") for w, f in recipe_fields()]
)
def test_every_field_of_a_recipe_is_described_with_its_default(where, field):
    default = rows(section(text("recipe.md"), where))[field.name][0]
    if field.default is attrs.NOTHING:
        assert default == "required"
    elif field.name == "name":
        assert default == "the file's name without `.toml`"
    else:
        shown = tomllib.loads(f"value = {default.strip('`')}")["value"]
        value = (
            field.default.factory() if isinstance(field.default, attrs.Factory) else field.default
        )
        plain = list(value) if isinstance(value, tuple) else value
        assert shown == plain or [shown] == plain


def test_no_field_is_described_that_no_recipe_has():
    page = text("recipe.md")
    for where, kind in {"Top level": Recipe, **toml.SECTIONS}.items():
        described = {name for name, cells in rows(section(page, where)).items() if len(cells) == 3}
        known = {f.name for f in attrs.fields(kind)} - toml.SECTIONS.keys()
        assert described - presets.paths().keys() == known


RECIPE_BLOCKS = [
    block for page in ("recipe.md", "members.md") for block in fenced(text(page), "toml")
]


@pytest.mark.parametrize("block", RECIPE_BLOCKS)
def test_the_recipe_in_the_manual_is_one(block):
    toml.from_table(tomllib.loads(block))


def test_every_architecture_is_described_with_its_fields():
    described = rows(section(text("members.md"), "Architectures"))
    for record in ARCHITECTURES.all():
        fields = ", ".join(f"`{name}`" for name in record.fields)
        assert described[f'"{record.name}"'][0] == fields


def test_every_preset_is_described():
    assert presets.paths().keys() <= rows(section(text("recipe.md"), "Presets")).keys()


@pytest.mark.parametrize("preset", [p for p in presets.paths() if p.startswith("fashion")])
def test_the_sizes_of_the_presets_are_those_announced(preset):
    shown = [line for line in text("recipe.md").splitlines() if line.startswith(f"| `{preset}`")]
    for changes in ((), ("keep.outputs=all", "keep.checkpoints=all")):
        recipe = find_recipe(preset, changes)
        parameters = build(recipe.members, (1, 28, 28), 10).parameters
        numbers = recipe.members.count * sum(math.prod(p.shape) for p in parameters.values())
        extent = layout.Extent(
            examples={"train": 50_000, "val": 10_000, "test": 10_000},
            outputs=10,
            parameters=parameters,
            memory=4 * numbers,  # sgd remembers as much as there are weights
        )
        size = layout.readable(layout.size(recipe, extent).total)
        assert any(f" {size} " in line for line in shown), size


# --- code blocks ---------------------------------------------------------------------------------


def code(page: Path) -> list[CodeExample]:
    return [block for block in find_examples(page) if block.prefix == "python"]


WITH_TESTS_OF_THEIR_OWN = ("own-probe.md", "monitor.md", "foreign-logits.md", "object-stores.md")
WITH_CODE = [page for page in PAGES if code(page)]


def run_blocks(page: Path) -> None:
    """Run a page's blocks in their order; one that begins with ``# name.py`` becomes that file."""
    known: dict[str, Any] = {"__name__": "__main__"}
    for block in code(page):
        named = re.match(r"# (\w+\.py)\n", block.source)
        if named:
            Path(named[1]).write_text(block.source, "utf-8")
        else:
            at_its_line = "\n" * block.start_line + block.source
            exec(compile(at_its_line, page, "exec"), known)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pages_with_code_are_found():
    assert {"README.md", "docs/python.md", "docs/own-probe.md"} <= set(map(name_of, WITH_CODE))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in WITH_CODE if page.name not in WITH_TESTS_OF_THEIR_OWN], ids=name_of
)
def test_the_code_of_a_page_runs(page, folder, short_demo):
    if not any("train(" in block.source for block in code(page)):
        shutil.copytree(short_demo.path, folder / "runs" / "demo")
    run_blocks(page)


@pytest.mark.slow
def test_every_example_of_the_page_of_foreign_logits_runs(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    run_blocks(DOCS / "foreign-logits.md")
    sys.modules.pop("net")
    lines = [line for b in fenced(text("foreign-logits.md"), "sh") for line in b.splitlines()]
    assert len(lines) == 4
    for line in lines:
        ran = CliRunner().invoke(main, [*shlex.split(line)[1:], "-q"])
        assert (ran.exit_code, ran.stdout) == (0, ""), (line, ran.output)


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The distribution that own-probe.md describes, as an installer would leave it."""
    [block] = fenced(text("own-probe.md"), "toml")
    project = tomllib.loads(block)["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    points = project["entry-points"]["jtdiag.probes"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[jtdiag.probes]", *lines, ""]))
    monkeypatch.syspath_prepend(folder)
    yield folder
    for value in points.values():
        sys.modules.pop(value.partition(":")[0], None)


@pytest.mark.slow
def test_the_probe_of_the_manual_is_found_asked_and_keeps_its_promises(installed):
    run_blocks(DOCS / "own-probe.md")
    shown = CliRunner().invoke(main, ["probes"])
    assert "How much do the members disagree?" in shown.output
    # A process of its own, as a user would have it: outside our settings and our conftest.
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    done = subprocess.run(tests, cwd=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_ten_lines_of_the_manual_are_a_probe_when_their_file_is_named(folder, short_demo):
    [block] = [b for b in code(DOCS / "own-probe.md") if b.source.startswith("# lead.py")]
    assert len([line for line in block.source.splitlines() if line.strip()]) <= 11
    Path("lead.py").write_text(block.source, "utf-8")
    shutil.copytree(short_demo.path, "runs/demo")
    [line] = [line for line in command_lines() if "lead.py" in line]
    asked = shlex.split(line)[1:]
    first, again = (CliRunner().invoke(main, asked) for _ in range(2))
    shown = next(b for b in fenced(text("own-probe.md"), "text") if b.startswith("lead:"))
    assert first.stdout.splitlines()[0] == shown.splitlines()[0]
    number = re.compile(r"\d+\.\d+(e-\d+)?|epoch \d+")
    assert [number.sub("", said) for said in first.stdout.splitlines()[1:]] == [
        number.sub("", said) for said in shown.splitlines()[1:]
    ]
    assert again.stdout == first.stdout.replace(": running.", ": up to date.")
    error = short_demo.metrics()["member_error"].sel(split="test", lam=1, epoch=4)
    expected = float(error.median() - error.min())
    assert f"λ = 1: lead is {expected:.3g} after epoch 4" in first.stdout


# --- every page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_machine_or_a_registry(page):
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        assert not MACHINE.search(line), f"{page}:{number}: {line}"
        assert not REGISTRY.search(line), f"{page}:{number}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_a_recipe_made_in_python_has_the_name_that_the_manual_says():
    recipe = Recipe(data=Data(name="digits"), members=Members(arch="mlp", count=1))
    assert f'`"{recipe.name}"`' in rows(section(text("recipe.md"), "Top level"))["name"][2]


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rules.RULES.names())
def test_every_rule_has_a_page_that_states_its_limit(name):
    page = text(f"rules/{name}.md")
    assert headings(page, 1) == [name]
    assert headings(page, 2) == [
        "When it fires",
        "What to do",
        "How often it is right",
        "What it cannot tell",
    ]
    assert f"**{rules.RULES.find(name).limit:g}**" in page


def test_no_page_describes_a_rule_that_is_gone():
    assert {p.stem for p in (DOCS / "rules").glob("*.md")} == set(rules.RULES.names())


# --- contributing and the glossary ---------------------------------------------------------------


def paths_of_the_map() -> list[str]:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    tables = [line for line in page.splitlines() if line.startswith("|")]
    pattern = re.compile(r"`([\w./]+/[\w./]*|\w+\.toml)`")
    return sorted({path for line in tables for path in pattern.findall(line)})


@pytest.mark.parametrize("path", paths_of_the_map())
def test_every_path_of_the_map_exists(path):
    package = {"jtdiag": jtdiag, "probes": jtdiag_probes}.get(path.partition("/")[0])
    if package is None:
        assert (ROOT / path).exists()
    else:  # as installed, so that it holds for the wheel too
        inside = path.removeprefix("probes/").partition("/")[2]
        assert (Path(package.__file__).parent / inside).exists()


def test_the_map_answers_fifteen_questions():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    map_ = page.partition("\n## Where do I change …?\n")[2].partition("\n## ")[0]
    assert len([line for line in map_.splitlines() if line.startswith("| ")]) - 1 >= 15


def test_the_glossary_has_our_words_and_is_linked_from_the_first_screen():
    page = text("glossary.md")
    terms = re.findall(r"^(.+)\n: ", page, flags=re.M)
    for word in ("lane", "seal", "finding", "member", "λ (`lam`)", "probe", "verdict", "trial"):
        assert word in terms
        entry = page.partition(f"\n{word}\n: ")[2].partition("\n\n")[0]
        assert "lsewhere:*" in entry or word == "verdict"
    first_screen = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:40])
    assert "docs/glossary.md" in first_screen
