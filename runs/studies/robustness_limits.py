"""How often the limits of the robustness findings are exceeded, with and without a reason.

python runs/studies/robustness_limits.py FOLDER        # a few minutes on one core
python runs/studies/robustness_limits.py FOLDER --quick

Small ensembles are trained on the digits in settings in which nothing is wrong (λ = 0) and in
settings that make members depend on each other. Every setting has four seeds of five trials each;
a run is judged with all five trials and as five single trials. See docs/probes/robustness.md.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.engine.datasets import digits
from jtdiag.engine.train import train
from jtdiag.probing.contract import Options
from jtdiag.recipe.toml import from_table
from jtdiag_probes.robustness.robustness import probe
from jtdiag_probes.robustness.verdict import judge

SEEDS, TRIALS = range(4), 5
COLUMNS = (("brittle", 1), ("excess-loss", TRIALS), ("nothing-learned", 1))
"""Findings that are counted, and of how many trials; of the excess loss, those above the limit,
which are not found in a single trial and not judged for two members."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table."""

    name: str
    lam: float
    members: int
    hidden: tuple[int, ...] = (64,)
    epochs: int = 8
    lr: float = 0.1
    rare: bool = False
    """Whether there are two classes, one of which has a tenth of the examples."""
    start: tuple[float, ...] = ()

    def recipe(self, data: str, seed: int) -> dict[str, Any]:
        """Return the recipe as a table."""
        members: dict[str, Any] = {
            "arch": "mlp",
            "count": self.members,
            "hidden": list(self.hidden),
        }
        if self.start:
            members["start"] = list(self.start)
        return {
            "name": "limits",
            "lam": [self.lam],
            "trials": TRIALS,
            "seed": seed,
            "data": {"name": data, "val": 200},
            "members": members,
            "train": {"epochs": self.epochs, "batch": 32, "lr": self.lr},
            "keep": {"splits": ["test"], "checkpoints": "none"},
            "engine": {"device": "cpu", "threads": 1},
        }


SETTINGS = (
    *(Setting(name="independent, trained", lam=0, members=m) for m in (2, 4, 16)),
    *(Setting(name="independent, after one epoch", lam=0, members=m, epochs=1) for m in (2, 4, 16)),
    *(Setting(name="independent, 10 % rare", lam=0, members=m, rare=True) for m in (2, 4, 16)),
    *(Setting(name="λ = 1", lam=1, members=m) for m in (2, 4, 16)),
    *(Setting(name="λ = 1, three layers", lam=1, members=m, hidden=(64,) * 3) for m in (2, 4, 16)),
    Setting(
        name="λ = 1, unequal starts",
        lam=1,
        members=4,
        hidden=(64,) * 3,
        epochs=12,
        start=(1.6, 0.6, 0.6, 0.6),
    ),
)


def rare_digits(file: Path) -> Path:
    """Write the digits as two classes, "0" and others, of which "0" is a tenth."""
    arrays = digits.load(Path())
    np.savez(
        file,
        x_train=arrays.x_train,
        y_train=(arrays.y_train == 0).astype(np.int64),
        x_test=arrays.x_test,
        y_test=(arrays.y_test == 0).astype(np.int64),
    )
    return file


def results(setting: Setting, folder: Path, seeds: range) -> Iterator[xr.Dataset]:
    """Yield the result of the probe for each seed; the runs are deleted."""
    rare = str(rare_digits(folder / "rare.npz")) if setting.rare else "digits"
    for seed in seeds:
        run = train(from_table(setting.recipe(rare, seed)), folder / "run")
        yield probe.ask(run, Options())
        shutil.rmtree(run.path)


def exceeded(result: xr.Dataset) -> set[str]:
    """Return the rules with a finding; for the excess loss, only above its limit."""
    return {
        finding.rule
        for finding in judge(result)
        if finding.rule != "excess-loss" or "above the limit" in finding.sentence
    }


def row(setting: Setting, measured: list[xr.Dataset]) -> str:
    """Return a row of the table: counts of single trials and of runs."""
    found = {
        1: [exceeded(r.isel({names.TRIAL: [t]})) for r in measured for t in range(TRIALS)],
        TRIALS: [exceeded(result) for result in measured],
    }
    counts = [
        f"{sum(rule in rules for rules in found[of])} of {len(found[of])}" for rule, of in COLUMNS
    ]
    falls = [
        float(100 * (r["accuracy"][0, :, 0, 0] - r["accuracy"][0, :, 0, 1]).mean())
        for r in measured
    ]
    error = [float(100 * (1 - r["accuracy"][0, :, 0, 0]).mean()) for r in measured]
    means = [f"{np.mean(error):.1f} %", f"{np.mean(falls):.1f} points"]
    return " | ".join(["", setting.name, str(setting.members), *means, *counts, ""]).strip()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="One seed of two settings, which takes seconds.")
def main(folder: Path, quick: bool) -> None:
    """Train, judge and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = [f"{rule}, {of} trial{'' if of == 1 else 's'}" for rule, of in COLUMNS]
    headings = ["setting", "members", "error", "one missing costs", *groups]
    click.echo(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for setting in SETTINGS[::9] if quick else SETTINGS:
        measured = list(results(setting, folder, SEEDS[:1] if quick else SEEDS))
        click.echo(row(setting, measured))


if __name__ == "__main__":
    main()
