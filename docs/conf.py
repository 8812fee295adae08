"""How Sphinx builds the manual."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

import jtdiag

sys.path.append(str(Path(__file__).parent))
import command_help
import gallery
import notebook_page

project = "jtdiag"
author = "the jtdiag authors"
copyright = f"2026, {author}"
release = version = jtdiag.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

_made_by_this_build: dict[str, str] = {}
"""Markdown by page."""

html_theme = "furo"
html_title = f"jtdiag {release}"


def _build_pages(app: Sphinx) -> None:
    """Carry out the small study, and execute the notebook, before pages are read."""
    build = Path(app.srcdir) / "_build"
    _made_by_this_build["gallery-built"] = gallery.built_page(build)
    _made_by_this_build["notebook"] = notebook_page.built_page(build)


def _show_built(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what this build made below the words of its page."""
    source[0] += _made_by_this_build.get(page, "")


def _changed(*_: object) -> list[str]:
    """Return the pages to read again although their files are the same."""
    return [*_made_by_this_build]


def setup(app: Sphinx) -> None:
    """Register the directive and the hooks."""
    command_help.setup(app)
    app.connect("builder-inited", _build_pages)
    app.connect("source-read", _show_built)
    app.connect("env-get-outdated", _changed)
