"""Whoever wrote a text, a terminal receives no control characters from it."""

import ast
import io
from pathlib import Path

import pytest
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

import jtdiag
from jtdiag.alerts.dispatch import print_error
from jtdiag.probing.findings import Finding
from jtdiag.terminal.console import Console
from jtdiag.terminal.echo import echo
from jtdiag.terminal.findings import print_finding

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31mc\u202ed\x00"
SHOWN = r"a\x1b[2J\x1b]0;title\x07b\x9b31mc\u202ed\x00"
PACKAGE = Path(jtdiag.__file__).parent


def harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def as_table() -> Table:
    table = Table("heading", title=HOSTILE)
    table.add_row(Text(HOSTILE))
    return table


RENDERABLES = {
    "text": lambda: Text(HOSTILE),
    "string": lambda: HOSTILE.replace("[", "("),
    "table": as_table,
    "group": lambda: Group(Text(HOSTILE), Panel(Text(HOSTILE))),
}


@pytest.mark.parametrize("make", RENDERABLES.values(), ids=RENDERABLES)
def test_a_console_writes_control_characters_out(make):
    file = io.StringIO()
    Console(file=file, width=200).print(make())
    assert harmless(file.getvalue())
    assert r"\x1b" in file.getvalue()


def test_styles_and_live_displays_keep_their_own_sequences():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=200, color_system="standard")
    console.print(Text("x", "bold red"), Text(HOSTILE, "bold"))
    without_bell = SHOWN.replace(r"\x07", "")  # which rich drops
    assert file.getvalue() == f"\x1b[1;31mx\x1b[0m \x1b[1m{without_bell}\x1b[0m\n"
    with Live(Text(HOSTILE), console=console, transient=True):
        pass
    assert "\x1b[?25l" in file.getvalue()  # hides the cursor
    assert "\x1b[2J" not in file.getvalue()
    assert "\x9b" not in file.getvalue()


def test_the_name_of_a_run_is_no_markup_in_a_progress_bar():
    file = io.StringIO()
    console = Console(file=file, width=200)
    column = TextColumn("{task.description}", markup=False)
    progress = Progress(column, console=console)
    progress.add_task("[/x] " + HOSTILE)
    console.print(progress)
    assert harmless(file.getvalue())
    assert "[/x]" in file.getvalue()


def test_echo_writes_control_characters_out(capsys):
    echo(f"λ\n{HOSTILE}")
    echo(Path(HOSTILE), err=True, nl=False)
    assert capsys.readouterr() == (f"λ\n{SHOWN}\n", SHOWN)


def test_findings_and_failures_of_alerts_are_printed_without_control_characters(capsys):
    finding = Finding(probe="p", rule="r", level="alert", sentence=HOSTILE, number=1.0)
    file = io.StringIO()
    print_finding(Console(file=file, width=200), finding, f"{HOSTILE}: ")
    assert file.getvalue() == f"ALERT {SHOWN}: {SHOWN}\n"
    print_error(HOSTILE)
    assert capsys.readouterr().err == f"{SHOWN}\n"


@pytest.mark.parametrize("folder", ["commands", "terminal"])
def test_nothing_is_printed_in_another_way(folder):
    for file in sorted((PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if file.name == "echo.py" or not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            assert called not in ("click.echo", "click.secho", "print", "rich.console.Console")
            assert not called.startswith(("sys.stdout.write", "sys.stderr.write"))
