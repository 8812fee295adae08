"""Writing the report of runs from Python."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jtdiag.cluster import workers
from jtdiag.probing.running import measure
from jtdiag.report.evidence import ask_cheap, gather
from jtdiag.report.page import page, write
from jtdiag.store.run import Run

if TYPE_CHECKING:
    from distributed import Client


def report(
    run: Run | str | Path,
    *others: Run | str | Path,
    out: str | Path | None = None,
    ask: bool = True,
    client: "Client | None" = None,
) -> Path:
    """Write an HTML report of one run or several, and return its path.

    Args:
        run: A run or its folder.
        others: Further runs; several are compared.
        out: File to write; by default report.html in the folder of the first run.
        ask: First run the cheap probes whose results are missing or outdated.
        client: A client of Dask (``distributed.Client``), whose workers see the folders of the
            runs: slow probes whose lanes they measure are run first, too.

    Raises:
        ClusterError: if the workers cannot be used.
        StoreError: if a folder contains no run, a result is damaged, or the file cannot be written.
    """
    runs = [each if isinstance(each, Run) else Run(each) for each in (run, *others)]
    asked = [each for each in runs if ask and os.access(each.path, os.W_OK)]
    for each in asked if client is not None else ():
        workers.check(client, each.path)
    for each in asked:
        ask_cheap(each, partial(measure, client=client), workers=client is not None)
    path = runs[0].path / "report.html" if out is None else Path(out)
    write(path, page([gather(each) for each in runs]))
    return path
