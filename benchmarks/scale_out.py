"""Lanes per hour on one and two workers here; simulated makespans of up to 1,024 workers.

    python benchmarks/scale_out.py --json scale.json                 measures, some minutes
    python benchmarks/scale_out.py --read scale.json --figure docs/images/scale-out.png

Measured: twelve lanes of the demo on one and on two workers of Dask, alternating; from the dates of
their files, when lanes begin and end. How many bytes a lane writes per epoch, how many files it
opens for writing, renames, removes and makes folders of, and what is left on the disk, against the
sizes of the layout. How long the scheduler needs for a task that does nothing, and the client for
an epoch that it reports. The simulation (`scale_model.py`) is run for one and two workers first.
What cannot be measured on one machine is assumed, and printed.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scale_figure
from scale_model import Cluster, Outcome, Sweep, simulate

from jtdiag.cluster import connecting
from jtdiag.engine.progress import EpochReport, NullListener, Plan
from jtdiag.engine.sealed_epochs import SealedEpochs
from jtdiag.engine.train import train
from jtdiag.recipe.presets import find
from jtdiag.store import checksums, layout
from jtdiag.store.run import Run

LANES = ("lam=[0, 0.5, 0.9, 1]", "trials=3", "engine.lanes=1")
FIXED = ("engine.threads=1", "engine.execution=stacked")
ROUND_EPOCHS = 6
"""Epochs of a lane in the rounds with workers."""
TRAFFIC_EPOCHS = 5
"""Epochs of a lane whose bytes and files are counted."""
REPORTERS = 20
"""Times that a lane is reported, to find how long that takes."""
TASKS = 2000
EXAMPLES = (60_000, 10_000)
"""Of Fashion-MNIST, for training and test; noise of its shape is trained on."""
TRAFFIC = {
    "demo": ("demo", "lam=[1]", "trials=1"),
    "16x64": (
        *("fashion-16x64", "lam=[0.9]", "trials=1", "train.lr=0.32"),
        *('keep.outputs=["last"]', 'keep.checkpoints=["last"]'),
    ),
}
"""The demo keeps everything of each epoch; the other one only metrics and the state for resuming,
but for the last epoch."""
WORKERS = (16, 128, 1024)
SWEEPS = (35, 350, 3500)
"""Lanes; the recipe fashion-16x64 has 35, seven λs in five trials."""
EPOCHS = 200
LIVES = (1, 3, 10, 30)
"""Hours until a worker dies, on average."""
ASSUMED = {"life": 24 * 3600.0, "notice": 120.0, "worker_spread": 0.1, "lane_spread": 0.05}
"""Seconds until a worker dies on average, and until the locks of a dead machine are free; standard
deviations of the logarithms of a worker's slowness and of a lane's time."""
REPEATS = 20


def main() -> None:
    """Measure, or read what was measured; simulate, print, and draw."""
    options = _options()
    if options.read:
        measured = json.loads(options.read.read_text("utf-8"))
    else:
        measured = _all(options.rounds)
        if options.json:
            options.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    _show_measured(measured)
    _check(measured)
    rows = _simulated(measured)
    losses = _losses(measured)
    if options.figure:
        scale_figure.draw(rows, losses).savefig(options.figure, dpi=150)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rounds", type=int, default=3, help="runs with each number of workers")
    add("--json", type=Path, metavar="FILE", help="write what was measured")
    add("--read", type=Path, metavar="FILE", help="do not measure; read this file")
    add("--figure", type=Path, metavar="FILE", help="draw into this file")
    return parser.parse_args()


# --- measuring -----------------------------------------------------------------------------------


def _all(rounds: int) -> dict[str, Any]:
    measured: dict[str, Any] = {"rounds": [], "traffic": {}}
    with tempfile.TemporaryDirectory(prefix="scale-out-") as folder:
        for name in TRAFFIC:
            # In a process of its own: its hook stays.
            with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                cost = apart.submit(_traffic, name, Path(folder) / name).result()
            measured["traffic"][name] = cost
            print(name, cost, flush=True)
        for number in range(rounds):
            for count in (1, 2):
                path = Path(folder) / f"{number}-{count}"
                measured["rounds"].append(_round(path, count))
                print(measured["rounds"][-1], flush=True)
    return measured


def _round(path: Path, count: int) -> dict[str, Any]:
    """Train the demo on some workers; return when things happened, in seconds."""
    recipe = find("demo", (*LANES, *FIXED, f"train.epochs={ROUND_EPOCHS}"))
    before = time.time()
    with connecting.local(count) as client:
        client.wait_for_workers(count)
        ready = time.time()
        client.gather(client.map(_nothing, range(TASKS), pure=False))
        dispatched = time.time()
        run = train(recipe, path, client=client)
        ended = time.time()
    spans = sorted(_span(run, lane) for lane in run.lanes)
    gaps = [then[0] - last[1] for last, then in itertools.pairwise(spans)]
    return {
        "workers": count,
        "start_up": ready - before,
        "dispatch": (dispatched - ready) / TASKS,
        "wall": ended - dispatched,
        "first": spans[0][0] - dispatched,
        "end": ended - max(end for _, end in spans),
        "begin": float(np.median(gaps)) if count == 1 else None,
        "lanes": [end - begin for begin, end in spans],
        "epochs": recipe.train.epochs,
    }


def _nothing(_: int) -> None:
    pass


def _span(run: Run, lane: Any) -> tuple[float, float]:
    """Return when epoch 0 and the last epoch of a lane were written."""
    paths = (checksums.path_of(run.path, lane, e) for e in (0, run.recipe.train.epochs))
    first, last = (path.stat().st_mtime for path in paths)
    return first, last


@dataclass
class Changes:
    """Counts what this process changes in a folder."""

    folder: str
    count: int = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event of Python's audit hooks."""
        named = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link")
        writes = event == "open" and bool((arguments[2] or 0) & 3)
        if (writes or event in named) and str(arguments[0]).startswith(self.folder):
            self.count += 1


