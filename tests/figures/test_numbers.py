"""What is exported is what is drawn, and a figure draws no more than it says it uses."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jtdiag.figures import FIGURES, drawing, numbers
from jtdiag.figures.drawing import Output, plot
from jtdiag.probing import results
from jtdiag.workflows.study import OF_RUNS


@pytest.fixture
def data():
    """Two runs, of which one has a λ more; a missing number; a unit."""
    error = xr.DataArray([[0.5, np.nan], [0.25, 0.125]], dims=("lam", "split"))
    error.attrs["unit"] = "fraction"
    dataset = xr.Dataset(
        {"error": error, "size": ((), 7.0)},
        coords={"lam": [0.0, 1.0], "split": ["train", "test"]},
        attrs={"recipe_hash": "1"},
    )
    return {"a": dataset, "b": dataset.sel(lam=[1.0])}


def test_a_table_has_a_line_for_each_number_with_its_place(data, tmp_path):
    numbers.write(data, tmp_path / "x.csv", "x", "jtdiag 1, recipe 2")
    lines = (tmp_path / "x.csv").read_text("utf-8").splitlines()
    assert lines[0] == "# figure x; jtdiag 1, recipe 2"
    assert lines[1:6] == [
        "run,variable,unit,lam,split,value",
        "a,error,fraction,0.0,train,0.5",
        "a,error,fraction,1.0,train,0.25",
        "a,error,fraction,1.0,test,0.125",
        "a,size,,,,7.0",
    ]
    assert len(lines) == 9


def test_netcdf_holds_the_same_arrays(data, tmp_path):
    numbers.write(data, tmp_path / "x.nc", "x", "jtdiag 1, recipe 2")
    with xr.open_dataset(tmp_path / "x.nc", engine="scipy") as stored:
        assert stored.attrs["origin"] == "jtdiag 1, recipe 2"
        assert stored.attrs["figure"] == "x"
        xr.testing.assert_equal(stored["error"].sel(run="a", drop=True), data["a"]["error"])
        assert np.isnan(stored["error"].sel(run="b", lam=0.0)).all()
        assert stored["error"].attrs["unit"] == "fraction"


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES.names())
def test_a_figure_draws_what_it_says_it_uses_and_nothing_else(probed_run, name):
    kind = FIGURES.find(name)
    result = results.load(probed_run, kind.needs)
    used = result.drop_vars(set(result.data_vars) - set(kind.uses))
    kind.draw(runs_of(kind, used))
    for variable in kind.uses:
        with pytest.raises((KeyError, ValueError)):
            draw_each_way(kind, used.drop_vars(variable))


def draw_each_way(kind, result):
    kind.draw(runs_of(kind, result))
    if kind.name == "transfer":  # of several runs, each is a source for the others
        kind.draw([("a", result), ("b", result)])


def runs_of(kind, result):
    """One run, or two that train layers in different ways."""
    if kind.name not in OF_RUNS:
        return [("toy", result)]
    local = {"credit_label": "local", "credit_rule": "local", "mu": 0.0}
    other = result.assign_attrs(credit="local", layers_end_to_end=0, **local)
    return [("toy", result), ("local", other)]


def test_the_numbers_of_a_figure_are_those_of_the_result(probed_run, tmp_path):
    output = Output(data="csv", formats=("png",), folder=tmp_path / "new")
    png, table = plot(probed_run, "error-against-lambda", output=output)
    assert (png.parent, table.name) == (tmp_path / "new", "error-against-lambda.csv")
    assert probed_run.recipe_hash in table.read_text("utf-8").splitlines()[0]
    read = pd.read_csv(table, comment="#")
    means = read[(read["variable"] == "ensemble_error_mean") & (read["split"] == "test")]
    expected = results.load(probed_run, "performance")["ensemble_error_mean"].sel(split="test")
    np.testing.assert_allclose(means.sort_values("lam")["value"], expected.sortby("lam"))


@pytest.mark.slow
def test_a_result_of_an_older_version_is_one_line(toy_copy):
    from jtdiag.errors import ProbeError
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import probe

    result = probe(toy_copy, "performance").drop_vars("ensemble_error_mean")
    origin = results.origin(toy_copy, PROBES.find("performance"))
    results.save(toy_copy, "performance", result, origin)
    with pytest.raises(
        ProbeError,
        match="by an older version of jtdiag and has no 'ensemble_error_mean'. Recompute it",
    ):
        drawing.plot(toy_copy, "error-against-lambda")
