"""What an entry point declares is read from its source, and nothing is imported for it."""

import sys
from importlib.metadata import EntryPoint

import pytest

from jtdiag.declarations import declaration

QUESTION = "How many lanes are there?"


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Write a module that fails if it is imported, and return what it declares."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source, keyword="question"):
        (tmp_path / "declaring.py").write_text(f"raise RuntimeError\n{source}\n")
        made = declaration(EntryPoint("lanes", "declaring:probe", "jtdiag.probes"))
        return None if made is None else made.text(keyword)

    yield write
    assert "declaring" not in sys.modules


def test_a_literal_text_is_read_without_importing_the_module(declared):
    source = f'other = Probe(question="No.")\nprobe = Probe(name="lanes", question="{QUESTION}")'
    assert declared(source) == QUESTION
    assert declared(source, "name") == "lanes"


def test_adjacent_texts_are_one(declared):
    assert declared('probe = Probe(question="How many "\n"lanes?")') == "How many lanes?"


@pytest.mark.parametrize(
    "source",
    [
        "probe = None",
        "probe = Probe(question=QUESTION)",
        "probe = Probe(question=3)",
        "probe = Probe(name='lanes')",
        "@probes.decorator\ndef probe(run): ...",
        "",
    ],
)
def test_what_the_source_does_not_spell_out_is_not_guessed(declared, source):
    assert declared(source) is None


def test_a_module_without_source_declares_nothing():
    assert declaration(EntryPoint("x", "math:pi", "jtdiag.probes")) is None
    assert declaration(EntryPoint("x", "no_such_module:x", "jtdiag.probes")) is None


@pytest.mark.parametrize(
    "arguments", ["'lanes', question='Why?'", "**given, question='Why?'", "*given, question='Why?'"]
)
def test_a_call_with_arguments_that_have_no_name_declares_nothing(declared, arguments):
    assert declared(f"probe = Probe({arguments})") is None


def test_arguments_are_literals_functions_of_the_file_and_others(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_three_kinds.py").write_text(
        "from elsewhere import judge\n"
        "def measure(run): ...\n"
        "@wrapped\ndef seconds(run): ...\n"
        "probe = Probe(name='lanes', slow=True, measure=measure, judge=judge, seconds=seconds)\n"
    )
    made = declaration(EntryPoint("lanes", "of_three_kinds:probe", "jtdiag.probes"))
    assert (made.kind, made.file) == ("Probe", tmp_path / "of_three_kinds.py")
    assert dict(made.literals) == {"name": "lanes", "slow": True}
    assert (made.functions, made.others) == ({"measure"}, {"judge", "seconds"})
