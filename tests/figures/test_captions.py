"""Captions are complete sentences that a paper can print."""

import re

import pytest

from jtdiag.figures import FIGURES
from jtdiag.figures.kinds import candidates, schemes

KINDS = [*FIGURES.all(), schemes.FIGURE, candidates.FIGURE]
WIDEST = 130
"""Characters of a title."""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_caption_is_sentences_after_a_short_title(kind):
    assert len(kind.title) <= WIDEST
    assert kind.title.endswith(".")
    sentences = re.split(r"(?<=[.?])\s(?=[A-ZΑ-Ωλ±])", kind.caption)
    assert len(sentences) >= 3
    for sentence in sentences:
        assert re.match(r"[A-Zλ]", sentence)
        assert sentence[-1] in ".?"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_caption_has_no_slips_of_typing(kind):
    assert not re.search(r"\n|  | [.,;:]|\bnan\b|\binf\b", kind.caption)
    assert kind.caption.count("(") == kind.caption.count(")")
