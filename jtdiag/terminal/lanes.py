"""Print which lanes of runs are not used."""

from collections.abc import Sequence

from jtdiag.probing import lane_states
from jtdiag.store.run import Run
from jtdiag.terminal import wording
from jtdiag.terminal.echo import echo


def print_lanes(runs: Sequence[Run], *, err: bool = False) -> None:
    """Print which lanes diverged, have learned nothing, or are incomplete; nothing for none.

    Args:
        runs: The name of each is printed if there are several.
        err: Print to stderr, if the output is for another program.
    """
    for run in runs:
        for finding in lane_states.findings(run):
            echo(wording.lanes_used(run.path, finding.sentence, len(runs)), err=err)
