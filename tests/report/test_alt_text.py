import numpy as np
import pytest
from matplotlib.figure import Figure

from jtdiag.report.alt_text import LENGTH, in_words, plain


def drawn(labels=None, **how):
    figure = Figure()
    ax = figure.add_subplot()
    ax.set(xlabel=r"$\lambda$", ylabel="Test error (%)")
    ax.errorbar([0, 1, 2], [16.6, 11.8, 11.4], yerr=[0.2, 0.1, 0.3], **how)
    if labels:
        ax.set_xticks([0, 1, 2], labels)
    return figure


def test_points_have_their_error_bars_and_the_names_of_their_ticks():
    caption = "Error against λ. Means over trials; bars show 95 % intervals, none for one trial."
    assert in_words(drawn(["0", "0.9", "0.99"]), caption) == (
        "Error against λ. In parentheses: 95 % intervals. Test error (%) against λ: 16.6 (16.4 to "
        "16.8) at 0, 11.8 (11.7 to 11.9) at 0.9, 11.4 (11.1 to 11.7) at 0.99, lowest at 0.99."
    )


def test_what_bars_show_is_left_out_where_the_caption_does_not_say_it():
    words = in_words(drawn(["0", "0.9", "0.99"]), "Error against λ.\n\nMore.")
    assert words.startswith("Error against λ. Test error (%) against λ: 16.6 (16.4 to 16.8) at 0")


def test_points_beside_a_tick_have_its_name():
    figure = drawn(["0", "0.9", "0.99"])
    figure.axes[0].plot([0.12, 1.12], [3, 4], label="votes")
    assert "votes 3 at 0, 4 at 0.9" in in_words(figure, "Error.")
    figure.axes[0].plot([0.5, 2.5], [5, 6], label="others")
    assert "others 5 between 0 and 0.9, 6 beyond 0.99" in in_words(figure, "Error.")


def test_a_long_line_is_given_by_its_ends_and_extremes():
    figure = Figure()
    ax = figure.add_subplot()
    ax.plot(np.arange(20), [5, 1, *range(2, 18), 30, 9], label=r"$\lambda = 0.5$")
    assert in_words(figure, "A line.") == (
        "A line. λ = 0.5 5 at 0 to 9 at 19, lowest 1 at 1, highest 30 at 18."
    )


def test_lines_without_a_name_and_numbers_that_are_none_are_left_out():
    figure = Figure()
    ax = figure.add_subplot()
    ax.plot([0, 1], [1, 2])
    ax.plot([0, 1], [np.nan, 2.5], label="known")
    ax.plot([], [], label="nothing")
    assert in_words(figure, "A figure.") == "A figure. known 2.5 at 1."


def test_the_first_rows_of_a_heat_map_with_names_are_given():
    figure = Figure()
    first, second = figure.subplots(1, 2)
    first.imshow(np.arange(6).reshape(3, 2))
    first.set_xticks([0, 1], ["a", "b"])
    first.set_yticks([0, 1, 2], ["top", "middle", "bottom"])
    second.imshow(np.ones((3, 2)))  # an image without names is no table
    assert in_words(figure, "A map.") == (
        "A map. top 0 at a, 1 at b; middle 2 at a, 3 at b; 1 more line."
    )


@pytest.mark.slow
def test_words_end_in_time():
    figure = Figure()
    for ax in figure.subplots(4, 4).flat:
        ax.plot([0, 1], [1.234, 2.345], label="a label of some length")
        ax.plot([0, 1], [1.234, 2.345], label="another label of some length")
    words = in_words(figure, "Many.")
    assert len(words) < LENGTH + 50
    assert words.endswith("; for more, see the tables and findings.")


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (r"$\lambda = 0.9$", "λ = 0.9"),
        (r"$\kappa^{+}$", "κ^+"),
        ("a\nb", "a b"),
        ("plain", "plain"),
    ],
)
def test_mathematics_is_plain_text(label, text):
    assert plain(label) == text
