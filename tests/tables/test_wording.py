"""Every sentence that tables print, in one place."""

import re
from pathlib import Path

from jtdiag.tables import wording

SENTENCES = {
    wording.errors_caption([1]): (
        "Test error of the ensemble (%), one trial; lowest value of each row in bold."
    ),
    wording.errors_caption([3]): (
        "Test error of the ensemble (%), mean ± SE over 3 trials; lowest value of each row in bold."
    ),
    wording.errors_caption({5, 1, 3}): (
        "Test error of the ensemble (%), mean ± SE over 1 to 5 trials; lowest value of each row in "
        "bold."
    ),
    wording.configurations_caption(): "Architectures and numbers of parameters.",
    wording.no_run_begun(Path("runs/mine")): (
        "runs/mine: no run of the study is trained yet; run `jtdiag study runs/mine`."
    ),
}


def test_the_sentences_are_these():
    for sentence, expected in SENTENCES.items():
        assert sentence == expected


def test_no_sentence_has_slips():
    for sentence in SENTENCES:
        assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_every_function_is_covered():
    functions = {name for name, value in vars(wording).items() if callable(value)}
    assert {name for name in functions if not name.startswith("_") and name[0].islower()} == {
        "errors_caption",
        "configurations_caption",
        "no_run_begun",
    } | {"shell_word"}
