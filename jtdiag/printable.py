"""Text from elsewhere (files, servers, programs) as text that is safe to print.

A terminal carries out control characters: an escape sequence in the name of a run could clear the
screen, change the window's title or hide a line.
"""

import json
import shlex
import textwrap

LONGEST = 300
"""Maximum length of a message from elsewhere, in characters."""


_SHOWN_AS: dict[str, str] = {}
"""What is printed in place of the path of a folder."""


def show_as(path: str, address: str) -> None:
    """Let texts contain an address in place of the path of the folder that is its copy here."""
    _SHOWN_AS[path] = address


def with_addresses(text: str) -> str:
    """Return text with addresses in place of the paths that `show_as` was given."""
    for path, address in _SHOWN_AS.items():
        text = text.replace(path, address)
    return text


def printable(text: str) -> str:
    """Return text with control and invisible characters written as escapes, as Python does.

    Line feeds are kept. Characters that change the direction of text, and lone surrogates, are
    escaped too. Paths of copies of runs in object stores are replaced by their addresses.
    """
    text = with_addresses(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\u00a0" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def shell_word(path: object) -> str:
    """Return a path as it is given to a command: in quotes, if a shell would change it."""
    text = with_addresses(str(path))
    text = f"./{text}" if text.startswith("-") else text  # otherwise it would be an option
    if text.isprintable():
        return shlex.quote(text)
    escaped = text.replace("\\", r"\\").replace("'", r"\'")
    return f"$'{''.join(c if c.isprintable() else _escape(c) for c in escaped)}'"


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return text as one short line without control characters."""
    without = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.shorten(without, longest, placeholder=" …")


def reason(error: Exception, longest: int = LONGEST) -> str:
    """Return the message of an error on one short line, or else its class."""
    return one_line(str(error), longest) or type(error).__name__


def printable_json(text: str) -> str:
    """Return a JSON document in which control and invisible characters are escaped as in JSON."""
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
