"""What advice was asked for, in the folder of its runs; another question needs another folder."""

import tomllib
from pathlib import Path
from typing import Any, Final

import attrs

from jtdiag import files
from jtdiag.advising.candidates import Question
from jtdiag.errors import StoreError, option
from jtdiag.recipe import toml

FILE: Final = "advice.toml"


def prepare(folder: Path, question: Question) -> None:
    """Write the question into its folder, or check that it is the one that is there.

    Raises:
        StoreError: if the folder has other contents, or cannot be written.
    """
    asked: dict[str, Any] = attrs.asdict(question)
    other = f"choose another folder with {option('out', '--out')}"
    if (folder / FILE).is_file():
        before = _read(folder / FILE)
        differing = [key for key, value in asked.items() if before.get(key) != _plain(value)]
        if differing:
            raise StoreError(
                f"{folder} contains advice on another question, which differs in "
                f"{', '.join(differing)}; {other}."
            )
        return
    files.remove_dead_drafts(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is not empty and contains no advice; {other}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_atomically(folder / FILE, toml.dumps(asked))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error}; {other}.") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; restore it, or remove it.") from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
