import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.linear_model import LogisticRegression

from jtdiag.errors import DataError, ProbeError, RecipeError
from jtdiag.probing import running
from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.transfer import heads, tasks, transfer
from jtdiag_probes.transfer.class_scores import leep, nce
from jtdiag_probes.transfer.h_score import h_score
from jtdiag_probes.transfer.kernel_scores import kernel_scores
from jtdiag_probes.transfer.log_evidence import log_evidence
from jtdiag_probes.transfer.transfer import probe, to

DEEP = {
    "members": {"hidden": [5, 4]},
    "lam": [0.0, 1.0],
    "trials": 1,
    "keep": {"checkpoints": [0, "last"]},
}
SOURCE = {"lam": 1.0, "trial": 0, "epoch": 4, "member": 2, "layer": "layer2"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heads, "DRAWS", 1)
    monkeypatch.setattr(heads, "SHOTS", 5)


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    return toy_run(tmp_path_factory.mktemp("deep"), **DEEP)


@pytest.fixture(scope="module")
def measured(deep):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "DRAWS", 1)
        patch.setattr(heads, "SHOTS", 5)
        return probe.ask(deep, Options())


class TestPromises(ProbePromises):
    probe = probe

    @pytest.fixture(autouse=True)
    def one_member(self, monkeypatch):
        monkeypatch.setattr(transfer, "MEMBERS", 1)


def features_by_hand(run, pair):
    """Features and probabilities of one source on the training and test examples of a pair."""
    lane = run.lanes[1]
    replay = Replay.of(run, lane, 4)
    state = {name: weight[2].numpy() for name, weight in replay.weights.items()}
    parts = []
    for split in ("train", "test"):
        x, target = (tensor.numpy() for tensor in replay.examples(split))
        kept = np.concatenate([np.flatnonzero(target == k) for k in pair])
        h = x[kept].reshape(len(kept), -1)
        for layer in ("layer1", "layer2"):
            h = np.maximum(h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
        head = list(replay.trained)[-1].rpartition(".")[0]
        odds = np.exp(h @ state[f"{head}.weight"].T + state[f"{head}.bias"])
        parts.append((h, (target[kept] == pair[1]).astype(int), odds / odds.sum(1, keepdims=True)))
    return parts


def test_every_value_is_that_of_features_computed_by_hand(deep, measured):
    (z, target, theta), (held_out, truth, _) = features_by_hand(deep, (0, 2))
    varying = np.ptp(z, axis=0) > 0
    mean, sd = z[:, varying].mean(0), z[:, varying].std(0)
    model = LogisticRegression(C=0.1, max_iter=200, tol=1e-3)
    model.fit((z[:, varying] - mean) / sd, target)
    test = (held_out[:, varying] - mean) / sd
    own = measured.sel(target="0 | 2", **SOURCE)
    assert float(own["head_error"]) == pytest.approx((model.predict(test) != truth).mean())
    log_likelihood = model.predict_log_proba(test)[np.arange(len(truth)), truth]
    assert float(own["head_loss"]) == pytest.approx(-log_likelihood.mean(), rel=1e-6)
    scores = {str(name): float(own["score_value"].sel(score=name)) for name in heads.SCORES}
    expected = kernel_scores(z, target)
    assert scores["AL"] == pytest.approx(expected.alignment)
    assert scores["centred AL"] == pytest.approx(expected.centred_alignment)
    assert scores["NMSE"] == pytest.approx(expected.nmse)
    assert scores["H-score"] == pytest.approx(h_score(z, target))
    assert scores["LogME"] == pytest.approx(log_evidence(z, target))
    assert scores["LEEP"] == pytest.approx(leep(theta, target))
    assert scores["NCE"] == pytest.approx(nce(theta.argmax(1), target))
    assert -1 <= scores["few labels"] <= 0


def test_rankings_are_over_the_sources_after_training(measured):
    trained = measured.sel(trial=0, target="0 | 1", epoch=[4])
    error = trained["head_error"].values.ravel()
    assert measured["sources"].item() == error.size == 2 * 3 * 2
    scores = trained["score_value"].sel(score="LogME").values.ravel()
    own = measured.sel(trial=0, target="0 | 1", ranking="LogME")
    assert float(own["target_tau"]) == pytest.approx(kendalltau(scores, -error).statistic)
    loss = trained["head_loss"].values.ravel()
    assert float(own["target_loss_tau"]) == pytest.approx(kendalltau(scores, -loss).statistic)
    assert float(own["target_regret"]) == pytest.approx(error[scores.argmax()] - error.min())


def test_lanes_that_begin_with_the_same_weights_are_the_same_sources(measured):
    untrained = measured["head_error"].sel(epoch=0)
    np.testing.assert_array_equal(untrained.sel(lam=0.0), untrained.sel(lam=1.0))
    assert measured["score_value"].sel(epoch=0).isnull().all()  # a control


def test_the_result_says_on_what_it_was_measured(measured):
    assert [str(name) for name in measured["target"].values] == ["0 | 1", "0 | 2", "1 | 2"]
    assert [str(name) for name in measured["layer"].values] == ["layer1", "layer2"]
    assert measured["own_task"].values.tolist() == [0, 0, 0]
    assert measured.attrs["shots"] == 5
    assert measured.attrs["held_out_examples"] == 27
    assert measured["input_error"].notnull().all()


def test_of_a_class_up_to_a_number_of_examples_are_used(deep, monkeypatch):
    monkeypatch.setattr(tasks, "TRAINING_EXAMPLES", 9)
    monkeypatch.setattr(tasks, "HELD_OUT_EXAMPLES", 6)
    monkeypatch.setattr(tasks, "CLASSES", 2)
    found = tasks.Tasks.of(Replay.of(deep, deep.lanes[0], 0), None)
    assert found.names == ("0 | 2",)
    assert [len(x) for x in (*found.train, *found.held_out)] == [9, 9, 6, 6]


def test_a_run_on_two_classes_has_other_tasks_and_its_own(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "data": {"classes": [[0], [2]]}})
    result = to(classes=[0, 1, 2]).ask(run, Options())
    assert [str(name) for name in result["target"].values] == ["0 | 1", "0 | 2", "1 | 2"]
    assert result["own_task"].values.tolist() == [0, 1, 0]
    replay = Replay.of(run, run.lanes[0], 0)
    x, target = replay.examples("test")
    own = tasks.Tasks.of(replay, tasks.Targets(classes=((0,), (2,))).of_run(run))
    np.testing.assert_array_equal(own.held_out[1], x[target == 1])  # standardized alike


