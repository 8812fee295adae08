import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import sem

from jtdiag.commands import main
from jtdiag.errors import StoreError
from jtdiag.probing.running import probe as ask
from jtdiag.recipe import studies
from jtdiag.tables import paper, schemes
from jtdiag.tables.schemes import Bar
from jtdiag.tables.table import FORMATS, SISETUP, Number, Table, escaped

SMALL = Table(
    name="errors",
    caption="Test error (%) at λ = 0.5, mean ± s.e.",
    columns=("λ = 0", "λ = 1", "Bagging"),
    rows=(
        ("a_b", (Number(10.333, 0.256), Number(9.5, 0.0), None)),
        ("c & d", (Number(8.0), Number(8.001), Number(12.0, 1.5))),
    ),
    origin="jtdiag 1, recipe 2",
)


# --- formats --------------------------------------------------------------------------------------


def test_latex_has_what_siunitx_reads_and_the_lowest_in_bold():
    lines = [line.strip() for line in FORMATS["latex"](SMALL).splitlines()]
    assert lines[0] == "% jtdiag 1, recipe 2"
    assert r"\caption{Test error (\%) at $\lambda = 0.5$, mean $\pm$ s.e.}" in lines
    assert r"\label{tab:errors}" in lines
    assert r"\begin{tabular}{lrrr}" in lines
    assert r"& $\lambda = 0$ & $\lambda = 1$ & Bagging \\" in lines
    assert r"a\_b & \num{10.33(26)} & \textbf{\num{9.50(0)}} &  \\" in lines
    equals = r"c \& d & \textbf{\num{8.00}} & \textbf{\num{8.00}} & \num{12.00(150)} \\"
    assert equals in lines


def test_markdown_has_the_lowest_in_bold():
    lines = FORMATS["markdown"](SMALL).splitlines()
    assert lines[2:6] == [
        "|  | λ = 0 | λ = 1 | Bagging |",
        "| --- | ---: | ---: | ---: |",
        "| a_b | 10.33 ± 0.26 | **9.50 ± 0.00** |  |",
        "| c & d | **8.00** | **8.00** | 12.00 ± 1.50 |",
    ]


def test_csv_can_be_read_again():
    found = pd.read_csv(io.StringIO(FORMATS["csv"](SMALL)), comment="#", index_col=0)
    assert found.loc["a_b", ["λ = 0", "λ = 0 (s.e.)"]].tolist() == [10.333, 0.256]
    assert np.isnan(found.loc["a_b", "Bagging"])
    assert np.isnan(found.loc["c & d", "λ = 0 (s.e.)"])


def test_a_table_of_words_has_no_standard_errors_and_nothing_in_bold():
    words = Table(
        name="x",
        caption="c",
        columns=("what",),
        rows=(("a", ("1,000",)),),
        origin="o",
        lowest=False,
    )
    assert FORMATS["csv"](words).splitlines()[1:] == [",what", 'a,"1,000"']
    assert "| a | 1,000 |" in FORMATS["markdown"](words)
    assert r"a & 1,000 \\" in FORMATS["latex"](words)


def test_a_lone_number_is_not_called_the_lowest():
    assert SMALL.best((Number(1.0), None)) == set()


