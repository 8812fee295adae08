"""Names of runs and λs that figures, tables or shells could take for something else."""

import csv
import io
import itertools
import re
import warnings
from pathlib import Path

import numpy as np
from hostile_case import hostile, is_refused, jtdiag
from tiny_run import LAM_TEXTS, LAMS, PROBED, tiny_run

from jtdiag.figures import FIGURES, style
from jtdiag.figures.drawing import Output, draw_results, plot
from jtdiag.names import lam_text
from jtdiag.probing import findings, results
from jtdiag.store.run import Run
from jtdiag.tables.registry import TABLES
from jtdiag.tables.table import FORMATS, Table
from jtdiag.terminal import wording

KIND = "name"
LATEX_SPECIALS = "&%$#_{}~^\\<>|"


def _drawn(*names: str, figure: str = "error-against-lambda") -> str:
    """Return an SVG of runs with these folder names; its texts are comments in it."""
    runs = [Run(tiny_run(Path("runs") / str(i) / name)) for i, name in enumerate(names)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [file] = plot(runs[0], figure, *runs[1:], output=Output(formats=("svg",), folder=Path("o")))
    return file.read_text("utf-8")


def _is_drawn(svg: str, text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<!-- {escaped.replace('--', '- -')} -->" in svg.replace("<!--  ", "<!-- "), text


def _is_shown(name: str, *, drawn: str = "") -> None:
    """Check that a figure's legend, a title, and tables in every format show a name as it is."""
    svg = _drawn(name, "other")
    _is_drawn(svg, drawn or name)
    _is_drawn(svg, "other")
    _is_in_tables(name)


def _is_in_tables(name: str) -> None:
    table = Table(name="t", caption="c", columns=("λ = 1",), rows=((name, ("x",)),), origin="o")
    rows = list(csv.reader(io.StringIO(FORMATS["csv"](table))))
    assert rows[-1][0].removeprefix("'") == name
    markdown = FORMATS["markdown"](table).splitlines()[4]
    assert len(markdown.replace(r"\|", "").split("|")) == 4, markdown
    assert _without_backslashes(markdown.split(" | x")[0].removeprefix("| ")) == name
    lines = FORMATS["latex"](table).splitlines()
    [line] = [line for line in lines if line.rstrip().endswith(r"x \\")]
    assert _read_as_latex(line.partition(" & ")[0].strip()) == name


def _without_backslashes(text: str) -> str:
    return "".join(
        c for c, before in zip(text, " " + text, strict=False) if c != "\\" or before == "\\"
    )


def _read_as_latex(text: str) -> str:
    """Return the text that LaTeX prints; a special character without an escape is an error."""
    words = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<"}
    words |= {"textgreater": ">", "textbar": "|"}
    read = ""
    while text:
        if text.startswith("\\"):
            word, braces, rest = text[1:].partition("{}")
            if braces and word in words:
                read, text = read + words[word], rest
            else:
                assert text[1] in "&%$#_{}", text
                read, text = read + text[1], text[2:]
            continue
        assert text[0] not in LATEX_SPECIALS, text
        read, text = read + text[0], text[1:]
    return read


@hostile(KIND, "a run called _old, which matplotlib leaves out of legends", "shown")
def underscore(_: Path) -> None:
    _is_shown("_old")


@hostile(KIND, "runs called _, __ and _nolegend_", "shown")
def underscores(_: Path) -> None:
    svg = _drawn("_", "__", "_nolegend_")
    for name in ("_", "__", "_nolegend_"):
        _is_drawn(svg, name)


@hostile(KIND, "a run called $x$, which matplotlib takes for mathematics", "shown")
def mathematics(_: Path) -> None:
    _is_shown("$x$")


@hostile(KIND, r"a run called $\undefined{ or \$", "shown")
def broken_mathematics(_: Path) -> None:
    svg = _drawn(r"$\undefined{", r"\$")
    _is_drawn(svg, r"$\undefined{")
    _is_drawn(svg, r"\$")


@hostile(KIND, "a run called a|b, which ends a cell of Markdown", "shown")
def bar(_: Path) -> None:
    _is_shown("a|b")


@hostile(KIND, "a run called 100% & more # {}^~, all special to LaTeX", "shown")
def latex(_: Path) -> None:
    _is_shown("100% & more # {}^~")


@hostile(KIND, r"a run called \alpha", "shown")
def command(_: Path) -> None:
    _is_shown(r"\alpha")


@hostile(KIND, "a run called <b>&amp;, which is HTML", "shown")
def html(_: Path) -> None:
    _is_shown("<b>&amp;")


@hostile(KIND, "a run called =1+1 or @SUM, which a spreadsheet computes", "shown")
def formula(_: Path) -> None:
    for name in ("=1+1", "@SUM(A1)", "+1", "-1+1"):
        _is_in_tables(name)


@hostile(KIND, "a run with spaces in its name", "shown")
def spaces(_: Path) -> None:
    _is_shown("my best run")


@hostile(KIND, "a run whose name begins with a dash", "shown")
def dash(_: Path) -> None:
    _is_shown("-rf")
    tiny_run(Path("-rf"))
    assert jtdiag("check", "--", "-rf").exit_code == 0
    is_refused(jtdiag("check", "-rf"), "No such option")


@hostile(KIND, "a run with a line feed in its name", "shown")
def line_feed(_: Path) -> None:
    _is_drawn(_drawn("a\nb", "other"), r"a\nb")
    ran = jtdiag("check", Path("runs/0/a\nb"))
    assert ran.exit_code == 0


@hostile(KIND, "a run with an escape sequence in its name", "shown")
def escape(_: Path) -> None:
    tiny_run(Path("a\x1b[2Jb"))
    for arguments in (("check", "a\x1b[2Jb"), ("probe", "a\x1b[2Jb", "no-probe")):
        assert "\x1b" not in jtdiag(*arguments).output
    _is_drawn(_drawn("a\x1b[2Jb", "other"), r"a\x1b[2Jb")


@hostile(KIND, "a run whose name turns the direction of text", "shown")
def bidi(_: Path) -> None:
    _is_drawn(_drawn("a\u202eb", "other"), r"a\u202eb")


@hostile(KIND, "runs with Greek, Cyrillic, Hebrew and Arabic names", "shown")
def scripts(_: Path) -> None:
    svg = _drawn("λόγος", "Привет", "שלום", "مرحبا")
    for name in ("λόγος", "Привет", "שלום", "مرحبا"):
        _is_drawn(svg, name)


@hostile(KIND, "runs with Chinese and Japanese names, with the fonts that are there", "shown")
def cjk(_: Path) -> None:
    svg = _drawn("日本", "中国")
    assert all(
        f"<!-- {name} -->" in svg or f"<!-- {name.encode('unicode_escape').decode()} -->" in svg
        for name in ("日本", "中国")
    )
    _is_in_tables("日本")


@hostile(KIND, "a run with an emoji of several characters in its name", "shown")
def emoji(_: Path) -> None:
    _drawn("👩‍🔬🇫🇷", "other")
    _is_in_tables("🙂")


@hostile(KIND, "two runs whose names of 200 letters differ in the middle", "shown")
def long_names(_: Path) -> None:
    first, other = 99 * "a" + "b" + 100 * "c", 100 * "a" + 100 * "c"
    svg = _drawn(first, other)
    assert "<!-- 1. aaa" in svg
    assert "<!-- 2. aaa" in svg
    assert max(len(line) for line in svg.splitlines() if "<!--" in line) < 100


@hostile(KIND, "runs of the same name in different folders", "shown")
def same_names(_: Path) -> None:
    svg = _drawn("run", "run")
    assert svg.count("<!-- 1.") == svg.count("<!-- 2.") == 1


@hostile(KIND, "hostile names as titles of panels, and in the figure of sizes", "shown")
def titles(_: Path) -> None:
    _is_drawn(_drawn("_a", "a&b", figure="accuracy-against-dropped"), "_a")
    assert "<!-- _old: 3 × " in _drawn("_old", "$x$", figure="capacity").replace("<!--  ", "<!-- ")


@hostile(KIND, "a hostile name in the commands that messages recommend", "shown")
def commands(_: Path) -> None:
    tiny_run(Path("$x$ & y"))
    ran = jtdiag("plot", "$x$ & y", "reliability")
    is_refused(ran, r"jtdiag probe '\$x\$ & y' calibration")


@hostile(KIND, "λs of 0, 1e-9, 0.001, 0.0011, 0.99999999 and 1 in one run: sentences", "shown")
def lams_in_sentences(_: Path) -> None:
    assert tuple(map(lam_text, LAMS)) == LAM_TEXTS
    run = tiny_run(Path("run"))
    for finding in findings.read(run):
        if finding.lam is not None and finding.sentence.startswith("λ = "):
            assert re.split("[:,]", finding.sentence)[0] == f"λ = {lam_text(finding.lam)}"
    assert len({wording.lane(lam, 0) for lam in LAMS}) == len(LAMS)
    lines = jtdiag("watch", "run", "--once").output.splitlines()
    assert {line.split()[0] for line in lines if line.strip()} >= set(LAM_TEXTS)


@hostile(KIND, "the same λs in tables of every format", "shown")
def lams_in_tables(_: Path) -> None:
    table = TABLES["errors"]([tiny_run(Path("run"))])
    assert table.columns == tuple(f"λ = {text}" for text in LAM_TEXTS)
    assert r"$\lambda = 10^{-9}$" in FORMATS["latex"](table)
    output = jtdiag("compare", "run", "run", "--format", "markdown").output
    assert all(f"| {text} | " in output for text in LAM_TEXTS)


@hostile(KIND, "the same λs in every figure of several runs and of one", "shown")
def lams_in_figures(_: Path) -> None:
    run = Run(tiny_run(Path("run")))
    for name in ("error-against-lambda", "displacement", "accuracy-against-faults"):
        kind = FIGURES.find(name)
        [file] = draw_results(
            [run], kind, [results.load(run, kind.needs)], Output(formats=("svg",), folder=Path("o"))
        )
        svg = file.read_text("utf-8")
        assert all(text in svg for text in ("0.0011", "0.99999999", "10^{-9}")), name


@hostile(KIND, "the same λs: colors, markers and dashes of their lines", "shown")
def lines_of_lams(_: Path) -> None:
    with style.of(lams=LAMS):
        assert len({tuple(style.lam_line(lam).values()) for lam in LAMS}) == len(LAMS)


@hostile(KIND, "λs that differ by a rounding error only", "refused")
def rounding_error(_: Path) -> None:
    for pair in itertools.pairwise(np.nextafter(0.3, [0, 1, 2])):
        if pair[0] != pair[1]:
            change = f"lam={list(map(float, pair))}"
            is_refused(jtdiag("train", "demo", "--dry-run", "--set", change), "both written 0.3")


@hostile(KIND, "results of all probes used here, under a hostile name", "read")
def all_results(_: Path) -> None:
    run = Run(tiny_run(Path("$x$|_")))
    assert [results.load(run, name).sizes["lam"] for name in PROBED] == 5 * [len(LAMS)]
