"""Formats, resolutions and what files say of themselves."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from jtdiag.errors import ProbeError
from jtdiag.figures import drawing, style
from jtdiag.figures.drawing import FORMATS, Output, plot
from jtdiag.figures.eps import make_opaque
from jtdiag.probing import results


@pytest.mark.parametrize(("dpi", "expected"), [(None, 600), (100, 100)])
def test_resolution_is_that_of_the_venue_or_the_given_one(probed_run, tmp_path, dpi, expected):
    output = Output(style="ieee", formats=("png",), dpi=dpi, folder=tmp_path)
    [path] = plot(probed_run, "error-against-lambda", output=output)
    with Image.open(path) as image:
        assert image.width == 3.5 * expected
        assert image.info["dpi"][0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("bad", "message"), [
    ({"formats": ("pdf", "jpg")}, r"There is no format 'jpg'.*Formats: pdf, png, svg, eps, pgf\."),
    ({"style": "icmm"}, r"There is no style 'icmm'\. Did you mean 'icml'\?"),
])  # fmt: skip
def test_what_cannot_be_written_is_one_line(bad, message):
    with pytest.raises(ProbeError, match=message):
        Output(**bad)


def test_without_latex_pgf_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(drawing.shutil, "which", lambda program: None)
    with pytest.raises(ProbeError, match="PGF needs LaTeX.*Install one of pdflatex, xelatex"):
        Output(formats=FORMATS)


@pytest.mark.skipif(not drawing._tex(), reason="needs LaTeX, which measures the text of PGF")
def test_pgf_is_for_input_in_latex(probed_run, tmp_path):
    output = Output(formats=("pgf",), folder=tmp_path)
    path, *images = plot(probed_run, "filter-norms", output=output)
    text = path.read_text("utf-8")
    assert text.startswith(
        f"%% jtdiag {results.version('jtdiag')}, recipe {probed_run.recipe_hash}"
    )
    assert r"\begin{pgfpicture}" in text
    assert {image.name for image in images} == set(re.findall(r"filter-norms-img\d+\.png", text))


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_opaque_colours_look_as_the_transparent_ones_did():
    def drawn():
        figure = Figure(figsize=(2, 2))
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        ax.set_axis_off()
        ax.fill_between([0, 1], [0, 0], [1, 1], color="#D55E00", alpha=0.25, linewidth=0)
        ax.plot([0, 1], [2, 2], color="#7A9FBF", alpha=0.35, rasterized=True)
        return figure

    before, after = drawn(), drawn()
    make_opaque(after)
    assert np.abs(pixels(before) - pixels(after)).max() <= 1
    [line], [area] = after.axes[0].lines, after.axes[0].collections
    assert (line.get_alpha(), area.get_alpha(), line.get_rasterized()) == (None, None, False)


def test_opaque_areas_lie_below_lines_and_large_ones_lowest():
    ax = Figure().add_subplot()
    ax.fill_between([0, 1], [0, 0], [1, 1], color="red", alpha=0.25)
    ax.fill_between([0, 1], [0, 0], [9, 9], color="blue", alpha=0.25)
    ax.plot([0, 1], [0, 1], color="black")
    make_opaque(ax.get_figure())
    small, large = ax.collections
    assert large.get_zorder() < small.get_zorder() < ax.lines[0].get_zorder()
    assert to_rgb(ax.lines[0].get_color()) == (0, 0, 0)


@pytest.mark.slow
def test_a_venue_of_the_style_is_used(probed_run, tmp_path):
    widths = {}
    for name in ("icml", "slides"):
        output = Output(style=name, formats=("svg",), folder=tmp_path / name)
        [path] = plot(probed_run, "gradients", output=output)
        widths[name] = float(ElementTree.parse(path).getroot().get("width").removesuffix("pt")) / 72
    with style.of("icml") as icml, style.of("slides") as slides:
        assert widths == pytest.approx({"icml": icml.width, "slides": slides.width})


@pytest.mark.slow
def test_matplotlib_finds_nothing_transparent_in_an_eps(probed_run, tmp_path, caplog, monkeypatch):
    from matplotlib.backends.backend_ps import RendererPS

    alphas = []
    original = RendererPS._draw_ps  # its warning appears once per process, perhaps earlier

    def draw(self, ps, gc, *rest, **more):
        alphas.append(gc.get_rgb()[3])
        return original(self, ps, gc, *rest, **more)

    monkeypatch.setattr(RendererPS, "_draw_ps", draw)
    output = Output(formats=("eps",), folder=tmp_path)
    for name in ("members-against-lambda", "accuracy-against-dropped"):
        plot(probed_run, name, output=output)
    assert alphas
    assert {alpha for alpha in alphas if 0 < alpha < 1} == set()
    assert not [record for record in caplog.records if "transparency" in record.message]
