"""Measure how often findings claim something where nothing is wrong, and where something is.

    python runs/studies/finding_rates.py --out FOLDER

Trains ensembles on digits, ten trials each. Healthy are those at λ = 0 in ten settings; end-to-end
training, at λ = 1, is where members collude and stagnate. Prints for `pure-collusion` (probe
`collusion`) and `stagnant-filters` (probe `filters`) the share of claims by setting, with exact
95 % intervals where the cases are independent. Trained runs in FOLDER are used again.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from jtdiag import names, stats, train
from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run
from jtdiag_probes.diversity.collusion_verdict import collude
from jtdiag_probes.filters import first_layer
from jtdiag_probes.filters.verdict import STAGNANT

TRIALS = 10
COMPARED = 5
"""Trials of each of the two groups that are compared."""
GROUPINGS = 200
"""Random groupings of the trials of a setting into two groups."""
LEARNT, POOR = 0.1, 0.8
"""A member has not learnt if its error is above `POOR` and its ensemble's below `LEARNT`."""

BASE: dict[str, Any] = {
    "trials": TRIALS,
    "seed": 11,
    "data": {"name": "digits", "val": 200},
    "members": {"arch": "mlp", "count": 4, "hidden": [64]},
    "train": {"epochs": 12, "batch": 32, "lr": 0.1},
    "keep": {"splits": ["test"], "outputs": "none", "checkpoints": [0, "best", "last"]},
    "engine": {"device": "cpu", "threads": 1},
}
HEALTHY: dict[str, dict[str, Any]] = {
    "two members": {"members": {"count": 2}},
    "four members": {},
    "16 members of 16 units": {"members": {"count": 16, "hidden": [16]}},
    "64 members of 4 units": {"members": {"count": 64, "hidden": [4]}},
    "three hidden layers": {"members": {"hidden": [64, 64, 64]}},
    "one epoch": {"train": {"epochs": 1}},
    "hardly trained": {"train": {"lr": 1e-6}},
    "long and fast": {"train": {"epochs": 40, "lr": 0.4}},
    "unequal classes": {"data": {"name": "unequal.npz"}},
    "unequal starts": {"members": {"start_spread": [0.5, 2.0]}},
}
END_TO_END: dict[str, dict[str, Any]] = {
    "four members": {},
    "16 members of 16 units": {"members": {"count": 16, "hidden": [16]}},
    "three hidden layers": {"members": {"hidden": [64, 64, 64]}},
    "unequal starts": {"members": {"hidden": [64, 64, 64], "start": [1.6, 0.6, 0.6, 0.6]}},
}


def trained(folder: Path, label: str, lams: list[float], changes: dict[str, Any]) -> Run:
    """Return the run of a setting, trained unless it is there."""
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in BASE.items()}
    for section, fields in changes.items():
        table[section] |= fields
    if table["data"]["name"] == "unequal.npz":
        table["data"]["name"] = str(unequal(folder / "unequal.npz"))
    name = "-".join([label.replace(" ", "-"), *(f"{lam:g}" for lam in lams)])
    recipe = from_table({**table, "name": name, "lam": lams})
    return Run(folder / name) if (folder / name).exists() else train(recipe, folder / name)


def unequal(path: Path) -> Path:
    """Write digits of which nine are reduced to a tenth, and return the path."""
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    kept = np.flatnonzero((y == 0) | (random.random(len(y)) < 0.1))
    kept = np.concatenate([kept, np.flatnonzero(y == 0), np.flatnonzero(y == 0)])
    random.shuffle(kept)
    x, y = (x[kept] / 16).astype(np.float32), y[kept]
    half = 2 * len(y) // 3
    np.savez(path, x_train=x[:half], y_train=y[:half], x_test=x[half:], y_test=y[half:])
    return path


def measured(run: Run, probe: str, *, metrics_only: bool = False) -> xr.Dataset:
    """Return the result of a probe."""
    return PROBES.find(probe).ask(run, Options(metrics_only=metrics_only))


def chance_groups(result: xr.Dataset) -> NDArray[np.bool_]:
    """Return for random groupings of trials at λ = 0 whether collusion is claimed."""
    at_zero = result.sel({names.LAM: 0.0, names.SPLIT: names.TEST})
    random = np.random.default_rng(0)
    claims = []
    for _ in range(GROUPINGS):
        order = random.permutation(TRIALS)
        one, other = order[:COMPARED], order[COMPARED : 2 * COMPARED]
        more, loss = (
            at_zero[name].values[one] - at_zero[name].values[other]
            for name in ("diversity", "ensemble_loss")
        )
        claims.append(collude(more, loss, 1))
    return np.array(claims)


def stagnant(run: Run, lam: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each trial whether filters stagnate, and whether a member has not learnt."""
    result = measured(run, "filters").sel({names.LAM: lam})
    claims, wrong = [], []
    on_test = run.metrics().sel({names.LAM: lam, names.SPLIT: names.TEST})
    for trial in range(TRIALS):
        epoch = {names.TRIAL: trial, names.EPOCH: int(result["measured_epoch"][trial])}
        distance = result["start_distance"].sel(epoch).values
        claims.append(first_layer.stagnating(distance, STAGNANT).any())
        error = on_test[names.MEMBER_ERROR].sel(epoch).max()
        ensemble = on_test[names.ENSEMBLE_ERROR].sel(epoch)
        wrong.append(bool(error > POOR) and bool(ensemble < LEARNT))
    return np.array(claims), np.array(wrong)


def row(label: str, lam: float, rule: str, claims: NDArray[np.bool_]) -> None:
    """Print one row of the table."""
    low, high = (100 * float(end) for end in stats.clopper_pearson(claims.sum(), claims.size))
    independent = claims.size and claims.size != GROUPINGS
    interval = f" ({low:.1f} to {high:.1f} %)" if independent else ""
    share = f"{100 * claims.mean():.1f} %" if claims.size else "no lanes"
    print(
        f"{label:32} λ = {lam:g}  {rule:17} {claims.sum():4} of {claims.size:4}: {share}{interval}",
        flush=True,
    )


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    quiet = []
    for label, changes in HEALTHY.items():
        run = trained(folder, label, [0.0], changes)
        row(
            label, 0, "pure-collusion", chance_groups(measured(run, "collusion", metrics_only=True))
        )
        claims, _ = stagnant(run, 0.0)
        quiet.append(claims)
        row(label, 0, "stagnant-filters", claims)
    row("all settings", 0, "stagnant-filters", np.concatenate(quiet))
    for label, changes in END_TO_END.items():
        run = trained(folder, label, [0.0, 1.0], changes)
        result = measured(run, "collusion", metrics_only=True)
        on_test = result.sel({names.LAM: 1.0, names.SPLIT: names.TEST})
        pairs = [on_test[f"{name}_change"].values for name in ("diversity", "ensemble_loss")]
        starts = range(0, TRIALS, COMPARED)
        colluding = [collude(*(p[i : i + COMPARED] for p in pairs), 1) for i in starts]
        row(label, 1, "pure-collusion", np.array(colluding))
        row(f"{label}, independent", 0, "stagnant-filters", stagnant(run, 0.0)[0])
        claims, wrong = stagnant(run, 1.0)
        row(f"{label}, stagnated", 1, "stagnant-filters", claims[wrong])
        row(f"{label}, others", 1, "stagnant-filters", claims[~wrong])


if __name__ == "__main__":
    main()
