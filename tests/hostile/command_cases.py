"""Command lines with wrong options, and outputs that cannot be written or read."""

import os
import subprocess
import sys
from pathlib import Path

from hostile_case import hostile, is_one_line, is_refused, jtdiag
from tiny_run import tiny_run

KIND = "command line"
READERS = ("probe", "plot", "table", "report", "check")
FIGURE = "error-against-lambda"


def _process(
    *arguments: str, shell: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process; `shell` is what follows it in a shell."""
    command = f'"{sys.executable}" -m jtdiag {" ".join(arguments)} {shell}'
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        timeout=60,
        check=False,
    )


@hostile(KIND, "no such run, for every command that reads", "refused")
def missing(_: Path) -> None:
    for command in READERS:
        is_refused(jtdiag(command, "nothing"), "nothing is not a run: it has no recipe.toml")


@hostile(KIND, "a file in place of the run, for every command that reads", "refused")
def a_file(_: Path) -> None:
    Path("file").write_text("text", encoding="utf-8")
    for command in READERS:
        is_refused(jtdiag(command, "file"), "file is not a run")
    is_refused(jtdiag("compare", "file", "file"), "file is not a run")
    is_refused(jtdiag("watch", "file", "--once"), "file is not a run")


@hostile(KIND, "a dash in place of the run", "refused")
def dash(_: Path) -> None:
    for command in READERS:
        is_refused(jtdiag(command, "-"), "- is not a run")


@hostile(KIND, "a path of 3,000 letters, for every command that reads", "refused")
def long_path(_: Path) -> None:
    for command in READERS:
        is_refused(jtdiag(command, 3_000 * "x"), "x+ … ")


@hostile(KIND, "a path with a zero byte", "refused")
def zero_byte(_: Path) -> None:
    for command in READERS:
        is_refused(jtdiag(command, "a\x00b"), "zero byte")


@hostile(KIND, "a misspelled command or option", "refused")
def misspelled(_: Path) -> None:
    is_refused(jtdiag("trian", "demo"), "No such command 'trian'.* Did you mean 'train'")
    is_refused(jtdiag("train", "demo", "--dry-rnu"), "No such option.*--dry-run")


@hostile(KIND, "a misspelled probe, figure, rule, style, format or optimizer", "refused")
def unknown(_: Path) -> None:
    tiny_run(Path("run"))
    is_refused(jtdiag("probe", "run", "dominanse"), "Did you mean 'dominance'")
    is_refused(jtdiag("plot", "run", "eror-against-lambda"), "Did you mean 'error-against-lambda'")
    is_refused(jtdiag("plot", "run", "--style", "icmll"), "Did you mean 'icml'")
    is_refused(jtdiag("plot", "run", "--format", "pgn"), "Did you mean 'png'")
    is_refused(jtdiag("train", "demo", "--dry-run", "--stop-on", "dominanc"), "'dominance'")


@hostile(KIND, "an option with an escape sequence in it", "refused")
def escape(_: Path) -> None:
    for arguments in (
        ("probe", "\x1b[2J"),
        ("train", "\x1b[2J"),
        ("train", "demo", "--set", "\x1b"),
    ):
        ran = jtdiag(*arguments)
        is_refused(ran, r"\\x1b")
        assert "\x1b" not in ran.output


@hostile(KIND, "a resolution of 0, -5 or 99,999,999,999 dots per inch", "refused")
def resolution(_: Path) -> None:
    tiny_run(Path("run"))
    for dpi in ("0", "-5", "99999999999", "nan", ""):
        is_refused(jtdiag("plot", "run", FIGURE, "--dpi", dpi), "--dpi")


@hostile(KIND, "an empty list of formats", "refused")
def no_format(_: Path) -> None:
    tiny_run(Path("run"))
    is_refused(jtdiag("plot", "run", FIGURE, "--format", ""), "There is no format ''")


@hostile(KIND, "the same format twice", "shown")
def format_twice(_: Path) -> None:
    tiny_run(Path("run"))
    ran = jtdiag("plot", "run", FIGURE, "--format", "svg,svg", "--out", "o")
    assert ran.output.count("o/error-against-lambda.svg") == 1


@hostile(KIND, "a figure whose output folder is a file, or below one", "refused")
def figure_onto_file(_: Path) -> None:
    tiny_run(Path("run"))
    Path("file").write_text("text", encoding="utf-8")
    for out in ("file", "file/below"):
        is_refused(jtdiag("plot", "run", FIGURE, "--out", out), f"{out}: cannot be written: ")
    assert Path("file").read_text("utf-8") == "text"


@hostile(KIND, "a table or report whose output is a folder", "refused")
def onto_folder(_: Path) -> None:
    tiny_run(Path("run"))
    Path("folder").mkdir()
    is_refused(jtdiag("table", "run", "--out", "folder"), "folder: cannot be written: Is a dir")
    is_refused(jtdiag("report", "run", "--no-ask", "--out", "folder"), "'folder' is a directory")
    assert list(Path().glob("*.draft")) == list(Path("folder").iterdir()) == []


@hostile(KIND, "a table whose folder does not exist yet", "read")
def no_parent(_: Path) -> None:
    tiny_run(Path("run"))
    assert jtdiag("table", "run", "--out", "no/such/t.tex").exit_code == 0
    assert Path("no/such/t.tex").read_text("utf-8").startswith("%")


@hostile(KIND, "a table, report, figure or new run onto a part of a run", "refused")
def onto_run(_: Path) -> None:
    tiny_run(Path("run"))
    before = Path("run/recipe.toml").read_bytes()
    part = "is a part of the run in .*; choose another place with --out"
    is_refused(jtdiag("table", "run", "--out", "run/recipe.toml"), part)
    is_refused(jtdiag("table", "run", "--out", "run/lanes/t.tex"), part)
    is_refused(jtdiag("report", "run", "--no-ask", "--out", "run/findings.jsonl"), part)
    is_refused(jtdiag("plot", "run", FIGURE, "--out", "run/store.zarr"), part)
    is_refused(jtdiag("train", "demo", "--out", "run/results/new"), part)
    assert Path("run/recipe.toml").read_bytes() == before
    assert jtdiag("check", "run").exit_code == 0


@hostile(KIND, "training into the folder of another run, or where a file is", "refused")
def train_onto_run(_: Path) -> None:
    tiny_run(Path("run"))
    Path("file").write_text("text", encoding="utf-8")
    is_refused(jtdiag("train", "demo", "--out", "run"), "already contains a run")
    is_refused(jtdiag("train", "demo", "--out", "file"), "file")
    is_refused(jtdiag("train", "demo", "--out", "file/below"), "file")


@hostile(KIND, "resuming a run of another recipe", "refused")
def resume_other(_: Path) -> None:
    tiny_run(Path("run"))
    is_refused(jtdiag("train", "demo", "--resume", "--out", "run"), "run")


@hostile(KIND, "one run for a comparison of two, and a run compared with itself", "refused")
def compare_one(_: Path) -> None:
    tiny_run(Path("run"))
    is_refused(jtdiag("compare", "run"), "Missing argument 'B'")
    ran = jtdiag("compare", "run", "run")
    assert ran.exit_code == 0
    assert "The recipes do not differ" in ran.output


@hostile(KIND, "a budget that is negative, huge, or of a billion members", "refused")
def budget(_: Path) -> None:
    rest = ("--arch", "mlp", "--data", "digits")
    for params, members in (("-1", "1"), ("0", "1"), (30 * "9", "1"), ("1000", "1000000000")):
        is_refused(
            jtdiag("budget", "--params", params, *rest, "--members", members), "budget|params"
        )
    for members in ("", ",", "1,1", "-1", "1.5", "0", "²", "\x1b[2J"):
        is_refused(jtdiag("budget", "--params", "9999", *rest, "--members", members), "--members")


@hostile(KIND, "a budget for data or an architecture that do not exist", "refused")
def budget_data(_: Path) -> None:
    rest = ("--params", "10000", "--members", "1")
    is_refused(jtdiag("budget", *rest, "--arch", "mpl", "--data", "digits"), "Did you mean 'mlp'")
    is_refused(jtdiag("budget", *rest, "--arch", "mlp", "--data", "digit"), "'digits'")
    is_refused(jtdiag("budget", *rest, "--arch", "mlp", "--data", "no.npz"), "no such .npz")


@hostile(KIND, "a budget whose output is a file, or whose recipes exist", "refused")
def budget_output(_: Path) -> None:
    arguments = (
        "budget",
        "--params",
        "9999",
        "--arch",
        "mlp",
        "--data",
        "digits",
        "--members",
        "2",
    )
    Path("file").write_text("text", encoding="utf-8")
    is_refused(jtdiag(*arguments, "--out", "file"), "'file' is a file")
    assert jtdiag(*arguments, "--out", "o").exit_code == 0
    is_refused(jtdiag(*arguments, "--out", "o"), "exists; move it, or choose another folder")


@hostile(KIND, "options for alerts that are no numbers, addresses or commands", "refused")
def alerts(_: Path) -> None:
    for option, value in (("--webhook", "no address"), ("--lower-lambda", "2"), ("--grace", "-1")):
        is_refused(jtdiag("train", "demo", "--out", "o", option, value), ".")
    assert not Path("o").exists()


@hostile(KIND, "a reader of the output that stops after a line", "read")
def broken_pipe(_: Path) -> None:
    ran = _process("presets", shell="| head -n 1")
    assert ran.stdout.count("\n") == 1
    assert ran.stderr == ""


@hostile(KIND, "an output on a full disk", "refused")
def full(_: Path) -> None:
    ran = _process("presets", shell="> /dev/full")
    is_one_line(ran.stderr, "Error: The output cannot be written: No space left on device")
    assert ran.returncode == 1


@hostile(KIND, "standard input or output that is closed", "read")
def closed(_: Path) -> None:
    for shell in ("<&-", ">&-", "2>&-"):
        assert _process("presets", shell=shell).stderr == ""


@hostile(KIND, "a terminal that knows ASCII only", "read")
def ascii_only(_: Path) -> None:
    ran = _process("--help", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert "is the weight of the ensemble loss" in ran.stdout
    code = (
        "from jtdiag.commands import main; from jtdiag.terminal.console import Console; "
        "main(['presets'], standalone_mode=False); Console().print('λ = 0.9')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment)
    assert printed.endswith(b"\\u03bb = 0.9\n")


@hostile(KIND, "a terminal of one column, of none, or that is dumb", "read")
def narrow(_: Path) -> None:
    for environment in ({"COLUMNS": "1"}, {"COLUMNS": "0"}, {"COLUMNS": "x"}, {"TERM": "dumb"}):
        ran = _process("presets", NO_COLOR="1", **environment)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert "\x1b" not in ran.stdout


@hostile(KIND, "a table of one column, in a log", "read")
def narrow_table(_: Path) -> None:
    tiny_run(Path("run"))
    ran = _narrow("compare", "run", "run")
    assert "The recipes do not differ in any field" in ran


def _narrow(*arguments: str) -> str:
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "1"
    try:
        return jtdiag(*arguments).output
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
