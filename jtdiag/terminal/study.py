"""What a study ends with: one table, alerts by run, figures, the answer, and what to do next."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from jtdiag.recipe import studies
from jtdiag.report import several_runs
from jtdiag.report.evidence import gather
from jtdiag.store.layout import readable
from jtdiag.tables import schemes
from jtdiag.tables.schemes import Scheme
from jtdiag.terminal import wording
from jtdiag.terminal.closing import alerts_by_rule
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo
from jtdiag.terminal.output_style import OutputStyle
from jtdiag.terminal.plain_values import finite, json_line
from jtdiag.workflows.study_cost import RunCost


@dataclass(frozen=True, kw_only=True)
class StudyClosing:
    """What a command has to say about a study at its end."""

    folder: Path
    figures: Sequence[Path]
    style: OutputStyle
    """"json" for one object, "quiet" for nothing."""


def print_study(closing: StudyClosing) -> None:
    """Print all errors, the alerts, the figures, the lowest error of each run, and a command."""
    if closing.style == "quiet":
        return
    runs = [gather(run) for run in schemes.runs_in(closing.folder)]
    answer = several_runs.headline(runs)
    if closing.style == "json":
        _print_as_json(closing, answer)
        return
    console = Console()
    console.print(_table(schemes.of_study(closing.folder)))
    begun = [evidence.name for evidence in runs]
    if missing := [
        name for name in studies.read(closing.folder / studies.FILE).runs if name not in begun
    ]:
        echo(wording.runs_not_begun(missing))
    for evidence in runs:
        if alerts := wording.alerts(alerts_by_rule(evidence)):
            echo(f"{evidence.name}: {alerts}")
    echo(wording.files(closing.figures))
    echo(answer)
    paths = (shlex.quote(str(evidence.run.path)) for evidence in runs)
    echo(wording.next_commands([f"jtdiag report {' '.join(paths)}"]))


def print_costs(costs: Mapping[str, RunCost], style: OutputStyle) -> None:
    """Print the estimated cost of some runs of a study, and their sum."""
    if style == "json":
        echo(json_line({name: dataclasses.asdict(cost) for name, cost in costs.items()}))
        return
    table = Table(show_footer=True)
    seconds = sum(cost.seconds for cost in costs.values())
    size = sum(cost.size for cost in costs.values())
    lanes = sum(cost.lanes for cost in costs.values())
    footers = ("all", str(lanes), "", wording.estimated_time(seconds), readable(size))
    for heading, footer in zip(("run", "lanes", "epochs", "time", "disk"), footers, strict=True):
        table.add_column(heading, footer, justify="left" if heading == "run" else "right")
    for name, cost in costs.items():
        numbers = (str(cost.lanes), str(cost.epochs))
        table.add_row(name, *numbers, wording.estimated_time(cost.seconds), readable(cost.size))
    Console().print(table)


def _print_as_json(closing: StudyClosing, answer: str) -> None:
    errors = [finite(dataclasses.asdict(s)) for s in schemes.of_study(closing.folder)]
    figures = [str(path) for path in closing.figures]
    study = {"study": str(closing.folder), "answer": [answer]}
    echo(json_line({**study, "schemes": errors, "figures": figures}))


def _table(rows: Sequence[Scheme]) -> Table:
    table = Table(title=wording.error_table_title())
    for heading in schemes.HEADINGS:
        table.add_column(heading, justify="left" if heading == "scheme" else "right")
    for row in schemes.rows(rows):
        table.add_row(*map(Text, row))
    return table
