import json
import subprocess

import pytest

from jtdiag.printable import one_line, printable, printable_json, shell_word


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("λ = 1, 50 %: “ä” 日本 🙂", "λ = 1, 50 %: “ä” 日本 🙂"),
        ("\x1b[2Jgone\x07", r"\x1b[2Jgone\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb\tc\x00", r"a\rb\tc\x00"),
        ("two\nlines\x1b", "two\nlines\\x1b"),
        ("exe\u202efdp.", r"exe\u202efdp."),
        ("\ud800", r"\ud800"),
        ("12\u00a0%\x08", "12\u00a0%\\x08"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_control_characters_are_written_out(text, shown):
    assert printable(text) == shown


def test_every_control_character_is_harmless_and_the_rest_unchanged():
    for code in range(0x3000):
        character = chr(code)
        shown = printable(character)
        assert shown == character or shown.isascii()
        if code < 32 or 127 <= code < 160:
            assert shown.isprintable() or character == "\n" or code == 0xA0


def test_one_line_is_short_and_without_control_characters():
    assert one_line("a\n  b\x1b[31m") == "a b [31m"
    assert one_line("word " * 100, 20) == "word word word …"


def test_json_without_control_characters_holds_the_same_text():
    text = {"λ\x7f": "a\x1b\x9b31m\u202e\U000e0041\n\u00a0"}
    document = printable_json(json.dumps(text, ensure_ascii=False, indent=1))
    assert json.loads(document) == text
    assert all(c.isprintable() or c == "\n" for c in document)
    assert "λ" in document


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "runs/a b",
        "$x$",
        "a'b",
        'a"b',
        "-dash",
        "a\nb",
        "\x1b[2J",
        "a\\'\tb",
        "日本",
        "*",
        "~",
    ],
)
def test_a_shell_takes_the_word_for_the_path(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("the file", encoding="utf-8")
    word = shell_word(name)
    assert word.isprintable()
    shown = subprocess.run(["bash", "-c", f"cat {word}"], cwd=tmp_path, capture_output=True)
    assert shown.stdout == b"the file"
