import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from jtdiag import figures, result
from jtdiag.errors import ProbeError, StoreError
from jtdiag.figures import FIGURES, drawing, find
from jtdiag.figures.drawing import plot
from jtdiag.probing import probe as ask
from jtdiag.registry import probe_names


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_as_pdf_and_png(probed_run, name):
    made = plot(probed_run, name)
    assert made == [probed_run.path / "figures" / f"{name}.{ending}" for ending in ("pdf", "png")]
    pdf, png = made
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert pdf.read_bytes().rstrip().endswith(b"%%EOF")
    pixels = mpl.image.imread(png)
    found = result.load(probed_run, find(name).needs)
    given = [("toy", found)] if find(name).compares else found
    assert find(name).draw(given).get_size_inches()[0] == 4.8
    assert pixels.shape[1] == 300 * 4.8
    assert np.ptp(pixels[..., :3]) == 1  # black on white


@pytest.mark.parametrize("name", FIGURES)
def test_a_pdf_embeds_its_fonts_and_none_is_of_type_3(probed_run, name):
    content = plot(probed_run, name)[0].read_bytes()
    assert b"/Type3" not in content
    assert set(re.findall(rb"/Subtype\s*/(CIDFontType\w+|TrueType|Type1)", content)) <= {
        b"CIDFontType2"
    }
    assert b"/FontFile2" in content


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_where_it_comes_from_and_not_when(probed_run, name):
    pdf, png = (path.read_bytes() for path in plot(probed_run, name))
    assert f"recipe {probed_run.recipe_hash}".encode() in pdf
    assert f"recipe {probed_run.recipe_hash}".encode() in png
    assert b"CreationDate" not in pdf
    assert [path.read_bytes() for path in plot(probed_run, name)] == [pdf, png]


def settings():
    """Settings as they are; to ask matplotlib itself for the backend would load one."""
    return {key: dict.__getitem__(mpl.rcParams, key) for key in mpl.rcParams}


@pytest.mark.parametrize("name", FIGURES)
def test_settings_of_matplotlib_are_as_before(probed_run, name):
    with mpl.rc_context():
        mpl.rcdefaults()
        before = settings()
        plot(probed_run, name)
        assert settings() == before


def test_what_the_style_sets_holds_against_the_users_settings(probed_run):
    made = [path.read_bytes() for path in plot(probed_run, "error-against-lambda")]
    with mpl.rc_context({"lines.linewidth": 9, "axes.grid": False, "pdf.fonttype": 3}):
        again = [path.read_bytes() for path in plot(probed_run, "error-against-lambda")]
    assert made == again


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_result_is_one_line_that_names_the_probe_to_ask(small_run, name):
    with pytest.raises(StoreError) as caught:
        plot(small_run, name)
    needs = find(name).needs
    assert str(caught.value).endswith(f"First run: jtdiag probe {small_run.path} {needs}")
    assert not (small_run.path / "figures").exists()


def test_an_unknown_figure_is_one_line_with_the_nearest(small_run):
    with pytest.raises(ProbeError) as caught:
        plot(small_run, "error-by-epoch")
    assert str(caught.value) == (
        "There is no figure 'error-by-epoch'. Did you mean 'errors-by-epoch'? "
        f"Figures: {', '.join(FIGURES)}."
    )


def test_a_folder_that_cannot_be_written_is_one_line(small_run):
    ask(small_run, find(FIGURES[0]).needs)
    (small_run.path / drawing.FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="figures: cannot be written: .*File exists"):
        plot(small_run, FIGURES[0])


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_caption_and_needs_an_installed_probe(name):
    assert find(name).needs in probe_names()
    assert find(name).caption.count("\n") > 2


def test_every_file_of_a_figure_is_listed():
    files = {path.stem for path in Path(figures.__file__).parent.glob("*.py")}
    helpers = {
        "__init__",
        "drawing",
        "known",
        "means",
        "numbers",
        "opaque",
        "panels",
        "print_check",
    }
    helpers |= {"run_labels", "style", "tables", "venues"}
    drawn = files - helpers - {"schemes"}  # of a study
    assert drawn == {name.replace("-", "_") for name in figures.FIGURES}


LATER = {0: ("leader-by-epoch", "displacement"), 3: ("leader-by-epoch",)}
"""What is not yet known at an epoch; one line says so."""


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("epoch", [0, 3])
def test_an_unfinished_run_is_drawn_without_a_warning(toy_copy, cut_back, name, epoch):
    run = cut_back(toy_copy, -1, epoch, -1, -1, -1, -1)
    ask(run, find(name).needs)
    if name in LATER.get(epoch, ()):
        with pytest.raises(ProbeError) as caught:
            plot(run, name)
        assert "\n" not in str(caught.value)
    else:
        assert all(path.stat().st_size for path in plot(run, name))
