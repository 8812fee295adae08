import ast
import graphlib
from pathlib import Path

from jtdiag.recipe import recipe

FOLDER = Path(recipe.__file__).parent


def imported(file):
    """Modules of the package that a file imports anywhere, also for type checking only."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "jtdiag.recipe":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jtdiag.recipe."):
            yield node.module.split(".")[2]


def test_no_module_of_a_recipe_imports_itself_in_a_circle():
    graph = {file.stem: set(imported(file)) for file in FOLDER.glob("*.py")}
    order = list(graphlib.TopologicalSorter(graph).static_order())  # raises for a circle
    assert order.index("sections") < order.index("recipe") < order.index("toml")
