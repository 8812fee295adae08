"""Clients of Dask: of workers on this machine, of a scheduler, or of a cluster in a file."""

import importlib
import logging
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.config
import joblib

from jtdiag.cluster import workers as on_workers
from jtdiag.errors import ClusterError, nearest, shortened, shown

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 10
"""Seconds to wait for the answer of a scheduler."""
WITHOUT_WORKERS = 60
"""Seconds after which tasks fail if all workers of this machine have died."""
CLOSING = 20
"""Seconds that workers of this machine may take to end; then they are ended."""
SECTIONS = ("class", "options", "scale")
"""What a cluster file may contain."""


@contextmanager
def local(count: int) -> Iterator["Client"]:
    """Yield a client of worker processes on this machine, which end with the block.

    Each has its share of the processors. They ignore signals: the client tells them to stop.

    Args:
        count: Number of workers, 1 or more.

    Raises:
        ClusterError: if Dask is not installed.
    """
    distributed = _distributed()
    options = {
        "n_workers": count,
        "threads_per_worker": 1,
        "resources": {on_workers.THREADS: max(1, joblib.cpu_count() // count)},
        "memory_limit": None,  # Dask's would end a worker that one process would not
        "dashboard_address": ":0",
        "silence_logs": logging.CRITICAL,
    }
    # A worker that dies as it begins is not replaced; tasks would wait for it for ever.
    with dask.config.set(
        {
            "distributed.scheduler.no-workers-timeout": f"{WITHOUT_WORKERS}s",
            "distributed.worker.profile.enabled": False,  # it looks at threads 100 times a second
        }
    ):
        cluster = distributed.LocalCluster(**options)
    try:
        with distributed.Client(cluster) as client:
            client.register_plugin(on_workers.ignoring_signals())
            yield client
    finally:
        with suppress(TimeoutError):  # Dask waits for ever for a worker that died as it began
            cluster.close(timeout=CLOSING)


@contextmanager
def joined(address: str) -> Iterator["Client"]:
    """Yield a client of a scheduler that is running.

    Args:
        address: Such as "tcp://host:8786".

    Raises:
        ClusterError: if Dask is not installed, or no scheduler answers.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TypeError) as error:
        raise ClusterError(
            f"No Dask scheduler answers at {shortened(address, 100)} ({_reason(error)}). Start one "
            "with `dask scheduler`, or correct the address, such as tcp://host:8786."
        ) from error
    with client:
        yield client


@contextmanager
def described(path: Path) -> Iterator["Client"]:
    """Yield a client of a cluster that a TOML file describes, which ends with the block.

    The file contains `class`, such as "dask_jobqueue.SLURMCluster", the keywords of the class in
    `[options]`, and in `[scale]` the keywords of its method `adapt`, such as `maximum`, or of
    `scale`, such as `jobs`.

    Raises:
        ClusterError: if Dask is not installed, or the file describes no cluster.
    """
    distributed = _distributed()
    table = _table(path)
    cluster = _started(path, _class(path, table.get("class")), table)
    with cluster, distributed.Client(cluster) as client:
        yield client


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"Training on a cluster needs Dask, and the module '{error.name}' is missing. Install "
            "it with: pip install 'jtdiag[cluster]'"
        ) from error


def _reason(error: BaseException) -> str:
    """Return the message of what an error comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return shortened(str(error).rstrip(".") or type(error).__name__, 150)


# --- a cluster in a file -------------------------------------------------------------------------


def _table(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClusterError(f"{path} is not a TOML file: {error}.") from error
    for name, value in table.items():
        if name not in SECTIONS:
            raise ClusterError(
                f"{path} has a field '{shortened(name, 100)}'; a cluster has "
                f"{', '.join(SECTIONS)}.{nearest(name, SECTIONS)}"
            )
        if name != "class" and not isinstance(value, dict):
            raise ClusterError(f"{path}: {name} is {shown(value)}; it must be a table, [{name}].")
    return table


def _class(path: Path, address: object) -> Any:
    """Return the class at an address such as "dask_jobqueue.SLURMCluster"."""
    example = 'such as class = "dask_jobqueue.SLURMCluster"'
    module, _, name = address.rpartition(".") if isinstance(address, str) else ("", "", "")
    if not module or not name:
        raise ClusterError(
            f"{path}: class is {shown(address)}; it must be the address of one, {example}."
        )
    try:
        cluster = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise ClusterError(
            f"{path}: class is '{address}', and {module} cannot be imported ({_reason(error)}). "
            f"Install it, or correct the address, {example}."
        ) from error
    from distributed.deploy.cluster import Cluster

    if not isinstance(cluster, type) or not issubclass(cluster, Cluster):
        raise ClusterError(
            f"{path}: class is '{address}', which is not a cluster of Dask. Give one, {example}."
        )
    return cluster


def _started(path: Path, cluster_class: Any, table: Mapping[str, Any]) -> Any:
    options, scale = table.get("options", {}), table.get("scale", {})
    try:
        cluster = cluster_class(**options)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise ClusterError(
            f"{path}: {cluster_class.__name__} does not start with these [options]: "
            f"{_reason(error)}. Correct them."
        ) from error
    adapts = {"minimum", "maximum", "minimum_jobs", "maximum_jobs"} & {*scale}
    try:
        if scale:
            (cluster.adapt if adapts else cluster.scale)(**scale)
    except (TypeError, ValueError) as error:
        cluster.close()
        raise ClusterError(
            f"{path}: {cluster_class.__name__} cannot have this [scale]: {_reason(error)}. "
            "Give jobs or n, or minimum and maximum."
        ) from error
    return cluster
