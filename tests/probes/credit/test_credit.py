import numpy as np
import pytest

from jtdiag.credit_replay import CreditReplay
from jtdiag.errors import ProbeError
from jtdiag.probing.contract import Options
from jtdiag.recipe.modules import Modules
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.credit.credit import measured_epochs, probe

DEEP = {"members": {"hidden": [6, 5], "norm": "batch"}, "lam": [0.0, 1.0], "trials": 1}
LOCAL = {"credit": "local", "loss": "predsim"}


def result_of(folder, modules, **changes):
    return probe.ask(toy_run(folder, **(DEEP | changes), modules=modules), Options())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("local"), **DEEP, modules=LOCAL)


@pytest.fixture(scope="module")
def result(run):
    return probe.ask(run, Options())


class TestPromises(ProbePromises):
    probe = probe

    @pytest.fixture(autouse=True)
    def _of_modules(self, run, monkeypatch):
        monkeypatch.setattr(type(self), "run", run)


@pytest.mark.parametrize("modules", [{"watch": True}, {**LOCAL, "mu": 1.0}, {**LOCAL, "reach": 3}])
def test_what_is_end_to_end_has_a_cosine_and_a_ratio_of_1(tmp_path, modules):
    result = result_of(tmp_path, modules)
    np.testing.assert_allclose(result["cosine"], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(result["norm_ratio"], 1, rtol=1e-12)
    assert {f.rule for f in probe.judge(result)} == {"identical", "left"}


def test_in_single_precision_too(tmp_path):
    result = result_of(tmp_path, {**LOCAL, "mu": 1.0}, engine={"precision": "float32"})
    np.testing.assert_allclose(result["cosine"], 1, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result["norm_ratio"], 1, rtol=1e-6)


def test_local_modules_are_told_something_else_and_the_head_is_not(result):
    head = result.sel(module="head")
    np.testing.assert_allclose(head["cosine"], 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(head["norm_ratio"], 1, rtol=1e-12)
    assert float(result["cosine"].sel(module=["layer1", "layer2"]).max()) < 0.999


def test_the_further_modules_see_the_more_they_are_told(tmp_path, result):
    """At the same weights, those before training; reach 2 is end to end for the last hidden one."""
    cosines = [result]
    for i, change in enumerate(({"mu": 0.5}, {"mu": 0.9}, {"reach": 2})):
        folder = tmp_path / str(i)
        folder.mkdir()
        cosines.append(result_of(folder, LOCAL | change))
    local, half, most, reach = (
        c["cosine"].sel(epoch=0).mean(("lam", "trial", "member")) for c in cosines
    )
    for name in ("layer1", "layer2"):
        low, middle, high = (float(c.sel(module=name)) for c in (local, half, most))
        assert low < middle < high
    assert float(reach.sel(module="layer2")) == pytest.approx(1, abs=1e-12)
    assert float(reach.sel(module="layer1")) < 0.999


def test_every_number_is_that_of_gradients_computed_by_hand(run, result):
    replay = Replay.of(run, run.lanes[1], 3)
    step = CreditReplay.of(run, replay, 3)
    vectors = []
    for side in (step.credited, step.end_to_end):
        sums = [side(positions) for positions in step.batches(1000)]
        mean = {name: sum(own[name] for own in sums) / len(sums) for name in sums[0]}
        names = [name for name in mean if "2." in name]  # weights, and those of BatchNorm
        vectors.append(np.concatenate([mean[name][2].numpy().ravel() for name in names]))
    given, wanted = vectors
    own = result.sel(lam=1.0, trial=0, epoch=3, member=2, module="layer2")
    lengths = np.linalg.norm(given), np.linalg.norm(wanted)
    assert float(own["cosine"]) == pytest.approx(given @ wanted / np.prod(lengths))
    assert float(own["norm_ratio"]) == pytest.approx(lengths[0] / lengths[1])
    assert float(own["end_to_end_norm"]) == pytest.approx(lengths[1])


def test_what_is_left_is_relative_to_epoch_0(result):
    np.testing.assert_allclose(result["gradient_left"].sel(epoch=0), 1)
    norm = result["end_to_end_norm"]
    np.testing.assert_allclose(result["gradient_left"], norm / norm.sel(epoch=0))
    assert result.attrs["training_examples"] == 80


def test_without_epoch_0_nothing_is_relative_to_it(tmp_path):
    result = result_of(tmp_path, LOCAL, keep={"checkpoints": ["last"]})
    assert result["gradient_left"].isnull().all()
    assert not [f for f in probe.judge(result) if f.rule == "left"]


def test_without_checkpoints_there_is_nothing(tmp_path):
    result = result_of(tmp_path, LOCAL, keep={"checkpoints": "none"})
    assert result.sizes["epoch"] == 0
    assert probe.judge(result) == []


def test_frozen_modules_are_told_nothing(tmp_path):
    result = result_of(tmp_path, {"credit": "frozen"})
    assert result["cosine"].sel(module=["layer1", "layer2"]).isnull().all()
    np.testing.assert_allclose(result["cosine"].sel(module="head"), 1, rtol=0, atol=1e-12)
    told = [f.sentence for f in probe.judge(result) if f.rule == "nothing"]
    assert told[0] == "λ = 0: layer1 and layer2 are given no gradient by this credit."


def test_of_modules_one_after_the_other_only_that_of_the_epoch_is_told(tmp_path):
    result = result_of(tmp_path, {"credit": "proxy", "loss": "al", "epochs": [1, 2, 1]})
    told = result["cosine"].notnull().all(("lam", "trial", "member"))
    assert told.sel(module="layer1").values.tolist() == [True, True, False, False, False]
    assert told.sel(module="layer2").values.tolist() == [False, False, True, True, False]
    assert told.sel(module="head").values.tolist() == [False, False, False, False, True]
    assert result["end_to_end_norm"].notnull().all()
    assert not any("nan" in finding.sentence for finding in probe.judge(result))
    assert not [f for f in probe.judge(result) if f.rule == "nothing"]


@pytest.mark.parametrize(
    "modules", [{"credit": "synthetic"}, {"credit": "targets", "inverse": "fixed"}]
)
def test_other_credits_are_replayed_too(tmp_path, modules):
    """Synthetic gradients are zero before training, and a gradient of 0 has no direction."""
    result = result_of(tmp_path, modules, lam=[0.5])
    np.testing.assert_allclose(result["cosine"].sel(module="head"), 1, rtol=0, atol=1e-12)
    later = result["cosine"].sel(epoch=[1, 2, 3, 4])
    assert later.notnull().all()
    assert float(later.sel(module="layer1").max()) < 0.999
    if modules["credit"] == "targets":  # the first target is a step along the true gradient
        np.testing.assert_allclose(later.sel(module="layer2"), 1, rtol=0, atol=1e-12)
    assert not any("nan" in finding.sentence for finding in probe.judge(result))


def test_modules_of_several_layers_have_the_name_of_the_last(tmp_path):
    result = result_of(tmp_path, {**LOCAL, "mu": 1.0, "cuts": "head"})
    assert [str(name) for name in result["module"].values] == ["layer2", "head"]
    np.testing.assert_allclose(result["cosine"], 1, rtol=0, atol=1e-12)


def test_a_run_without_modules_is_one_line(toy):
    assert not probe.applies(toy)
    with pytest.raises(ProbeError) as caught:
        probe.ask(toy, Options())
    assert str(caught.value) == (
        "Probe credit applies to members with [modules] whose credit is not 'end-to-end', or with "
        f"watch, and those of {toy.path} are trained as a whole. Run other probes on this run."
    )


def test_some_epochs_are_measured_and_of_each_module_the_last():
    local = Modules(credit="local")
    assert measured_epochs([], local) == []
    assert measured_epochs([0, 3, 4], local) == [0, 3, 4]
    many = measured_epochs(list(range(101)), local)
    assert (many[0], many[-1], len(many)) == (0, 100, 8)
    proxy = Modules(credit="proxy", loss="al", epochs=(2, 90, 8))
    assert {0, 2, 92, 100} <= set(measured_epochs(list(range(101)), proxy))


def test_neighbours_agree_as_far_as_their_mean_gradients_do(run, result):
    step = CreditReplay.of(run, Replay.of(run, run.lanes[1], 4), 4)
    batches = step.batches(1000)
    own, following = ([f(b) for b in batches] for f in (step.by_own_loss, step.by_next_loss))
    for module in ("layer1", "layer2"):
        a, b = (
            np.mean(
                [np.concatenate([g[n][2].ravel() for n in step.modules[module]]) for g in each], 0
            )
            for each in (own, following)
        )
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        found = result["neighbour_cosine"].sel(lam=1.0, trial=0, epoch=4, member=2, module=module)
        assert float(found) == pytest.approx(expected, abs=1e-12)
    assert result["neighbour_cosine"].sel(module="head").isnull().all()


def test_credits_without_losses_of_modules_have_no_neighbours(tmp_path):
    result = result_of(tmp_path, {"watch": True})
    assert result["neighbour_cosine"].isnull().all()
