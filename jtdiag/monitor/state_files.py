"""Weights of members in files of torch, of safetensors and of Lightning, and in dictionaries."""

import itertools
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeGuard

import torch
from torch import Size, Tensor

from jtdiag.errors import DataError
from jtdiag.monitor import wording
from jtdiag.printable import reason

State = Mapping[str, Tensor]
SAFETENSORS = ".safetensors"


def states_of(given: object) -> list[tuple[str, State]]:
    """Return dictionaries of tensors with the name of where each is from.

    Args:
        given: A file, a state_dict, or a list of these. A file may contain a state_dict, several,
            or one among other entries, as in checkpoints of Lightning.

    Raises:
        DataError: if a file cannot be read safely, or contains no state_dict.
    """
    items = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    return list(itertools.chain.from_iterable(map(_states, range(len(items)), items)))


def _states(place: int, given: object) -> Iterator[tuple[str, State]]:
    where = str(given) if isinstance(given, str | Path) else f"states[{place}]"
    content = _content(Path(given)) if isinstance(given, str | Path) else given
    states = list(_dictionaries(content))
    if not states:
        raise DataError(wording.no_state_dict(where))
    yield from ((where, state) for state in states)


def _dictionaries(content: object) -> Iterator[State]:
    """Yield the dictionary of tensors that this is, or those that it contains."""
    if _is_state(content):
        yield content
        return
    inside = content.values() if isinstance(content, Mapping) else content
    if isinstance(inside, Iterable) and isinstance(content, Mapping | list | tuple):
        yield from filter(_is_state, inside)


def _is_state(content: object) -> TypeGuard[State]:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(value, Tensor) for value in content.values())
    )


def _content(path: Path) -> object:
    """Return what a file contains, without executing anything in it."""
    if not path.is_file():
        raise DataError(wording.no_file(str(path)))
    try:
        if path.suffix == SAFETENSORS:
            return _safetensors()(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        kind = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise DataError(wording.unsafe_file(str(path), kind[1] if kind else "")) from error
    except DataError:
        raise
    except Exception as error:  # torch and safetensors raise many kinds for damaged files
        raise DataError(wording.damaged_file(str(path), reason(error, 100))) from error


def _safetensors() -> Callable[[Path], dict[str, Tensor]]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise DataError(wording.no_safetensors()) from error
    return load_file


def members_in(where: str, state: State, expected: Mapping[str, Size]) -> list[State]:
    """Return the weights of the members that a state_dict contains, one or several.

    Names may begin with that of a submodule, such as "model." for one member, or "members.0." and
    "members.1." for two.

    Args:
        where: Where the state_dict is from, for messages.
        state: The state_dict.
        expected: Shapes of all tensors of one member by name.

    Raises:
        DataError: if no tensors have the names and shapes of a member, or it is not clear which.
    """
    first = next(iter(expected))
    prefixes = [key[: -len(first)] for key in state if f".{key}".endswith(f".{first}")]
    complete = [prefix for prefix in prefixes if not _differing(state, prefix, expected)]
    if not complete:
        prefix = prefixes[0] if prefixes else ""
        name = _differing(state, prefix, expected)
        shape = tuple(state[prefix + name].shape) if prefix + name in state else None
        raise DataError(
            wording.other_tensors(where, prefix + name, shape, tuple(expected[name]), list(state))
        )
    chosen = _numbered(where, complete)
    return [{name: state[prefix + name] for name in expected} for prefix in chosen]


def _differing(state: State, prefix: str, expected: Mapping[str, Size]) -> str:
    """Return the first tensor that is missing or of another shape; "" if there is none."""
    for name, shape in expected.items():
        tensor = state.get(prefix + name)
        if tensor is None or tensor.shape != shape:
            return name
    return ""


def _numbered(where: str, prefixes: Sequence[str]) -> list[str]:
    """Return the prefixes that differ in their numbers only, in the order of these.

    A module that is not numbered may lie beside them, such as the one that an ensemble copies.
    """
    families: dict[str, list[str]] = {}
    for prefix in prefixes:
        families.setdefault(re.sub(r"\d+", "#", prefix), []).append(prefix)
    several = [family for family in families.values() if len(family) > 1]
    candidates = several or list(families.values())
    if len(candidates) > 1:
        raise DataError(wording.unclear_members(where, [family[0] for family in candidates]))
    return sorted(candidates[0], key=lambda text: [int(n) for n in re.findall(r"\d+", text)])
