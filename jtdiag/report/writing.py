"""Writing the report of runs from Python."""

import os
from pathlib import Path

from jtdiag.report.evidence import ask_cheap, gather
from jtdiag.report.page import page, write
from jtdiag.store.run import Run


def report(
    run: Run | str | Path,
    *others: Run | str | Path,
    out: str | Path | None = None,
    ask: bool = True,
) -> Path:
    """Write an HTML report of one run or several, and return its path.

    Args:
        run: A run or its folder.
        others: Further runs; several are compared.
        out: File to write; by default report.html in the folder of the first run.
        ask: First run the cheap probes whose results are missing or outdated.

    Raises:
        StoreError: if a folder contains no run, a result is damaged, or the file cannot be written.
    """
    runs = [each if isinstance(each, Run) else Run(each) for each in (run, *others)]
    for each in runs if ask else ():
        if os.access(each.path, os.W_OK):
            ask_cheap(each)
    path = runs[0].path / "report.html" if out is None else Path(out)
    write(path, page([gather(each) for each in runs]))
    return path
