"""Completion in the shell offers the names that each argument takes."""

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from jtdiag.commands import main
from jtdiag.families import FAMILIES
from jtdiag.figures import FIGURES
from jtdiag.figures.venues import VENUES
from jtdiag.probing.registry import PROBES
from jtdiag.recipe import budget, presets, studies
from jtdiag.rules import RULES
from jtdiag.terminal import completion


def offered(*words):
    """Return the names and kinds that are offered for the last of some words."""
    shell = ShellComplete(main, {}, "jtdiag", "_JTDIAG_COMPLETE")
    return [(item.value, item.type) for item in shell.get_completions([*words[:-1]], words[-1])]


@pytest.mark.parametrize(
    ("words", "names", "files"),
    [
        (("train", ""), presets.paths(), True),
        (("study", ""), studies.paths(), True),
        (("probe", "runs/demo", ""), PROBES.names(), False),
        (("plot", "runs/demo", ""), FIGURES.names(), True),
        (("plot", "runs/demo", "--style", ""), completion.STYLES, False),
        (("train", "demo", "--stop-on", ""), RULES.names(), False),
        (("import", "a.npz", "--family", ""), FAMILIES.names(), False),
        (("advise", "--arch", ""), budget.sizable(), False),
    ],
)
def test_every_name_is_offered(words, names, files):
    expected = [(name, "plain") for name in names]
    assert offered(*words) == expected + ([("", "file")] if files else [])


def test_only_names_that_begin_so_are_offered():
    assert offered("probe", "runs/demo", "perf") == [("performance", "plain")]
    assert offered("pro") == [("probes", "plain"), ("probe", "plain")]


def test_runs_are_completed_by_the_shell():
    assert offered("report", "runs/") == [("runs/", "file")]


def test_the_styles_are_those_of_the_venues():
    assert set(completion.STYLES) == set(VENUES)


@pytest.mark.slow
def test_completing_imports_nothing_heavy():
    code = "import sys; from jtdiag.commands import main; from click.shell_completion import "
    code += "ShellComplete as S; s = S(main, {}, 'jtdiag', 'X'); "
    code += "[s.get_completions(w, '') for w in (['train'], ['probe', 'a'], ['plot', 'a'])]; "
    ran = subprocess.run(
        [sys.executable, "-c", code + "print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert not {"torch", "xarray", "matplotlib", "zarr"} & set(ran.stdout.split())
