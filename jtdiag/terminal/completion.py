"""Completion in the shell: names of recipes, studies, probes, figures, styles and rules."""

from collections.abc import Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem

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


def recipes(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the presets whose names begin as what is typed; the shell adds files and folders."""
    from jtdiag.recipe import presets

    return [*_matching(presets.paths(), typed), _files(typed)]


def studies(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the built-in studies whose names begin so; the shell adds files and folders."""
    from jtdiag.recipe import studies as built_in

    return [*_matching(built_in.paths(), typed), _files(typed)]


def probes(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the installed probes whose names begin as what is typed."""
    from jtdiag.probing.registry import PROBES

    return _matching(PROBES.names(), typed)


def figures(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the installed figures whose names begin so; the shell adds folders of runs."""
    from jtdiag.figures import FIGURES

    return [*_matching(FIGURES.names(), typed), _files(typed)]


def styles(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the venues whose names begin as what is typed."""
    return _matching(STYLES, typed)


def rules(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the installed rules whose names begin as what is typed."""
    from jtdiag.rules import RULES

    return _matching(RULES.names(), typed)


def _matching(names: Iterable[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(typed)]


def _files(typed: str) -> CompletionItem:
    """Return what makes the shell complete the name of a file."""
    return CompletionItem(typed, type="file")
