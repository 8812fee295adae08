import itertools
import re

import numpy as np
import pytest
import torch

from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.store.lanes import Lane
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.similarity import cka, one_lane, representations, similarity
from jtdiag_probes.similarity.similarity import References, measured_epochs, probe

DEEP = {"members": {"hidden": [6, 5]}, "lam": [0.0, 1.0], "trials": 3, "train": {"epochs": 3}}
LAYERS = ["inputs", "layer1", "layer2", "head"]


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("deep"), **DEEP)


@pytest.fixture(scope="module")
def result(deep):
    return probe.ask(deep, Options())


def by_hand(run, lane, epoch):
    """Features (n, d) by member and layer, from weights and inputs."""
    replay = Replay.of(run, lane, epoch)
    x = replay.examples("test")[0].numpy()
    every = []
    for member in range(3):
        w = {name: weight[member].numpy() for name, weight in replay.weights.items()}
        h1 = np.maximum(x @ w["layer1.weight"].T + w["layer1.bias"], 0)
        h2 = np.maximum(h1 @ w["layer2.weight"].T + w["layer2.bias"], 0)
        logits = h2 @ w["layer3.weight"].T + w["layer3.bias"]
        every.append([x, h1, h2, logits - logits.mean(1, keepdims=True)])
    return every


class TestPromises(ProbePromises):
    probe = probe


def test_layers_members_and_epochs_are_compared_as_by_hand(deep, result):
    lane = Lane(trial=1, lam_index=1)
    features, start = by_hand(deep, lane, 3), by_hand(deep, lane, 0)
    own = result.sel(lam=1.0, trial=1)
    for i, j in itertools.product(range(4), repeat=2):
        expected = np.mean([cka.cka(member[i], member[j]) for member in features])
        measured = own["layer_similarity"].sel(epoch=3, layer=LAYERS[i], other_layer=LAYERS[j])
        assert float(measured) == pytest.approx(expected, abs=1e-12)
    for i, layer in enumerate(LAYERS):
        pairs = [cka.cka(a[i], b[i]) for a, b in itertools.combinations(features, 2)]
        measured = own["member_similarity"].sel(epoch=3, layer=layer)
        assert float(measured) == pytest.approx(np.mean(pairs), abs=1e-12)
        epochs = [cka.cka(a[i], b[i]) for a, b in zip(features, start, strict=True)]
        measured = own["epoch_similarity"].sel(layer=layer, epoch=3, other_epoch=0)
        assert float(measured) == pytest.approx(np.mean(epochs), abs=1e-12)


def test_the_reference_is_the_next_trial_and_after_the_last_the_first(deep, result):
    trials = [by_hand(deep, Lane(trial=t, lam_index=0), 3) for t in range(3)]
    for trial in range(3):
        pairs = itertools.product(trials[trial], trials[(trial + 1) % 3])
        expected = np.mean([[cka.cka(a[i], b[i]) for i in range(4)] for a, b in pairs], 0)
        measured = result["reference_similarity"].sel(lam=0.0, trial=trial)
        np.testing.assert_allclose(measured, expected, atol=1e-12)


def test_matrices_are_symmetric_with_ones_on_the_diagonal(result):
    for name, dim, other in (
        ("layer_similarity", "layer", "other_layer"),
        ("epoch_similarity", "epoch", "other_epoch"),
    ):
        values = result[name]
        turned = values.rename({dim: other, other: dim}).transpose(*values.dims)
        np.testing.assert_allclose(values.values, turned.values, atol=1e-12)
        diagonal = np.diagonal(values.transpose(..., dim, other).values, axis1=-2, axis2=-1)
        np.testing.assert_allclose(diagonal[np.isfinite(diagonal)], 1, rtol=1e-12)


def test_all_members_see_the_same_inputs(result):
    np.testing.assert_allclose(result["member_similarity"].sel(layer="inputs"), 1, rtol=1e-12)
    np.testing.assert_allclose(result["reference_similarity"].sel(layer="inputs"), 1, rtol=1e-12)


def test_the_result_says_on_what_it_was_measured(result):
    assert result.attrs["examples"] == 40
    assert result.attrs["members"] == 3
    assert result.attrs["batch"] == cka.BATCH
    assert [str(name) for name in result["layer"].values] == LAYERS
    by_trial = result["member_similarity"]
    np.testing.assert_allclose(
        result["member_similarity_se"], by_trial.std("trial", ddof=1) / np.sqrt(3), atol=1e-15
    )


def test_in_several_batches_the_sums_are_of_the_same_examples(deep, result, monkeypatch):
    monkeypatch.setattr(
        representations.cka, "batches", lambda count: np.array_split(np.arange(count), 2)
    )
    twice = probe.ask(deep, Options())
    assert not np.allclose(twice["layer_similarity"], result["layer_similarity"], atol=1e-6)
    np.testing.assert_allclose(twice["layer_similarity"], result["layer_similarity"], atol=0.1)


@pytest.mark.parametrize(
    ("kept", "measured"),
    [
        ([[], []], [[], []]),
        ([[0, 1, 2], [0, 2, 3]], [[0, 2], [0, 2, 3]]),
        ([[0, 5], []], [[0, 5], []]),
        ([list(range(11))] * 2, [[0, 2, 4, 6, 8, 10]] * 2),
        ([[3], [4]], [[3], [4]]),
    ],
)
def test_some_common_epochs_and_the_last_of_each_lane_are_measured(kept, measured):
    lanes = [Lane(trial=t, lam_index=0) for t in range(2)]
    chosen = measured_epochs(dict(zip(lanes, kept, strict=True)))
    assert [chosen[lane] for lane in lanes] == measured


