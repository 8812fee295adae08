"""Damage files of runs, and count what becomes of it: noticed, harmless, silent, or a traceback.

    python benchmarks/damages.py
    python benchmarks/damages.py --count 130 --seed 7 --jobs 2

Small runs of four kinds are trained (everything kept; bagging with the best epochs; recorded by a
monitor; stopped in the middle of training), with results, findings and a figure. Of 13 damages, 10
are flipped bits, one is two files exchanged or one copied over the other, one a file cut short, and
one a file deleted; the file is drawn by kind of file, so that rare kinds have their turn. After
each damage everything is read: every array through `Run` and `Run.tree`, every result, the
findings, and in turn `jtdiag table`, `watch`, `probe`, `plot`, `report` or `compare`.

A damage is harmless if all that is read is what it was; detected if what is not read as it was is
refused, or said, in one line, and `jtdiag check` names its place with status 1. After one in ten
damages `jtdiag check --repair` has to restore the store bit for bit (that of the unfinished run
after `train --resume`), to mark the damaged epochs of the recorded run, or to say that it cannot.

Exits with status 1 unless every damage is noticed or harmless.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import small_runs
from damage_verdicts import Verdict, judged
from everything_read import COMMANDS, TURNS, Outcome, Reader, attempt, by_api, by_command

SHARES = {"flip": 10, "exchange": 1, "cut": 1, "delete": 1}
LOCKS = (".lock",)


@dataclass(frozen=True)
class Damage:
    """One damage to be done."""

    number: int
    way: str
    run: str
    kind: str
    """Kind of file."""
    file: str
    """Path in the run."""
    other: str = ""
    """The file that it is exchanged with, or that is copied over it."""
    seed: int = 0

    def do(self, run: Path) -> str:
        """Damage a copy of the run; say how."""
        rng, path = random.Random(self.seed), run / self.file
        content = path.read_bytes()
        if self.way == "delete":
            path.unlink()
            return "deleted"
        if self.way == "cut":
            length = rng.choice((0, rng.randrange(len(content))))
            path.write_bytes(content[:length])
            return f"cut to {length} of {len(content)} bytes"
        if self.way == "exchange":
            path.write_bytes((run / self.other).read_bytes())
            if rng.random() < 0.5:
                return f"{self.other} copied over it"
            (run / self.other).write_bytes(content)
            return f"exchanged with {self.other}"
        place, bit = rng.randrange(len(content)), rng.randrange(8)
        path.write_bytes(
            content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        )
        return f"bit {bit} of byte {place} of {len(content)} flipped"


def kind_of(file: Path) -> str:
    """Return the kind of a file, given its path in the run."""
    first, *rest = file.parts
    if first == "store.zarr":
        group = rest[0] if len(rest) > 1 else ""
        if rest[-1] == "zarr.json":
            return "metadata of the store"
        return f"chunks of {group}" if rest[1] != "c" else "chunks"
    if first == "results":
        return "seals of results" if len(rest) == 1 else "files of results"
    if first == "lanes":
        name = file.name
        return ("states" if name.endswith(".npz") else "records of chunks"
                if name.endswith(".chunks.json") else "seals of lanes")  # fmt: skip
    return first


def files_by_kind(run: Path) -> dict[str, list[str]]:
    """Return the files of a run by kind, without locks and empty files."""
    kinds: dict[str, list[str]] = {}
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.suffix not in LOCKS and path.stat().st_size:
            file = path.relative_to(run)
            kinds.setdefault(kind_of(file), []).append(str(file))
    return kinds


def drawn(runs: dict[str, Path], count: int, seed: int) -> Iterator[Damage]:
    """Draw damages: way by way in turn, then run, kind of file, and file."""
    rng = random.Random(seed)
    ways = [way for way, share in SHARES.items() for _ in range(share)]
    kinds = {name: files_by_kind(path) for name, path in runs.items()}
    number = 0
    while number < count:
        way, run = ways[number % len(ways)], rng.choice(list(runs))
        kind = rng.choice(list(kinds[run]))
        files, other = kinds[run][kind], ""
        file = rng.choice(files)
        if way == "exchange":
            other = rng.choice(files)
            if (runs[run] / file).read_bytes() == (runs[run] / other).read_bytes():
                continue
        yield Damage(number, way, run, kind, file, other, rng.randrange(2**32))
        number += 1


# --- one damage, in a process of its own ----------------------------------------------------------


class Workplace:
    """A folder in which damaged copies of a run lie, and what is read from the intact one."""

    def __init__(self, folder: Path, intact: Path) -> None:
        self.intact, self.run, self.out = intact, folder / intact.name, folder / "out"
        self.fresh()
        self.pieces = by_api(self.run)
        self.expected = self.read()

    def fresh(self) -> None:
        """Copy the intact run here."""
        for folder in (self.run, self.out):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.intact, self.run)
        self.out.mkdir()

    def read(self) -> dict[str, Outcome]:
        """Read every piece of the run that lies here."""
        reader = Reader(self.run)
        return {label: attempt(read, reader) for label, read in self.pieces.items()}

    def command(self, name: str) -> Outcome:
        """Carry out a command on the run that lies here."""
        return by_command(COMMANDS[name], self.run, self.intact, self.out)

    def expected_of(self, name: str) -> Outcome:
        """Return what a command prints about the intact run."""
        if name not in self.expected:
            self.fresh()
            self.expected[name] = self.command(name)
        return self.expected[name]


@cache
def workplace(folder: Path, name: str) -> Workplace:
    """Return this process's workplace for a run; `folder` contains the intact runs."""
    place = Path(tempfile.mkdtemp(dir=folder, prefix="work-"))
    return Workplace(place, folder / name)


