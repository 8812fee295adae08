"""The zoo "How often do the rules fire where nothing is wrong?" See docs/early-diagnosis.md.

python runs/studies/false_alarms.py train --out FOLDER
python runs/studies/false_alarms.py report --tables FOLDER
python runs/studies/false_alarms.py pages docs/rules
"""

from pathlib import Path

import click

from early_warning_study import lanes
from early_warning_study.training import TABLES
from false_alarms_study import counts, report, rule_pages, training, zoo
from study_page import page_option, put, tables_option

HERE = Path(__file__).parent


@click.group(help="How often do the early-warning rules fire where nothing is wrong?")
def main() -> None:
    """Run a command of the study."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for runs.")
@click.option("--quick", is_flag=True, help="Train a few small lanes, which takes seconds.")
def train(out: Path, quick: bool) -> None:
    """Train all lanes that are not trained yet, and write their table.

    The rules are evaluated as they are now, on all runs in the folder.
    """
    wanted = [*zoo.quick()] if quick else [*zoo.everything(), *zoo.diverging()]
    training.train(wanted, out)
    training.gather(wanted, out, out)


@main.command("report")
@tables_option(HERE)
@page_option
def report_command(tables: Path, page: Path | None) -> None:
    """Print the tables as Markdown, or write them into a page."""
    put(report.tables(counts.load(tables / training.TABLE)), page)


@main.command("pages")
@click.argument("docs", type=click.Path(exists=True, file_okay=False, path_type=Path))
def pages_command(docs: Path) -> None:
    """Write the accuracy of each rule into the rules' pages, in the folder DOCS."""
    study = lanes.load(HERE / TABLES["rules"])
    rule_pages.write(docs, study, counts.load(HERE / training.TABLE))


if __name__ == "__main__":
    main()