@pytest.mark.parametrize(("trials", "pairs"), [(1, 0), (2, 1), (3, 3), (5, 5)])
def test_every_pair_of_neighboring_trials_is_compared_once(trials, pairs):
    references = References(trials)
    for trial in range(trials):
        references.add(Lane(trial=trial, lam_index=0), np.ones((2, 1)))
    assert len(references.values) == pairs


def test_of_many_members_and_layers_some_are_measured(deep, monkeypatch):
    monkeypatch.setattr(similarity, "MEMBERS", 2)
    monkeypatch.setattr(representations, "LAYERS", 3)
    few = probe.ask(deep, Options())
    assert few.attrs["members"] == 2
    assert [str(name) for name in few["layer"].values] == ["inputs", "layer2", "head"]


def test_dead_layers_have_no_similarity_and_leave_others_alone(deep, monkeypatch):
    features = Replay.features

    def with_a_dead_member(self, x, layer):
        h = features(self, x, layer).clone()
        if layer == "layer1":
            h[1] = 0
        if layer == "layer2":
            h[:] = 3
        return h

    plain = probe.ask(deep, Options())
    monkeypatch.setattr(Replay, "features", with_a_dead_member)
    dead = probe.ask(deep, Options())
    assert (dead["constant_members"].sel(layer="layer1") == 1).all()
    assert (dead["constant_members"].sel(layer="layer2") == 3).all()
    assert dead["member_similarity"].sel(layer="layer2").isnull().all()
    assert dead["layer_similarity"].sel(layer="layer2").isnull().all()
    assert dead["member_similarity"].sel(layer="layer1").notnull().all()
    head = {"layer": "head"}
    np.testing.assert_array_equal(
        dead["member_similarity"].sel(head), plain["member_similarity"].sel(head)
    )
    sentences = [finding.sentence for finding in probe.judge(dead)]
    assert not any(re.search(r"\bnan\b", sentence) for sentence in sentences)
    assert any("the features of layer1 of 3 of 9 members" in sentence for sentence in sentences)


def test_one_member_has_layers_and_epochs_only(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "members": {"count": 1, "hidden": [4]}, "trials": 1})
    alone = probe.ask(run, Options())
    assert alone["member_similarity"].isnull().all()
    assert alone["reference_similarity"].isnull().all()
    assert alone["layer_similarity"].notnull().all()
    assert [finding.rule for finding in probe.judge(alone)] == ["layers", "epochs"] * 2


def test_members_without_hidden_layers_have_inputs_and_a_head(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "members": {"hidden": []}, "trials": 1})
    assert [str(name) for name in probe.ask(run, Options())["layer"].values] == ["inputs", "head"]


@pytest.mark.slow
def test_numbers_as_targets_have_layers_too(tmp_path):
    run = toy_run(
        tmp_path,
        **{
            **DEEP,
            "data": {"name": "diabetes"},
            "family": "gaussian",
            "trials": 1,
            "train": {"epochs": 2, "lr": 0.01},
        },
    )
    measured = probe.ask(run, Options())
    assert measured["member_similarity"].notnull().all()


def test_nothing_is_measured_without_checkpoints(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "trials": 1, "keep": {"checkpoints": "none"}})
    measured = probe.ask(run, Options())
    assert measured.sizes["epoch"] == 0
    assert probe.judge(measured) == []


def test_means_over_members_are_means_of_all_pairs():
    random = np.random.default_rng(0)
    units = random.normal(size=(2, 3, 4, 6))
    units /= np.linalg.norm(units, axis=-1, keepdims=True)
    units[0, 1, 2] = np.nan
    lane = one_lane.of_lane(units)
    assert lane.constant[0, 1] == 1
    pairs = [units[0, 1, a] @ units[0, 1, b] for a, b in ((0, 1), (0, 3), (1, 3))]
    assert lane.members[0, 1] == pytest.approx(np.mean(pairs))
    own = [units[0, 0, m] @ units[0, 1, m] for m in (0, 1, 3)]
    assert lane.layers[0, 0, 1] == pytest.approx(np.mean(own))
    own = [units[0, 1, m] @ units[1, 1, m] for m in (0, 1, 3)]
    assert lane.epochs[1, 0, 1] == pytest.approx(np.mean(own))
    pairs = [units[0, 1, a] @ units[1, 1, b] for a in (0, 1, 3) for b in range(4)]
    means = [one_lane.mean(units[e], 1) for e in (0, 1)]
    assert one_lane.reference(*means)[1] == pytest.approx(np.mean(pairs))


def test_the_estimated_time_grows_with_epochs_members_and_layers(deep):
    vectors = 6 * 4 * 3 * 4  # lanes, kept epochs, members, layers
    assert similarity.seconds(deep) == pytest.approx(similarity.VECTOR_SECONDS * vectors)


def test_feature_maps_of_convolutions_are_compared():
    maps = torch.randn(2, 30, 3, 8, 8)
    pooled = representations.pooled(maps).numpy()
    assert pooled.shape == (2, 30, 48)
    assert cka.cka(pooled[0], pooled[0]) == pytest.approx(1)
