import shutil
import subprocess
import sys
from importlib.metadata import entry_points

import click
import pytest
from click.testing import CliRunner

from jtdiag import commands
from jtdiag.commands import COMMANDS, READERS, main
from jtdiag.probing.running import probe as ask
from jtdiag.recipe import presets

HEAVY = {"torch", "torchvision", "xarray", "zarr", "dask", "matplotlib", "scipy", "sklearn"}

OPTIONS = {
    "demo": ["--out", "-v", "-q", "--json"],
    "presets": ["--json"],
    "init": ["DATA", "--layout", "--out"],
    "budget": ["--params", "--arch", "--data", "--layout", "--members", "--out", "-q", "--json"],
    "advise": [
        *("--data", "--params", "--arch", "--layout", "--members", "--set", "--hours", "--out"),
        *("-q", "--json"),
    ],
    "train": [
        *("RECIPE", "--set", "--out", "--dry-run", "--stop-on", "--lower-lambda"),
        *("--on-alert", "--webhook", "--tensorboard", "--mlflow", "--wandb", "--sink"),
        *("--grace", "--part", "--workers", "--scheduler", "--cluster", "--resume"),
        *("-v", "-q", "--json"),
    ],
    "probes": ["--json"],
    "probe": [
        *("RUN", "[NAMES]...", "--probe", "--force", "--workers", "--scheduler", "--cluster"),
        *("-v", "-q", "--json"),
    ],
    "watch": [
        *("RUN", "--plain", "--json", "--interval", "--once", "--until-done"),
        *("--on-alert", "--webhook", "--tensorboard", "--mlflow", "--wandb", "--sink"),
    ],
    "plot": [
        *("RUN", "[RUN]... [FIGURE]...", "--style", "--format", "--dpi", "--data", "--out"),
        *("--watch", "-q", "--json"),
    ],
    "table": ["RUN...", "--of", "--format", "--out"],
    "study": [
        *("STUDY", "--set", "--out", "--only", "--budget", "--dry-run", "--grace"),
        *("--workers", "--scheduler", "--cluster", "-v", "-q", "--json"),
    ],
    "report": [
        *("RUN...", "--out", "--ask", "--workers", "--scheduler", "--cluster", "-q", "--json"),
    ],
    "compare": ["A", "B", "--format"],
    "check": ["RUNS...", "--repair", "-q", "--json"],
    "merge": ["RUNS...", "--out", "-q", "--json"],
    "submit": ["RECIPE", "--set", "--out", "--parts", "--hours", "--slurm", "-q", "--json"],
    "import": [
        *("FILE...", "--out", "--lam", "--targets", "--metrics", "--epochs", "--factory"),
        *("--data", "--family", "--combiner", "-q", "--json"),
    ],
}
"""New knobs go into the recipe, not here."""


def jtdiag(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def in_a_process(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )


def assert_one_line(ran, status=1):
    """The command ended with one line on stderr; what it had to say before is on stdout."""
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code == status
    assert ran.stderr.startswith("Error: ")
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.endswith("\n")


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("asking", ["-h", "--help"])
def test_help_names_every_command_in_the_order_in_which_a_newcomer_meets_them(asking):
    ran = jtdiag(asking)
    assert ran.exit_code == 0
    lines = ran.stdout.partition("Commands:")[2].strip().splitlines()
    assert tuple(line.split()[0] for line in lines) == COMMANDS
    assert all(len(line.split()) > 3 for line in lines)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.slow
def test_help_and_lists_import_nothing_heavy():
    code = f"""
import sys
from click.testing import CliRunner
from jtdiag.commands import COMMANDS, main
asked = [["--help"], ["--version"], ["presets"], ["probes"]]
for arguments in [*asked, *([name, "--help"] for name in COMMANDS)]:
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0 and ran.stdout, arguments
print(*sorted({HEAVY} & set(sys.modules)))
"""
    ran = in_a_process(code)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "\n", "")


@pytest.mark.slow
def test_what_shows_stored_results_imports_no_torch(small_run):
    for name in ("alerts", "diversity", "dominance", "performance"):
        ask(small_run, name)
    code = """
import sys
from click.testing import CliRunner
from jtdiag.commands import main
run, out = sys.argv[1], sys.argv[1] + ".html"
asked = [["table", run], ["compare", run, run], ["report", run, "--no-ask", "--out", out]]
asked += [["plot", run, "--format", "svg"]]
for arguments in asked:
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0 and ran.stdout, (arguments, ran.output)
print("torch" in sys.modules)
"""
    ran = in_a_process(code, small_run.path)
    assert (ran.returncode, ran.stdout) == (0, "False\n"), ran.stderr


def test_the_options_of_every_command_are_these_and_no_more():
    context = click.Context(main)
    options = {}
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command.name == name
        options[name] = [
            p.opts[0] if isinstance(p, click.Option) else p.make_metavar(context)
            for p in command.params
        ]
    readers = {name for name in COMMANDS if "--trust-code" in options[name]}
    assert readers == set(READERS)
    assert {n: o[:-1] if n in readers else o for n, o in options.items()} == OPTIONS


