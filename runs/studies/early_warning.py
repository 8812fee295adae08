"""The study "How good is the early diagnosis?": train, report, draw. See docs/early-diagnosis.md.

python runs/studies/early_warning.py train --out FOLDER --data ROOT
python runs/studies/early_warning.py report --tables FOLDER
python runs/studies/early_warning.py draw FILE.png --tables FOLDER
"""

from pathlib import Path

import click

from early_warning_study import depth, drawing, grid, lanes, report, training
from study_page import page_option, put, tables_option

HERE = Path(__file__).parent


_tables = tables_option(HERE)


@click.group(help="How good is the early diagnosis? Train the lanes, report, draw.")
def main() -> None:
    """Run a command of the study."""


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for runs and tables."
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder with Fashion-MNIST.")
@click.option("--quick", is_flag=True, help="Train a few small lanes, which takes seconds.")
def train(out: Path, data: Path | None, quick: bool) -> None:
    """Train all lanes that are not trained yet; without --data, only those on digits.

    Then write the tables, evaluating the rules as they are now on all runs in the folder.
    """
    wanted = list(grid.quick() if quick else grid.everything())
    training.train(wanted, out, data)
    training.gather(wanted, out, out)


@main.command("report")
@_tables
@page_option
def report_command(tables: Path, page: Path | None) -> None:
    """Print the tables as Markdown, or write them into a page."""
    rules, about_sgd = (lanes.load(tables / training.TABLES[name]) for name in ("rules", "sgd"))
    put(report.tables(rules, depth.load(tables / training.TABLES["depth"]), about_sgd), page)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_tables
def draw(file: Path, tables: Path) -> None:
    """Draw the figure."""
    drawing.save(lanes.load(tables / training.TABLES["rules"]), file)


if __name__ == "__main__":
    main()