def test_groups_of_classes_are_tasks(deep):
    result = to(classes=[[0, 1], [2]]).ask(deep, Options())
    assert [str(name) for name in result["target"].values] == ["0, 1 | 2"]


def test_another_data_set_has_its_own_tasks(deep, tmp_path):
    random = np.random.default_rng(0)
    arrays = {f"x_{part}": random.normal(size=(40, 2)) for part in ("train", "test")}
    labels = np.repeat(["ant", "bee"], 20)
    np.savez(tmp_path / "other.npz", **arrays, y_train=labels, y_test=labels)
    result = to(data=str(tmp_path / "other.npz")).ask(deep, Options())
    assert [str(name) for name in result["target"].values] == ["ant | bee"]


def test_data_of_another_shape_are_refused_in_one_line(deep, tmp_path):
    x, y = np.zeros((6, 3)), np.arange(6) % 2
    np.savez(tmp_path / "other.npz", x_train=x, x_test=x, y_train=y, y_test=y)
    with pytest.raises(DataError, match=r"has shape \(3,\), and the members take \(2,\)"):
        to(data=str(tmp_path / "other.npz")).ask(deep, Options())


def test_other_bad_settings_are_refused():
    with pytest.raises(RecipeError, match="only one group"):
        to(classes=[[0, 1]])
    with pytest.raises(ProbeError, match="name it as data"):
        to(root="data")


def test_a_family_without_classes_is_refused_in_one_line(tmp_path):
    run = toy_run(tmp_path, **DEEP, family="gaussian")
    with pytest.raises(ProbeError, match="single-label classification only") as caught:
        probe.ask(run, Options())
    assert "\n" not in str(caught.value)


def test_a_result_for_other_targets_is_not_taken_for_this_one(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "MEMBERS", 1)
    run = toy_run(tmp_path, **DEEP)
    assert running.probe(run, to(classes=[0, 1])).sizes["target"] == 1
    assert running.probe(run, to(classes=[0, 1])).sizes["target"] == 1
    assert running.probe(run, "transfer").sizes["target"] == 3


def test_members_without_hidden_layers_are_no_sources(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "members": {"hidden": []}})
    result = probe.ask(run, Options())
    assert result.sizes["layer"] == 0
    assert probe.judge(result) == []


def test_features_that_are_not_finite_have_no_values(deep, monkeypatch):
    features = Replay.features
    monkeypatch.setattr(
        Replay, "features", lambda self, x, layer: features(self, x, layer) * float("nan")
    )
    result = probe.ask(deep, Options())
    assert result["head_error"].isnull().all()
    assert result["score_value"].isnull().all()
    assert probe.judge(result) == []


def test_nothing_is_measured_without_checkpoints(tmp_path):
    run = toy_run(tmp_path, **{**DEEP, "keep": {"checkpoints": "none"}})
    result = probe.ask(run, Options())
    assert result.sizes["target"] == 0
    assert probe.judge(result) == []


def test_the_estimated_time_grows_with_sources_and_tasks(deep):
    per_task = transfer.TASK_SECONDS * 2 * 3 * 2  # λs, members, layers at one trained epoch
    assert probe.seconds(deep) == pytest.approx(3 * per_task)
    assert to(classes=[0, 1]).seconds(deep) == pytest.approx(per_task)
