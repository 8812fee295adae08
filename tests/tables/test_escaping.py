"""Names of runs and recipes cannot change a document, nor be carried out by a spreadsheet."""

import csv
import io
import shutil
import subprocess

import pytest

from jtdiag.tables import escaping
from jtdiag.tables.table import FORMATS, SISETUP, Number, Table

HOSTILE = [
    '=HYPERLINK("http://example.org","x")',
    "+1+1",
    "-cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "a\n=1+1",
    "x | y",
    "<script>alert(1)</script>",
    "[text](javascript:x)",
    "![i](x)",
    "*bold* _slanted_ `code`",
    "--> <b>",
    "\x1b[2J\x9b31m\x07",
    r"\input{/etc/passwd}",
    "% comment",
    "}\\end{document}",
    "50 % & $x$ #1 ~^",
]


def table(text):
    return Table(
        name="x",
        caption=text,
        columns=(text, "b"),
        rows=((text, (Number(1.0), text)), ("plain_name", (Number(2.0), "-1.5"))),
        origin=text,
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("form", FORMATS)
def test_no_format_passes_control_characters_or_line_feeds_on(form, text):
    plain = FORMATS[form](table("name"))
    shown = FORMATS[form](table(text))
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert shown.count("\n") == plain.count("\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_of_a_csv_file_is_a_formula(text):
    rows = list(csv.reader(io.StringIO(FORMATS["csv"](table(text)))))
    cells = [cell for row in rows[1:] for cell in row]
    numbers = {"-1.5"}
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@")) and c not in numbers]
    assert rows[2][0] == "plain_name" or rows[3][0] == "plain_name"
    assert "-1.5" in cells


def test_text_that_is_no_formula_is_unchanged_in_csv():
    for text in ("λ = 0.5", "a-b", "-0.5", "+1e-3", "runs/mine", "12 = 12"):
        assert escaping.csv_cell(text) == text
    assert escaping.csv_cell("=1") == "'=1"


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_itself(text):
    markdown_it = pytest.importorskip("markdown_it")
    parser = markdown_it.MarkdownIt("commonmark").enable("table")
    [paragraph, *_] = [t for t in parser.parse(escaping.markdown(f"x {text}")) if t.children]
    assert {child.type for child in paragraph.children} <= {"text", "text_special"}
    content = "".join(child.content for child in paragraph.children)
    assert content == escaping.line(f"x {text}")


def test_a_bar_does_not_begin_a_column_in_markdown():
    shown = FORMATS["markdown"](table("x | y")).splitlines()
    assert shown[2] == r"|  | x \| y | b |"
    assert r"| plain_name | 2.00 | -1.5 |" in shown


def test_a_comment_cannot_be_ended():
    assert "-->" not in escaping.comment("--> --->")
    assert FORMATS["markdown"](table("--> <b>")).count("-->") == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs LaTeX")
@pytest.mark.slow
def test_latex_compiles_whatever_the_names(tmp_path):
    lookup = [shutil.which("kpsewhich"), "siunitx.sty"]
    if subprocess.run(lookup, capture_output=True, check=False).returncode:
        pytest.skip("needs siunitx")
    head = rf"\documentclass{{article}}\usepackage{{booktabs, siunitx}}\sisetup{{{SISETUP}}}"
    body = "".join(FORMATS["latex"](table(text)) for text in HOSTILE)
    (tmp_path / "x.tex").write_text(rf"{head}\begin{{document}}{body}\end{{document}}", "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_special_character_of_latex_is_escaped(text):
    shown = escaping.latex(text)
    for known in (*escaping._LATEX.values(), "$\\lambda$"):
        shown = shown.replace(known, "")
    assert not set(shown) & set("\\%#&~^_{}$|<>")