class Clock(NullListener):
    """What this process had used and written whenever an epoch was trained."""

    def __init__(self, changes: Changes, path: Path) -> None:
        self._changes, self._path = changes, path
        self.readings: list[tuple[float, int, int]] = []
        self.sizes: list[layout.Size] = []
        self.reporters: list[SealedEpochs] = []
        """What a client reads epochs with that others have sealed."""

    def begin(self, plan: Plan) -> None:
        """Note the estimated size of the store."""
        self.sizes.append(plan.size)

    def epoch(self, report: EpochReport) -> None:
        """Read processor time, bytes and changes; epochs before this one are written."""
        if not report.epoch:
            run = Run(self._path)
            self.reporters = [SealedEpochs(run, NullListener()) for _ in range(REPORTERS)]
        else:
            self.readings.append((time.process_time(), _written(), self._changes.count))

    @property
    def of_epoch(self) -> list[float]:
        """What one epoch has used and written, on average."""
        first, last = self.readings[0], self.readings[-1]
        return [(b - a) / (len(self.readings) - 1) for a, b in zip(first, last, strict=True)]


def _traffic(name: str, folder: Path) -> dict[str, float]:
    """Return what an epoch of a lane takes and writes, and what a lane leaves, with one thread."""
    folder.mkdir()
    changes = Changes(str(folder))
    sys.addaudithook(changes)
    preset, *overrides = TRAFFIC[name]
    recipe = find(preset, (*overrides, *FIXED, f"train.epochs={TRAFFIC_EPOCHS}"))
    clock = Clock(changes, folder / "run")
    data = None if name == "demo" else _noise()
    run = train(recipe, folder / "run", data=data, listener=clock)
    seconds, written, count = clock.of_epoch
    before = time.process_time()
    for reporter in clock.reporters:
        reporter.report()
    report = (time.process_time() - before) / REPORTERS
    return {
        "epoch": seconds,
        "written": written,
        "changes": count,
        "report": report,
        "epochs": TRAFFIC_EPOCHS,
        **_left(run, clock.sizes[0]),
    }


def _noise() -> tuple[np.ndarray, ...]:
    from workload import SHAPE, noise

    arrays = noise(*EXAMPLES, SHAPE)
    return arrays.x_train, arrays.y_train, arrays.x_test, arrays.y_test


