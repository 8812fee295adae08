"""Command-line options that select workers of Dask."""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jtdiag.cluster import torchrun
from jtdiag.errors import ClusterError
from jtdiag.printable import shell_word

if TYPE_CHECKING:
    from distributed import Client

OPTIONS = (
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        metavar="N",
        help="Use N worker processes on this machine. Needs jtdiag[cluster].",
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Use the workers of a Dask scheduler, such as tcp://host:8786.",
    ),
    click.option(
        "--cluster",
        type=click.Path(path_type=Path),
        metavar="FILE.toml",
        help="Use a cluster that a file describes, such as one of dask-jobqueue.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Workers given on the command line: none, or those of one of these."""

    workers: int | None = None
    scheduler: str | None = None
    cluster: Path | None = None

    @property
    def arguments(self) -> str:
        """The options as they are given, with a space before them; empty without any."""
        given = {
            "--workers": self.workers,
            "--scheduler": self.scheduler,
            "--cluster": self.cluster,
        }
        words = [f" {name} {shell_word(value)}" for name, value in given.items() if value]
        return "".join(words)

    def client(self) -> "AbstractContextManager[Client | None]":
        """Return a context with a client of these workers; with None if none are given.

        Raises:
            ClusterError: if several are given, or they cannot be used.
        """
        given = [value for value in (self.workers, self.scheduler, self.cluster) if value]
        if len(given) > 1:
            raise ClusterError(
                "--workers, --scheduler and --cluster exclude each other; give one of them."
            )
        if not given:
            return nullcontext()
        if torchrun.count() > 1:
            raise ClusterError(torchrun.NOT_WITH_WORKERS)
        from jtdiag.cluster import connecting

        if self.workers:
            return connecting.local(self.workers)
        if self.scheduler:
            return connecting.joined(self.scheduler)
        assert self.cluster is not None
        return connecting.described(self.cluster)

    @contextmanager
    def client_for(self, *runs: Path) -> "Iterator[Client | None]":
        """Yield a client whose workers can use some runs; None if no workers are given.

        Raises:
            ClusterError: if several options are given, or their workers cannot be used.
        """
        with self.client() as client:
            if client is not None:
                from jtdiag.cluster import workers

                for run in runs:
                    workers.check(client, run)
            yield client


def cluster_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which receives them as its argument `cluster`."""

    @functools.wraps(command)
    def with_cluster(
        *arguments: Any,
        workers: int | None,
        scheduler: str | None,
        cluster: Path | None,
        **more: Any,
    ) -> None:
        options = ClusterOptions(workers=workers, scheduler=scheduler, cluster=cluster)
        command(*arguments, cluster=options, **more)

    for option in reversed(OPTIONS):
        with_cluster = option(with_cluster)
    return with_cluster
