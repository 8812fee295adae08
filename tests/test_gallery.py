"""Every figure is in the gallery of the manual, and what draws it there works."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from jtdiag import figures

DOCS = Path(__file__).parents[1] / "docs"
LARGEST = 80_000
IMAGE = re.compile(r"^!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]+)\)$", re.M)


@pytest.fixture(scope="module")
def gallery() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(DOCS / "gallery.py")))


def of(name: str) -> str:
    """What the gallery says below the heading of a figure."""
    page = (DOCS / "gallery.md").read_text("utf-8")
    below = page.partition(f"\n### {name}\n")[2]
    return re.split(r"^##+ ", below, maxsplit=1, flags=re.M)[0]


NAMES = ("schemes", *figures.FIGURES.names())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_in_the_gallery_with_a_small_image_and_words_for_who_cannot_see_it(name):
    [shown] = IMAGE.finditer(of(name))
    assert len(shown["alt"]) > 40
    path = DOCS / shown["path"]
    assert path.name == f"{name}.png"
    assert path.stat().st_size < LARGEST
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["Title"] == name
        assert image.info["Description"].startswith("jtdiag ")
        assert len(image.convert("RGB").getcolors(1 << 24)) > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_of_the_gallery_has_the_first_sentence_of_its_caption_and_its_command(
    name, gallery
):
    assert gallery.caption(name) in of(name).splitlines()
    command = "jtdiag study fashion-fig2" if name == "schemes" else f" {name}\n"
    assert command in of(name)


def test_the_gallery_shows_what_there_is_in_the_order_of_the_paper(gallery):
    page = (DOCS / "gallery.md").read_text("utf-8")
    assert tuple(re.findall(r"^### (.+)$", page, flags=re.M)) == gallery.NAMES
    assert {path.stem for path in (DOCS / "images/gallery").iterdir()} == set(NAMES)


@pytest.mark.slow
def test_the_script_draws_every_figure_of_the_first_run_that_was_probed(
    gallery, small_run, probed_run, tmp_path
):
    drawn = gallery.draw([small_run, probed_run], None, tmp_path)
    assert [one.name for one in drawn] == list(gallery.NAMES)
    for one in drawn:
        if one.image:
            assert one.image == tmp_path / f"{one.name}.png"
            assert one.image.stat().st_size <= gallery.LARGEST
        else:
            assert one.reason
    of_a_study = [one.name for one in drawn if not one.image]
    assert of_a_study == ["schemes", "lambda-mu", "gap"]


def test_a_figure_whose_probe_was_not_asked_is_left_out_by_name(gallery, small_run, tmp_path):
    entries = {entry.name: entry for entry in gallery.draw([small_run], None, tmp_path)}
    assert entries["gradients"].reason == "The probe gradients has not been run."
    assert not any(entry.image for entry in entries.values())


def test_the_page_of_a_build_is_made_once(gallery, tmp_path, monkeypatch):
    asked = []

    def small(folder):
        asked.append(folder)
        image = folder / "images" / "filters.png"
        image.parent.mkdir(parents=True)
        image.touch()
        return [
            gallery.Entry(name="filters", image=image),
            gallery.Entry(name="capacity", image=None, reason="Run capacity."),
        ]

    monkeypatch.setitem(gallery.built_page.__globals__, "small", small)
    first, again = (gallery.built_page(tmp_path / "_build") for _ in range(2))
    assert first == again
    [folder] = asked
    assert f"]({folder.relative_to(tmp_path).as_posix()}/images/filters.png)" in first
    assert "Not drawn: Run capacity." in first


def test_the_small_study_can_be_read_and_has_the_run_that_is_drawn(gallery):
    study = gallery.studies.read(gallery.STUDY)
    assert study.runs[gallery.OF_ALL_FIGURES].lam == (0.0, 0.9, 1.0)
    assert all(recipe.data.name == "digits" for recipe in study.runs.values())
