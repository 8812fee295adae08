"""Write the table of hostile inputs into docs/reliability.md.

python tests/hostile/hostile_table.py
"""

import importlib
import re
from pathlib import Path

from hostile_case import CASES

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- hostile inputs: begin -->\n", "<!-- hostile inputs: end -->\n"


def rows() -> list[str]:
    """Return the lines of the table, sorted by kind, in the order in which cases are written."""
    kinds = list(dict.fromkeys(case.kind for case in CASES))
    lines = ["| kind | what is given | what becomes of it |", "|---|---|---|"]
    for kind in sorted(kinds):
        lines += [f"| {c.kind} | {_cell(c.name)} | {c.outcome} |" for c in CASES if c.kind == kind]
    return lines


def written_rows(page: str) -> list[str]:
    """Return the lines of the table that a page contains."""
    return page.split(BEGIN)[1].split(END)[0].strip().splitlines()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Replace the table in the page."""
    for file in sorted(Path(__file__).parent.glob("*_cases.py")):
        importlib.import_module(file.stem)
    text = PAGE.read_text("utf-8")
    table = BEGIN + "\n".join(rows()) + "\n" + END
    pattern = re.escape(BEGIN) + ".*?" + re.escape(END)
    PAGE.write_text(re.sub(pattern, lambda _: table, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
