"""Which claims of Webb et al. (2020) hold here? See docs/reproduction.md.

jtdiag study paper --out FOLDER --set data.root=data
python runs/studies/reproduction.py gather FOLDER
python runs/studies/reproduction.py report --page docs/reproduction.md
python runs/studies/reproduction.py draw docs/images/reproduction.png

The same for `jtdiag study paper-images`, with `gather-images` in place of `gather`.
"""

from pathlib import Path

import click

from reproduction_study import (
    collecting,
    drawing,
    image_drawing,
    image_lanes,
    image_report,
    lanes,
    report,
)
from study_page import page_option, put, tables_option

HERE = Path(__file__).parent


_tables = tables_option(HERE)


@click.group(help="Which claims of Webb et al. (2020) hold here? Gather, report, draw.")
def main() -> None:
    """Run a command of the study."""


@main.command()
@click.argument("study", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_tables
def gather(study: Path, tables: Path) -> None:
    """Write the tables from the folder of the study; lanes that are not done are left out."""
    collecting.gather(study, tables)


@main.command()
@click.argument("study", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_tables
def gather_images(study: Path, tables: Path) -> None:
    """Write the table of the study `paper-images`; lanes that are not done are left out."""
    image_lanes.gather(study, tables)


@main.command("report")
@_tables
@page_option
def report_command(tables: Path, page: Path | None) -> None:
    """Print the tables as Markdown, or write them into a page."""
    of_images = image_report.tables(image_lanes.load(tables))
    put(report.tables(lanes.load(tables)) | of_images, page)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_tables
def draw(file: Path, tables: Path) -> None:
    """Draw the figure."""
    drawing.save(lanes.load(tables), file)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_tables
def draw_images(file: Path, tables: Path) -> None:
    """Draw the figure of the study `paper-images`."""
    image_drawing.save(image_lanes.load(tables), file)


if __name__ == "__main__":
    main()
