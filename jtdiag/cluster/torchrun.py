"""Processes that torchrun has started for one command, as its environment variables say.

torch is not imported.
"""

import os
from typing import Final

NOT_WITH_WORKERS: Final = (
    "torchrun divides each lane over its processes, and workers of Dask train whole lanes; use one "
    "of them."
)


def count() -> int:
    """Return the number of processes; 1 without torchrun."""
    return _number("WORLD_SIZE", 1)


def rank() -> int:
    """Return the number of this process; 0 without torchrun."""
    return _number("RANK", 0)


def local_count() -> int:
    """Return the number of processes on this machine; 1 without torchrun."""
    return _number("LOCAL_WORLD_SIZE", 1)


def local_rank() -> int:
    """Return the number of this process among those on this machine; 0 without torchrun."""
    return _number("LOCAL_RANK", 0)


def _number(name: str, default: int) -> int:
    launched = "TORCHELASTIC_RUN_ID" in os.environ  # SLURM and MPI set some of the others, too
    return int(os.environ[name]) if launched and name in os.environ else default
