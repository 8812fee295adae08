"""jtdiag probes."""

import click

from jtdiag.terminal.named_texts import echo_texts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the questions by name as JSON.")
def probes(as_json: bool) -> None:
    """List the installed probes and the questions they answer."""
    from jtdiag.probing.registry import PROBES

    questions = {name: PROBES.text(name, "question") for name in PROBES.names()}
    echo_texts(questions, as_json=as_json)