def test_the_version_is_told():
    assert jtdiag("--version").stdout.rstrip().endswith("version 0.1.0")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["train"], ["watch"], ["probe"], ["plot", "--force", "x"]]
)
def test_a_wrong_command_line_exits_with_2(arguments):
    ran = jtdiag(*arguments)
    assert ran.exit_code == 2
    assert ran.stderr.startswith("Usage: ")
    assert "Traceback" not in ran.stderr


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "demoo"], "There is no preset or recipe file 'demoo'. Did you mean 'demo'?"),
        (["train", "missing.toml"], "missing.toml: cannot be read (No such file or directory)"),
        (["train", "demo", "--set", "lambda=0.5"], "unknown key 'lambda'. Did you mean 'lam'?"),
        (["train", "demo", "--set", "lam=[0, 1.5]"], "lam is 1.5; it must be a number in [0, 1]"),
        (["train", "demo", "--set", "train.epochs"], "must be key=value"),
        (["train", "demo", "--set", "tarin.epochs=1"], "no section 'tarin'. Did you mean 'train'?"),
        (["train", "demo", "--set", "data.name=nothing.npz"], "nothing.npz"),
        (["train", "demo", "--set", "engine.device=tpu"], "engine.device is 'tpu'"),
        (["train", "demo", "--set", "data.val=100000"], "data.val is 100000"),
        (["probe", "nowhere"], "nowhere is not a run: it has no recipe.toml"),
        (["plot", "nowhere"], "nowhere is not a run: it has no recipe.toml"),
        (["report", "nowhere"], "nowhere is not a run: it has no recipe.toml"),
        (["compare", "nowhere", "."], "nowhere is not a run: it has no recipe.toml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_users_mistake_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = jtdiag(*arguments)
    assert_one_line(ran)
    assert message in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_one_line_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    ran = jtdiag("train", "demo", "--out", tmp_path / "demo")
    assert_one_line(ran)
    assert "only 0.0 MB of disk space is free; keep fewer epochs" in ran.stderr
    assert list(tmp_path.iterdir()) == []


def first_chunk(folder):
    return next(p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "zarr.json")


def spoil(path):
    """Change a byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "recipe": lambda run: (run / "recipe.toml").write_text("lam ="),
    "store": lambda run: (run / "store.zarr" / "zarr.json").write_text("{"),
    "metrics": lambda run: spoil(first_chunk(run / "store.zarr/metrics/member_error")),
    "seal is no json": lambda run: (run / "lanes/lam0-trial0.json").write_text("{"),
    "seal is a list": lambda run: (run / "lanes/lam0-trial0.json").write_text("[]"),
    "seal is empty": lambda run: (run / "lanes/lam0-trial0.json").write_text("{}"),
}


@pytest.mark.parametrize("command", [["probe", "--force"], ["watch"]], ids=["probe", "watch"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_one_line(small_run, damage, command):
    DAMAGES[damage](small_run.path)
    assert_one_line(jtdiag(command[0], small_run.path, *command[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["probe", "watch", "plot"])
def test_a_damaged_result_stops_nobody_or_is_one_line(small_run, command):
    ask(small_run, "performance")
    chunk = first_chunk(small_run.path / "results" / "performance.zarr" / "ensemble_error_mean")
    chunk.write_bytes(chunk.read_bytes()[:-3])
    ran = jtdiag(command, small_run.path)
    if command == "plot":
        assert_one_line(ran)
        assert "is damaged" in ran.stderr
        assert f"jtdiag probe {small_run.path} performance --force" in ran.stderr
    else:
        assert ran.exit_code == (3 if command == "watch" else 0)


@pytest.mark.slow
def test_damaged_outputs_are_one_line(toy_copy):
    spoil(first_chunk(toy_copy.path / "store.zarr/outputs/test/logits"))
    ran = jtdiag("probe", toy_copy.path, "diversity")
    assert_one_line(ran)
    assert "a chunk is damaged" in ran.stderr


def test_a_bug_keeps_its_traceback(monkeypatch):
    def bug():
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(presets, "paths", bug)
    assert isinstance(jtdiag("presets").exception, ZeroDivisionError)


# --- as a process ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_a_process_a_mistake_is_one_line_and_a_bug_has_its_traceback():
    mistake = in_a_process("from jtdiag.commands import main; main()", "train", "demoo")
    assert mistake.returncode == 1
    assert mistake.stdout == ""
    assert mistake.stderr == (
        "Error: There is no preset or recipe file 'demoo'. Did you mean 'demo'? "
        "`jtdiag presets` lists the presets.\n"
    )
    bug = in_a_process(
        "import jtdiag.recipe.presets as p; del p.paths; from jtdiag.commands import main; main()",
        "presets",
    )
    assert bug.returncode == 1
    assert bug.stderr.startswith("Traceback (most recent call last):")


def test_the_console_script_is_the_group():
    [script] = [e for e in entry_points(group="console_scripts") if e.name == "jtdiag"]
    assert script.load() is commands.main


def test_the_package_can_be_run_as_a_module():
    command = [sys.executable, "-m", "jtdiag", "--version"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("jtdiag")
    assert not ran.stderr
