import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures import FIGURES, drawing, kinds, style
from jtdiag.figures.drawing import Output, plot
from jtdiag.figures.print_check import problems
from jtdiag.probing import results
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask
from jtdiag.workflows.study import OF_RUNS

OF_ONE_RUN = [name for name in FIGURES.names() if name not in OF_RUNS]


@pytest.fixture(scope="module")
def written(probed_run):
    """Return a function that writes a figure, once, in four formats and returns their bytes."""
    files = {}

    def bytes_of(name):
        if name not in files:
            files[name] = again(probed_run, name)
        return files[name]

    return bytes_of


EACH = ("svg", "pdf", "png", "eps")  # the layout of the first differs from that of later ones


def again(run, name, *formats):
    output = Output(formats=formats or EACH)
    return {path.suffix[1:]: path.read_bytes() for path in plot(run, name, output=output)}


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_RUN)
def test_a_figure_is_as_wide_as_the_page_in_every_format(written, name):
    files = written(name)
    assert files["pdf"].startswith(b"%PDF-")
    assert files["pdf"].rstrip().endswith(b"%%EOF")
    assert files["eps"].startswith(b"%!PS-Adobe-3.0 EPSF-3.0")
    pixels = mpl.image.imread(io.BytesIO(files["png"]), format="png")
    assert pixels.shape[1] == 300 * 4.8
    assert np.ptp(pixels[..., :3]) == 1  # black on white
    points = 72 * 4.8
    assert float(re.search(rb"/MediaBox \[ 0 0 (\S+)", files["pdf"])[1]) == pytest.approx(points)
    assert float(re.search(rb"BoundingBox: 0 0 (\d+)", files["eps"])[1]) == pytest.approx(
        points, abs=1
    )
    width = ElementTree.fromstring(files["svg"]).get("width")
    assert float(width.removesuffix("pt")) == pytest.approx(points)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", OF_ONE_RUN)
def test_fonts_are_embedded_and_none_is_of_type_3(written, name):
    pdf, eps = written(name)["pdf"], written(name)["eps"]
    assert b"/Type3" not in pdf
    assert set(re.findall(rb"/Subtype\s*/(CIDFontType\w+|TrueType|Type1)", pdf)) <= {
        b"CIDFontType2"
    }
    assert b"/FontFile2" in pdf
    assert b"/FontType 42 def" in eps
    assert b"/FontType 3 def" not in eps


@pytest.mark.one_in(4)
@pytest.mark.parametrize("name", OF_ONE_RUN)
def test_metadata_contain_the_origin_and_no_time_of_drawing(written, probed_run, name):
    date = results.load(probed_run, FIGURES.find(name).needs).attrs["date"]
    for content in written(name).values():
        assert f"recipe {probed_run.recipe_hash}, {date}".encode() in content
        assert b"CreationDate" not in content


def settings():
    """Settings as they are; to ask matplotlib itself for the backend would load one."""
    return {key: dict.__getitem__(mpl.rcParams, key) for key in mpl.rcParams}


@pytest.mark.one_in(4)
@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE_RUN)
def test_drawn_again_it_is_the_same_and_settings_of_matplotlib_are_as_before(
    written, probed_run, name
):
    """An SVG has every text and line; files of all formats are compared for a few figures."""
    first = written(name)
    formats = EACH if name in ("error-against-lambda", "filters", "similarity") else ("svg",)
    with mpl.rc_context():
        mpl.rcdefaults()
        before = settings()
        assert again(probed_run, name, *formats) == {form: first[form] for form in formats}
        assert settings() == before


@pytest.mark.slow
def test_pdf_and_png_are_written_by_default(probed_run):
    made = plot(probed_run, "reliability")
    folder = probed_run.path / "figures"
    assert made == [folder / f"reliability.{suffix}" for suffix in ("pdf", "png")]


@pytest.mark.slow
def test_settings_of_the_style_override_those_of_the_user(probed_run):
    made = [path.read_bytes() for path in plot(probed_run, "error-against-lambda")]
    with mpl.rc_context({"lines.linewidth": 9, "axes.grid": False, "pdf.fonttype": 3}):
        again = [path.read_bytes() for path in plot(probed_run, "error-against-lambda")]
    assert made == again


@pytest.mark.parametrize("name", FIGURES.names())
def test_a_missing_result_is_one_line_that_names_the_probe_to_ask(small_run, name):
    with pytest.raises(StoreError) as caught:
        plot(small_run, name)
    needs = FIGURES.find(name).needs
    assert str(caught.value).endswith(f"First run: jtdiag probe {small_run.path} {needs}")
    assert not (small_run.path / "figures").exists()


