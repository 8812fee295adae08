import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from jtdiag.errors import StoreError
from jtdiag.figures import FIGURES
from jtdiag.probing import results
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe
from jtdiag.recipe import toml
from jtdiag.report.evidence import ask_cheap, gather
from jtdiag.report.page import LARGEST, bound, page, write
from jtdiag.report.picture import picture
from jtdiag.store.run import Run
from jtdiag.workflows.study import OF_RUNS

OF_ONE_RUN = [name for name in FIGURES.names() if name not in OF_RUNS]

VOID = {"meta", "link", "img", "br", "hr"}


class Parsed(HTMLParser):
    """Elements with their attributes and text; what is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for _, place in self.open:
            self.elements[place][2].append(data)

    def all(self, tag):
        return [(attrs, "".join(text)) for name, attrs, text in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(page_of_toy):
    return page_of_toy.read_text("utf-8")


@pytest.fixture(scope="module")
def parsed(text):
    return Parsed(text)


def test_the_page_is_small(page_of_toy):
    assert page_of_toy.stat().st_size < LARGEST


def test_every_identifier_is_there_once_and_every_link_inside_leads_somewhere(parsed):
    identifiers = [attrs["id"] for _, attrs, _ in parsed.elements if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    inside = [a["href"][1:] for a, _ in parsed.all("a") if a["href"].startswith("#")]
    assert inside
    assert set(inside) <= set(identifiers)
    labelled = [a["aria-labelledby"] for _, a, _ in parsed.elements if "aria-labelledby" in a]
    assert set(labelled) <= set(identifiers)


def test_nothing_is_asked_of_a_network(text, parsed):
    loaded = [
        attrs[name]
        for tag, attrs, _ in parsed.elements
        for name in ("src", "href", "srcset", "data", "action")
        if name in attrs and tag != "a"
    ]
    assert all(address.startswith("data:") for address in loaded)
    assert {"script", "iframe", "object", "embed", "form"}.isdisjoint(
        tag for tag, _, _ in parsed.elements
    )
    assert not re.search(r"url\(|@import", parsed.all("style")[0][1])
    [policy] = [a for a, _ in parsed.all("meta") if "http-equiv" in a]
    assert policy["content"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )


def test_every_figure_is_there_with_words_that_hold_numbers_and_with_a_caption(parsed):
    images = [attrs for attrs, _ in parsed.all("img")]
    assert len(images) == len(OF_ONE_RUN) == len(parsed.all("figcaption"))
    for attrs in images:
        assert len(attrs["alt"]) > 40
        assert int(attrs["width"]) > 0
        assert int(attrs["height"]) > 0
    numbers = [attrs for attrs in images if re.search(r"\d at \d", attrs["alt"])]
    assert len(numbers) > len(images) / 2


def test_tables_have_captions_and_headings_with_a_scope(parsed):
    tables = parsed.all("table")
    assert len(parsed.all("caption")) == len(tables) >= 5
    assert all(attrs["scope"] in ("col", "row") for attrs, _ in parsed.all("th"))


def test_headings_go_down_one_step_at_a_time_after_one_of_the_first_level(parsed):
    levels = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_what_it_is_made_from(text, probed_run):
    assert probed_run.recipe_hash in text
    for name in PROBES.names():
        assert name in text
    [recipe] = [body for _, body in Parsed(text).all("code") if "[members]" in body]
    assert recipe == toml.to_toml(probed_run.recipe)


@pytest.fixture
def few(probed_run):
    """The toy run as if two probes had been asked."""
    known = gather(probed_run)
    results = {name: known.results[name] for name in ("performance", "robustness")}
    return replace(known, results=results, missing=())


@pytest.mark.slow
def test_the_same_results_give_the_same_page(few):
    same = page([few]) == page([few])  # a plain truth: nobody wants to see how pages differ
    assert same


@pytest.mark.slow
def test_each_missing_figure_is_one_line_that_names_the_probe_to_ask(small_run):
    probe(small_run, "performance")
    parsed = Parsed(page([gather(small_run)]))
    needed = [FIGURES.find(name).needs for name in OF_ONE_RUN]
    assert len(parsed.all("img")) == needed.count("performance")
    lines = [body for _, body in parsed.all("li")]
    for name in FIGURES.names():
        needs = FIGURES.find(name).needs
        if needs != "performance" and PROBES.find(needs).applies(small_run):
            assert f"{name}: First run: jtdiag probe {small_run.path} {needs}" in lines


@pytest.mark.slow
def test_what_a_run_holds_nothing_for_is_one_line(small_run):
    probe(small_run, "calibration")
    text = page([gather(small_run)])
    assert "reliability: The run stores no outputs on the test split" in text


@pytest.mark.slow
def test_a_result_that_is_older_is_told(warned):
    warned.seal_up_to(2)
    probe(warned.run, "performance")
    warned.seal_up_to(3)
    assert "(outdated result)" in page([gather(warned.run)])


@pytest.mark.slow
def test_a_result_that_holds_less_than_its_probe_now_promises_is_to_be_asked_again(small_run):
    probe(small_run, "performance")
    result = results.load(small_run, "performance").drop_vars("diversity")
    result = result.assign_attrs(code_hash="of an older version")
    results.save(small_run, "performance", result, {})
    known = gather(small_run)
    assert "performance" in known.missing
    assert f"jtdiag probe {small_run.path} performance" in page([known])


@pytest.mark.slow
def test_what_users_write_is_text(small_run, tmp_path):
    folder = tmp_path / "<b>bold & 'quoted'<"
    shutil.move(small_run.path, folder)
    run = Run(folder)
    probe(run, "performance")
    parsed = Parsed(page([gather(run)]))
    assert "b" not in {tag for tag, _, _ in parsed.elements}
    assert parsed.all("h1")[0][1] == folder.name


@pytest.mark.slow
def test_only_cheap_probes_are_asked_and_only_once(small_run):
    asked = ask_cheap(small_run)
    assert {"performance", "dominance", "alerts"} <= set(asked)
    assert "robustness" not in asked
    assert ask_cheap(small_run) == []


@pytest.mark.slow
def test_several_runs_are_compared_first(small_run, toy_copy):
    for run in (small_run, toy_copy):
        probe(run, "performance")
        probe(run, "capacity")
    text = page([gather(small_run), gather(toy_copy)])
    parsed = Parsed(text)
    identifiers = [attrs["id"] for _, attrs, _ in parsed.elements if "id" in attrs]
    assert len(identifiers) == len(set(identifiers))
    captions = [body for _, body in parsed.all("caption")]
    assert captions[0].startswith("Best λ of each run")
    assert captions[1] == "Recipes: toy (B) against by-hand (A)"
    assert "beside-capacity" in identifiers
    assert "run1-capacity" not in identifiers
    lines = [body for _, body in parsed.all("li")]
    compared = [drawing for drawing in FIGURES.all() if drawing.compares]
    for drawing in compared:
        if drawing.needs not in ("performance", "capacity"):
            assert f"{drawing.name}: First run: jtdiag probe {small_run.path} {drawing.needs}" in (
                lines
            )
    assert len(parsed.all("h1")) == 1


@pytest.mark.slow
def test_a_figure_that_is_too_large_becomes_a_bitmap(probed_run):
    known = gather(probed_run).results["performance"]
    drawing = FIGURES.find("error-against-lambda")
    large = picture(lambda: drawing.draw([("toy", known)]), drawing.caption)
    small = picture(lambda: drawing.draw([("toy", known)]), drawing.caption, limit=30_000)
    assert large.address.startswith("data:image/svg+xml;base64,")
    assert small.address.startswith("data:image/png;base64,")
    assert len(small.address) < len(large.address)
    assert (small.width, small.height, small.alt) == (large.width, large.height, large.alt)


@pytest.mark.slow
def test_a_page_that_would_be_too_large_has_its_figures_as_bitmaps(few):
    whole = page([few])
    less = page([few], largest=len(whole.encode()) - 1)
    assert whole.count("image/png") < less.count("image/png")
    assert len(less.encode()) < len(whole.encode())


def test_a_number_keeps_to_its_unit():
    assert bound("λ = 0.9: 1.2 ± 0.1 % or") == "λ\xa0=\xa00.9: 1.2\xa0±\xa00.1\xa0% or"


def test_a_page_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    assert write(path, "λ") == 2
    with pytest.raises(StoreError, match="cannot be written"):
        write(tmp_path / "nowhere" / "report.html", "x")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
