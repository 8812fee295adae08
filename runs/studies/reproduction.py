"""Which claims of Webb et al. (2020) hold here? See docs/reproduction.md.

jtdiag study paper --out FOLDER --set data.root=data
python runs/studies/reproduction.py gather FOLDER
python runs/studies/reproduction.py report --page docs/reproduction.md
python runs/studies/reproduction.py draw docs/images/reproduction.png
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from reproduction_study import collecting, drawing, lanes, report
from study_page import written

HERE = Path(__file__).parent


def _tables(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--tables",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=HERE,
        help="Folder with the study's tables; by default those of the page.",
    )(command)


@click.group(help="Which claims of Webb et al. (2020) hold here? Gather, report, draw.")
def main() -> None:
    """Run a command of the study."""


@main.command()
@click.argument("study", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_tables
def gather(study: Path, tables: Path) -> None:
    """Write the tables from the folder of the study; lanes that are not done are left out."""
    collecting.gather(study, tables)


@main.command("report")
@_tables
@click.option("--page", type=click.Path(exists=True, path_type=Path), help="Page to write into.")
def report_command(tables: Path, page: Path | None) -> None:
    """Print the tables as Markdown, or write them into a page."""
    tables_by_name = report.tables(lanes.load(tables))
    if page is not None:
        page.write_text(written(page.read_text("utf-8"), tables_by_name), "utf-8")
    else:
        click.echo("\n\n".join(f"{name}\n\n{table}" for name, table in tables_by_name.items()))


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_tables
def draw(file: Path, tables: Path) -> None:
    """Draw the figure."""
    drawing.save(lanes.load(tables), file)


if __name__ == "__main__":
    main()
