"""All sentences of the monitor."""

import inspect
import re

import pytest

from jtdiag.monitor import wording

SENTENCES = [
    (
        wording.sampling_note(counted=50, batches=150, error_se=0.0052),
        "(Estimated from 50 of 150 batches; largest standard error of a member's error: 0.5 "
        "percentage points.)",
    ),
    (
        wording.sampling_note(counted=1, batches=150, error_se=float("nan")),
        "(Estimated from 1 of 150 batches; standard errors not measured.)",
    ),
    (wording.sampling_note(counted=150, batches=150, error_se=0.0), ""),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_expected(sentence, expected):
    assert sentence == expected
    assert not re.search(r"\bnan\b|\binf\b|  | \.", sentence)


def test_every_public_function_is_tested():
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_tested))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert public
    assert all(f"wording.{name}(" in source for name in public)
