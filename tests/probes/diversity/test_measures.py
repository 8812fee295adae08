"""What the probes of diversity measure of a run in memory, against their definitions in loops."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from jtdiag.families.categorical import FAMILY as CATEGORICAL
from jtdiag.families.gaussian import FAMILY as GAUSSIAN
from jtdiag.probing.contract import Options
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock
from jtdiag_probes.diversity import collusion, diversity, variance
from jtdiag_probes.diversity.bias_variance import TERMS

SPLITS = ("train", "val", "test")
BLOCK = 3
"""Examples that are read at once."""


class MemoryRun:
    """What probes read of a run, from logits (lam, trial, epoch, member, example, output) by split.

    Losses of splits without outputs are random. Outputs of all epochs are kept, and the last epoch
    is the chosen one, unless other epochs are given for a lane (lam, trial).
    """

    def __init__(self, lam, logits, target, **fields):
        self.logits, self.targets = logits, target
        self.family = fields.pop("family", CATEGORICAL)
        shape = next(iter(logits.values())).shape
        lams, trials, self.epochs, members, _, self.outputs_per_member = shape
        self.recipe = SimpleNamespace(
            lam=tuple(lam),
            trials=trials,
            seed=7,
            combiner=fields.pop("combiner", "logits"),
            members=SimpleNamespace(count=members),
            keep=SimpleNamespace(splits=tuple(logits), outputs="all"),
        )
        self.lanes = [Lane(t, i) for t in range(trials) for i in range(lams)]
        self.kept = fields.pop("kept", {})
        self.chosen = fields.pop("chosen", {})
        assert not fields
        self.stored = self._metrics()

    def metrics(self):
        return self.stored

    def _metrics(self):
        random = np.random.default_rng(9)
        lams, trials, epochs, members = next(iter(self.logits.values())).shape[:4]
        shape = (lams, trials, epochs, len(SPLITS), members)
        member, ensemble = random.uniform(1, 2, shape), random.uniform(0.5, 1, shape[:-1])
        for split, logits in self.logits.items():
            for at in np.ndindex(shape[:3]):
                of_members, of_ensemble = self.losses(logits[at], self.targets[split])
                member[*at, SPLITS.index(split)] = of_members.mean(1)
                ensemble[*at, SPLITS.index(split)] = of_ensemble.mean()
        dims = ("lam", "trial", "epoch", "split", "member")
        return xr.Dataset(
            {
                "member_loss": (dims, member),
                "member_error": (dims, np.full(shape, 0.5)),
                "ensemble_loss": (dims[:-1], ensemble),
                "best_epoch": (dims[:2], np.zeros(shape[:2], int)),
            },
            coords={
                "lam": list(self.recipe.lam),
                "trial": range(trials),
                "epoch": range(epochs),
                "split": list(SPLITS),
                "member": range(members),
            },
        )

    def losses(self, logits, target):
        """Losses of every member and example, (M, n), and of the ensemble, (n,)."""
        if self.family is GAUSSIAN:
            density = np.exp(-0.5 * ((logits - target) ** 2).sum(-1))
            mean = np.exp(-0.5 * ((logits.mean(0) - target) ** 2).sum(-1))
        else:
            each = np.arange(len(target))
            density = softmax(logits)[:, each, target]
            mean = softmax(logits.mean(0))[each, target]
        if self.recipe.combiner == "probabilities":
            mean = density.mean(0)
        return -np.log(density), -np.log(mean)

    def seal(self, lane):
        every = tuple(range(self.epochs))
        return SimpleNamespace(outputs=self.kept.get((lane.lam_index, lane.trial), every))

    def chosen_epoch(self, lane):
        return self.chosen.get((lane.lam_index, lane.trial), self.epochs - 1)

    def lam(self, lane):
        return self.recipe.lam[lane.lam_index]

    def array(self, path):
        return self.logits[path.split("/")[1]]

    def target(self, split, lane):
        return self.targets[split]

    def outputs(self, lane, epoch, split):
        assert epoch in self.seal(lane).outputs
        logits = self.logits[split][lane.lam_index, lane.trial, epoch]
        for start in range(0, logits.shape[1], BLOCK):
            part = slice(start, start + BLOCK)
            yield OutputBlock(logits=logits[:, part], target=self.targets[split][part], start=start)


def softmax(logits):
    exponential = np.exp(logits)
    return exponential / exponential.sum(-1, keepdims=True)


def kl(p, q):
    return (p * np.log(p / q)).sum(-1)


def random_run(lam=(0.0, 0.9), trials=2, epochs=3, members=4, splits=("val", "test"), **fields):
    random = np.random.default_rng(4)
    logits, target = {}, {}
    for split, examples in zip(splits, (5, 7), strict=False):
        shape = (len(lam), trials, epochs, members, examples, 3)
        logits[split] = random.normal(0, 2, shape)
        target[split] = np.arange(examples) % 3
        if fields.get("family") is GAUSSIAN:
            target[split] = random.normal(0, 1, (examples, 3))
    return MemoryRun(lam, logits, target, **fields)


# --- diversity -----------------------------------------------------------------------------------

FROM_OUTPUTS = (
    "quadratic_part",
    "probability_loss",
    "probability_diversity",
    "probability_label_term",
    "not_finite",
)


def diversity_of(logits, target, combiner="logits"):
    """Every number of one lane, epoch and split that is computed from outputs of classes."""
    q, each = softmax(logits), np.arange(len(target))
    q_bar, q_hat = softmax(logits.mean(0)), q.mean(0)
    divergence = kl(q_bar, q)
    if combiner == "probabilities":
        divergence = np.log(q_hat[each, target] / q[:, each, target])
    deviation = logits - logits.mean(0)
    quadratic = [
        0.5 * d @ (np.diag(q_bar[n]) - np.outer(q_bar[n], q_bar[n])) @ d
        for d_of_member in deviation
        for n, d in enumerate(d_of_member)
    ]
    member_loss = -np.log(q[:, each, target]).mean()
    loss, spread = -np.log(q_hat[each, target]).mean(), kl(q_hat, q).mean()
    return {
        "diversity_by_member": divergence.mean(1),
        "diversity_by_class": [divergence[:, target == k].mean() for k in np.unique(target)],
        "quadratic_part": np.mean(quadratic),
        "probability_loss": loss,
        "probability_diversity": spread,
        "probability_label_term": member_loss - loss - spread,
        "not_finite": 0,
    }


@pytest.mark.parametrize("combiner", ["logits", "probabilities"])
def test_diversity_is_measured_for_every_lane_epoch_and_split_that_is_kept(combiner):
    run = random_run(combiner=combiner, kept={(0, 0): (0, 2), (1, 1): ()})
    result = diversity.measure(run, Options())
    for lane in run.lanes:
        for epoch in range(3):
            for split in SPLITS:
                index = {"lam": lane.lam_index, "trial": lane.trial, "epoch": epoch}
                measured = result.isel(index).sel(split=split)
                if split == "train" or epoch not in run.seal(lane).outputs:
                    for name in (*FROM_OUTPUTS, "residual", "store_residual"):
                        assert np.isnan(measured[name])
                    continue
                logits = run.logits[split][lane.lam_index, lane.trial, epoch]
                for name, value in diversity_of(logits, run.targets[split], combiner).items():
                    np.testing.assert_allclose(measured[name], value, atol=1e-12, err_msg=name)
                assert measured["residual"] < 1e-12
                assert measured["store_residual"] < 1e-12


@pytest.mark.parametrize("combiner", ["logits", "probabilities"])
def test_diversity_by_example_is_that_of_the_chosen_epoch_on_test(combiner):
    chosen = {(0, 0): 1, (1, 0): 1}
    run = random_run(combiner=combiner, kept={(0, 0): (0, 2)}, chosen=chosen)
    result = diversity.measure(run, Options())
    assert result["chosen_epoch"].values.tolist() == [[1, 2], [1, 2]]
    assert result["diversity_by_example"].dims == ("lam", "trial", "example")
    assert result["diversity_by_example"].attrs["split"] == "test"
    assert result["diversity_by_example"][0, 0].isnull().all()  # epoch 1 is not kept
    for i, t, epoch in ((0, 1, 2), (1, 0, 1), (1, 1, 2)):
        logits, target = run.logits["test"][i, t, epoch], run.targets["test"]
        for n in range(7):
            of_example = diversity_of(logits[:, [n]], target[[n]], combiner)
            assert float(result["diversity_by_example"][i, t, n]) == pytest.approx(
                of_example["diversity_by_member"].mean(), abs=1e-12
            )


def test_without_test_the_last_split_kept_is_reported_by_example():
    run = random_run(splits=("train", "val"))
    by_example = diversity.measure(run, Options())["diversity_by_example"]
    assert by_example.attrs["split"] == "val"
    assert by_example.shape == (2, 2, 7)
    run.recipe.keep.outputs = "none"
    run.kept = dict.fromkeys(((i, t) for i in range(2) for t in range(2)), ())
    assert diversity.measure(run, Options())["diversity_by_example"].shape == (2, 2, 0)


def test_stored_losses_that_do_not_belong_to_the_outputs_leave_a_residual():
    run = random_run()
    run.stored["ensemble_loss"][{"lam": 0, "trial": 1, "epoch": 2, "split": 1}] += 0.25
    run.stored["member_loss"][{"lam": 1, "trial": 0, "epoch": 0, "split": 2}] -= 0.5
    run.stored["ensemble_loss"][{"lam": 1, "trial": 0, "epoch": 0, "split": 2}] += 0.125
    result = diversity.measure(run, Options())
    scale = result["mean_member_loss"].clip(min=1)
    expected = np.zeros((2, 2, 3, 3))
    expected[0, 1, 2, 1] = 0.25 / float(scale[0, 1, 2, 1])
    expected[1, 0, 0, 2] = 0.5 / float(scale[1, 0, 0, 2])
    expected[..., 0] = np.nan  # stored losses of training are running means
    np.testing.assert_allclose(result["store_residual"], expected, atol=1e-12)
    assert "members" not in result
    assert "ensemble" not in result


def test_small_losses_are_compared_with_1_nat():
    run = random_run()
    run.logits["test"][..., :] = 9 * np.eye(3)[run.targets["test"]]
    run.stored = run._metrics()
    assert float(run.stored["member_loss"].sel(split="test").max()) < 0.001
    run.stored["ensemble_loss"][{"lam": 0, "trial": 0, "epoch": 0, "split": 2}] += 0.25
    result = diversity.measure(run, Options())
    assert float(result["store_residual"].max()) == pytest.approx(0.25, rel=1e-12)


def test_examples_whose_logits_are_not_finite_are_counted():
    run = random_run()
    run.logits["test"][1, 0, 2, 1, [2, 5], 0] = np.nan
    result = diversity.measure(run, Options())
    count = result["not_finite"].fillna(0)
    assert float(count.sel(lam=0.9, trial=0, epoch=2, split="test")) == 2
    assert float(count.sum()) == 2
    broken = result.sel(lam=0.9, trial=0, epoch=2, split="test")
    assert np.isnan(broken["residual"])
    by_example = result["diversity_by_example"].sel(lam=0.9, trial=0)
    assert by_example.isnull().values.tolist() == [n in (2, 5) for n in range(7)]


def test_a_class_without_examples_has_no_diversity():
    run = random_run()
    run.targets["test"][:] = [0, 2, 0, 2, 0, 2, 0]
    run.stored = run._metrics()
    by_class = diversity.measure(run, Options())["diversity_by_class"]
    known = by_class.sel(split="test").notnull().all(("lam", "trial", "epoch"))
    assert known.values.tolist() == [True, False, True]


def test_the_diversity_of_real_numbers_is_half_the_spread():
    run = random_run(family=GAUSSIAN)
    result = diversity.measure(run, Options())
    assert result.attrs["least_loss"] == -np.inf
    assert result["diversity_by_class"].isnull().all()
    assert float(result["residual"].max()) < 1e-12
    assert float(result["store_residual"].max()) < 1e-12
    for name in ("probability_diversity", "probability_label_term"):
        assert result[name].isnull().all()
    for at in np.ndindex(2, 2, 3):
        logits, target = run.logits["test"][at], run.targets["test"]
        spread = 0.5 * ((logits - logits.mean(0)) ** 2).sum(-1)
        measured = result.isel(dict(zip(("lam", "trial", "epoch"), at, strict=True)))
        measured = measured.sel(split="test")
        np.testing.assert_allclose(measured["diversity_by_member"], spread.mean(1), rtol=1e-12)
        assert float(measured["quadratic_part"]) == pytest.approx(spread.mean(), rel=1e-12)
        mixture = np.exp(-0.5 * ((logits - target) ** 2).sum(-1)).mean(0)
        assert float(measured["probability_loss"]) == pytest.approx(-np.log(mixture).mean())


def test_losses_far_from_zero_and_far_apart_are_shifted_without_loss_of_digits():
    run = random_run()
    near = diversity.measure(run, Options())
    run.logits = {split: logits + 2.0**40 for split, logits in run.logits.items()}
    run.logits = {split: logits - 2.0**40 for split, logits in run.logits.items()}  # as rounded
    run.stored = run._metrics()
    near = diversity.measure(run, Options())
    run.logits = {split: logits + 2.0**40 for split, logits in run.logits.items()}
    far = diversity.measure(run, Options())
    xr.testing.assert_allclose(far, near, rtol=1e-12, atol=1e-14)


# --- diversity: from the metrics -----------------------------------------------------------------

FROM_METRICS = {
    "mean_member_loss",
    "ensemble_loss",
    "diversity",
    "mean_member_loss_gap",
    "ensemble_loss_gap",
    "diversity_gap",
    "diverged_members",
    "chosen_epoch",
}


def test_metrics_alone_give_losses_diversity_and_gaps():
    run = random_run()
    result = diversity.measure(run, Options(metrics_only=True))
    assert set(result.data_vars) == FROM_METRICS
    assert result.attrs == {"members": 4, "least_loss": 0.0}
    members, ensemble = run.stored["member_loss"].values, run.stored["ensemble_loss"].values
    for name, values in {
        "mean_member_loss": members.mean(-1),
        "ensemble_loss": ensemble,
        "diversity": members.mean(-1) - ensemble,
    }.items():
        np.testing.assert_allclose(result[name], values, rtol=1e-14)
        np.testing.assert_allclose(result[f"{name}_gap"], values[..., 0] - values[..., 2])
        assert result[f"{name}_gap"].dims == ("lam", "trial", "epoch")


def test_members_have_diverged_whose_loss_is_not_finite_on_any_split():
    run = random_run()
    loss, error = run.stored["member_loss"], run.stored["member_error"]
    loss[{"lam": 0, "trial": 0, "epoch": 1, "split": 0, "member": 2}] = np.inf
    loss[{"lam": 0, "trial": 0, "epoch": 1, "split": 2, "member": 2}] = np.nan
    loss[{"lam": 0, "trial": 0, "epoch": 2, "split": 1, "member": 0}] = np.nan
    loss[{"lam": 0, "trial": 0, "epoch": 2, "split": 1, "member": 3}] = np.nan
    for values in (loss, error):
        values[{"lam": 1, "trial": 1, "epoch": 2}] = np.nan  # not sealed
    result = diversity.measure(run, Options(metrics_only=True))
    expected = np.zeros((2, 2, 3))
    expected[0, 0] = [0, 1, 2]
    expected[1, 1, 2] = np.nan
    np.testing.assert_array_equal(result["diverged_members"], expected)
    mean = result["mean_member_loss"].sel(lam=0, trial=0)
    assert np.isinf(mean.sel(epoch=1, split="train"))
    assert np.isnan(mean.sel(epoch=2, split="val"))


# --- collusion -----------------------------------------------------------------------------------


def dropped_of(logits, target, trial, kept, repeats=10):
    """Increases of the loss, (kept, repeats): the same random numbers, one subset at a time."""
    random = np.random.default_rng([7, trial, 0xC011])
    each = np.arange(len(target))
    priority = np.concatenate(
        [
            random.random((len(target[s : s + BLOCK]), repeats, len(logits)))
            for s in range(0, len(target), BLOCK)
        ]
    )
    whole = -np.log(softmax(logits.mean(0))[each, target])
    rises = np.zeros((len(kept), repeats))
    for i, count in enumerate(kept):
        for r in range(repeats):
            for n in each:
                subset = np.argsort(priority[n, r])[:count]
                q = softmax(logits[subset, n].mean(0))
                rises[i, r] += -np.log(q[target[n]]) - whole[n]
    return rises / len(target)


def collusion_of(logits, target, trial, kept):
    each = np.arange(len(target))
    member = -np.log(softmax(logits)[:, each, target]).mean()
    ensemble = -np.log(softmax(logits.mean(0))[each, target]).mean()
    centered = logits - logits.mean(-1, keepdims=True)
    offset = centered.mean(1, keepdims=True)
    shifted = centered - (offset - offset.mean(0))
    debiased = kl(softmax(shifted.mean(0)), softmax(shifted)).mean()
    rises, members = dropped_of(logits, target, trial, kept), len(logits)
    predicted = [(member - ensemble) * (members - m) / (m * (members - 1)) for m in kept]
    return {
        "ensemble_loss": ensemble,
        "mean_member_loss": member,
        "diversity": member - ensemble,
        "debiased_diversity": debiased,
        "bias_share": 1 - debiased / (member - ensemble),
        "drop_rise": rises.mean(1),
        "drop_rise_se": rises.std(1, ddof=1) / np.sqrt(10),
        "predicted_rise": predicted,
        "drop_excess": rises.mean(1) - predicted,
    }


def test_offsets_and_dropping_are_measured_at_the_chosen_epoch_of_every_split():
    run = random_run(members=5, splits=("train", "test"), epochs=2)
    run.logits["test"] = run.logits["test"] + np.array([1.0, 2.0, 0.0])  # a shift of one class
    run.logits["test"][:, :, :, 1] += [2.0, 0.0, -1.0]  # and an offset of one member
    run.stored = run._metrics()
    result = collusion.measure(run, Options())
    assert result["dropped_members"].values.tolist() == [1, 2, 3]
    assert result["dropped"].values.tolist() == [0.2, 0.4, 0.6]
    assert (result["train_is_running"] == 0).all()
    assert result.attrs["members"] == 5
    for lane in run.lanes:
        for split in ("train", "test"):
            measured = result.isel(lam=lane.lam_index, trial=lane.trial).sel(split=split)
            logits = run.logits[split][lane.lam_index, lane.trial, 1]
            expected = collusion_of(logits, run.targets[split], lane.trial, (4, 3, 2))
            for name, value in expected.items():
                np.testing.assert_allclose(measured[name], value, atol=1e-12, err_msg=name)
        unknown = result.isel(lam=lane.lam_index, trial=lane.trial).sel(split="val")
        assert np.isnan(unknown["bias_share"])
        assert unknown["drop_rise"].isnull().all()


def test_levels_are_compared_with_independent_training_and_training_with_test():
    run = random_run(lam=(0.0, 0.5, 1.0), kept={(1, 0): (0, 1), (2, 1): ()})
    result = collusion.measure(run, Options())
    assert result["measured_epoch"].values.tolist() == [[2, 2], [1, 2], [2, 2]]
    assert (result["train_is_running"] == 1).all()
    for i, t in np.ndindex(3, 2):
        at = run.stored.isel(lam=i, trial=t, epoch=1 if (i, t) == (1, 0) else 2)
        measured = result.isel(lam=i, trial=t)
        members = at["member_loss"].values.mean(-1)
        np.testing.assert_allclose(measured["mean_member_loss"], members, rtol=1e-12)
        np.testing.assert_allclose(measured["ensemble_loss"], at["ensemble_loss"], rtol=1e-12)
        np.testing.assert_allclose(measured["diversity"], members - at["ensemble_loss"], rtol=1e-12)
        train, _, test = at["ensemble_loss"].values
        assert float(measured["generalisation_gap"]) == pytest.approx(test - train)
        ratio = float(measured["diversity"][0] / measured["diversity"][2])
        assert float(measured["diversity_ratio"]) == pytest.approx(ratio)
        for name in ("mean_member_loss", "ensemble_loss", "diversity"):
            np.testing.assert_allclose(
                measured[f"{name}_change"],
                result[name].values[i, t] - result[name].values[0, t],
                atol=1e-14,
            )
    assert result["bias_share"].sel(lam=1, trial=1).isnull().all()  # no outputs are kept


def test_without_independent_training_there_are_no_changes():
    result = collusion.measure(random_run(lam=(0.5, 1.0)), Options(metrics_only=True))
    for name in ("mean_member_loss", "ensemble_loss", "diversity"):
        assert result[f"{name}_change"].isnull().all()
    assert "bias_share" not in result
    assert "dropped_members" not in result
    assert (result["train_is_running"] == 1).all()


def test_epochs_sealed_after_the_metrics_were_read_are_not_measured():
    run = random_run()
    run.stored = run.stored.isel(epoch=slice(0, 2))
    result = collusion.measure(run, Options(metrics_only=True))
    assert (result["measured_epoch"] == 1).all()
    run.kept = dict.fromkeys(((i, t) for i in range(2) for t in range(2)), (2,))
    assert (collusion.measure(run, Options(metrics_only=True))["measured_epoch"] == 1).all()


def test_identical_members_have_no_diversity_and_no_share_of_offsets():
    run = random_run()
    run.logits["test"][:] = run.logits["test"][:, :, :, :1]
    run.logits["test"][0, 0, 2, 0] += 1e-9  # rounding
    run.stored = run._metrics()
    result = collusion.measure(run, Options()).sel(split="test")
    for name in ("diversity", "debiased_diversity", "predicted_rise"):
        assert (result[name] == 0).all()
    assert result["bias_share"].isnull().all()
    assert result["diversity_ratio"].isnull().all()


def test_what_dropping_costs_is_unknown_where_members_have_diverged():
    run = random_run()
    run.logits["test"][0, 0, 2, 1, 3] = np.nan
    at_lane = collusion.measure(run, Options()).sel(lam=0, trial=0, split="test")
    for name in ("drop_rise", "drop_rise_se", "drop_excess"):
        assert at_lane[name].isnull().all()


# --- variance ------------------------------------------------------------------------------------


def terms_of(logits, target):
    """Means of every term over examples, from logits (D, M, n, K), as Wood et al. define them."""
    q, each = softmax(logits), np.arange(len(target))
    ensembles, members = softmax(logits.mean(1)), softmax(np.log(q).mean(0))
    whole = softmax(np.log(ensembles).mean(0))
    return {
        "expected_loss": -np.log(ensembles[:, each, target]).mean(),
        "average_bias": -np.log(members[:, each, target]).mean(),
        "average_variance": kl(members, q).mean(),
        "diversity": kl(ensembles[:, None], q).mean(),
        "ensemble_bias": -np.log(whole[each, target]).mean(),
        "ensemble_variance": kl(whole, ensembles).mean(),
        "disparity": kl(whole, members).mean(),
    }


def test_terms_are_measured_over_the_trials_of_each_lambda():
    chosen = {(0, 0): 1, (1, 2): 0}
    run = random_run(lam=(0.0, 0.5, 1.0, 0.9), trials=3, chosen=chosen)
    run.kept = {(1, 1): (0, 1), (2, 0): (), (2, 2): (0,), (3, 0): ()}
    run.stored["ensemble_loss"][{"lam": 3, "trial": 2}] = np.nan  # diverged
    result = variance.measure(run, Options())
    assert result["trials"].values.tolist() == [3, 2, 1, 1]
    losses = run.stored["ensemble_loss"].sel(split="test").values
    used = {0: {0: 1, 1: 2, 2: 2}, 1: {0: 2, 2: 0}, 2: {1: 2}, 3: {1: 2}}
    for i, epochs in used.items():
        for t in range(3):
            value = losses[i, t, epochs[t]] if t in epochs else np.nan
            np.testing.assert_allclose(result["ensemble_loss"][i, t], value)
        if len(epochs) == 1:
            assert all(np.isnan(result[name][i]) for name in (*TERMS, "residual"))
            continue
        logits = np.stack([run.logits["test"][i, t, epoch] for t, epoch in epochs.items()])
        for name, value in terms_of(logits, run.targets["test"]).items():
            assert float(result[name][i]) == pytest.approx(value, abs=1e-12)
        assert float(result["residual"][i]) < 1e-12


def test_standard_errors_are_the_jackknifes():
    run = random_run(lam=(0.5,), trials=3)
    result = variance.measure(run, Options()).isel(lam=0)
    logits = run.logits["test"][0, :, 2]
    without = [terms_of(np.delete(logits, t, 0), run.targets["test"]) for t in range(3)]
    for name in TERMS:
        values = np.array([terms[name] for terms in without])
        expected = np.sqrt(2 / 3 * ((values - values.mean()) ** 2).sum())
        assert float(result[f"{name}_se"]) == pytest.approx(expected, rel=1e-9)


def test_with_two_trials_only_means_have_a_standard_error():
    result = variance.measure(random_run(lam=(0.5,)), Options())
    known = {name for name in TERMS if result[f"{name}_se"].notnull().all()}
    assert known == {"expected_loss", "diversity"}


def test_a_trial_that_diverged_at_its_chosen_epoch_is_left_out():
    run = random_run(lam=(0.5,), trials=3)
    run.stored["ensemble_loss"][{"trial": 1, "epoch": 2, "split": 2}] = np.inf
    result = variance.measure(run, Options()).isel(lam=0)
    expected = terms_of(run.logits["test"][0, [0, 2], 2], run.targets["test"])
    assert float(result["trials"]) == 2
    assert float(result["expected_loss"]) == pytest.approx(expected["expected_loss"])
    assert result["ensemble_loss"].isnull().values.tolist() == [False, True, False]


@pytest.mark.parametrize("value", [np.inf, 1.5e308])
def test_a_loss_that_is_not_finite_raises_no_warning(value):
    """Warnings are errors in these tests."""
    run = random_run(lam=(0.5,), trials=3)
    run.logits["test"][0, 1, 2, 0, 4, :2] = value, -value
    result = variance.measure(run, Options())
    assert result["trials"].values.tolist() == [3]
    assert not np.isfinite(result["expected_loss"]).any()


def test_without_outputs_on_test_nothing_is_measured():
    run = random_run(splits=("train", "val"))
    result = variance.measure(run, Options())
    assert (result["trials"] == 0).all()
    assert result["ensemble_loss"].isnull().all()
    assert result["expected_loss"].isnull().all()
    empty = variance.measure(run, Options(metrics_only=True))
    assert not empty.data_vars
    assert empty["lam"].values.tolist() == [0.0, 0.9]
