"""Prints texts by name, such as the questions of probes."""

from collections.abc import Mapping

from jtdiag.terminal.echo import echo
from jtdiag.terminal.plain_values import json_line


def echo_texts(texts: Mapping[str, str], *, as_json: bool) -> None:
    """Print texts by name: a line for each, in two columns, or all as one JSON object."""
    if as_json:
        echo(json_line(dict(texts)))
        return
    width = max(map(len, texts), default=0)
    for name, text in texts.items():
        echo(f"{name:{width}}  {text}")
