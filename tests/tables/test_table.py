"""Formats of tables: LaTeX, Markdown and CSV."""

import io
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from jtdiag.tables import escaping
from jtdiag.tables.table import FORMATS, SISETUP, Number, Table

SMALL = Table(
    name="errors",
    caption="Test error (%) at λ = 0.5, mean ± SE",
    columns=("λ = 0", "λ = 1", "Bagging"),
    rows=(
        ("a_b", (Number(10.333, 0.256), Number(9.5, 0.0), None)),
        ("c & d", (Number(8.0), Number(8.001), Number(12.0, 1.5))),
    ),
    origin="jtdiag 1, recipe 2",
)


def test_latex_has_what_siunitx_reads_and_the_lowest_in_bold():
    lines = [line.strip() for line in FORMATS["latex"](SMALL).splitlines()]
    assert lines[0] == "% jtdiag 1, recipe 2"
    assert r"\caption{Test error (\%) at $\lambda = 0.5$, mean $\pm$ SE}" in lines
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
    read = pd.read_csv(io.StringIO(FORMATS["csv"](SMALL)), comment="#", index_col=0)
    assert read.loc["a_b", ["λ = 0", "λ = 0 (s.e.)"]].tolist() == [10.333, 0.256]
    assert np.isnan(read.loc["a_b", "Bagging"])
    assert np.isnan(read.loc["c & d", "λ = 0 (s.e.)"])


def test_a_table_of_text_has_no_standard_errors_and_nothing_in_bold():
    text = Table(
        name="x",
        caption="c",
        columns=("size",),
        rows=(("a", ("1,000",)),),
        origin="o",
        lowest=False,
    )
    assert FORMATS["csv"](text).splitlines()[1:] == [",size", 'a,"1,000"']
    assert "| a | 1,000 |" in FORMATS["markdown"](text)
    assert r"a & 1,000 \\" in FORMATS["latex"](text)


def test_a_single_number_is_not_in_bold():
    assert SMALL.best((Number(1.0), None)) == set()


def test_special_characters_of_latex_are_escaped():
    assert escaping.latex(r"50% of_a {λ = 0.9} ~\x^") == (
        r"50\% of\_a \{$\lambda = 0.9$\} \textasciitilde{}\textbackslash{}x\textasciicircum{}"
    )


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
@pytest.mark.slow
def test_latex_compiles(tmp_path):
    lookup = [shutil.which("kpsewhich"), "siunitx.sty"]
    if subprocess.run(lookup, capture_output=True, check=False).returncode:
        pytest.skip("needs siunitx")
    head = rf"\documentclass{{article}}\usepackage{{booktabs, siunitx}}\sisetup{{{SISETUP}}}"
    text = head + r"\begin{document}" + FORMATS["latex"](SMALL) + r"\end{document}"
    (tmp_path / "x.tex").write_text(text, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
