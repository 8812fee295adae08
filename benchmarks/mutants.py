"""Mutation testing: change the code in small ways, and see whether a test fails for each of them.

Every function of the modules in `ROOMS` is changed in all the ways that mutmut knows: another
number, operator, comparison or string, an argument left out, a value replaced by None. A change
that no test notices has survived: either a test is missing, or the change makes no difference. The
reasons of the survivors that were looked at are in `survivors.toml`, and in
`docs/project/mutation-testing.md`.

    make mutants                          # all modules: see the page for how long it takes
    .venv/bin/python benchmarks/mutants.py loss intervals
    .venv/bin/python benchmarks/mutants.py sealing --sample 100 --seed 0

Prints each survivor without a reason, and the count of every room. The exit status is 1 if less
than 90 % of a room's changes were noticed, or a survivor has no reason. mutmut keeps what it did
in `build/mutants/`, so that a second run of all changes tests only what has changed.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jtdiag.stats.proportions import clopper_pearson

ROOT = Path(__file__).parents[1]
REASONS = Path(__file__).with_name("survivors.toml")
PLUGIN = Path(__file__).with_name("called_before.py")
LEAST = 0.9
"""Part of the changes that must be noticed."""
NOTICED = {1, 3, 24, -24, 36, 152, -9, -11}
"""Exit statuses of mutmut for a failed test, a time that ran out, and a crash. Not 255, by which it
says that it could not run the tests."""
PRELOADED = ("torch", "scipy.stats", "sklearn", "xarray", "zarr", "hypothesis", "matplotlib.figure")
"""Imported once for all changes."""
PYTEST = ["-q", "-m", "not slow", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider"]
# Collecting garbage three times takes longer than most tests.
PYTEST += ["-p", "no:unraisableexception", "-o", "tmp_path_retention_policy=none"]
# These read the source, which has all changes in it.
PYTEST += ["-k", "not every_public_function and not no_sentence_is_left_out"]
# The plugin names tests by the names of their parameters, to which pytest adds numbers.
PYTEST += ["-p", PLUGIN.stem, "-o", "strict_parametrization_ids=false"]
COPIED = ("tests", "runs", "docs", "constraints.txt", "README.md")


@dataclass(frozen=True)
class Room:
    """Modules that are changed together, and the tests that have to notice."""

    sources: tuple[str, ...]
    """Paths as they are imported; may have wildcards."""
    tests: tuple[str, ...]


ROOMS = {
    "loss": Room(("jtdiag/engine/loss.py",), ("tests/engine/test_loss.py",)),
    "decomposition": Room(
        (
            "jtdiag_probes/shared/decomposition.py",
            "jtdiag_probes/diversity/bias_variance.py",
            "jtdiag_probes/diversity/diversity.py",
            "jtdiag_probes/diversity/diversity_verdict.py",
            "jtdiag_probes/diversity/dropping.py",
            "jtdiag_probes/diversity/variance.py",
            "jtdiag_probes/diversity/collusion.py",
            "jtdiag_probes/diversity/collusion_verdict.py",
        ),
        ("tests/probes/diversity", "tests/probes/shared"),
    ),
    "sealing": Room(
        (
            "jtdiag/store/lanes.py",
            "jtdiag/store/checksums.py",
            "jtdiag/store/chunks.py",
            "jtdiag/probing/result_seal.py",
        ),
        (
            "tests/store/test_lanes.py",
            "tests/store/test_checksums.py",
            "tests/probing/test_result_seal.py",
        ),
    ),
    "rules": Room(("jtdiag/rules/*.py",), ("tests/rules",)),
    "intervals": Room(
        (
            "jtdiag/stats/intervals.py",
            "jtdiag/stats/proportions.py",
            "jtdiag/stats/comparisons.py",
        ),
        ("tests/stats",),
    ),
}


def stage(room: Room, folder: Path) -> None:
    """Copy both packages side by side, the tests, and a configuration of mutmut."""
    # It is on the path of imports, where a folder that is made too late is not seen.
    for name in ("mutants", "temporary"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for source in (ROOT / "jtdiag", ROOT / "probes" / "jtdiag_probes"):
        _copy(source, folder / source.name)
    for name in COPIED:
        _copy(ROOT / name, folder / name)
    shutil.copy2(PLUGIN, folder)
    settings = {
        "source_paths": ["jtdiag", "jtdiag_probes"],
        "only_mutate": room.sources,
        "also_copy": (*COPIED, PLUGIN.name),
        "pytest_add_cli_args": PYTEST,
        # Machines have other things to do: what takes ten times as long is not noticed by that.
        "timeout_constant": 8.0,
        "pytest_add_cli_args_test_selection": room.tests,
        # Tests start threads, and a copy of a process has none of them.
        "process_isolation": "forkserver",
        # Tests are imported anew for every change: many call the code while they are imported.
        "forkserver_warmup": "import",
        "preload_modules_file": "preloaded.txt",
        "on_dependency_change": "ignore",
    }
    (folder / "preloaded.txt").write_text("\n".join(PRELOADED) + "\n", "utf-8")
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    table = "\n".join(("", "[tool.mutmut]", *lines, ""))
    (folder / "pyproject.toml").write_text(pyproject + table, "utf-8")


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder with its times, by which mutmut sees what has changed."""
    if source.is_file():
        shutil.copy2(source, target)
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "_build"))


