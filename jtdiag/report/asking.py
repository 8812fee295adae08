"""The answer about a run from Python."""

import os
from pathlib import Path

from jtdiag.report.answer import lanes_not_used, sentences
from jtdiag.report.evidence import ask_cheap, gather
from jtdiag.store.run import Run


def answer(run: Run | str | Path) -> str:
    """Run the cheap probes and return what they come to, in up to three sentences.

    Results that are up to date are not computed again. Slow probes that have been run, such as
    robustness, are taken into account. Lanes that are not complete or not used come first.

    Args:
        run: A run or its folder.

    Returns:
        One sentence per line.

    Raises:
        StoreError: if the folder contains no run, or a result is damaged.
    """
    opened = run if isinstance(run, Run) else Run(run)
    if os.access(opened.path, os.W_OK):
        ask_cheap(opened)
    evidence = gather(opened)
    return "\n".join([*lanes_not_used(evidence), *sentences(evidence)])
