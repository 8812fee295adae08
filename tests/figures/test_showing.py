import subprocess
import sys

import pytest
from matplotlib.figure import Figure

import jtdiag
from jtdiag.errors import ProbeError

NO_PYPLOT = """
import sys, jtdiag
figure = jtdiag.plot(sys.argv[1], "errors-by-epoch")
assert figure._repr_png_()[:4] == b"\\x89PNG"
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.mark.slow
def test_a_figure_is_returned_shown_and_made_without_pyplot(probed_run):
    subprocess.run([sys.executable, "-c", NO_PYPLOT, str(probed_run.path)], check=True)


@pytest.mark.slow
def test_a_figure_is_drawn_into_given_axes(probed_run):
    figure = Figure(layout="constrained")
    left, right = figure.subplots(1, 2)
    assert jtdiag.plot(probed_run, "error-against-lambda", ax=left) is figure
    assert left.lines
    assert not right.has_data()
    own = jtdiag.plot(probed_run.path, "error-against-lambda")
    assert own is not figure
    [panel] = own.axes
    for a, b in zip(left.lines, panel.lines, strict=True):
        assert a.get_xydata().tolist() == b.get_xydata().tolist()


@pytest.mark.slow
def test_too_few_axes_and_several_runs_of_one_are_one_line(probed_run):
    ax = Figure().subplots()
    with pytest.raises(ProbeError, match=r"The figure has 2 panels, and ax has 1 axes; pass ax="):
        jtdiag.plot(probed_run, "members-against-lambda", ax=ax)
    with pytest.raises(ProbeError, match="'errors-by-epoch' shows a single run"):
        jtdiag.plot(probed_run, "errors-by-epoch", probed_run)
    with pytest.raises(ProbeError, match="Did you mean 'errors-by-epoch'"):
        jtdiag.plot(probed_run, "error-by-epoch")
