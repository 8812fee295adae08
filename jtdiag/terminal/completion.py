"""Completion in the shell: names of recipes, studies, probes, figures, styles, rules and others."""

from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Final

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

STYLES: Final = (
    "lncs",
    "neurips",
    "iclr",
    "icml",
    "icml-wide",
    "ieee",
    "ieee-wide",
    "nature",
    "nature-wide",
    "slides",
)
"""Names of venues, in the order of the help; those of `jtdiag.figures.venues`, which is slow."""


def _names(module: str, function: str, *, files: bool = False) -> Completer:
    """Return what offers the names that begin as what is typed.

    Args:
        module: Imported when completion is asked for.
        function: Address in the module of the function that returns all names.
        files: Whether the shell adds files and folders.
    """

    def complete(
        _context: click.Context, _parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        every = attrgetter(function)(import_module(module))()
        offered = [CompletionItem(name) for name in every if name.startswith(typed)]
        return [*offered, CompletionItem(typed, type="file")] if files else offered

    return complete


recipes = _names("jtdiag.recipe.presets", "paths", files=True)
studies = _names("jtdiag.recipe.studies", "paths", files=True)
probes = _names("jtdiag.probing.registry", "PROBES.names")
figures = _names("jtdiag.figures", "FIGURES.names", files=True)
rules = _names("jtdiag.rules", "RULES.names")
families = _names("jtdiag.families", "FAMILIES.names")
architectures = _names("jtdiag.recipe.budget", "sizable")
styles = _names(__name__, "STYLES.__iter__")
