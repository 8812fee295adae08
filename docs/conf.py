"""How Sphinx builds the manual."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

import jtdiag

sys.path.append(str(Path(__file__).parent))
import command_help
import gallery

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

html_theme = "furo"
html_title = f"jtdiag {release}"


def _make_gallery(app: Sphinx) -> None:
    """Carry out the small study and draw it, before pages are read."""
    global _figures_of_this_build
    _figures_of_this_build = gallery.built_page(Path(app.srcdir) / "_build")


def _show_gallery(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the figures that this build made below the words of their page."""
    if page == "gallery-built":
        source[0] += _figures_of_this_build


def _changed(*_: object) -> list[str]:
    """Return the pages to read again although their files are the same."""
    return ["gallery-built"]


def setup(app: Sphinx) -> None:
    """Register the directive and the hooks."""
    command_help.setup(app)
    app.connect("builder-inited", _make_gallery)
    app.connect("source-read", _show_gallery)
    app.connect("env-get-outdated", _changed)
