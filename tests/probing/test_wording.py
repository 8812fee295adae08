from jtdiag.probing import wording


def test_the_value_of_a_user_defined_probe_is_one_sentence():
    sentences = [
        wording.value_sentence("lanes", 6, meaning="λs times trials"),
        wording.value_sentence(
            "gap", 0.12345, meaning="worst minus best", unit="nat", lam=0.9, epoch=4
        ),
        wording.value_sentence("gap", 3, meaning="worst minus best", lam=1, epoch=0, limit=2.5),
    ]
    assert sentences == [
        "lanes is 6 (λs times trials).",
        "λ = 0.9: gap is 0.123 nat after epoch 4 (worst minus best).",
        "λ = 1: gap is 3 after epoch 0, above the limit of 2.5 (worst minus best).",
    ]
    for sentence in sentences:
        assert not any(flaw in sentence for flaw in ("nan", "inf", "  ", " ."))
