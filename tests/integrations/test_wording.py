"""All messages of the adapters."""

import inspect

import pytest

from jtdiag.integrations import wording

SENTENCES = [
    (
        wording.no_such_item(argument="logits", where="'eta'", contents="['loss']"),
        "logits is 'eta', which is not in ['loss']; pass one of its keys or positions, or a "
        "function.",
    ),
    (
        wording.nothing_returned(source="training_step", batches=8, returned="a dict"),
        "training_step returned nothing in all 8 batches of the epoch; it must return a dict.",
    ),
    (
        wording.nothing_returned(source="training_step", batches=1, returned="a dict"),
        "training_step returned nothing in the only batch of the epoch; it must return a dict.",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
def test_each_sentence_reads_as_expected(sentence, expected):
    assert sentence == expected


def test_every_public_function_is_tested():
    source = inspect.getsource(inspect.getmodule(test_every_public_function_is_tested))
    public = [
        name
        for name, value in vars(wording).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    assert public
    assert all(f"wording.{name}(" in source for name in public)


def test_an_output_that_is_no_pair_is_named():
    assert wording.no_pair("float") == (
        "the process function returned a float; it must return logits (M, N, K) and targets, or "
        "pass output_transform=… to select them."
    )
