"""Hand recipes and overrides that are mostly wrong to jtdiag, and judge every answer.

    python benchmarks/fuzz_recipes.py
    python benchmarks/fuzz_recipes.py --count 500 --seed 4

Five kinds take turns: documents, `--set` overrides and presets with overrides, for
`jtdiag train --dry-run`; studies; and, from Python, tables (`from_table`) and records (`Recipe`).
Each must be accepted (a dry run prints its plan; a recipe is the same after it is written and read)
or refused: by one printable line below 500 characters that begins with "Error: ", in less than 10
seconds of the processor. A traceback, a warning, an escape sequence or silence is a failure, and is
printed. Memory is limited to 8 GB, so that what asks for more cannot take the machine down.
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import hostile_recipes as hostile
from click.testing import CliRunner

from jtdiag.commands import main as command
from jtdiag.errors import RecipeError
from jtdiag.recipe import presets, studies, toml
from jtdiag.recipe.recipe import Recipe

LONGEST_LINE = 500
SLOWEST = 10.0
"""Seconds of the processor, which other work on the machine does not prolong."""
LONGEST_WAIT = 120.0
"""Seconds in all, for what waits without computing."""
MEMORY = 8 * 2**30

Draw = random.Random


@dataclass
class Answer:
    """What became of one input: its kind, "accepted" or "refused", and what is wrong with it."""

    kind: str
    outcome: str
    problem: str = ""


def main() -> None:
    """Judge what the command line asks for; exit with status 1 if an answer is wrong."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        hostile.write_data(Path())
        wrong = _judge_all(options.count, options.seed)
        os.chdir("/")
    sys.exit(1 if wrong else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _judge_all(count: int, seed: int) -> int:
    """Print the failures, the counts by kind and the slowest; return the number of failures."""
    kinds: tuple[Callable[[Draw], Answer], ...] = (_document, _overrides, _preset, _study, _python)
    counts: Counter[tuple[str, str]] = Counter()
    wrong, slowest = 0, (0.0, "")
    for index in range(count):
        draw = random.Random(f"{seed} {index}")
        start, clock = time.process_time(), time.perf_counter()
        answer = _judged(kinds[index % len(kinds)], draw)
        seconds, waited = time.process_time() - start, time.perf_counter() - clock
        if (seconds > SLOWEST or waited > LONGEST_WAIT) and not answer.problem:
            answer.problem = f"took {seconds:.1f} s of the processor, {waited:.1f} s in all"
        slowest = max(slowest, (seconds, f"number {index}, {answer.kind}"))
        counts[answer.kind, answer.outcome] += 1
        if answer.problem:
            wrong += 1
            print(f"number {index}, {answer.kind}: {answer.problem}", flush=True)
    for (kind, outcome), number in sorted(counts.items()):
        print(f"{kind}: {number:,} {outcome}")
    print(f"slowest: {slowest[0]:.1f} s of the processor ({slowest[1]})")
    print(f"{count - wrong:,} of {count:,}")
    return wrong


def _judged(kind: Callable[[Draw], Answer], draw: Draw) -> Answer:
    """Return the answer to an input of a kind; an exception that is no refusal is a problem."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return kind(draw)
    except Exception:  # noqa: BLE001 (whatever it is, it is what this script looks for)
        return Answer(kind.__name__.strip("_"), "failed", traceback.format_exc(-4))


# --- on the command line --------------------------------------------------------------------------


def _document(draw: Draw) -> Answer:
    Path("recipe.toml").write_bytes(hostile.document(draw, _a_valid_document(draw)))
    return _command("document", "train", "recipe.toml", "--dry-run")


def _a_valid_document(draw: Draw) -> str:
    """Return the small recipe, or a preset."""
    if draw.random() < 0.6:
        return hostile.SMALL
    return draw.choice(list(presets.paths().values())).read_text("utf-8")


def _overrides(draw: Draw) -> Answer:
    Path("recipe.toml").write_text(hostile.SMALL, encoding="utf-8")
    return _command("override", "train", "recipe.toml", "--dry-run", *_sets(draw))


def _preset(draw: Draw) -> Answer:
    name = draw.choice((*presets.paths(), "demo", "demo", "demo"))
    return _command("preset", "train", name, "--dry-run", *_sets(draw))


def _sets(draw: Draw) -> list[str]:
    changes = [hostile.override(draw) for _ in range(draw.choice((1, 1, 2, 3)))]
    return [word for change in changes for word in ("--set", change)]


def _command(kind: str, *arguments: str) -> Answer:
    """Return how the command answers; it must print a plan or one line of refusal."""
    ran = CliRunner().invoke(command, arguments)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    if ran.exit_code == 0:
        complete = all(f"\n{fact} " in ran.output for fact in ("steps", "memory", "time"))
        return Answer(kind, "accepted", "" if complete else f"no plan: {ran.output!r}")
    line = ran.output.removesuffix("\n")
    usage = ran.exit_code == 2  # click's own errors have lines about the usage before them
    last = line.rpartition("\n")[2] if usage else line
    return Answer(kind, "refused", _problem(last) if last.startswith("Error: ") else repr(line))


def _problem(line: str) -> str:
    """Return what is wrong with a line, or an empty string."""
    if not line.isprintable():
        return f"not one printable line: {line!r}"
    if len(line) >= LONGEST_LINE:
        return f"{len(line)} characters: {line}"
    return "" if len(line) > len("Error: ") + 10 else f"says nothing: {line!r}"


# --- from Python ----------------------------------------------------------------------------------


def _study(draw: Draw) -> Answer:
    """Read a study with overrides; the command would train what is accepted."""
    Path("study.toml").write_bytes(hostile.document(draw, hostile.STUDY))
    changes = [hostile.override(draw) for _ in range(draw.randrange(3))]
    try:
        study = studies.find("study.toml", changes)
    except RecipeError:
        arguments = [word for change in changes for word in ("--set", change)]
        return _command("study", "study", "study.toml", "--out", "study", *arguments)
    again = tomllib.loads(studies.to_toml(study))
    Path("again.toml").write_text(studies.to_toml(study), encoding="utf-8")
    same = again and studies.differences(study, studies.find("again.toml")) == []
    return Answer("study", "accepted", "" if same else "another study after it is written and read")


def _python(draw: Draw) -> Answer:
    table = hostile.table(draw, tomllib.loads(hostile.SMALL))
    make: Callable[[dict[Any, Any]], Recipe] = draw.choice((toml.from_table, _record))
    try:
        recipe = make(table)
    except RecipeError as error:
        return Answer("python", "refused", _problem(f"Error: {error}"))
    again = toml.from_table(tomllib.loads(toml.to_toml(recipe)))
    same = again == recipe and toml.digest(again) == toml.digest(recipe)
    return Answer("python", "accepted", "" if same else f"another recipe after reading: {recipe}")


def _record(table: dict[Any, Any]) -> Recipe:
    """Return the recipe from the classes of its sections, as a person writes it in Python."""
    arguments: dict[str, Any] = {}
    for name, value in table.items():
        section = toml.SECTIONS.get(name)
        is_table = isinstance(value, dict) and all(isinstance(key, str) for key in value)
        if section and is_table and _required(section) <= value.keys():
            known = {field.name for field in attrs.fields(section)}
            arguments[name] = section(**{key: value[key] for key in value if key in known})
        elif section or name in hostile.fields():  # Python itself refuses other arguments
            arguments[name] = value
    return Recipe(**arguments)


def _required(section: type) -> set[str]:
    """Return the fields without which Python itself refuses to make a section."""
    return {field.name for field in attrs.fields(section) if field.default is attrs.NOTHING}


if __name__ == "__main__":
    main()
