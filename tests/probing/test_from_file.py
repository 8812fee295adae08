import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.errors import ProbeError
from jtdiag.probing import from_file

SHORT = """
from jtdiag import Var, asks

@asks("How many lanes are there?", Var(dims=(), unit="1", meaning="lanes"))
def lanes(run):
    import xarray
    return xarray.DataArray(len(run.lanes))

number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SHORT)
    return path


def probe(run, *arguments):
    return CliRunner().invoke(main, ["probe", str(run.path), *arguments])


def test_a_probe_given_by_file_and_name_is_the_only_one_that_runs(small_run, file):
    ran = probe(small_run, "--probe", f"{file}:lanes")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert ran.stdout == ("lanes: running. How many lanes are there?\n  -   lanes is 2 (lanes).\n")
    assert [path.name for path in (small_run.path / "results").glob("*.zarr")] == ["lanes.zarr"]


@pytest.mark.slow
def test_probes_given_by_name_run_as_well(small_run, file):
    ran = probe(small_run, "performance", "--probe", f"{file}:lanes")
    assert {path.stem for path in (small_run.path / "results").iterdir()} == {
        "lanes",
        "performance",
    }
    assert ran.exit_code == 0


def test_it_is_measured_again_when_its_file_has_changed(small_run, file):
    probe(small_run, "--probe", f"{file}:lanes")
    assert probe(small_run, "--probe", f"{file}:lanes").stdout.startswith("lanes: up to date.")
    file.write_text(SHORT.replace("len(run.lanes)", "7 * len(run.lanes)"))
    ran = probe(small_run, "--probe", f"{file}:lanes")
    assert ran.stdout.startswith("lanes: running.")
    assert "lanes is 14 (lanes)." in ran.stdout


def test_an_installed_probe_may_be_named_by_its_file(foreign, small_run):
    assert from_file.load(f"{foreign}:probe").name == "foreign"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mine.py", "'mine.py' is not the address of a probe; write FILE.py:NAME."),
        ("mine:lanes", "'mine:lanes' is not the address of a probe; write FILE.py:NAME."),
        ("mine.py:", "'mine.py:' is not the address of a probe; write FILE.py:NAME."),
        ("your.py:lanes", "--probe is 'your.py:lanes'; there is no file your.py."),
        ("mine.py:lane", "mine.py has no 'lane'. Did you mean 'lanes'? Its probes: lanes."),
        (
            "mine.py:number",
            "mine.py:number is of type int and must be a probe: "
            "decorate the function with @jtdiag.asks, or create a Probe.",
        ),
    ],
)
def test_each_mistake_in_an_address_is_one_line(file, monkeypatch, address, message):
    monkeypatch.chdir(file.parent)
    with pytest.raises(ProbeError) as caught:
        from_file.load(address)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef lanes(:\n", "mine.py, line 2: SyntaxError: invalid syntax (mine.py, line 2)"),
        ("\n\nimport nowhere_at_all\n", "mine.py, line 3: ModuleNotFoundError: No module named"),
        ("def f():\n    return 1 / 0\n\nf()\n", "mine.py, line 2: ZeroDivisionError: division"),
        (SHORT.replace("?", ""), "mine.py, line 4: ProbeError: The question of a probe must"),
    ],
)
def test_a_file_that_does_not_run_is_one_line_with_the_place(file, monkeypatch, source, message):
    monkeypatch.chdir(file.parent)
    file.write_text(source)
    with pytest.raises(ProbeError) as caught:
        from_file.load("mine.py:lanes")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_name_that_an_installed_probe_has_is_refused(file):
    file.write_text(SHORT.replace("def lanes", "def dominance"))
    with pytest.raises(ProbeError, match="is named 'dominance', as is an installed probe"):
        from_file.load(f"{file}:dominance")
