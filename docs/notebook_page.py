"""Execute the notebook of the manual, and write its cells and what they show as Markdown."""

import ast
import contextlib
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jtdiag

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
NAMES = {"__name__": "__main__"}


def executed(folder: Path) -> str:
    """Return the notebook as Markdown; images are written to the folder, which is also current.

    Args:
        folder: Created; what the cells write is below it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = dict(NAMES)
    parts = []
    with contextlib.chdir(folder):
        for place, cell in enumerate(json.loads(NOTEBOOK.read_text("utf-8"))["cells"]):
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(source)
                continue
            parts.append(f"```python\n{source}\n```")
            parts += shown(source, known, Path(f"cell-{place}.png"))
    return "\n\n".join(parts) + "\n"


def shown(source: str, known: dict[str, Any], image: Path) -> Iterator[str]:
    """Execute a cell, and yield what it prints and how its last expression is shown."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), str(NOTEBOOK), "exec"), known)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), known)
    if printed.getvalue():
        yield f"```text\n{printed.getvalue().rstrip()}\n```"
    if hasattr(value, "_repr_png_"):
        image.write_bytes(value._repr_png_())
        yield f"![The figure that the cell shows]({image})"
    elif hasattr(value, "_repr_html_"):
        yield f"```{{raw}} html\n{value._repr_html_()}\n```"
    elif value is not None:
        yield f"```text\n{value!r}\n```"


def built_page(build: Path) -> str:
    """Return the executed notebook as Markdown, computed once per version.

    Args:
        build: Build folder, below the folder of the page.
    """
    key = hashlib.sha256(NOTEBOOK.read_bytes()).hexdigest()[:8]
    folder = build / "notebook" / f"{jtdiag.__version__}-{key}"
    page = folder / "page.md"
    if not page.exists():
        text = executed(folder)
        place = folder.relative_to(build.parent).as_posix()
        page.write_text(text.replace("](cell-", f"]({place}/cell-"), "utf-8")
    return page.read_text("utf-8")