def test_signs_that_latex_would_act_on_are_escaped():
    assert escaped(r"50% of_a {λ = 0.9} ~\x^") == (
        r"50\% of\_a \{$\lambda = 0.9$\} \textasciitilde{}\textbackslash{}x\textasciicircum{}"
    )


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
@pytest.mark.slow
def test_latex_compiles(tmp_path):
    found = [shutil.which("kpsewhich"), "siunitx.sty"]
    if subprocess.run(found, capture_output=True, check=False).returncode:
        pytest.skip("needs siunitx")
    head = rf"\documentclass{{article}}\usepackage{{booktabs, siunitx}}\sisetup{{{SISETUP}}}"
    text = head + r"\begin{document}" + FORMATS["latex"](SMALL) + r"\end{document}"
    (tmp_path / "x.tex").write_text(text, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# --- what is in them ------------------------------------------------------------------------------


def test_errors_are_those_of_the_run_in_percent(probed_run):
    found = paper.errors([probed_run.path])
    [(name, cells)] = found.rows
    assert (name, found.columns) == ("toy", ("λ = 0", "λ = 0.9", "λ = 1"))
    metrics = probed_run.metrics()["ensemble_error"].sel(split="test")
    for lam, cell in zip((0.0, 0.9, 1.0), cells, strict=True):
        trials = []
        for lane in probed_run.lanes:
            if probed_run.lam(lane) == lam:
                at = metrics.isel(lam=lane.lam_index, trial=lane.trial)
                trials.append(100 * float(at.sel(epoch=probed_run.chosen_epoch(lane))))
        assert cell == Number(pytest.approx(np.mean(trials)), pytest.approx(sem(trials)))
    assert "2 trials" in found.caption
    assert probed_run.recipe_hash in found.origin


def test_runs_of_other_lambdas_have_blanks(probed_run, small_run):
    ask(small_run, "performance")
    found = paper.errors([probed_run.path, small_run.path])
    assert found.columns == ("λ = 0", "λ = 0.9", "λ = 1")
    assert [cell is None for cell in found.rows[1][1]] == [True, False, False]


def test_a_run_that_was_not_asked_is_one_line(small_run):
    with pytest.raises(StoreError, match="has no result 'performance'. First run: jtdiag probe"):
        paper.errors([small_run.path])


def test_a_study_is_a_row_with_a_column_for_each_scheme(small_run, monkeypatch):
    def bar(scheme, label, lam, *errors):
        return Bar(scheme=scheme, label=label, lam=lam, members=4, lr=0.1, errors=errors)

    bars = [
        bar("single", "single network", 1.0, 0.1, 0.1),
        bar("joint", "independent", 0.0, 0.2, 0.3),
        bar("bagging", "bagging", 0.0, 0.3, 0.3),
        bar("stacking", "stacking (a)", 0.0, 0.4, 0.4),
        bar("stacking", "stacking (b)", 0.0, 0.5, 0.5),
        bar("joint", "end to end", 1.0, 0.15, 0.15),
    ]
    ask(small_run, "performance")
    monkeypatch.setattr(studies, "is_study", lambda path: True)
    monkeypatch.setattr(schemes, "bars", lambda folder: bars)
    monkeypatch.setattr(paper, "_runs", lambda folder: [small_run])
    found = paper.errors([Path("fashion")])
    assert found.columns == (
        "λ = 0", "λ = 1", "Bagging", "Stacking", "Single network", "Stacking (b)",
    )  # fmt: skip
    [(name, cells)] = found.rows
    assert (name, [cell.mean for cell in cells]) == (
        "fashion",
        pytest.approx([25, 15, 30, 40, 10, 50]),
    )


def test_configurations_count_parameters(probed_run):
    [(name, cells)] = paper.configurations([probed_run.path]).rows
    size = (2 * 5 + 5) + (5 * 3 + 3)  # two numbers in, five hidden units, three classes
    assert (name, cells) == ("toy", ("mlp", "3", f"{size}", f"{3 * size}"))


def test_a_size_that_is_not_known_is_blank(probed_run, small_run, monkeypatch):
    from jtdiag.errors import DataError

    def unknown(run):
        raise DataError("no data")

    monkeypatch.setattr(paper, "parameters_per_member", unknown)
    [(_, cells)] = paper.configurations([small_run.path]).rows
    assert cells == ("mlp", "4", None, None)


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("what", paper.TABLES)
def test_the_command_prints_each_table_in_each_format(probed_run, form, what):
    asked = ["table", str(probed_run.path), "--of", what, "--format", form]
    ran = CliRunner().invoke(main, asked)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == FORMATS[form](paper.TABLES[what]([probed_run.path]))


def test_the_command_writes_a_file_and_names_it(probed_run, tmp_path):
    out = tmp_path / "paper" / "errors.tex"
    ran = CliRunner().invoke(main, ["table", str(probed_run.path), "--out", str(out)])
    assert (ran.exit_code, ran.stdout) == (0, f"{out}\n")
    assert re.search(r"\\toprule.*\\num", out.read_text("utf-8"), flags=re.S)


def test_a_file_that_cannot_be_written_is_one_line(probed_run, tmp_path):
    ran = CliRunner().invoke(main, ["table", str(probed_run.path), "--out", str(tmp_path)])
    assert ran.exit_code == 1
    assert "cannot be written" in ran.stderr