def tried(task: tuple[Damage, Path]) -> Verdict:
    """Do one damage, read everything, check, and sometimes repair."""
    damage, folder = task
    place = workplace(folder, damage.run)
    name = TURNS[damage.number % len(TURNS)]
    expected = {name: place.expected_of(name)}
    place.fresh()
    how = damage.do(place.run)
    actual = place.read()
    actual[name] = place.command(name)
    place.fresh()
    damage.do(place.run)
    return judged(damage, how, place, {**place.expected, **expected}, actual)


def main() -> None:
    """Do the damages and print the counts."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="jtdiag-damages-", dir=options.folder) as name:
        folder = Path(name)
        runs = small_runs.make(folder)
        tasks = [(damage, folder) for damage in drawn(runs, options.count, options.seed)]
        if options.kinds:
            tasks = [task for task in tasks if any(k in task[0].kind for k in options.kinds)]
        if options.only is not None:
            tasks = [task for task in tasks if task[0].number in options.only]
        counts: Counter[tuple[str, str]] = Counter()
        with get_context("spawn").Pool(options.jobs) as pool:
            for verdict in pool.imap_unordered(tried, tasks):
                counts[verdict.way, verdict.outcome] += 1
                if verdict.failed or options.verbose:
                    print(verdict, flush=True)
                if counts.total() % 100 == 0:
                    print(f"{counts.total()} of {len(tasks)} done", flush=True)
    good = _show(counts)
    print(f"{good} of {len(tasks)} detected or harmless")
    if good < len(tasks):
        raise SystemExit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--count", type=int, default=1300)
    add("--seed", type=int, default=0)
    add("--jobs", type=int, default=1)
    add("--only", type=int, nargs="+", metavar="NUMBER", help="do only these of the damages")
    add("--kinds", nargs="+", metavar="WORD", help="only kinds of files with one of these words")
    add("--folder", type=Path, help="where the runs are written; default: the temporary folder")
    add("--verbose", action="store_true", help="print every damage, not only failures")
    return parser.parse_args()


def _show(counts: Counter[tuple[str, str]]) -> int:
    """Print the counts by way of damage; return how many are as they should be."""
    outcomes = ("detected", "harmless", "silent", "unnamed", "traceback", "unrepaired")
    print(f"\n{'':10}" + "".join(f"{outcome:>12}" for outcome in outcomes))
    for way in SHARES:
        print(f"{way:10}" + "".join(f"{counts[way, outcome]:12}" for outcome in outcomes))
    return sum(counts[way, outcome] for way in SHARES for outcome in outcomes[:2])


if __name__ == "__main__":
    main()
