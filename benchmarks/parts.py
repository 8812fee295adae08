"""Train twelve lanes of the demo in parts, merge them, kill them; compare the stores bit for bit.

    python benchmarks/parts.py              a few minutes; temporary files in TMPDIR
    python benchmarks/parts.py --kills 20

Four ways: one process; three processes side by side, one part each; three runs of a part each that
are merged; and three processes of which each is killed by SIGKILL after a random time, again and
again, and goes on. Processes are forks, so that torch is imported once. The exit status is 0 if all
four stores are the same but for their settings.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kill_compare

from jtdiag.engine.train import train
from jtdiag.recipe.presets import find
from jtdiag.store.merging import merge
from jtdiag.store.run import Run

PARTS = ("1/3", "2/3", "3/3")
LONGEST = 3.0
"""Seconds after which a process is killed at the latest."""


def main() -> int:
    """Train in four ways, print what differs, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    overrides = ("lam=[0, 0.5, 0.9, 1]", "trials=3", f"train.epochs={arguments.epochs}")
    recipe = find("demo", (*overrides, "engine.threads=1", "engine.execution=stacked"))
    folder = Path(tempfile.mkdtemp(prefix="parts-"))

    def trains(name: str, part: str | None = None) -> Callable[[], object]:
        return lambda: train(recipe, folder / name / "run", part=part, resume=True)

    _all_of([trains("whole")])
    _all_of([trains("beside", part) for part in PARTS])
    _all_of([trains(f"only-{part[0]}", part) for part in PARTS])
    _all_of([lambda: merge([folder / f"only-{i}" / "run" for i in (1, 2, 3)], _in(folder))])
    chance, killed = random.Random(arguments.seed), 0
    while killed < arguments.kills:
        shutil.rmtree(folder / "killed", ignore_errors=True)
        killed += _killed([trains("killed", part) for part in PARTS], chance)
        _all_of([trains("killed", part) for part in PARTS])
        _report(folder, "killed")
    worst = sum(_report(folder, name) for name in ("beside", "merged", "killed"))
    print(f"{killed} processes were killed.")
    shutil.rmtree(folder)
    return int(worst > 0)


def _in(folder: Path) -> Path:
    (folder / "merged").mkdir(exist_ok=True)
    return folder / "merged" / "run"


def _fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def _all_of(works: list[Callable[[], object]]) -> None:
    pids = [_fork(work) for work in works]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(statuses):
        raise SystemExit(f"processes ended with {statuses}")


def _killed(works: list[Callable[[], object]], chance: random.Random) -> int:
    """Start processes and kill each after a random time; return how many were still running."""
    moments = sorted((chance.uniform(0.1, LONGEST), _fork(work)) for work in works)
    start, statuses = time.monotonic(), []
    for moment, pid in moments:
        time.sleep(max(0.0, start + moment - time.monotonic()))
        os.kill(pid, signal.SIGKILL)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return statuses.count(-signal.SIGKILL)


def _report(folder: Path, name: str) -> int:
    lines = kill_compare.differences(folder / "whole", folder / name)
    done = Run(folder / name / "run").done
    print(f"{name}: {'complete' if done else 'not complete'}; {len(lines)} differences", *lines[:5])
    return len(lines) + (not done)


if __name__ == "__main__":
    sys.exit(main())
