import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.labels import draws, labels, one_trial
from jtdiag_probes.labels.draws import drawn
from jtdiag_probes.labels.labels import probe
from jtdiag_probes.layers import linear_probe
from jtdiag_probes.layers.examples import train_and_validation

DEEP = {"members": {"hidden": [5, 4]}, "lam": [0.0, 1.0], "trials": 1}
LABELS = ["1", "2", "5", "20", "all"]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(draws, "DRAWS", 2)


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("deep"), **DEEP)


@pytest.fixture
def result(deep):
    return probe.ask(deep, Options())


class TestPromises(ProbePromises):
    probe = probe

    @pytest.fixture(autouse=True)
    def one_number_of_labels(self, monkeypatch):
        monkeypatch.setattr(one_trial, "FEW", (2,))
        monkeypatch.setattr(labels, "FEW", (2,))


def test_every_error_is_that_of_heads_fitted_by_hand(deep, result):
    lane, member = deep.lanes[1], 2
    replay = Replay.of(deep, lane, deep.chosen_epoch(lane))
    state = {name: weight[member].numpy() for name, weight in replay.weights.items()}
    features = {}
    for split in ("train", "val", "test"):
        x, target = replay.examples(split)
        h = x.flatten(1).numpy()
        for layer in ("layer1", "layer2"):
            h = np.maximum(h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
        features[split] = (h, target.numpy())
    (train, target), (test, truth) = features["train"], features["test"]
    varying = train.std(0) > 0
    mean, sd = train[:, varying].mean(0), train[:, varying].std(0)
    train, test = ((z[:, varying] - mean) / sd for z in (train, test))
    own = result["member_label_error"].sel(lam=1.0, trial=0, member=member, layer="layer2")
    for number in (1, 2, 5, 20):
        errors = []
        for few in drawn(target, number, 0):
            model = LogisticRegression(C=1.0, max_iter=200, tol=1e-3)
            model.fit(train[few], target[few])
            errors.append((model.predict(test) != truth).mean())
        assert float(own.sel(labels=str(number))) == pytest.approx(np.mean(errors))
    assert float(own.sel(labels="all")) == linear_probe.evaluate(*features.values()).error


def test_draws_are_balanced_nested_and_the_same_again():
    target = np.random.default_rng(0).integers(0, 4, 200)
    for number in (1, 2, 5, 20):
        for few in drawn(target, number, 3):
            assert np.unique(target[few], return_counts=True)[1].tolist() == [number] * 4
    for fewer, more in zip(drawn(target, 2, 3), drawn(target, 5, 3), strict=True):
        assert set(fewer) < set(more)
    first, second = drawn(target, 5, 3)
    assert set(first) != set(second)
    assert set(first) == set(drawn(target, 5, 3)[0]) != set(drawn(target, 5, 4)[0])


def test_with_too_few_examples_of_a_class_nothing_is_drawn():
    target = np.array([0, 0, 0, 1])
    assert len(drawn(target, 1, 0)) == 2
    assert drawn(target, 2, 0) == []


def test_inputs_are_the_same_at_every_lam_and_epoch(result):
    inputs = result["label_error"].sel(layer="inputs")
    np.testing.assert_array_equal(inputs.sel(lam=0.0), inputs.sel(lam=1.0))
    untrained = result["untrained_label_error"].sel(layer="inputs")
    np.testing.assert_array_equal(inputs, untrained)


def test_lanes_that_begin_with_the_same_weights_have_the_same_control(result):
    untrained = result["untrained_label_error"]
    np.testing.assert_array_equal(untrained.sel(lam=0.0), untrained.sel(lam=1.0))
    assert not result["label_error"].sel(lam=0.0).equals(untrained.sel(lam=0.0))


def test_the_result_says_on_what_it_was_measured(deep, result):
    assert [str(name) for name in result["layer"].values] == ["inputs", "layer1", "layer2"]
    assert [str(name) for name in result["labels"].values] == LABELS
    train, _ = train_and_validation(Replay.of(deep, deep.lanes[0], 0))
    assert result["labeled_examples"].values.tolist() == [[3, 6, 15, 60, len(train.target)]]
    assert result.attrs["draws"] == 2
    assert result.attrs["classes"] == 3
    assert result.attrs["held_out_examples"] == 40
    assert result["measured_trials"].values.tolist() == [1, 1]
    assert result["measured_epoch"].values[0, 0] == deep.chosen_epoch(deep.lanes[0])
    by_member = result["member_label_error"].mean("member")
    np.testing.assert_allclose(result["label_error"], by_member.transpose(..., "layer", "labels"))


def test_of_many_members_some_are_measured(deep, monkeypatch):
    monkeypatch.setattr(labels, "MEMBERS", 2)
    assert probe.ask(deep, Options())["member"].values.tolist() == [0, 2]


def test_without_epoch_0_there_is_no_control(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "keep": {"checkpoints": ["last"]}})
    measured = probe.ask(run, Options())
    assert measured["untrained_label_error"].isnull().all()
    assert measured["label_error"].notnull().all()


def test_members_without_hidden_layers_have_inputs_only(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "members": {"hidden": []}})
    measured = probe.ask(run, Options())
    assert [str(name) for name in measured["layer"].values] == ["inputs"]
    assert {finding.rule for finding in probe.judge(measured)} == {"no-hidden-layer"}


def test_features_that_are_not_finite_have_no_error(deep, monkeypatch):
    features = Replay.features
    monkeypatch.setattr(
        Replay, "features", lambda self, x, layer: features(self, x, layer) * float("nan")
    )
    measured = probe.ask(deep, Options())
    assert measured["label_error"].sel(layer="layer1").isnull().all()
    assert measured["label_error"].sel(layer="inputs").notnull().all()


def test_nothing_is_measured_without_checkpoints(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "keep": {"checkpoints": "none"}})
    measured = probe.ask(run, Options())
    assert measured["label_error"].isnull().all()
    assert (measured["measured_epoch"] == -1).all()
    assert probe.judge(measured) == []


def test_the_estimated_time_grows_with_lanes_members_and_layers(deep):
    per_member = labels.LAYER_SECONDS * 2 + labels.FEATURE_SECONDS * 9
    assert labels.seconds(deep) == pytest.approx(3 * 3 * per_member)  # two λs and one start
