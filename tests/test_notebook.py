"""The notebook of the manual runs, and what notebooks show of objects."""

import json
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from jtdiag import DominanceMonitor, find_recipe

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def notebook():
    return json.loads((DOCS / "notebook.ipynb").read_text("utf-8"))


def test_the_notebook_is_short_and_has_no_outputs(notebook):
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) < 10
    assert all(cell["outputs"] == [] for cell in cells)


@pytest.mark.slow
def test_the_notebook_is_executed_and_shows_what_its_cells_return(tmp_path):
    page = SimpleNamespace(**runpy.run_path(str(DOCS / "notebook_page.py")))
    text = page.executed(tmp_path / "built")
    assert (
        len(re.findall(r"^!\[The figure that the cell shows\]\(cell-\d+\.png\)$", text, re.M)) == 2
    )
    assert len(list((tmp_path / "built").glob("cell-*.png"))) == 2
    assert re.search(r"```text\n[^`]*test error", text)
    assert "<td" in text
    assert "complete" in text
    assert (tmp_path / "built" / "runs" / "wine" / "recipe.toml").is_file()


def test_a_recipe_is_shown_as_toml_and_is_escaped():
    html = find_recipe("demo", ['data.root="<b>"'])._repr_html_()
    assert html.startswith("<pre>")
    assert "[members]" in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_monitor_is_shown_with_its_numbers_and_findings():
    monitor = DominanceMonitor(lam=1, every=1)
    assert "0 members" in monitor._repr_html_()
    monitor.update(torch.full((3, 8, 4), torch.nan), torch.arange(8) % 4)
    [finding, *_] = monitor.end_epoch()
    html = monitor._repr_html_()
    assert "3 members" in html
    assert finding._repr_html_() in html
    monitor.update(torch.randn(3, 8, 4), torch.arange(8) % 4)
    monitor.end_epoch()
    rows = re.findall(r"<th[^>]*>(\w+)</th><td>([-\d.e+]+)</td>", monitor._repr_html_())
    assert {name: f"{value:.4g}" for name, value in monitor.scalars().items()} == {
        f"jtdiag/{name}": number for name, number in rows
    }
