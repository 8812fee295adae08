"""jtdiag advise."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from jtdiag.commands.budget import counts
from jtdiag.printable import shell_word
from jtdiag.terminal import completion
from jtdiag.terminal.echo import echo
from jtdiag.terminal.layout_option import layout_option
from jtdiag.terminal.output_style import OutputStyle, output_style
from jtdiag.terminal.set_option import set_option
from jtdiag.terminal.signals import GRACE


@click.command()
@click.option("--data", required=True, help="Dataset: digits, fashion-mnist or an .npz file.")
@click.option("--params", type=int, required=True, help="Parameters, summed over all members.")
@click.option(
    "--arch",
    metavar="ARCH",
    default="mlp",
    show_default=True,
    shell_complete=completion.architectures,
    help="Architecture of the members, as for `jtdiag budget`.",
)
@layout_option
@click.option(
    "--members",
    metavar="M,M,…",
    callback=lambda context, option, text: counts(context, option, text) if text else (),
    help="Numbers of members to compare [default: powers of two up to 64].",
)
@set_option(
    "Override a recipe field of all candidates, such as train.epochs=30 or 'lam=[0, 0.9, 1]'"
)
@click.option(
    "--hours", type=float, default=1.0, show_default=True, help="Time after which the search ends."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the runs [default: runs/advice-<data>-<arch>-<params>].",
)
@output_style(json="Print the answer and all candidates as JSON.")
def advise(
    data: str,
    params: int,
    arch: str,
    layout: str,
    members: tuple[int, ...],
    overrides: tuple[str, ...],
    hours: float,
    out: Path | None,
    style: OutputStyle,
) -> None:
    """Recommend an ensemble for a number of parameters.

    Searches numbers of members and λs, bagging and a single network, which all have the same number
    of parameters, and compares them by validation error. Prints what is recommended, how sure that
    is, and which candidates are not significantly worse; the same command continues a search that
    was ended. Needs the extra jtdiag[advise].
    """
    from jtdiag.terminal.signals import stoppable

    folder = out or Path("runs") / f"advice-{Path(data).stem}-{arch}-{params}"

    def message() -> str:
        from jtdiag.engine import wording

        return wording.interrupted(_again(folder), started=os.path.exists(folder))

    with stoppable(GRACE, message) as stop:  # before imports that take seconds
        from jtdiag.advising.asking import advise as ask
        from jtdiag.terminal.advising import print_advice

        advice = ask(
            data,
            params,
            arch=arch,
            hours=hours,
            out=folder,
            members=members,
            layout=layout,
            overrides=overrides,
            trained=_printing(style),
            stop=stop,
        )
    print_advice(advice, style)


def _again(folder: Path) -> str:
    return f"the same command (runs are in {shell_word(folder)})"


def _printing(style: OutputStyle) -> Callable[[str], None] | None:
    return echo if style == "brief" else None
