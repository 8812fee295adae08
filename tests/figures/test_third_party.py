"""A figure from another installed package: one file and one entry point."""

import runpy
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.errors import ProbeError
from jtdiag.figures import FIGURES
from jtdiag.report.evidence import gather
from jtdiag.report.page import page

FILE = '''"""Ensemble error of every trial."""

from matplotlib.figure import Figure

from jtdiag.figures import style
from jtdiag.figures.contract import FigureKind, Results


def draw(results: Results) -> Figure:
    [(name, result)] = results
    figure = style.figure(2.5)
    ax = figure.add_subplot()
    test = result["ensemble_error"].sel(split="test").sortby("lam")
    ax.plot(test["lam"], 100 * test.transpose("lam", "trial"), "o-")
    ax.set(xlabel=r"$\\lambda$", ylabel="Test error (%)", title=name)
    return figure


FIGURE = FigureKind(
    name="error-by-trial",
    needs="performance",
    uses=("ensemble_error",),
    caption="Test error of every trial against λ. Lines join the values of one trial.",
    draw=draw,
)
'''


@pytest.fixture
def third_party(tmp_path, monkeypatch):
    """Install a distribution with the figure `error-by-trial`; return the file of its code."""
    site = tmp_path / "site"
    info = site / "figures_of_a_test-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: figures-of-a-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[jtdiag.figures]\nerror-by-trial = figures_of_a_test:FIGURE\n"
    )
    code = site / "figures_of_a_test.py"
    code.write_text(FILE, "utf-8")
    monkeypatch.syspath_prepend(site)
    yield code
    sys.modules.pop("figures_of_a_test", None)


@pytest.mark.slow
@pytest.mark.usefixtures("third_party")
def test_it_is_drawn_by_the_command_line_and_listed_last(probed_run, tmp_path):
    assert FIGURES.names() == (*FIGURES.order, "error-by-trial")
    arguments = ["plot", str(probed_run.path), "error-by-trial", "--out", str(tmp_path / "out")]
    ran = CliRunner().invoke(main, [*arguments, "--data", "csv"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    files = [tmp_path / "out" / f"error-by-trial.{suffix}" for suffix in ("pdf", "png", "csv")]
    assert ran.stdout.split() == [str(path) for path in files]
    assert all(path.stat().st_size > 100 for path in files)


@pytest.mark.slow
@pytest.mark.usefixtures("third_party")
def test_it_is_in_the_report(probed_run):
    text = page([gather(probed_run)])
    assert "Test error of every trial against λ. Lines join the values of one trial." in text


@pytest.mark.usefixtures("third_party")
def test_it_is_in_the_list_of_the_gallery():
    gallery = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "gallery.py"))
    assert gallery["NAMES"][-1] == "error-by-trial"
    assert gallery["caption"]("error-by-trial") == "Test error of every trial against λ."


def test_a_record_under_another_name_is_refused(third_party):
    third_party.write_text(FILE.replace('"error-by-trial"', '"errors-by-trial"'), "utf-8")
    with pytest.raises(ProbeError, match="the two names must be the same"):
        FIGURES.find("error-by-trial")


@pytest.mark.slow
def test_names_are_listed_without_importing_matplotlib():
    import subprocess

    code = "import sys; from jtdiag.figures import FIGURES; FIGURES.names(); "
    code += "sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
