import numpy as np
import pytest
import torch

from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.layers import cost, information, layers, linear_probe
from jtdiag_probes.layers.layers import measured_epochs, pooled, probe

TWO_HIDDEN = {"members": {"hidden": [5, 4]}, "lam": [0.0, 1.0], "trials": 1}


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("deep"), **TWO_HIDDEN)


@pytest.fixture(scope="module")
def result(deep):
    return probe.ask(deep, Options())


class TestPromises(ProbePromises):
    probe = probe


def test_every_number_is_that_of_features_computed_by_hand(deep, result):
    lane, member = deep.lanes[1], 2
    replay = Replay.of(deep, lane, 4)
    state = {name: weight[member].numpy() for name, weight in replay.weights.items()}
    examples = []
    for split in ("train", "val", "test"):
        x, target = replay.examples(split)
        h = x.flatten(1).numpy()
        for layer in ("layer1", "layer2"):
            h = np.maximum(h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
        examples.append((h, target.numpy()))
    own = result.sel(lam=1.0, trial=0, epoch=4, member=member, layer="layer2")
    assert float(own["probe_error"]) == linear_probe.evaluate(*examples).error
    h, target = examples[2]
    labels = information.of_classes(target)
    kernel = information.of_features(h)
    assert float(own["label_information"]) == pytest.approx(information.nhsic(kernel, labels))
    inputs = replay.examples("test")[0].flatten(1).numpy()
    expected = information.nhsic(kernel, information.of_features(inputs))
    assert float(own["input_information"]) == pytest.approx(expected)
    assert float(own["effective_rank"]) == pytest.approx(information.effective_rank(h))


def test_at_the_head_the_error_is_the_members_own(deep, result):
    metrics = deep.metrics()
    for name, own in (("probe_error", "member_error"), ("probe_loss", "member_loss")):
        expected = metrics[own].sel(split="test", epoch=result["epoch"])
        np.testing.assert_allclose(result[name].sel(layer="head"), expected, rtol=1e-9, atol=1e-12)


def test_the_inputs_are_the_same_for_all_members_and_keep_all_of_themselves(result):
    inputs = result.sel(layer="inputs")
    np.testing.assert_allclose(inputs["input_information"], 1)
    assert float(inputs["probe_error"].max() - inputs["probe_error"].min()) == 0


def test_layers_and_epochs_are_named(result):
    assert [str(name) for name in result["layer"].values] == ["inputs", "layer1", "layer2", "head"]
    assert result["epoch"].values.tolist() == [0, 3, 4]
    assert result.attrs["epsilon"] == information.EPSILON


@pytest.mark.parametrize(
    ("kept", "measured"),
    [([], []), ([4], [4]), ([0, 1, 2, 3, 4], [0, 3, 4]), ([0, 2, 4], [0, 4]), ([1, 3], [1, 3])],
)
def test_the_first_the_early_and_the_last_epoch_are_measured(kept, measured):
    assert measured_epochs(kept) == measured


def test_of_many_members_some_are_measured(deep, monkeypatch):
    monkeypatch.setattr(layers, "MEMBERS", 2)
    few = probe.ask(deep, Options())
    assert few["member"].values.tolist() == [0, 2]


@pytest.mark.slow
def test_without_validation_the_penalty_is_chosen_on_training_examples(tmp_path):
    run = toy_run(tmp_path, **{**TWO_HIDDEN, "data": {"val": 0}, "keep": {"splits": ["test"]}})
    assert float(probe.ask(run, Options())["probe_error"].max()) < 1


def test_members_without_hidden_layers_have_inputs_and_a_head(tmp_path):
    run = toy_run(tmp_path, **{**TWO_HIDDEN, "members": {"hidden": []}})
    measured = probe.ask(run, Options())
    assert [str(name) for name in measured["layer"].values] == ["inputs", "head"]
    assert probe.judge(measured) == []


def test_feature_maps_are_averaged():
    h = torch.randn(2, 3, 5, 8, 6)
    assert pooled(h).shape == (2, 3, 5 * 16)
    assert torch.allclose(pooled(h)[..., 0], h[..., :2, :2].mean((3, 4))[..., 0])
    assert pooled(torch.randn(2, 3, 5, 4, 2)).shape == (2, 3, 40)
    assert pooled(torch.randn(2, 3, 7)).shape == (2, 3, 7)


def test_findings_name_the_layers(result):
    [finding, *_] = probe.judge(result)
    assert finding.rule == "by-layer"
    assert "on the inputs," in finding.sentence
    assert "on layer2; that of the members themselves" in finding.sentence


def test_the_cost_is_announced_and_grows_with_what_is_measured(deep):
    features, measured = 5 + 4, 2 * 3  # of two hidden layers; two λs, three epochs each
    of_member = cost.LINEAR_PROBE * features + cost.KERNELS * 3
    once, twice = (cost.seconds(deep, layers._epochs(deep, 4), members) for members in (1, 2))
    assert twice - once == pytest.approx(measured * of_member)
    first = cost.seconds(deep, dict.fromkeys(deep.lanes, (0,)), 1)
    second = cost.seconds(deep, dict.fromkeys(deep.lanes, (0, 4)), 1)
    assert second - first == pytest.approx(2 * of_member)
    assert probe.seconds(deep) > twice
