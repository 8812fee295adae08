"""Every sentence about recipes, so that all can be read in one place."""

import itertools

import pytest

from jtdiag.recipe import wording

SENTENCES = [
    (wording.learning_rates([0, 1], [0.1, 0.1], "given"), ""),
    (wording.learning_rates([0.9], [0.1], "matched"), "0.1 at λ = 0.9 (rule 'matched')"),
    (
        wording.learning_rates([0, 0.5, 1], [0.2, 0.1, 0.2], "given"),
        "0.2 at λ = 0, 1; 0.1 at λ = 0.5",
    ),
    (
        wording.learning_rates([0, 1], [0.08, 0.024], "paper"),
        "0.08 at λ = 0; 0.024 at λ = 1 (rule 'paper')",
    ),
    (wording.members(1), "1 member"),
    (wording.members(16), "16 members"),
    (wording.label([]), ""),
    (wording.label([("members.count", 1), ("members.arch", "conv")]), "1 member, conv"),
    (
        wording.label([("members.count", 4), ("members.hidden", (64, 8)), ("train.lr", (0.5,))]),
        "4 members, hidden 64/8, lr 0.5",
    ),
    (wording.label([("members.hidden", ())]), "hidden none"),
    (wording.label([("train.weight_decay", 1e-4), ("seed", 3)]), "weight decay 0.0001, seed 3"),
    (
        wording.label([("members.options", {"width": 3, "taps": [1, 2]})]),
        "options width 3/taps 1/2",
    ),
    (wording.label([("members.options", {})]), "options none"),
    (
        wording.budget_title(
            count=16,
            arch="mlp",
            size="64 hidden units",
            data="fashion-mnist",
            parameters=814_240,
            budget=815_000,
        ),
        "16 mlp members of 64 hidden units on fashion-mnist: 814,240 parameters, for a budget of "
        "815,000.",
    ),
    (
        wording.budget_title(
            count=1, arch="conv", size="1 filter", data="c10", parameters=9, budget=8
        ),
        "1 conv member of 1 filter on c10: 9 parameters, for a budget of 8.",
    ),
    (wording.ONE_MEMBER, "with one member, the loss is the same for every lambda"),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES, ids=itertools.count())
def test_a_sentence_reads_as_it_should(sentence, expected):
    assert sentence == expected
    assert not any(word in sentence for word in ("nan", "inf", "  ", " ."))


def test_every_function_has_a_sentence_here():
    public = {
        name
        for name, value in vars(wording).items()
        if name[0] != "_" and getattr(value, "__module__", "") == wording.__name__
    }
    assert public == {"learning_rates", "members", "label", "budget_title"}
