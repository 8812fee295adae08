"""Kill training into an object store at random requests; compare the objects with a run's files.

    python benchmarks/kills_in_object_store.py              some minutes; temporary files in TMPDIR
    python benchmarks/kills_in_object_store.py --kills 50

The store is a server of S3's protocol, moto, on this machine. Processes are forks, so that torch is
imported once. Each is killed by SIGKILL before a random one of its requests that change something,
and goes on, until one of them completes the run. The exit status is 0 if no seal ever lacked its
objects, and all objects are, bit for bit, the files of a run that was trained in a folder.
"""

import argparse
import filecmp
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jtdiag.engine.train import train
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run
from jtdiag.testing import TOY, toy_data

MOST_REQUESTS = 120
"""Requests after which a process is killed at the latest."""


def main() -> int:
    """Train, kill and compare until there were enough kills; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kills-in-object-store-"))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    recipe = _recipe(folder)
    _in_another_process(lambda: train(recipe, folder / "whole" / "run"))
    chance, kills, different = random.Random(arguments.seed), 0, 0
    with _server():
        for number in itertools.count():
            if kills >= arguments.kills:
                break
            address = f"s3://bucket/{number}/run"
            while _killed(recipe, address, chance.randint(1, MOST_REQUESTS)):
                kills += 1
                different += _in_another_process(lambda place=address: _require_intact(place)) != 0
            target = folder / str(number)
            _in_another_process(lambda place=address, to=target: _download(place, to))
            different += not _same(folder / "whole" / "run", target)
            print(f"{kills} kills in {number + 1} runs, {different} differences", flush=True)
    return int(different > 0)


def _recipe(folder: Path) -> Recipe:
    toy_data(folder / "toy.npz")
    data = {**TOY["data"], "name": str(folder / "toy.npz")}
    return from_table({**TOY, "lam": [0, 1], "trials": 1, "data": data})


def _in_another_process(act: Callable[[], object]) -> int:
    """Call a function in a fork; return its exit status, negative if a signal has ended it."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        act()
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def _killed(recipe: Recipe, address: str, count: int) -> bool:
    """Train in a process that is killed before a request; return whether it got that far."""

    def act() -> None:
        calls = itertools.count(1)

        def counted(request: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                if next(calls) == count:
                    os.kill(os.getpid(), signal.SIGKILL)
                return request(*arguments)

            return call

        for name in ("overwrite", "write", "remove"):
            setattr(ObjectFolder, name, counted(getattr(ObjectFolder, name)))
        train(recipe, address, resume=True)

    status = _in_another_process(act)
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"training ended with status {status}")
    return status != 0


def _require_intact(address: str) -> None:
    """Raise an error if a seal lacks its objects."""
    if "recipe.toml" in ObjectFolder(address).versions():
        Run(address).check()


def _download(address: str, folder: Path) -> None:
    objects = ObjectFolder(address)
    objects.download(objects.versions(), folder)


def _same(run: Path, other: Path) -> bool:
    names = [
        {str(path.relative_to(each)) for path in each.rglob("*") if path.is_file()}
        for each in (run, other)
    ]
    of_run, of_other = ({name for name in each if not name.endswith(".lock")} for each in names)
    if of_run != of_other:
        return False
    return filecmp.cmpfiles(run, other, of_run, shallow=False)[1:] == ([], [])


@contextmanager
def _server() -> Iterator[None]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    try:
        while True:
            with suppress(OSError):
                make = urllib.request.Request(f"{address}/bucket", method="PUT")
                with urllib.request.urlopen(make):
                    break
            time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
