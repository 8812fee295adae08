import numpy as np
import pytest
import xarray as xr

from jtdiag.probing.contract import Options
from jtdiag.probing.registry import PROBES
from jtdiag.tables.performance import HEADINGS, performance_rows

COLUMNS = (
    "ensemble_error",
    "best_member_error",
    "median_member_error",
    "worst_member_error",
    "diversity",
)


def result(se):
    means = [[0.05, 0.1, 0.2, 0.3, 1.234], [0.025, 0.03, 0.04, 0.05, 0.011]]
    dataset = xr.Dataset(coords={"lam": [1.0, 0.0], "split": ["train", "test"]})
    for j, name in enumerate(COLUMNS):
        on_test = np.array([row[j] for row in means])
        dataset[f"{name}_mean"] = (("lam", "split"), np.stack([on_test / 2, on_test], -1))
        dataset[f"{name}_se"] = (("lam", "split"), np.full((2, 2), se))
    return dataset


def test_a_row_for_each_lambda_in_its_order_with_errors_in_percent():
    assert performance_rows(result(0.0123)) == [
        ("0", *(f"{e} ± 1.2 %" for e in ("2.5", "3.0", "4.0", "5.0")), "0.01 ± 0.01"),
        ("1", *(f"{e} ± 1.2 %" for e in ("5.0", "10.0", "20.0", "30.0")), "1.23 ± 0.01"),
    ]


def test_with_one_trial_there_is_no_standard_error():
    assert performance_rows(result(np.nan))[1] == (
        "1", "5.0 %", "10.0 %", "20.0 %", "30.0 %", "1.23",
    )  # fmt: skip


def test_another_split_can_be_reported():
    assert performance_rows(result(np.nan), "train")[1][1:3] == ("2.5 %", "5.0 %")


def test_every_column_has_a_heading():
    assert {len(row) for row in performance_rows(result(0.01))} == {len(HEADINGS)}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_rows_are_the_numbers_of_the_performance_probe(toy, split):
    measured = PROBES.find("performance").ask(toy, Options()).sel(split=split)
    for row, lam in zip(
        performance_rows(measured.expand_dims(split=[split]), split), (0, 0.9, 1), strict=True
    ):
        error = measured["worst_member_error"].sel(lam=lam)
        se = float(error.std("trial", ddof=1)) / np.sqrt(2)
        assert row[4] == f"{100 * float(error.mean()):.1f} ± {100 * se:.1f} %"
