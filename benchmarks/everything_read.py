"""Everything that a person can read from a run, piece by piece, and what became of each piece.

A piece is read by the Python API or by a command. It is either a text that stands for its numbers,
or a refusal of one line, or a traceback.
"""

import hashlib
import itertools
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import xarray as xr
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.errors import JtdiagError
from jtdiag.probing import findings, results
from jtdiag.recipe.recipe import Recipe
from jtdiag.recipe.sections import Engine
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.run import Run

PROGRESS = re.compile(r"^[a-z]+: (running|up to date)\. .*\n", re.MULTILINE)
"""Lines that say which results are measured again."""
LONGEST = 500
"""Characters of a refusal."""


@dataclass(frozen=True)
class Outcome:
    """What became of one piece."""

    text: str = ""
    """Stands for what was read, or the traceback."""
    refused: str = ""
    """The line that refuses."""
    crashed: bool = False
    remarks: str = ""
    """What a command printed on stderr although it succeeded."""


def digest(values: Any) -> str:
    """Return a text that stands for an array, exactly."""
    array = np.asarray(values)
    plain = np.array(array.tolist(), str) if array.dtype.kind in "OT" else array
    return f"{array.dtype} {array.shape} {hashlib.sha256(plain.tobytes()).hexdigest()[:16]}"


def of_dataset(data: xr.Dataset) -> str:
    """Return a text that stands for all variables of a Dataset."""
    return "; ".join(f"{name}: {digest(data[name].values)}" for name in sorted(data.variables))


def without_machine(recipe: Recipe) -> Recipe:
    """Return a recipe without what may differ between machines, which `recipe.toml` may change."""
    engine = attrs.evolve(Engine(), precision=recipe.engine.precision)
    return attrs.evolve(recipe, engine=engine, data=attrs.evolve(recipe.data, root="data"))


class Reader:
    """The Python API on a run, opened when it is first needed; each failure is met every time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def run(self) -> Run:
        """The run."""
        return Run(self.path)

    @cached_property
    def tree(self) -> xr.DataTree:
        """All its arrays."""
        return self.run.tree

    def outputs(self, lane: Lane, epoch: int, split: str) -> list[tuple[str, str]]:
        """Read the outputs and targets of a lane and epoch."""
        blocks = self.run.outputs(lane, epoch, split)
        return [(digest(block.logits), digest(block.target)) for block in blocks]

    def checkpoint(self, lane: Lane, epoch: int) -> dict[str, str]:
        """Read the checkpoint of a lane and epoch."""
        arrays = self.run.checkpoint(lane, epoch)
        return {name: digest(values) for name, values in arrays.items()}

    def history(self, lane: Lane) -> str:
        """Read the training metrics of a lane."""
        history = self.run.history(lane)
        return str({name: digest(values) for name, values in vars(history).items()})

    def result(self, name: str) -> str:
        """Read the stored result of a probe."""
        return of_dataset(results.load(self.run, name))


Read = Callable[[Reader], object]


def by_api(path: Path) -> dict[str, Read]:
    """Return how the Python API reads each piece of an intact run, by label."""
    run = Run(path)
    pieces: dict[str, Read] = {
        "recipe": lambda r: without_machine(r.run.recipe),
        "settings": lambda r: (r.run.settings, r.run.error_measure, r.run.chance_error),
        "metrics": lambda r: of_dataset(r.run.metrics()),
        "start factors": lambda r: digest(r.run.start_factors()),
        "findings": lambda r: findings.read(r.path),
    }
    for lane in run.lanes:
        seal = run.seal(lane)
        pieces[f"seal {lane.key}"] = partial(_seal, lane=lane)
        pieces[f"history {lane.key}"] = partial(Reader.history, lane=lane)
        for epoch, split in itertools.product(seal.outputs, run.recipe.keep.splits):
            read = partial(Reader.outputs, lane=lane, epoch=epoch, split=split)
            pieces[f"outputs {lane.key} {epoch} {split}"] = read
        for epoch in seal.checkpoints:
            read = partial(Reader.checkpoint, lane=lane, epoch=epoch)
            pieces[f"checkpoint {lane.key} {epoch}"] = read
    for node in run.tree.leaves:
        for name in map(str, node.variables):
            pieces[f"tree {node.path}/{name}"] = partial(_computed, place=f"{node.path}/{name}")
    for stored in sorted((path / results.FOLDER).glob("*.zarr")):
        pieces[f"result {stored.stem}"] = partial(Reader.result, name=stored.stem)
    return pieces


def _seal(reader: Reader, lane: Lane) -> Seal:
    return reader.run.seal(lane)


def _computed(reader: Reader, place: str) -> str:
    return digest(reader.tree[place].values)


COMMANDS: dict[str, tuple[str, ...]] = {
    "table": ("table", "RUN", "--format", "csv"),
    "watch": ("watch", "RUN", "--once", "--plain"),
    "probe": ("probe", "RUN", "dominance", "performance", "votes", "alerts", "diversity"),
    "plot": ("plot", "RUN", "errors-by-epoch", "--format", "png", "--data", "csv", "--out", "OUT"),
    "report": ("report", "RUN", "--out", "OUT/report.html"),
    "report --no-ask": ("report", "RUN", "--no-ask", "--out", "OUT/report.html"),
    "compare": ("compare", "RUN", "INTACT"),
}
"""Commands that read a run."""
_QUICK = [name for name in COMMANDS if not name.startswith("report")]
TURNS = (*_QUICK, "report", *_QUICK, "report --no-ask")
"""After each damage one of them is carried out, in this order; reports take longest."""


def by_command(arguments: tuple[str, ...], path: Path, intact: Path, out: Path) -> Outcome:
    """Carry out a command on a run; what it writes to `out` belongs to what is read.

    Args:
        arguments: With RUN, INTACT and OUT in place of folders.
        path: The run.
        intact: An intact copy of it.
        out: An empty folder.
    """
    places = {"RUN": str(path), "INTACT": str(intact), "OUT": str(out)}
    words = [places.get(word, word.replace("OUT/", f"{out}/")) for word in arguments]
    ran = CliRunner().invoke(main, words)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        text = "".join(traceback.format_exception(ran.exception))
        return Outcome(text=_last_lines(text), crashed=True)
    if "Traceback" in ran.output:
        return Outcome(text=ran.output, crashed=True)
    if ran.exit_code != 0:
        return _refusal(ran.stderr.strip() or ran.stdout.strip() or f"status {ran.exit_code}")
    written = "".join(_texts(out))
    return Outcome(text=PROGRESS.sub("", ran.stdout) + written, remarks=ran.stderr)


def _texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".html"):
            yield path.read_text(encoding="utf-8")


def attempt(read: Read, reader: Reader) -> Outcome:
    """Read one piece by the API."""
    try:
        return Outcome(text=str(read(reader)))
    except JtdiagError as error:
        return _refusal(str(error))
    except Exception:  # noqa: BLE001  whatever it is, it is a failure to be printed
        return Outcome(text=_last_lines(traceback.format_exc()), crashed=True)


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-8:])


def _refusal(text: str) -> Outcome:
    """A refusal; too many characters or lines count as a crash."""
    lines = text.splitlines()
    if any(len(line.removeprefix("Error: ")) > LONGEST for line in lines):
        return Outcome(text=f"a line of more than {LONGEST} characters: {text}", crashed=True)
    return Outcome(refused=text)
