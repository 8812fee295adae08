import pytest

from jtdiag.tables.configurations import configurations
from jtdiag.testing import toy_run


def test_configurations_count_parameters(probed_run):
    [(name, cells)] = configurations([probed_run.path]).rows
    size = (2 * 5 + 5) + (5 * 3 + 3)  # two inputs, five hidden units, three classes
    assert (name, cells) == ("toy", ("mlp", "3", f"{size}", f"{3 * size}"))


@pytest.mark.slow
def test_a_size_that_cannot_be_determined_is_an_empty_cell(tmp_path):
    run = toy_run(tmp_path, lam=[0.0], trials=1, train={"epochs": 1}, keep={"checkpoints": "none"})
    (tmp_path / "toy.npz").unlink()
    [(_, cells)] = configurations([run.path]).rows
    assert cells == ("mlp", "3", None, None)
