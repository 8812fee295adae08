import math

from jtdiag.terminal.sparkline import ASCII_BLOCKS, BLOCKS, bar, sparkline


def test_from_0_to_the_top_every_block_is_used_once():
    assert sparkline([(i + 0.5) / 8 for i in range(8)], 8, 1.0) == BLOCKS


def test_0_is_the_lowest_block_and_the_top_and_beyond_the_highest():
    assert sparkline([0.0, 0.9, 7.0], 3, 0.9) == "▁██"
    assert sparkline([-1.0], 3, 0.9) == "▁"


def test_in_ascii_the_heights_are_the_same():
    values = [0.0, 0.3, 0.6, 0.9]
    blocks = [BLOCKS.index(block) for block in sparkline(values, 4, 1.0)]
    plain = [ASCII_BLOCKS.index(block) for block in sparkline(values, 4, 1.0, ascii_only=True)]
    assert blocks == plain == [0, 2, 4, 7]


def test_of_more_epochs_than_characters_means_are_drawn():
    assert sparkline([1.0, 1.0, 0.0, 0.0], 2, 1.0) == "█▁"
    assert len(sparkline([0.5] * 100, 7, 1.0)) == 7


def test_a_number_that_is_none_is_marked():
    assert sparkline([0.0, math.nan, math.inf], 3, 1.0) == "▁××"
    assert sparkline([math.nan], 3, 1.0, ascii_only=True) == "x"


def test_nothing_is_drawn_of_nothing():
    assert sparkline([], 5, 1.0) == sparkline([0.5], 0, 1.0) == ""
    assert sparkline([0.0, 0.0], 5, 0.0) == "▁▁"


def test_a_bar_is_full_only_when_all_is_done():
    assert bar(0, 12, 4) == ("", "────")
    assert bar(11, 12, 4) == ("━━━", "─")
    assert bar(12, 12, 4) == ("━━━━", "")
    assert bar(6, 12, 4, ascii_only=True) == ("##", "--")
    assert bar(0, 0, 3) == ("", "───")
