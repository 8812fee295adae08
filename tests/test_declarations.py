"""What an entry point declares is read from its source, and nothing is imported for it."""

import sys
from importlib.metadata import EntryPoint

import pytest

from jtdiag.declarations import declared_text

QUESTION = "How many lanes are there?"


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Write a module that fails if it is imported, and return what it declares."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source, keyword="question"):
        (tmp_path / "declaring.py").write_text(f"raise RuntimeError\n{source}\n")
        return declared_text(EntryPoint("lanes", "declaring:probe", "jtdiag.probes"), keyword)

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
    assert declared_text(EntryPoint("x", "math:pi", "jtdiag.probes"), "question") is None
    assert declared_text(EntryPoint("x", "no_such_module:x", "jtdiag.probes"), "question") is None
