"""Run training, watching, plotting, probing and monitoring for an hour, and see whether they grow.

    python benchmarks/soak.py                       # an hour
    python benchmarks/soak.py --minutes 15 --json FILE

Six processes share one folder:

train     `jtdiag train`: one run that does not end, with alerts sent to a webhook
watch     `jtdiag watch --plain` of that run
screen    `jtdiag watch` of the folder of all runs, one line per event
plot      `jtdiag plot --watch` of that run, redrawn after every epoch
session   one Python process, as a notebook is: it trains small runs with a webhook, measures every
          probe, draws the report and removes the run, again and again
monitor   one Python process with a training loop of its own and a DominanceMonitor that records

Every few seconds the memory of each process (unique set size), its open file handles and threads,
and the number of files of the long run are noted. Growth compares the median of the last tenth of
the time with that of the tenth which begins when a twelfth has passed (for an hour: minutes 5 to
11 and 54 to 60). It needs psutil, which the extra `test` installs. Exit status 1 if anything grows
by more than `--bar`, or a process ends early.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
import torch
from click.testing import CliRunner
from stopwatch import machine

from jtdiag import DominanceMonitor, joint_loss
from jtdiag.commands import main as jtdiag

SMALL = (
    "train", "demo", "--set", "trials=1", "--set", "lam=[0, 1]", "--set", "train.epochs=4",
)  # fmt: skip
"""A run whose members start unequal, so that alerts are raised."""
ENDLESS = """
name = "endless"
lam = [0, 0.5, 1]

[data]
name = "{data}"
val = 1000

[members]
arch = "mlp"
count = 4
hidden = [64, 64]
start_spread = [0.5, 3]

[train]
epochs = 20000
batch = 50
lr = 0.05

[keep]
outputs = "best"
checkpoints = "last"

