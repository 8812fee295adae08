"""Text from a run that somebody sent: no command passes it on to a terminal or a page as it is."""

import json
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.probing import findings
from jtdiag.probing.findings import Finding

TEXT = "a\x1b[2Jb\x1b]0;title\x07c\x9b31m\u202e <script>alert(1)</script> [/x] | =1+1"


def jtdiag(*arguments):
    ran = CliRunner().invoke(main, [*map(str, arguments)])
    assert ran.exception is None or isinstance(ran.exception, SystemExit)
    return ran


def harmless(text):
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.fixture
def hostile_run(small_run):
    """A run with a finding whose texts are hostile, in a folder with such a name."""
    finding = Finding(
        probe=TEXT, rule=TEXT, level="alert", sentence=TEXT, headline=TEXT, number=1.0, lam=1.0
    )
    findings.record(small_run.path, TEXT, [finding])
    path = small_run.path.parent / "r\x1b[2J\x9bun"
    small_run.path.rename(path)
    return path


COMMANDS = {
    "watch": ("watch", "--once"),
    "watch in lines": ("watch", "--plain", "--once"),
    "watch as JSON": ("watch", "--json", "--once"),
    "check": ("check",),
    "check as JSON": ("check", "--json"),
    "table": ("table",),
    "probe": ("probe", "nonsense"),
    "plot": ("plot", "nonsense"),
    "report": ("report", "--no-ask"),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_no_command_prints_a_control_character(hostile_run, words):
    ran = jtdiag(words[0], hostile_run, *words[1:])
    assert ran.stdout or ran.stderr
    assert harmless(ran.stdout), ran.stdout
    assert harmless(ran.stderr), ran.stderr
    if "--json" in words:
        for line in ran.stdout.splitlines() if words[0] == "watch" else [ran.stdout]:
            json.loads(line)


class Tags(HTMLParser):
    """Collects the tags of a page and its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def test_a_report_shows_the_text_and_carries_nothing_out(hostile_run, tmp_path):
    ran = jtdiag("report", hostile_run, "--no-ask", "--out", tmp_path / "page.html")
    assert ran.exit_code == 0
    text = (tmp_path / "page.html").read_text("utf-8")
    assert harmless(text)
    page = Tags()
    page.feed(text)
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert r"a\x1b[2Jb" in page.text
