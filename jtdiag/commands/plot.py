"""jtdiag plot."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jtdiag.terminal import completion
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.plain_values import json_line
from jtdiag.terminal.run_path import RUN, RunOrName

if TYPE_CHECKING:
    from jtdiag.figures.contract import FigureKind
    from jtdiag.figures.drawing import Output
    from jtdiag.store.run import Run


@click.command()
@click.argument("run", type=RUN)
@click.argument(
    "more",
    metavar="[RUN]... [FIGURE]...",
    nargs=-1,
    type=RunOrName(),
    shell_complete=completion.figures,
)
@click.option(
    "--style",
    "venue",
    metavar="NAME",
    default="lncs",
    shell_complete=completion.styles,
    show_default=True,
    help="Style of a venue: lncs, neurips, iclr, icml, icml-wide, ieee, ieee-wide, nature, "
    "nature-wide or slides.",
)
@click.option(
    "--format",
    "formats",
    metavar="F,F,…",
    default="pdf,png",
    show_default=True,
    help="Comma-separated file formats: pdf, png, svg, eps or pgf.",
)
@click.option(
    "--dpi",
    type=click.IntRange(30, 2400),
    help="Resolution of raster graphics [default: set by the style].",
)
@click.option(
    "--data",
    type=click.Choice(["csv", "nc"]),
    help="Also write the plotted numbers, as CSV or netCDF.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Output folder [default: RUN/figures]."
)
@click.option("--watch", is_flag=True, help="Redraw after every new epoch until the run ends.")
@output_style(json="Print the files, and the figures that are left out, as JSON.")
def plot(
    run: Path,
    more: tuple[str, ...],
    venue: str,
    formats: str,
    dpi: int | None,
    data: str | None,
    out: Path | None,
    watch: bool,
    style: OutputStyle,
) -> None:
    """Plot figures of one or more runs, or of a study.

    FIGURE is the name of a figure, such as errors-by-epoch; the manual lists all.
    Without FIGURE, every figure whose data are available is plotted. Figures that compare runs
    are written to the folder of the first run. A study has the figure schemes and, if its runs
    differ in [modules], lambda-mu and gap.
    """
    from jtdiag.figures import FIGURES
    from jtdiag.figures.drawing import Output
    from jtdiag.recipe import studies

    output = Output(
        style=venue,
        formats=tuple(dict.fromkeys(formats.split(","))),
        dpi=dpi,
        data=data or "",
        folder=out,
    )
    printer = _Printer(style)
    if studies.is_study(run):
        from jtdiag.workflows.study import plot as draw_study

        for path in draw_study(run, more, output):
            printer.file(path)
        printer.end()
        return
    names = [name for name in more if not os.path.isdir(name)]
    drawings = [FIGURES.find(name) for name in names or FIGURES.names()]
    others = [Path(name) for name in more if os.path.isdir(name)]
    if watch:
        _watch(run, others, drawings, output, style)
        return
    _plot(run, others, drawings, output, printer, named=bool(names))
    printer.end()


class _Printer:
    """Prints each file as soon as it is drawn, nothing, or everything at the end as JSON."""

    def __init__(self, style: OutputStyle) -> None:
        self._style = style
        self._files: list[str] = []
        self._left_out: dict[str, str] = {}

    def file(self, path: Path) -> None:
        """Print the path of a file."""
        self._files.append(str(path))
        if self._style == "brief":
            echo(path)

    def left_out(self, figure: str, reason: str) -> None:
        """Print why a figure is not drawn."""
        self._left_out[figure] = reason
        if self._style == "brief":
            echo(reason)

    def end(self) -> None:
        """Print what was collected."""
        if self._style == "json":
            echo(json_line({"files": self._files, "left_out": self._left_out}))


def _plot(
    run: Path,
    others: list[Path],
    drawings: "list[FigureKind]",
    output: "Output",
    printer: _Printer,
    *,
    named: bool,
) -> None:
    """Plot figures; unless they are named, skip those whose probe has no result."""
    from jtdiag.probing.lane_states import all_diverged
    from jtdiag.store.run import Run
    from jtdiag.terminal import wording
    from jtdiag.terminal.lanes import print_lanes

    given = [Run(run), *map(Run, others)]
    runs = [each for each in given if not all_diverged(each)] or given
    available = [drawing for drawing in drawings if _has_result(runs[0], drawing.needs)]
    for drawing in drawings:
        if not named and not _applies(runs[0], drawing.needs):
            reason = wording.figure_not_applicable(drawing.name, drawing.needs)
            printer.left_out(drawing.name, reason)
            continue
        if not named and available and drawing not in available:
            reason = wording.figure_without_result(drawing.name, run, drawing.needs)
            printer.left_out(drawing.name, reason)
            continue
        for each in runs:
            _warn_if_outdated(each, drawing)
        for group in [runs] if drawing.compares else [[each] for each in runs]:
            _draw(group, drawing.name, _place(output, group, runs), printer, named=named)
    print_lanes(given, err=True)


def _place(output: "Output", group: "list[Run]", runs: "list[Run]") -> "Output":
    """Return the output with a subfolder per run if several runs share the output folder."""
    from dataclasses import replace

    if output.folder is None or len(group) == len(runs):
        return output
    return replace(output, folder=output.folder / group[0].path.resolve().name)


def _draw(
    runs: "list[Run]", name: str, output: "Output", printer: _Printer, *, named: bool
) -> None:
    """Draw a figure and print its files; unless it is named, skip it if it cannot be drawn."""
    from jtdiag.errors import ProbeError
    from jtdiag.figures.contract import OtherRunsError
    from jtdiag.figures.drawing import plot as draw
    from jtdiag.terminal import wording

    try:
        for path in draw(runs[0], name, *runs[1:], output=output):
            printer.file(path)
    except ProbeError as error:  # the run has no data for this figure
        if named:
            raise
        if not isinstance(error, OtherRunsError):
            printer.left_out(name, wording.figure_skipped(name, str(error)))


def _watch(
    run: Path,
    others: list[Path],
    drawings: "list[FigureKind]",
    output: "Output",
    style: OutputStyle,
) -> None:
    """Redraw figures after every new epoch until the run ends."""
    from jtdiag.watch import wait_for
    from jtdiag.workflows.live_plot import redraw

    if others:
        raise click.UsageError("--watch accepts a single run.")
    if style == "json":
        raise click.UsageError("--json prints what was drawn at the end; leave out --watch.")
    for line in redraw(wait_for(run), drawings, output):
        if style != "quiet":
            echo(line)


def _has_result(run: "Run", probe: str) -> bool:
    """Return whether a probe has a result."""
    from jtdiag.probing import results

    return results.path_of(run, probe).exists()


def _applies(run: "Run", probe: str) -> bool:
    """Return whether the question of a probe applies to a run."""
    from jtdiag.probing.description import describe

    return describe(probe).applies(run)


def _warn_if_outdated(run: "Run", drawing: "FigureKind") -> None:
    """Print a line if a figure will be drawn from an outdated result."""
    from jtdiag.probing import results
    from jtdiag.probing.description import describe
    from jtdiag.terminal import wording

    probe = drawing.needs
    if _has_result(run, probe) and not results.is_fresh(run, describe(probe)):
        echo(wording.figure_outdated(drawing.name, run.path, probe))
