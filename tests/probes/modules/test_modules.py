import re

import numpy as np
import pytest
import torch

from jtdiag.errors import ProbeError
from jtdiag.monitor.monitor import DominanceMonitor
from jtdiag.probing.contract import Options
from jtdiag.store.run import Run
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.dominance import movement
from jtdiag_probes.layers.layers import probe as layers
from jtdiag_probes.modules import cost, one_lane, prepared
from jtdiag_probes.modules.modules import probe, spread

MEMBERS = {"hidden": [5, 4], "norm": "batch"}


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    return toy_run(folder, lam=[0.0, 1.0], trials=2, members=MEMBERS)


@pytest.fixture(scope="module")
def result(deep):
    return probe.ask(deep, Options())


@pytest.mark.slow
class TestPromises(ProbePromises):
    probe = probe


def test_modules_epochs_and_examples_are_named(result):
    assert [str(name) for name in result["module"].values] == ["layer1", "layer2", "head"]
    assert [str(name) for name in result["rewound"].values] == ["layer1", "layer2", "head", "all"]
    assert result["epoch"].values.tolist() == [0, 1, 2, 3, 4]
    assert result["test_example"].values.tolist() == list(range(40))
    assert (result["last_epoch"] == 4).all()
    attributes = {name: result.attrs[name] for name in ("batch_norm", "test_examples")}
    assert attributes == {"batch_norm": 1, "test_examples": 40}


def test_errors_of_linear_probes_are_those_of_the_probe_layers(deep, result):
    by_layer = layers.ask(deep, Options())["probe_error"].sel(epoch=4)
    for name in ("layer1", "layer2", "head"):
        own, other = result["probe_error"].sel(module=name), by_layer.sel(layer=name)
        np.testing.assert_array_equal(own.transpose(*other.dims), other)
    inputs = by_layer.sel(layer="inputs").isel(member=0)
    np.testing.assert_array_equal(result["inputs_error"], inputs)


def test_shares_sum_to_1(result):
    total = result["inputs_share"] + result["skill_share"].sum("module")
    np.testing.assert_allclose(total, 1)


def test_displacements_of_modules_are_those_of_the_members(deep, result):
    """The probe dominance measures the same by parameter array."""
    whole = movement.measure(deep, deep.metrics())
    squares = (result["displacement"] ** 2).sum("module")
    np.testing.assert_allclose(np.sqrt(squares), whole["displacement"], rtol=1e-12)
    assert (result["relative_displacement"].sel(epoch=0) == 0).all()
    lane = deep.lanes[3]
    names = ("layer2.weight", "layer2.bias", "norm2.weight", "norm2.bias")
    norm = np.sqrt(sum((deep.parameter(lane, 0, name)[1] ** 2).sum() for name in names))
    own = result.sel(lam=1.0, trial=1, epoch=3, member=1, module="layer2")
    assert float(own["relative_displacement"]) == pytest.approx(float(own["displacement"]) / norm)


def test_of_many_members_and_examples_some_are_measured(deep, result, monkeypatch):
    monkeypatch.setattr(one_lane, "MEMBERS", 2)
    monkeypatch.setattr(prepared, "TEST_EXAMPLES", 10)
    few = probe.ask(deep, Options())
    measured = few["probe_error"].notnull().all(("lam", "trial", "module"))
    assert measured.values.tolist() == [True, False, True]
    assert few["test_example"].values.tolist() == [0, 4, 9, 13, 17, 22, 26, 30, 35, 39]
    tenths = 10 * few["rewound_member_error"]
    np.testing.assert_allclose(tenths, tenths.round())


@pytest.mark.parametrize(
    ("kept", "measured"),
    [
        ([], []),
        ([4], [4]),
        ([0, 3, 12], [0, 3, 12]),
        (list(range(9)), [0, 1, 2, 3, 4, 6, 8]),
        (list(range(41)), [0, 1, 2, 4, 7, 13, 23, 40]),
        (list(range(10, 30)), [10, 12, 14, 16, 19, 22, 25, 29]),
    ],
)
def test_kept_epochs_are_spread_by_equal_ratios(kept, measured):
    assert spread(kept) == measured


def test_without_checkpoints_there_is_nothing_to_measure(tmp_path):
    run = toy_run(tmp_path, lam=[0.0], trials=1, keep={"checkpoints": "none"})
    measured = probe.ask(run, Options())
    assert (measured.sizes["module"], measured.sizes["epoch"]) == (0, 0)
    assert probe.judge(measured) == []