def mutmut(folder: Path, *arguments: str, show: bool = False) -> str:
    """Run mutmut in a folder and return what it prints."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "PYTHONPATH": str(folder / "mutants"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_DEBUG_TEMPROOT": str(folder / "temporary"),
    }
    ran = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
    )
    if ran.returncode:
        sys.exit(f"mutmut {' '.join(arguments[:1])} failed in {folder}:\n{ran.stdout or ''}")
    return ran.stdout or ""


def names_of(room: Room, folder: Path) -> list[str]:
    """Return the name of every change that mutmut makes in a room."""
    from mutmut.configuration import reset_config
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    names = []
    with contextlib.chdir(folder):  # where mutmut looks for its configuration
        reset_config()
        for path in (path for pattern in room.sources for path in sorted(Path().glob(pattern))):
            mutated = mutate_file_contents(str(path), path.read_text("utf-8"), None, None)
            names += [get_mutant_name(path, name) for name in mutated.mutant_names]
    return names


def statuses(folder: Path) -> dict[str, int | None]:
    """Return the exit status for every change, by its name; None if it was not tried."""
    each: dict[str, int | None] = {}
    for meta in sorted((folder / "mutants").rglob("*.py.meta")):
        each |= json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    return each


@dataclass(frozen=True)
class Survivor:
    """A change that no test has noticed."""

    function: str
    change: tuple[str, ...]
    """Lines that were taken away, and those in place of them; with - and + in front."""


def survivor(folder: Path, name: str) -> Survivor:
    """Return the function that was changed, and how."""
    diff = mutmut(folder, "show", name).splitlines()
    lines = [" ".join(line.split()) for line in diff if re.match(r"[-+](?![-+])", line)]
    function = re.sub(r"__mutmut_\d+$", "", name).replace("xǁ", "").replace("ǁ", ".")
    return Survivor(re.sub(r"\.x_", ".", function), tuple(lines))


def without_reason(survivors: Iterable[Survivor]) -> Iterator[Survivor]:
    """Yield survivors for which `survivors.toml` has no reason."""
    table = tomllib.loads(REASONS.read_text("utf-8")) if REASONS.exists() else {}
    reasons = table.get("survivor", [])
    for each in survivors:
        text = "\n".join(each.change)
        if not any(
            re.fullmatch(entry.get("function", ".*"), each.function)
            and re.search(entry["change"], text)
            for entry in reasons
        ):
            yield each


def measure(name: str, sample: int | None, seed: int, jobs: int) -> bool:
    """Try the changes of a room, print the count, and return whether the bar is reached."""
    room, folder = ROOMS[name], ROOT / "build" / "mutants" / name
    stage(room, folder)
    every = names_of(room, folder)
    chosen = every if sample is None else random.Random(seed).sample(every, min(sample, len(every)))
    wanted = [] if sample is None else chosen
    mutmut(folder, "run", "--max-children", str(jobs), *wanted, show=True)
    status = statuses(folder)
    noticed = sum(status.get(change) in NOTICED for change in chosen)
    left = [change for change in chosen if status.get(change) not in NOTICED]
    unexplained = list(without_reason(survivor(folder, change) for change in left))
    for each in unexplained:
        print(f"\n{each.function}", *each.change, sep="\n    ")
    low, high = (float(end) for end in clopper_pearson(noticed, len(chosen)))
    of_all = "" if sample is None else f", a sample of {len(every)}; 95 % [{low:.1%}, {high:.1%}]"
    print(
        f"\n{name}: {noticed} of {len(chosen)} changes noticed ({noticed / len(chosen):.1%})"
        f"{of_all}; {len(left)} survived, {len(unexplained)} of them without a reason\n",
        flush=True,
    )
    return noticed >= LEAST * len(chosen) and not unexplained


def main() -> int:
    """Test the rooms that are asked for; return 1 if one is below the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "rooms", nargs="*", choices=[[], *ROOMS], metavar="ROOM", help=", ".join(ROOMS)
    )
    parser.add_argument("--sample", type=int, help="try so many changes of each room, at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=1, help="processes at the same time")
    chosen = parser.parse_args()
    rooms = chosen.rooms or list(ROOMS)
    reached = [measure(name, chosen.sample, chosen.seed, chosen.jobs) for name in rooms]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
