"""Judges what became of a damage: whether it was noticed, named, and repaired."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from click.testing import CliRunner, Result
from everything_read import Outcome, by_command

from jtdiag.commands import main

REPAIR_EVERY = 10
HOPELESS = "cannot be repaired"
"""Says that only a backup helps."""
RESUME = ("train", "RUN", "--resume")
UNFINISHED = "unfinished"


class Done(Protocol):
    """A damage that was done."""

    number: int
    way: str
    run: str
    kind: str
    file: str
    other: str


class Place(Protocol):
    """Where the damaged run lies."""

    run: Path
    intact: Path
    out: Path
    pieces: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one damage."""

    number: int
    way: str
    outcome: str
    """detected, harmless, silent (another number without a word), unnamed (`check` does not name
    it), traceback, or unrepaired."""
    details: str

    @property
    def failed(self) -> bool:
        """Whether this is not as it should be."""
        return self.outcome not in ("detected", "harmless")

    def __str__(self) -> str:
        return f"{self.number:5} {self.outcome:10} {self.details}"


def judged(
    done: Done,
    how: str,
    place: Place,
    expected: Mapping[str, Outcome],
    actual: Mapping[str, Outcome],
) -> Verdict:
    """Compare what was read with what is expected, and check the damaged run.

    Args:
        done: The damage.
        how: What was done, in words.
        place: The damaged run, as it was left by the damage.
        expected: What is read from the intact run.
        actual: What was read from damaged copies.
    """
    about = f"{done.run}/{done.file}: {how}"
    crashed = [f"{name}: {o.text}" for name, o in actual.items() if o.crashed]
    other = [
        name
        for name, o in actual.items()
        if not o.crashed and not _same(o, expected[name]) and not _recipe_shown(done, o)
    ]
    silent = [
        name
        for name in other
        if not actual[name].refused and not _said(actual[name], expected[name])
    ]
    ran = CliRunner().invoke(main, ["check", str(place.run), "--json"])
    named, complaint = _named(ran, done, place.run)
    if crashed or (ran.exception is not None and not isinstance(ran.exception, SystemExit)):
        return Verdict(done.number, done.way, "traceback", f"{about}\n{crashed or ran.exc_info}")
    if silent:
        differ = "\n".join(
            f"{n}: {expected[n].text[:300]!r} != {actual[n].text[:300]!r}" for n in silent[:3]
        )
        return Verdict(done.number, done.way, "silent", f"{about}\n{silent}\n{differ}\n{complaint}")
    if other and not named:
        lines = [f"{name}: {actual[name].refused or actual[name].remarks}" for name in other[:4]]
        return Verdict(done.number, done.way, "unnamed", f"{about}\n{lines}\n{complaint}")
    mended = _repaired(done, place, expected) if done.number % REPAIR_EVERY == 0 else ""
    if mended:
        return Verdict(done.number, done.way, "unrepaired", f"{about}\n{mended}")
    outcome = "detected" if other or named else "harmless"
    return Verdict(done.number, done.way, outcome, about)


def _same(actual: Outcome, expected: Outcome) -> bool:
    return (actual.text, actual.refused) == (expected.text, expected.refused)


def _recipe_shown(done: Done, actual: Outcome) -> bool:
    """Whether a command showed a changed recipe file, or said that results are outdated by it.

    Settings of the machine, such as the folder of the data, may be changed by anybody. Reports
    contain them, and the results are measured again. That the rest of the recipe is the same is a
    piece of its own.
    """
    shows = "<html" in actual.text or "drawn from an outdated result" in actual.text
    return done.file == "recipe.toml" and shows


def _said(actual: Outcome, expected: Outcome) -> bool:
    """Whether a command that succeeded said on stderr that something is not as it was."""
    return bool(actual.remarks) and actual.remarks != expected.remarks


def _named(ran: Result, done: Done, run: Path) -> tuple[bool, str]:
    """Whether `jtdiag check` names the damaged place with status 1, and what it printed."""
    if ran.exit_code == 0:
        return False, f"check: status 0, {ran.output[:300]}"
    if not ran.stdout.startswith("["):
        return Path(done.file).name in ran.output, f"check refuses: {ran.output[:300]}"
    [document] = json.loads(ran.stdout)
    wanted = [_place(Path(file)) for file in (done.file, done.other) if file]
    complaint = f"check names {document['damages']} instead of {wanted}"
    hit = any(_matches(place, damage) for place in wanted for damage in document["damages"])
    return hit, "" if hit else complaint


def _place(file: Path) -> dict[str, Any]:
    """Return what `jtdiag check` has to name, given the path of a file in the run."""
    first, *rest = file.parts
    if first == "store.zarr" and "c" in rest:
        split = rest.index("c")
        array, chunk = "/".join(rest[:split]), rest[split + 1 :]
        group, _, name = array.rpartition("/")
        if group.startswith(("outputs", "checkpoints")) and len(chunk) >= 4:
            lam, trial, epoch = map(int, chunk[:3])
            return {"lam_index": lam, "trial": trial, "epoch": epoch, "variable": array}
        if group == "metrics" and len(chunk) >= 3:
            return {"lam_index": int(chunk[0]), "trial": int(chunk[1]), "text": name}
        return {"text": array}
    if first == "store.zarr":
        return {"text": "/".join(rest)}
    if first == "results":
        return {"text": f"results/{Path(rest[0]).stem}"}
    return {"text": file.name}


def _matches(place: dict[str, Any], damage: dict[str, Any]) -> bool:
    text = f"{damage['variable']} {damage['reason']}"
    return all(
        value in text if key == "text" else damage[key] == value for key, value in place.items()
    )


# --- repairing ------------------------------------------------------------------------------------


def _repaired(done: Done, place: Place, expected: Mapping[str, Outcome]) -> str:
    """Repair the run; return what is wrong afterwards, or an empty text."""
    ran = CliRunner().invoke(main, ["check", str(place.run), "--repair"])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        return f"--repair: {ran.exception!r}"
    if HOPELESS in ran.output:
        return ""
    if ran.exit_code != 0:
        return f"--repair ended with status {ran.exit_code}: {ran.output[-600:]}"
    if done.run == UNFINISHED:
        return _resumed(place)
    if done.run == "recorded":
        return ""
    return _differences(place.intact / "store.zarr", place.run / "store.zarr")


def _resumed(place: Place) -> str:
    outcome = by_command(RESUME, place.run, place.intact, place.out)
    if outcome.refused or outcome.crashed:
        return f"--resume: {outcome.refused or outcome.text}"
    return _differences(place.intact.parent / "finished" / "store.zarr", place.run / "store.zarr")


def _differences(a: Path, b: Path) -> str:
    """Return which files of two folders differ, or an empty text."""
    files = {
        path.relative_to(folder)
        for folder in (a, b)
        for path in folder.rglob("*")
        if path.is_file()
    }
    for file in sorted(files):
        if not (a / file).exists() or not (b / file).exists():
            return f"{file} exists in only one of {a} and {b}"
        if (a / file).read_bytes() != (b / file).read_bytes():
            return f"{file} differs between {a} and {b}"
    return ""