def test_an_unknown_figure_is_one_line_with_the_nearest(small_run):
    with pytest.raises(ProbeError) as caught:
        plot(small_run, "error-by-epoch")
    beginning, _, rest = str(caught.value).partition(" Installed figures: ")
    assert beginning == "There is no figure 'error-by-epoch'. Did you mean 'errors-by-epoch'?"
    listed, _, more = rest.removesuffix(" more.").partition(" and ")
    names = listed.split(", ")
    assert names == list(FIGURES.names())[: len(names)]
    assert int(more) == len(FIGURES.names()) - len(names)  # all do not fit on a line


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_one_line(small_run):
    ask(small_run, "performance")
    (small_run.path / drawing.FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="figures: cannot be written: .*File exists"):
        plot(small_run, "error-against-lambda")


@pytest.mark.parametrize("name", FIGURES.names())
def test_every_figure_has_a_caption_and_needs_an_installed_probe(name):
    assert FIGURES.find(name).needs in PROBES.names()
    kind = FIGURES.find(name)
    assert kind.caption.startswith(kind.title)
    assert len(kind.caption) > len(kind.title) + 80


def test_every_file_of_a_figure_is_registered():
    files = {path.stem for path in Path(kinds.__file__).parent.glob("*.py")}
    of_runs = files - {"__init__", "candidates", "schemes"}  # of advice, of a study
    assert of_runs == {name.replace("-", "_") for name in FIGURES.order}
    assert FIGURES.names()[: len(FIGURES.order)] == FIGURES.order


LATER = {
    0: (
        "leader-by-epoch",
        "displacement",
        "transfer",
        "variance-against-lambda",
        "by-depth-and-epoch",
    ),
    3: ("leader-by-epoch", "variance-against-lambda"),
}
"""What is not yet known at an epoch; one line says so."""


@pytest.fixture
def asked_of_metrics(small_run):
    """A run that has kept neither outputs nor checkpoints, asked by every probe."""
    for each in PROBES.all():
        if each.applies(small_run):
            ask(small_run, each.name)
    return small_run


WITHOUT = {
    "error-by-combiner": "outputs",
    "accuracy-against-dropped": "outputs",
    "accuracy-against-faults": "outputs",
    "accuracy-against-compute": "outputs",
    "reliability": "outputs",
    "kappa-against-lambda": "outputs",
    "variance-against-lambda": "outputs",
    "votes-against-lambda": "outputs",
    "specialisation": "outputs",
    "filters": "checkpoints",
    "filter-norms": "checkpoints",
    "displacement": "checkpoints",
    "gradients": "checkpoints",
    "by-depth": "checkpoints",
    "by-depth-and-epoch": "checkpoints",
    "similarity": "checkpoints",
    "label-curve": "checkpoints",
    "transfer": "checkpoints",
    "rewinding": "checkpoints",
    "spectral-density": "checkpoints",
}
"""What a figure cannot be drawn without."""


def drawable(run):
    kinds = [kind for kind in FIGURES.all() if kind.name in OF_ONE_RUN]
    return [kind.name for kind in kinds if PROBES.find(kind.needs).applies(run)]


@pytest.mark.slow
def test_figures_of_a_run_that_stores_nothing_are_complete_or_one_line_that_says_what_to_keep(
    asked_of_metrics, monkeypatch
):
    drawn = []
    monkeypatch.setattr(drawing, "_write", lambda figure, path, origin: drawn.append(figure))
    for name in drawable(asked_of_metrics):
        if name in WITHOUT:
            with pytest.raises(ProbeError, match=rf"keep\.{WITHOUT[name]}") as caught:
                plot(asked_of_metrics, name)
            assert "\n" not in str(caught.value)
        else:
            plot(asked_of_metrics, name)
    assert len(drawn) == 2 * (len(drawable(asked_of_metrics)) - len(WITHOUT))  # PDF and PNG
    for figure in drawn:
        with style.of():
            assert problems(figure, 6) == []


@pytest.mark.one_in(2)
@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 3])
def test_an_unfinished_run_is_drawn_without_a_warning(toy_copy, cut_back, monkeypatch, epoch):
    run = cut_back(toy_copy, -1, epoch, -1, -1, -1, -1)
    for needed in {FIGURES.find(name).needs for name in drawable(run)}:
        ask(run, needed)
    drawn = []
    monkeypatch.setattr(drawing, "_write", lambda figure, path, origin: drawn.append(figure))
    for name in drawable(run):
        if name in LATER[epoch]:
            with pytest.raises(ProbeError) as caught:
                plot(run, name)
            assert "\n" not in str(caught.value)
        else:
            plot(run, name)
    for figure in drawn[::2]:
        with style.of():
            assert problems(figure, 6) == []
