"""jtdiag merge."""

from pathlib import Path

import click

from jtdiag.terminal.echo import echo


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
def merge(runs: tuple[Path, ...], out: Path) -> None:
    """Merge runs of one recipe whose lanes were trained in different folders.

    RUNS are run folders, such as those that `jtdiag train --part` has made on machines that share
    nothing. They are checked first: all files, that their recipes and data are the same, and that
    no lane is in two of them with different numbers. Results of probes are not copied.
    """
    from jtdiag.store.merging import merge as merge_runs
    from jtdiag.terminal import wording

    run = merge_runs(runs, out)
    done = sum(run.seal(lane).done for lane in run.lanes)
    echo(wording.merged(out, len(runs), done, len(run.lanes)))
