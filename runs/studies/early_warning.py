"""The study "How good is the early diagnosis?": train, analyse, draw. See docs/early-diagnosis.md.

    python runs/studies/early_warning.py train --out FOLDER --data ROOT
    python runs/studies/early_warning.py report
    python runs/studies/early_warning.py draw FILE.png
"""

from pathlib import Path

import click
from early_warning_study import grid, training

HERE = Path(__file__).parent


@click.group(help=__doc__)
def main() -> None:
    """Do nothing by itself."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for runs.")
@click.option("--data", type=click.Path(path_type=Path), help="Where Fashion-MNIST lies.")
@click.option("--tables", type=click.Path(path_type=Path), help="Folder for tables; OUT by default.")
@click.option("--quick", is_flag=True, help="A few small lanes, in seconds.")
def train(out: Path, data: Path | None, tables: Path | None, quick: bool) -> None:
    """Train all lanes, or what is left of them, and write the tables."""
    training.train(grid.quick() if quick else grid.everything(), out, data)
    training.gather(out, tables or out)


if __name__ == "__main__":
    main()
