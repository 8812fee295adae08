import pytest

import jtdiag
from jtdiag.errors import StoreError
from jtdiag.probing.results import load


@pytest.mark.slow
def test_a_row_for_each_run_and_lambda_with_means_and_standard_errors(probed_run):
    frame = jtdiag.table(probed_run.path, split="test")
    assert list(frame.index) == [("toy", 0.0), ("toy", 0.9), ("toy", 1.0)]
    result = load(probed_run, "performance").sel(split="test")
    for lam in (0.0, 0.9, 1.0):
        for name in ("ensemble_error", "median_member_error", "diversity"):
            for column, variable in ((name, f"{name}_mean"), (f"{name}_se", f"{name}_se")):
                expected = result[variable].sel(lam=lam).item()
                assert frame.loc[("toy", lam), column] == pytest.approx(expected)
    with pytest.raises(StoreError, match="has no split 'tests'; it has 'train', 'val', 'test'"):
        jtdiag.table(probed_run, split="tests")