def _written() -> int:
    """Return the bytes that this process has handed to the system to be written."""
    lines = Path("/proc/self/io").read_text("utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def _left(run: Run, size: layout.Size) -> dict[str, float]:
    """Return what is on the disk of a run of one lane, and the size of it that was estimated."""
    arrays = [path for path in (run.path / "store.zarr").rglob("c/**/*") if path.is_file()]
    of_lane = [path for path in arrays if path.parts[-1] and not _is_shared(path)]
    large = [path for path in of_lane if "metrics" not in path.parts]
    beside = [path for path in (run.path / "lanes").iterdir() if path.name.startswith("lam")]
    every = [path for path in run.path.rglob("*") if path.is_file()]
    return {
        "large": sum(path.stat().st_size for path in large),
        "layout": size.outputs + size.checkpoints,
        "in_lanes": len(beside),
        "files": len(of_lane) + len(beside),
        "shared": len(every) - len(of_lane) - len(beside),
    }


def _is_shared(path: Path) -> bool:
    return not {"logits", "checkpoints", "metrics"} & {*path.parts}


# --- simulating ----------------------------------------------------------------------------------


def _median(measured: dict[str, Any], name: str, count: int = 1) -> float:
    """Return the median over the rounds with a number of workers."""
    of_count = [each[name] for each in measured["rounds"] if each["workers"] == count]
    return float(np.median(of_count))


def _fastest(measured: dict[str, Any], name: str) -> float:
    """Return the smallest value in the rounds with one worker, the least disturbed by other work.

    Simulations of more workers than there are here use it.
    """
    return float(min(each[name] for each in measured["rounds"] if each["workers"] == 1))


def _lane_seconds(measured: dict[str, Any], count: int) -> list[float]:
    of_count = [each["lanes"] for each in measured["rounds"] if each["workers"] == count]
    return [seconds for lanes in of_count for seconds in lanes]


def _show_measured(measured: dict[str, Any]) -> None:
    print("\nMeasured, medians of rounds")
    for count in (1, 2):
        walls = [each["wall"] for each in measured["rounds"] if each["workers"] == count]
        hourly = [12 * 3600 / wall for wall in walls]
        print(
            f"{count} worker(s): {np.median(hourly):.0f} lanes an hour "
            f"({', '.join(f'{rate:.0f}' for rate in hourly)}); "
            f"a lane {np.median(_lane_seconds(measured, count)):.2f} s; "
            f"start-up {_median(measured, 'start_up', count):.1f} s; "
            f"until the first epoch 0 {_median(measured, 'first', count):.2f} s"
        )
    print(
        f"between two lanes {_median(measured, 'begin'):.2f} s; "
        f"scheduler {1e3 * _fastest(measured, 'dispatch'):.2f} ms for a task"
    )
    for name, cost in measured["traffic"].items():
        print(
            f"{name}: an epoch {cost['epoch']:.2f} s of processor time, "
            f"{cost['written'] / 1e6:.2f} MB written, {cost['changes']:.0f} changes, "
            f"{1e3 * cost['report']:.1f} ms of the client's processor time to report it; "
            f"a lane of {cost['epochs']} epochs leaves "
            f"{cost['large'] / 1e6:.2f} MB of outputs and checkpoints in {cost['files']:.0f} files "
            f"({cost['large'] / cost['layout']:.4f} of the layout's size), "
            f"{cost['in_lanes']:.0f} of them in the folder lanes; {cost['shared']:.0f} shared files"
        )


def _check(measured: dict[str, Any]) -> None:
    """Simulate every round with the median and the spread of its own lanes."""
    print("\nMakespan of each round: measured, and simulated with 95 %")
    alone = float(np.median(_lane_seconds(measured, 1)))
    for each in measured["rounds"]:
        logarithms = np.log(each["lanes"])
        seconds = float(np.exp(logarithms.mean()))
        begin = each["begin"] or _median(measured, "begin") * seconds / alone
        sweep = Sweep(
            lanes=len(each["lanes"]),
            epochs=each["epochs"],
            epoch=seconds / each["epochs"],
            begin=begin,
            spread=float(logarithms.std(ddof=1)),
        )
        cluster = Cluster(workers=each["workers"], start=each["first"] - begin)
        spans = _interval([outcome.makespan for outcome in _repeated(sweep, cluster)])
        print(f"{each['workers']}: {each['wall'] - each['end']:.1f} s; {_text(spans)} s")


def _repeated(sweep: Sweep, cluster: Cluster) -> list[Outcome]:
    return [simulate(sweep, cluster, np.random.default_rng(seed)) for seed in range(REPEATS)]


def _sweep(measured: dict[str, Any], lanes: int, name: str = "16x64") -> Sweep:
    return Sweep(
        lanes=lanes,
        epochs=EPOCHS,
        epoch=measured["traffic"][name]["epoch"],
        begin=_fastest(measured, "begin"),
        spread=ASSUMED["lane_spread"],
    )


def _cluster(measured: dict[str, Any], workers: int, life: float = ASSUMED["life"]) -> Cluster:
    return Cluster(
        workers=workers,
        start=_fastest(measured, "start_up") + _fastest(measured, "first"),
        spread=ASSUMED["worker_spread"],
        dispatch=_fastest(measured, "dispatch"),
        life=life,
        notice=ASSUMED["notice"],
    )


def _simulated(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Simulate sweeps of 16x64 on more and more workers, print and return what they come to."""
    print(f"\nSimulated, {EPOCHS} epochs of 16x64; medians and 95 % of {REPEATS} simulations")
    print(f"assumed: {ASSUMED}")
    cost, rows = measured["traffic"]["16x64"], []
    for lanes in SWEEPS:
        for workers in WORKERS:
            sweep, cluster = _sweep(measured, lanes), _cluster(measured, workers)
            rows.append(_row(_repeated(sweep, cluster), sweep, cluster, cost))
            rows[-1]["client"] = rows[-1]["seals"][0] * cost["report"]
            shown = {name: _text(value) for name, value in rows[-1].items()}
            print(" | ".join(f"{name} {text}" for name, text in shown.items()), flush=True)
    return rows


def _text(value: Any) -> str:
    if isinstance(value, list):
        middle, low, high = value
        return f"{middle:.4g} [{low:.4g}, {high:.4g}]"
    return f"{value:.4g}"


def _row(
    outcomes: list[Outcome], sweep: Sweep, cluster: Cluster, cost: dict[str, float]
) -> dict[str, Any]:
    """Return median and 95 % of simulations of what outcomes come to."""
    seals = _interval([outcome.most_seals for outcome in outcomes])
    lost = [outcome.lost / (outcome.lost + outcome.useful) for outcome in outcomes]
    return {
        "lanes": sweep.lanes,
        "workers": cluster.workers,
        "hours": _interval([outcome.makespan / 3600 for outcome in outcomes]),
        "efficiency": _interval([outcome.efficiency(cluster.workers) for outcome in outcomes]),
        "lost": _interval(lost),
        "deaths": _interval([float(outcome.deaths) for outcome in outcomes]),
        "seals": seals,
        "megabytes": [rate * cost["written"] / 1e6 for rate in seals],
        "changes": [rate * cost["changes"] for rate in seals],
        "files": sweep.lanes * cost["files"] + cost["shared"],
    }


def _interval(values: list[float]) -> list[float]:
    return [float(value) for value in np.percentile(values, [50, 2.5, 97.5])]


def _losses(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Simulate the largest sweep on all workers with shorter and longer lives."""
    print("\nLost share of the workers' time, resumed from the last epoch / from the beginning")
    resumed, rows = _sweep(measured, SWEEPS[-1]), []
    whole = Sweep(**{**resumed.__dict__, "epochs": 1, "epoch": EPOCHS * resumed.epoch})
    for hours in LIVES:
        cluster = _cluster(measured, WORKERS[-1], 3600.0 * hours)
        row: dict[str, Any] = {"hours": hours}
        for name, sweep in (("resumed", resumed), ("whole", whole)):
            outcomes = _repeated(sweep, cluster)
            row[name] = _interval([each.lost / (each.lost + each.useful) for each in outcomes])
        rows.append(row)
        print(f"{hours} h: {_text(row['resumed'])} / {_text(row['whole'])}", flush=True)
    return rows


if __name__ == "__main__":
    main()
