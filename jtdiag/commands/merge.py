"""jtdiag merge."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.run_path import WHOLE_RUN


@click.command()
@click.argument("runs", nargs=-1, required=True, type=WHOLE_RUN)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@output_style(json="Print the folder and the numbers of lanes as JSON.")
def merge(runs: tuple[Path, ...], out: Path, style: OutputStyle) -> None:
    """Merge runs of one recipe that were trained in different folders.

    RUNS are run folders with different lanes, such as those that `jtdiag train --part` has made on
    machines that share nothing. They are checked first: all files, that their recipes and data are
    the same, and that no lane is in two of them with different numbers. Results of probes are not
    copied.
    """
    from jtdiag.store.merging import merge as merge_runs
    from jtdiag.terminal import wording
    from jtdiag.terminal.plain_values import json_line

    run = merge_runs(runs, out)
    done = sum(run.seal(lane).done for lane in run.lanes)
    if style == "json":
        echo(json_line({"run": str(out), "lanes": len(run.lanes), "complete": done}))
    elif style != "quiet":
        echo(wording.merged(out, len(runs), done, len(run.lanes)))
