"""The probe that compares a run with another one, from the command line too."""

import numpy as np
import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.errors import JtdiagError
from jtdiag.probing import results
from jtdiag.probing.running import probe as run_probe
from jtdiag.testing import toy_run
from jtdiag_probes.similarity.to_other import to
from jtdiag_probes.similarity.two_runs import between

SMALL = {"trials": 3, "train": {"epochs": 1}, "keep": {"checkpoints": ["last"]}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs that differ in the layers, the λs and the seed."""
    folder = tmp_path_factory.mktemp("other")
    one = toy_run(folder, **SMALL, name="one", members={"hidden": [5, 4]}, lam=[0.0, 1.0])
    return one, toy_run(folder, **SMALL, name="two", members={"count": 2}, lam=[0.9, 0.2], seed=5)


def test_the_result_is_that_of_two_runs_and_can_be_read_again(runs):
    one, other = runs
    result = run_probe(one, to(other.path))
    expected = between(one, other)
    np.testing.assert_array_equal(result["run_similarity"], expected)
    assert result.attrs["other"] == "two"
    again = results.load(one, "similarity-to")
    assert [*map(str, again["layer"].values)] == ["inputs", "layer1", "layer2", "head"]


def test_layers_of_one_name_are_compared_at_the_closest_lam(runs):
    one, other = runs
    probe = to(other.path)
    first, last = probe.judge(run_probe(one, probe))
    assert "λ = 0: at the last kept epochs" in first.sentence
    assert "the run two at λ = 0.2 (" in first.sentence
    assert "the run two at λ = 0.9 (" in last.sentence
    assert "layer2" not in first.sentence
    assert "at the head." in first.sentence
    at = {"lam": 1.0, "other_lam": 0.9, "layer": "head", "other_layer": "head"}
    assert last.number == pytest.approx(float(between(one, other).sel(at).mean()))


def test_another_run_is_measured_anew(runs):
    one, other = runs
    assert to(one.path).settings != to(other.path).settings
    assert to(other.path).settings == to(other.path).settings


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(JtdiagError, match="is not a run"):
        to(tmp_path)


def test_a_file_names_the_other_run_on_the_command_line(runs, tmp_path):
    one, other = runs
    file = tmp_path / "pair.py"
    file.write_text(
        f"from jtdiag_probes.similarity.to_other import to\n\npair = to({str(other.path)!r})\n"
    )
    ran = CliRunner().invoke(main, ["probe", str(one.path), "--probe", f"{file}:pair"])
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "a member of the run two at λ = 0.9" in " ".join(ran.stdout.split())
