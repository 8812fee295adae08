"""A folder of runs that is watched: runs appear in it, end, die, are removed or damaged."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from jtdiag.errors import JtdiagError
from jtdiag.store.run import RECIPE, STORE
from jtdiag.watch.events import Event, Gone, Happened, Trouble
from jtdiag.watch.one_run import RunWatch

DEPTH = 3
"""Levels below the folder on which runs are looked for; a study is one of them."""
RETRY = 10.0
"""Seconds after which a run that could not be read is tried again."""


class FolderWatch:
    """The runs below a folder, each with what is remembered of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[Path, RunWatch] = {}
        """Those that have been read, in the order in which they were seen."""
        self.troubled: dict[Path, str] = {}
        """Those that cannot be read, and why."""
        self._retry: dict[Path, float] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._complaints: dict[Path, str] = {}

    @property
    def over(self) -> bool:
        """True when there are runs, and none of them trains."""
        return bool(self.runs or self.troubled) and all(
            one.over or path in self.troubled for path, one in self.runs.items()
        )

    @property
    def any_below(self) -> bool:
        """True when there is a run now."""
        return any(True for _ in runs_below(self.folder))

    def name(self, run: Path) -> str:
        """Return a run's path from the folder, which is what a person calls it."""
        return str(run.relative_to(self.folder))

    def look(self) -> Iterator[Happened]:
        """Yield what has happened since the last look, run by run."""
        found = dict(runs_below(self.folder))
        for path in [path for path in self._stamps if self._stamps[path] != found.get(path)]:
            self._forget(path)
            yield Happened(run=path, what=Gone())
        for path, stamp in found.items():
            self._stamps[path] = stamp
            if time.monotonic() >= self._retry.get(path, 0.0):
                for event in self._look_at(path):
                    known = self.runs.get(path)
                    yield Happened(run=path, what=event, old=known is not None and known.old)

    def _look_at(self, path: Path) -> Iterator[Event]:
        try:
            if path not in self.runs:
                self.runs[path] = RunWatch(path)
            yield from self.runs[path].look()
        except (JtdiagError, OSError, ValueError, LookupError) as error:
            # Whatever is damaged in one run, the others are watched on.
            if (path / RECIPE).exists():  # else the next look finds it gone
                ours = isinstance(error, JtdiagError)
                what = str(error) if ours else f"{path}: cannot be read: {error!r}."
                yield from self._trouble(path, what)
        else:
            self._retry.pop(path, None)
            self.troubled.pop(path, None)

    def _trouble(self, path: Path, what: str) -> Iterator[Trouble]:
        self._retry[path] = time.monotonic() + RETRY
        self.troubled[path] = what
        if self._complaints.get(path) != what:
            self._complaints[path] = what
            yield Trouble(what=what)

    def _forget(self, path: Path) -> None:
        for known in (self.runs, self.troubled, self._retry, self._stamps, self._complaints):
            known.pop(path, None)


def runs_below(folder: Path, depth: int = DEPTH) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Yield the runs below a folder by name, each with what tells it from a later one there.

    Hidden folders are passed over (a run that is being made is one), and no run lies in a run.
    """
    try:
        with os.scandir(folder) as entries:
            below = sorted(e.name for e in entries if e.name[0] != "." and e.is_dir())
    except OSError:  # removed meanwhile, or not ours to read
        return
    for name in below:
        path = folder / name
        stamp = _stamp(path)
        if stamp is not None:
            yield path, stamp
        elif depth > 1:
            yield from runs_below(path, depth - 1)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return number and date of a run's recipe, which is written once; None if it is no run."""
    try:
        found = os.stat(path / RECIPE)
        os.stat(path / STORE)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
