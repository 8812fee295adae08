"""Every sentence about recipes, so that all can be read in one place."""

import itertools

import pytest

from jtdiag.recipe import wording
from jtdiag.recipe.modules import Modules

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
    (
        wording.starting_title(8, "mine"),
        "Ensembles of 8 members on mine; see `jtdiag train FILE --dry-run` for the cost.",
    ),
    (
        wording.data_comment(1200, (13,), numbers=False),
        "1,200 training examples of shape (13,); targets are classes",
    ),
    (
        wording.data_comment(80, (1, 6, 6), numbers=True),
        "80 training examples of shape (1, 6, 6); targets are numbers",
    ),
    (wording.rate_comment(0.02), "of the joint loss: 0.02 for each member; tune it first"),
    (wording.one_hot(), "labels are one-hot rows, read as class indices"),
    (
        wording.words(["a", "b"]),
        "labels are names, read as 2 classes in sorted order (a, b)",
    ),
    (
        wording.words(["a", "b", "c", "d"], ordered=True),
        "labels are names, read as 4 classes in the order of classes (a, b, c, …)",
    ),
    (wording.truth_values(), "labels are booleans, read as False = 0 and True = 1"),
    (wording.whole_floats(), "labels are whole numbers in floating point, read as integers"),
    (
        wording.from_one(3),
        "labels are 1..3, read as 0..2; classes keep their numbers as names",
    ),
    (
        wording.unseen_classes(["a" * 40]),
        f"1 class has test examples but no training examples ({'a' * 13} … {'a' * 14})",
    ),
    (
        wording.unseen_classes(list("abcd")),
        "4 classes have test examples but no training examples (a, b, c, …)",
    ),
    (wording.members(1), "1 member"),
    (wording.members(16), "16 members"),
    (wording.label([]), ""),
    (wording.credit(Modules()), "end-to-end"),
    (
        wording.credit(Modules(credit="local", loss="predsim", mu=0.5)),
        "local, predsim, μ = 0.5",
    ),
    (
        wording.credit(Modules(credit="local", reach=2, cuts=(1, 3))),
        "local, pred, reach 2, cuts 1/3",
    ),
    (
        wording.credit(Modules(credit="proxy", loss="al", epochs=(1, 1), cuts="head")),
        "proxy, al, cuts head",
    ),
    (
        wording.credit(Modules(credit="local", lam="every", mu=1, mu_schedule="step", mu_epochs=2)),
        "local, pred, λ in every head, μ = 0 to 1",
    ),
    (
        wording.credit(Modules(credit="synthetic", label=False)),
        "synthetic, without the label",
    ),
    (
        wording.credit_rule(Modules(credit="local", loss="predsim", mu=0.5, cuts="head")),
        "local, predsim",
    ),
    (wording.label([("members.count", 1), ("members.arch", "conv")]), "1 member, conv"),
    (
        wording.label([("members.count", 4), ("members.hidden", (64, 8)), ("train.lr", (0.5,))]),
        "4 members, hidden 64/8, lr 0.5",
    ),
    (wording.label([("members.hidden", ())]), "hidden none"),
    (wording.label([("data.classes", ((0, 1), ("cat",)))]), "classes 0+1/cat"),
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
    labels = {"one_hot", "words", "truth_values", "whole_floats", "from_one", "unseen_classes"}
    composed = {"learning_rates", "members", "label", "credit", "credit_rule", "budget_title"}
    starting = {"starting_title", "data_comment", "rate_comment"}
    assert public == composed | labels | starting