def test_lanes_may_keep_different_epochs(tmp_path):
    keep = {"checkpoints": [0, "best"]}
    run = toy_run(tmp_path, lam=[0.0, 1.0], trials=2, keep=keep)
    measured = probe.ask(run, Options())
    errors = measured["rewound_ensemble_error"].notnull().all("rewound")
    for lane in run.lanes:
        of_lane = errors.isel(lam=lane.lam_index, trial=lane.trial)
        kept = list(run.seal(lane).checkpoints)
        assert measured["epoch"].values[of_lane.values].tolist() == kept
        last = measured["last_epoch"].isel(lam=lane.lam_index, trial=lane.trial)
        assert int(last) == kept[-1]


def test_members_of_one_module_are_one_line(tmp_path):
    run = toy_run(tmp_path, lam=[0.0, 1.0], trials=1, members={"hidden": []})
    measured = probe.ask(run, Options())
    assert [str(name) for name in measured["module"].values] == ["head"]
    [finding] = probe.judge(measured)
    assert finding.rule == "one-module"


def test_a_run_from_a_users_own_loop_is_one_line(tmp_path):
    monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / "run", epochs=1, strict=True)
    logits, target = torch.randn(3, 8, 4), torch.arange(8) % 4
    monitor.update(logits, target)
    monitor.record("test", logits, target)
    monitor.end_epoch()
    run = Run(tmp_path / "run")
    assert not probe.applies(run)
    with pytest.raises(ProbeError, match=r"^Probe modules needs the models and the data") as caught:
        probe.ask(run, Options())
    assert "\n" not in str(caught.value)


ARCHITECTURES = {
    "conv": {"arch": "conv", "filters": [3, 4], "strides": [1, 2], "norm": "batch"},
    "densenet": {"arch": "densenet", "depth": 10, "growth": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_identities_hold_for_images(arch, tmp_path):
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 60), ("test", 20)):
        arrays[f"y_{part}"] = np.arange(count) % 3
        x = random.normal(size=(count, 1, 8, 8)) + arrays[f"y_{part}"][:, None, None, None]
        arrays[f"x_{part}"] = x.astype(np.float32)
    np.savez(tmp_path / "images.npz", **arrays)
    from jtdiag import train
    from jtdiag.recipe.toml import from_table

    table = {
        "name": "images",
        "lam": [0.5],
        "trials": 1,
        "data": {"name": str(tmp_path / "images.npz"), "val": 0},
        "members": {"count": 2, **ARCHITECTURES[arch]},
        "train": {"epochs": 2, "batch": 20, "lr": 0.1},
        # As in replays: other ways of computing members round differently.
        "engine": {"execution": "stacked", "precision": "float64"},
        "keep": {"splits": ["test"]},
    }
    run = train(from_table(table), tmp_path / "run")
    measured = probe.ask(run, Options())
    stored = run.metrics().sel(split="test", epoch=measured["epoch"])
    assert measured.attrs["batch_norm"] == 1
    assert (measured["rewound_member_error"].sel(rewound="all") == stored["member_error"]).all()
    own = measured["rewound_ensemble_error"].sel(epoch=2)
    assert (own == stored["ensemble_error"].sel(epoch=2)).all()


def test_the_cost_is_announced_and_grows_with_what_is_measured(deep):
    twice, whole = (cost.seconds(deep, epochs, 1) for epochs in (2, 4))
    probes = 4 * (5 + 4) * cost.LINEAR_PROBE  # lanes and features
    assert whole - probes == pytest.approx(2 * (twice - probes))
    assert cost.seconds(deep, 2, 3) - twice == pytest.approx(2 * probes)
    parameters = 2 * 5 + 5 + 2 * 5 + 5 * 4 + 4 + 2 * 4 + 4 * 3 + 3
    products = 4 * 2 * (3 + 1) * 3 * 8000 * parameters  # lanes, epochs, modules and all, members
    assert twice - probes == pytest.approx(cost.PRODUCT * products)
    assert probe.seconds(deep) > whole


def test_findings_are_sentences_without_missing_numbers(result):
    rules = [finding.rule for finding in probe.judge(result)]
    assert rules[:2] == ["rewinding-ensemble", "rewinding-member"]
    assert not any(re.search(r"\bnan\b", finding.sentence) for finding in probe.judge(result))
