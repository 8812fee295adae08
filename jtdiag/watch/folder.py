"""Watch a folder of runs, which may appear, end, be removed or become unreadable."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from jtdiag.errors import JtdiagError
from jtdiag.store.run import RECIPE, STORE
from jtdiag.watch.events import Event, Gone, RunEvent, Trouble
from jtdiag.watch.one_run import RunWatch

DEPTH = 3
"""Number of levels below the folder that are searched for runs; a study is one level."""
RETRY = 10.0
"""Seconds after which a run that could not be read is tried again."""


class FolderWatch:
    """The runs below a folder and the state of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[Path, RunWatch] = {}
        """Runs that have been read, in the order in which they were first seen."""
        self.troubled: dict[Path, str] = {}
        """Runs that cannot be read, with the reason."""
        self._retry: dict[Path, float] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._reported: dict[Path, str] = {}

    @property
    def over(self) -> bool:
        """True if there are runs and none of them is training."""
        return bool(self.runs or self.troubled) and all(
            run.over or path in self.troubled for path, run in self.runs.items()
        )

    @property
    def any_below(self) -> bool:
        """True if the folder contains a run."""
        return any(True for _ in runs_below(self.folder))

    def name(self, run: Path) -> str:
        """Return a run's path relative to the folder."""
        return str(run.relative_to(self.folder))

    def poll(self) -> Iterator[RunEvent]:
        """Yield the events since the last call, run by run."""
        stamps = dict(runs_below(self.folder))
        for path in [path for path in self._stamps if self._stamps[path] != stamps.get(path)]:
            self._forget(path)
            yield RunEvent(run=path, event=Gone())
        for path, stamp in stamps.items():
            self._stamps[path] = stamp
            if time.monotonic() >= self._retry.get(path, 0.0):
                for event in self._poll_run(path):
                    run = self.runs.get(path)
                    yield RunEvent(run=path, event=event, old=run is not None and run.old)

    def _poll_run(self, path: Path) -> Iterator[Event]:
        try:
            if path not in self.runs:
                self.runs[path] = RunWatch(path)
            yield from self.runs[path].poll()
        except (JtdiagError, OSError, ValueError, LookupError) as error:
            # A damaged run must not end the watch of the others.
            if (path / RECIPE).exists():  # otherwise the next poll reports it as removed
                ours = isinstance(error, JtdiagError)
                message = str(error) if ours else f"{path}: cannot be read: {error!r}."
                yield from self._trouble(path, message)
        else:
            self._retry.pop(path, None)
            self.troubled.pop(path, None)

    def _trouble(self, path: Path, message: str) -> Iterator[Trouble]:
        self._retry[path] = time.monotonic() + RETRY
        self.troubled[path] = message
        if self._reported.get(path) != message:
            self._reported[path] = message
            yield Trouble(what=message)

    def _forget(self, path: Path) -> None:
        for by_path in (self.runs, self.troubled, self._retry, self._stamps, self._reported):
            by_path.pop(path, None)


def runs_below(folder: Path, depth: int = DEPTH) -> Iterator[tuple[Path, tuple[int, int]]]:
    """Yield the runs below a folder by name, each with a stamp that identifies it.

    Hidden folders are skipped, since a run that is being created is one, and runs are not
    searched for further runs. A later run at the same path has another stamp.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(e.name for e in entries if e.name[0] != "." and e.is_dir())
    except OSError:  # removed in the meantime, or no permission
        return
    for name in names:
        path = folder / name
        stamp = _stamp(path)
        if stamp is not None:
            yield path, stamp
        elif depth > 1:
            yield from runs_below(path, depth - 1)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return inode and date of a run's recipe, which is written once, or None if it is no run."""
    try:
        recipe = os.stat(path / RECIPE)
        os.stat(path / STORE)
    except OSError:
        return None
    return recipe.st_ino, recipe.st_mtime_ns