[engine]
device = "cpu"
threads = 1
"""
Series = dict[tuple[str, str], list[float]]
"""Values of (process, quantity), one for each look."""
Growth = dict[tuple[str, str], tuple[float, float, float]]


def main() -> None:
    """Run what the command line asks for, and report what grew."""
    options = _options()
    print(machine(torch.device("cpu")))
    with tempfile.TemporaryDirectory(prefix="jtdiag-soak-") as folder, _webhook() as (url, posted):
        series, ended = _soak(Path(folder), url, options)
    growth = {key: _growth(values) for key, values in series.items()}
    _report(growth, options)
    _show_course({k: v for k, v in series.items() if growth[k][2] > options.bar})
    print(f"{posted[0]} alerts reached the webhook")
    for name in ended:
        print(f"{name} ended before the time was over")
    if options.json:
        rows = [{"process": p, "quantity": q, "growth": g} for (p, q), (_, _, g) in growth.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(bool(ended) or any(fraction > options.bar for _, _, fraction in growth.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--minutes", type=float, default=60.0)
    add("--interval", type=float, default=5.0, help="seconds between two looks")
    add("--bar", type=float, default=0.02, help="growth that is accepted, as a fraction")
    add("--json", type=Path)
    return parser.parse_args()


@contextmanager
def _webhook() -> Iterator[tuple[str, list[int]]]:
    """Serve a webhook that accepts everything; yield its address and the number of alerts."""
    posted = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            posted[0] += 1
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()


def _soak(folder: Path, url: str, options: argparse.Namespace) -> tuple[Series, list[str]]:
    """Start all processes, look at them until the time is over, and end them."""
    run = folder / "runs" / "endless"
    processes = dict(_started(folder, run, url))
    series: Series = defaultdict(list)
    until = time.monotonic() + 60 * options.minutes
    while time.monotonic() < until:
        for name, process in processes.items():
            for quantity, value in _looked_at(process):
                series[name, quantity].append(value)
        series["run folder", "files"].append(sum(1 for _ in run.rglob("*")))
        series["temporary folder", "files"].append(sum(1 for _ in (folder / "tmp").iterdir()))
        time.sleep(options.interval)
    ended = [name for name, process in processes.items() if not _is_alive(process)]
    for process in processes.values():
        _end(process)
    return series, ended


def _started(folder: Path, run: Path, url: str) -> Iterator[tuple[str, psutil.Process]]:
    """Start each process, the long training first; the others begin when it has sealed epochs."""
    (folder / "tmp").mkdir()
    os.environ["TMPDIR"] = str(folder / "tmp")
    os.environ |= {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(folder / "matplotlib")}
    recipe = folder / "endless.toml"
    recipe.write_text(ENDLESS.format(data=_data(folder)), encoding="utf-8")
    train = _command(folder, "train", recipe, "--out", run, "--webhook", url)
    yield "train", train
    while not list(run.glob("lanes/lam*-trial*.json")):
        if not _is_alive(train):
            sys.exit((folder / "train.log").read_text("utf-8"))
        time.sleep(0.5)
    yield "watch", _command(folder, "watch", run, "--plain")
    yield "screen", _command(folder, "watch", run.parent, "--plain")
    yield "plot", _command(folder, "plot", run, "errors-by-epoch", "--watch")
    for name, work in {"session": _session, "monitor": _monitor}.items():
        yield name, _python(work, folder, url)


def _data(folder: Path) -> Path:
    """Write examples that an epoch takes about a second for."""
    random = np.random.default_rng(0)
    target = np.arange(12_000) % 10
    features = random.normal(size=(len(target), 64)) + random.normal(size=(10, 64))[target]
    arrays = {"x_train": features, "y_train": target, "x_test": features, "y_test": target}
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def _command(folder: Path, *words: str | Path) -> psutil.Process:
    output = (folder / f"{words[0]}.log").open("a")
    command = [sys.executable, "-m", "jtdiag", *map(str, words)]
    return psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT)


def _python(work: Callable[[Path, str], None], *arguments: object) -> psutil.Process:
    spawned: BaseProcess = multiprocessing.get_context("spawn").Process(
        target=work, args=arguments, daemon=True
    )
    spawned.start()
    return psutil.Process(spawned.pid)


def _session(folder: Path, url: str) -> None:
    """Train, probe and report small runs without end, as a notebook does."""
    torch.set_num_threads(1)
    run = folder / "runs" / "small"
    log = (folder / "session.log").open("a")
    seed = 0
    while True:
        seed += 1
        for words in (
            (*SMALL, "--set", f"seed={seed}", "--out", run, "--webhook", url),
            ("probe", run),
            ("report", run),
        ):
            ran = CliRunner().invoke(jtdiag, [str(word) for word in words])
            log.write(f"{seed} {words[0]} {ran.exit_code}\n")
            log.flush()
        shutil.rmtree(run)


def _monitor(folder: Path, _: str) -> None:
    """Train two members with a loop of our own, watched and recorded, run after run."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    held_out = torch.randn(500, 20, generator=random)
    while True:
        members = [torch.nn.Linear(20, 10) for _ in range(2)]
        parameters = [parameter for member in members for parameter in member.parameters()]
        sgd = torch.optim.SGD(parameters, lr=0.1)
        monitor = DominanceMonitor(lam=1, store=folder / "runs" / "recorded", epochs=50)
        for _epoch in range(50):
            for _batch in range(20):
                x = torch.randn(50, 20, generator=random)
                target = x[:, :10].argmax(1)
                logits = torch.stack([member(x) for member in members])
                sgd.zero_grad()
                joint_loss(logits, target, lam=1).backward()
                sgd.step()
                monitor.update(logits.detach(), target)
            with torch.no_grad():
                outputs = torch.stack([member(held_out) for member in members])
            monitor.record("test", outputs, held_out[:, :10].argmax(1))
            monitor.end_epoch()
        shutil.rmtree(folder / "runs" / "recorded")


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _looked_at(process: psutil.Process) -> Iterator[tuple[str, float]]:
    try:
        with process.oneshot():
            yield "memory", process.memory_full_info().uss / 2**20
            yield "handles", process.num_fds()
            yield "threads", process.num_threads()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(30)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        pass


def _growth(values: list[float]) -> tuple[float, float, float]:
    """Return the medians of the first and the last window, and the growth as a fraction."""
    window, begin = max(1, len(values) // 10), len(values) // 12
    first = statistics.median(values[begin : begin + window])
    last = statistics.median(values[-window:])
    return first, last, last / first - 1 if first else float(last > 0)


def _report(growth: Growth, options: argparse.Namespace) -> None:
    print(f"{options.minutes:g} minutes, a look every {options.interval:g} s")
    print(f"{'':18} {'':10} {'first':>8} {'last':>8} {'growth':>10}")
    for (process, quantity), (first, last, fraction) in growth.items():
        print(f"{process:18} {quantity:10} {first:8.1f} {last:8.1f} {100 * fraction:+8.1f} %")


def _show_course(series: Series) -> None:
    """Print the median of each tenth of the time, which tells growth from an early rise."""
    for (process, quantity), values in series.items():
        tenths = [statistics.median(part) for part in np.array_split(values, 10) if len(part)]
        print(f"{process} {quantity} by tenths:", " ".join(f"{value:.1f}" for value in tenths))


if __name__ == "__main__":
    main()
