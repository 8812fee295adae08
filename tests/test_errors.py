import pytest

from jtdiag import errors
from jtdiag.errors import DataError, RecipeError, StoreError, shortened, shown


@pytest.mark.parametrize("kind", [RecipeError, DataError, StoreError])
def test_a_message_is_one_short_printable_line(kind):
    message = str(kind("a\x1b[31m\nb " + "x" * 1000 + "; do this."))
    assert message.isprintable()
    assert len(message) == errors.LONGEST
    assert message.startswith("a\\x1b[31m b xxx")
    assert message.endswith("xxx; do this.")


def test_a_short_message_is_unchanged():
    assert str(DataError("my  file.npz: λ is wrong.")) == "my  file.npz: λ is wrong."


@pytest.mark.parametrize("length", [0, 5, 9, 10, 11, 50])
def test_a_shortened_text_has_the_length_it_should_have(length):
    text = "".join(chr(97 + i % 26) for i in range(length))
    short = shortened(text, 10)
    assert len(short) <= 10
    assert short == text if length <= 10 else len(short) == 10
    assert text.startswith(short[:3])
    assert text.endswith(short[-3:])


def test_values_are_shown_as_python_writes_them_if_it_can():
    assert shown(3) == "3"
    assert shown("a") == "'a'"
    assert shown(10**5000) == "a whole number of about 5,000 digits"
    assert shown(-(10**5000)) == "a whole number of about 5,000 digits"
    assert shown([10**5000]) == "a list of values that are too long to print"


def test_errors_name_options_of_commands_on_the_command_line_only():
    assert errors.option("resume=True", "--resume") == "resume=True"
    with errors.on_command_line():
        assert errors.option("resume=True", "--resume") == "--resume"
    assert errors.option("resume=True", "--resume") == "resume=True"
