"""What is exported is what is drawn, and a figure draws no more than it says it uses."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from jtdiag.figures import FIGURES, drawing, find, numbers
from jtdiag.figures.drawing import Output, plot
from jtdiag.probing import results


@pytest.fixture
def behind():
    """Two runs, of which one has a λ more; a number that is not known; a unit."""
    error = xr.DataArray([[0.5, np.nan], [0.25, 0.125]], dims=("lam", "split"))
    error.attrs["unit"] = "fraction"
    one = xr.Dataset(
        {"error": error, "size": ((), 7.0)},
        coords={"lam": [0.0, 1.0], "split": ["train", "test"]},
        attrs={"recipe_hash": "1"},
    )
    return {"a": one, "b": one.sel(lam=[1.0])}


def test_a_table_has_a_line_for_each_number_with_its_place(behind, tmp_path):
    numbers.write(behind, tmp_path / "x.csv", "x", "jtdiag 1, recipe 2")
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


def test_netcdf_holds_the_same_arrays(behind, tmp_path):
    numbers.write(behind, tmp_path / "x.nc", "x", "jtdiag 1, recipe 2")
    with xr.open_dataset(tmp_path / "x.nc", engine="scipy") as found:
        assert found.attrs["origin"] == "jtdiag 1, recipe 2"
        assert found.attrs["figure"] == "x"
        xr.testing.assert_equal(found["error"].sel(run="a", drop=True), behind["a"]["error"])
        assert np.isnan(found["error"].sel(run="b", lam=0.0)).all()
        assert found["error"].attrs["unit"] == "fraction"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_draws_what_it_says_it_uses_and_nothing_else(probed_run, name):
    kind = find(name)
    whole = results.load(probed_run, kind.needs)
    used = whole.drop_vars(set(whole.data_vars) - set(kind.uses))
    kind.draw([("toy", used)] if kind.compares else used)
    for one in kind.uses:
        lacking = used.drop_vars(one)
        with pytest.raises((KeyError, ValueError)):
            kind.draw([("toy", lacking)] if kind.compares else lacking)


def test_the_numbers_of_a_figure_are_those_of_the_result(probed_run, tmp_path):
    output = Output(data="csv", formats=("png",), folder=tmp_path / "new")
    png, table = plot(probed_run, "error-against-lambda", output=output)
    assert (png.parent, table.name) == (tmp_path / "new", "error-against-lambda.csv")
    assert probed_run.recipe_hash in table.read_text("utf-8").splitlines()[0]
    read = pd.read_csv(table, comment="#")
    found = read[(read["variable"] == "ensemble_error_mean") & (read["split"] == "test")]
    expected = results.load(probed_run, "performance")["ensemble_error_mean"].sel(split="test")
    np.testing.assert_allclose(found.sort_values("lam")["value"], expected.sortby("lam"))


def test_a_result_of_an_older_version_is_one_line(toy_copy):
    from jtdiag.errors import ProbeError
    from jtdiag.probing.registry import PROBES
    from jtdiag.probing.running import probe

    found = probe(toy_copy, "performance").drop_vars("optimum_low")
    origin = results.origin(toy_copy, PROBES.find("performance"))
    results.save(toy_copy, "performance", found, origin)
    with pytest.raises(ProbeError, match="of an older jtdiag and has no 'optimum_low'. Renew it"):
        drawing.plot(toy_copy, "error-against-lambda")
