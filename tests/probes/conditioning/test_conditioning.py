import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import linregress

from jtdiag import names
from jtdiag.probing.contract import Options
from jtdiag.replay import Replay
from jtdiag.testing import ProbePromises, toy_run
from jtdiag_probes.conditioning import (
    cost,
    exponent,
    output_conditioning,
    output_curvature,
    weight_conditioning,
)
from jtdiag_probes.conditioning.conditioning import lower_bound, probe
from jtdiag_probes.conditioning.verdict import at_the_end
from jtdiag_probes.conditioning.weight_conditioning import WeightCurvature
from jtdiag_probes.linalg.curvature_products import Tangents


@pytest.fixture(autouse=True, scope="module")
def few():
    """Use fewer steps than by default: these tests do not need more."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STEPS", "TOP_STEPS", "RANK_STEPS", "TRACE_PRODUCTS"):
            patch.setattr(weight_conditioning, name, 6)
        patch.setattr(output_conditioning, "GRID_LAM", (0.0, 0.9, 0.99, 0.999))
        yield


@pytest.fixture(scope="module")
def result(toy, few):
    return probe.ask(toy, Options())


@pytest.mark.slow
class TestConditioning(ProbePromises):
    probe = probe


def logits_of(run, lane, epoch, split="test"):
    blocks = run.outputs(lane, epoch, split)
    return np.concatenate([block.logits for block in blocks], 1).astype(float)


@pytest.mark.slow
def test_outputs_are_measured_on_the_stored_logits(toy, result):
    for lane in (toy.lanes[0], toy.lanes[4], toy.lanes[5]):
        lam = toy.lam(lane)
        of_lane = result.isel(lam=lane.lam_index, trial=lane.trial, epoch=3)
        logits = logits_of(toy, lane, 3)
        spectrum = output_curvature.Spectrum(output_curvature.categorical(logits))
        kappa = np.sort(spectrum.extremes(lam).kappa)
        assert float(of_lane["kappa"]) in (kappa[19], kappa[20])
        low, median, high = (float(of_lane[name]) for name in ("kappa_q25", "kappa", "kappa_q75"))
        assert kappa[0] <= low <= median <= high
        ratio = (
            output_curvature.gini(logits.mean(0)).sum()
            / output_curvature.gini(logits).mean(0).sum()
        )
        expected = 1 + lam / (1 - lam) * ratio if lam < 1 else np.inf
        assert float(of_lane["anisotropy"].sel(split="test")) == pytest.approx(expected, rel=1e-6)
    assert int(result["kappa_examples"]) == 40


def test_group_size_and_null_directions_depend_only_on_lambda(result):
    np.testing.assert_allclose(result["group_size"], [1, 3 / 1.2, 3])
    assert result["null_directions"].values.tolist() == [3, 3, 9 - 2]


def test_the_curve_of_one_lane_grows_as_one_over_one_minus_lam_and_has_no_interval(result):
    fit = result.sel(quantity="grid_kappa")
    assert float(fit["exponent"]) == pytest.approx(1, abs=0.02)
    assert np.isnan([float(fit["exponent_low"]), float(fit["exponent_high"])]).all()
    [finding] = [f for f in probe.judge(result) if f.rule == "exponent-grid_kappa"]
    assert "there is no interval for p" in finding.sentence


def test_two_lambdas_have_no_exponent(result):
    """The toy has λ = 0, 0.9 and 1."""
    assert result["exponent"].sel(quantity=["kappa", "weight_anisotropy"]).isnull().all()
    rules = {finding.rule: finding.sentence for finding in probe.judge(result)}
    assert {rule for rule in rules if "exponent" in rule} == {
        "exponent-grid_kappa",
        "exponent-unknown",
    }
    assert "the run has 2 values of λ below 1" in rules["exponent-unknown"]


def dense(replay):
    """The Hessian of the joint loss on all training examples, written out."""
    x, target = replay.examples("train")
    shapes = {name: w.shape for name, w in replay.trained.items()}

    def loss(v):
        pieces = torch.split(v, [int(np.prod(s)) for s in shapes.values()])
        weights = {n: p.view(s) for (n, s), p in zip(shapes.items(), pieces, strict=True)}
        return replay.loss_of(replay.logits_of(weights, x), target)

    start = torch.cat([w.reshape(-1) for w in replay.trained.values()])
    return torch.autograd.functional.hessian(loss, start).numpy()


@pytest.mark.slow
def test_weights_are_measured_at_the_last_checkpoint(toy, monkeypatch):
    monkeypatch.setattr(weight_conditioning, "STEPS", 99)
    replay = Replay.of(toy, toy.lanes[1], 4)
    ends = WeightCurvature(replay, examples=1000).ends_of_hessian()
    eigenvalues = np.linalg.eigvalsh(dense(replay))
    assert ends["hessian_max"] == pytest.approx(eigenvalues[-1], rel=1e-8)
    assert ends["hessian_min"] == pytest.approx(eigenvalues[0], rel=1e-8)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A replay of members with 40 inputs, more than the 20 training examples."""
    folder = tmp_path_factory.mktemp("wide")
    random = np.random.default_rng(5)
    arrays = {}
    for part, count in (("train", 24), ("test", 9)):
        arrays[f"x_{part}"] = random.normal(size=(count, 40)).astype(np.float32)
        arrays[f"y_{part}"] = np.arange(count) % 3
    np.savez(folder / "wide.npz", **arrays)
    data = {"name": str(folder / "wide.npz"), "val": 4}
    run = toy_run(folder, lam=[0.9], trials=1, data=data, train={"epochs": 1})
    return Replay.of(run, run.lanes[0], 1)


def test_members_with_fewer_inputs_have_the_same_outputs(wide, toy):
    double = wide.double()
    x = double.examples("train")[0].double()
    fewer, spanned = double.with_spanned_inputs(x)
    assert spanned.shape[1] <= 20
    assert fewer.trained["layer1.weight"].shape == (3, 5, spanned.shape[1])
    torch.testing.assert_close(fewer.logits(spanned), double.logits(x), rtol=1e-12, atol=1e-12)
    narrow = Replay.of(toy, toy.lanes[0], 4).double()
    assert narrow.with_spanned_inputs(torch.ones(9, 2).double())[0] is narrow
    nothing, zeros = double.with_spanned_inputs(torch.zeros(5, 40).double())
    torch.testing.assert_close(nothing.logits(zeros), double.logits(torch.zeros(5, 40).double()))


@pytest.mark.slow
def test_weights_in_directions_without_inputs_change_no_number(wide, monkeypatch):
    monkeypatch.setattr(weight_conditioning, "STEPS", 500)
    curvature = WeightCurvature(wide)
    eigenvalues = np.linalg.eigvalsh(dense(wide))
    ends = curvature.ends_of_hessian()
    assert ends["hessian_max"] == pytest.approx(eigenvalues[-1], rel=1e-5)
    assert ends["hessian_min"] == pytest.approx(eigenvalues[0], rel=1e-4)
    density = curvature.densities()["density"]
    decades = np.arcsinh(weight_conditioning.density.axis(241) / 2e-3) / np.log(10)
    assert np.trapezoid(density, decades) == pytest.approx(1, abs=1e-3)
    zeros = np.mean(np.abs(eigenvalues) < 1e-6)
    assert zeros > 0.4
    at_zero = np.abs(decades) < 0.6
    assert np.trapezoid(density[at_zero], decades[at_zero]) >= zeros - 0.01


def test_every_lane_has_its_numbers(result):
    assert (result["checkpoint"] == 4).all()
    for name in ("ggn_max", "ggn_trace", "cross_share", "member_max", "tangent_redundancy"):
        assert result[name].notnull().all(), name
    residual = result["ggn_max_residual"]
    assert (result["consensus_max"] <= result["ggn_max"] + residual + 0.2).all()
    assert float(abs(result["disagreement_max"].sel(lam=1.0)).max()) < 1e-20
    assert float(result["cross_share"].sel(lam=0.0).max()) == pytest.approx(0, abs=1e-14)


@pytest.mark.slow
def test_a_run_without_checkpoints_is_measured_by_its_outputs(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 1}, keep={"checkpoints": "none"})
    result = probe.ask(run, Options())
    assert result["kappa"].notnull().all()
    assert result["hessian_max"].isnull().all()
    assert result["checkpoint"].values.tolist() == [[-1]]
    assert [finding.rule for finding in probe.judge(result)] == [
        "outputs",
        "exponent-grid_kappa",
        "exponent-unknown",
    ]


@pytest.mark.slow
def test_members_that_have_diverged_have_no_curvature(tmp_path):
    run = toy_run(tmp_path, trials=1, lam=[0.5], train={"epochs": 2, "lr": 1e30})
    result = probe.ask(run, Options())
    assert float(result["kappa_singular"].isel(epoch=-1).max()) == 1
    assert result["hessian_max"].isnull().all()
    probe.judge(result)


def test_derivatives_that_agree_with_differences_are_recorded(result):
    assert float(result["derivative_error"].max()) < 1e-3


class WronglyDifferentiated(torch.autograd.Function):
    """x³ with a backward pass that hides its dependence on x."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * 3 * x.detach() ** 2


@pytest.mark.parametrize("refuses", [False, True])
def test_a_layer_without_a_second_derivative_leaves_one_sentence(toy, monkeypatch, refuses):
    real = Replay.logits_of

    def logits_of(self, weights, x):
        return WronglyDifferentiated.apply(real(self, weights, x))

    monkeypatch.setattr(Replay, "logits_of", logits_of)
    if refuses:
        monkeypatch.setattr(Tangents, "push", lambda self, v: torch.ones(2) @ torch.ones(3))
    numbers = WeightCurvature(Replay.of(toy, toy.lanes[1], 4)).numbers()
    assert numbers.keys() == {"derivative_error"}
    assert (numbers["derivative_error"] == np.inf) == refuses
    assert numbers["derivative_error"] > 0.01


def test_the_finding_says_that_a_second_derivative_is_missing(result):
    changed = result.copy(deep=True)
    changed["kappa_lower"][...] = np.nan
    changed["derivative_error"][...] = np.inf
    changed["derivative_error"].loc[{"lam": 0.0}] = 0.25
    missing = {f.lam: f for f in probe.judge(changed) if f.rule == "second-derivative"}
    assert missing.keys() == {0.0, 0.9, 1.0}
    assert "differ from finite differences by 25 %" in missing[0.0].sentence
    assert all(np.isfinite(finding.number) for finding in missing.values())


def test_the_bound_is_that_of_the_most_examples_that_leave_every_lane_finite():
    kappa = xr.DataArray(
        [[[2.0, 3, np.inf]], [[4.0, 5, 6]], [[np.nan] * 3]],
        dims=("lam", "trial", "exact_examples"),
        coords={"exact_examples": [1, 2, 4]},
    )
    bound = lower_bound(kappa, kappa / 2)
    assert bound["kappa_lower_examples"] == ((), 2)
    np.testing.assert_array_equal(bound["kappa_lower"].values, [[3], [5], [np.nan]])
    np.testing.assert_array_equal(bound["kappa_lower_growth"].values, [[2], [2], [np.nan]])


def test_the_exponent_is_the_mean_over_trials_with_students_interval():
    lam = np.array([0.0, 0.5, 0.9, 0.99, 1.0])
    noise = np.random.default_rng(0).lognormal(sigma=0.1, size=(5, 3))
    kappa = 3 * np.maximum(1 - lam, 1e-9)[:, None] ** -0.8 * noise
    fit = exponent.fit(lam, kappa)
    slopes = [linregress(-np.log(1 - lam[:4]), np.log(k[:4])).slope for k in kappa.T]
    assert fit.value == pytest.approx(np.mean(slopes), rel=1e-9)
    reach = 4.302653 * np.std(slopes, ddof=1) / np.sqrt(3)
    assert fit.high - fit.value == pytest.approx(reach, rel=1e-6)
    assert fit.low < 0.8 < fit.high
    assert (fit.lambdas, fit.trials) == (4, 3)


def test_an_exponent_needs_three_lambdas_and_its_interval_two_trials():
    lam = np.array([0.0, 0.9, 0.99, 1.0])
    kappa = np.array([1.0, 10, 100, np.inf])[:, None]
    single = exponent.fit(lam, kappa)
    assert (single.value, single.lambdas, single.trials) == (pytest.approx(1), 3, 1)
    assert np.isnan([single.low, single.high]).all()
    for missing in (np.inf, np.nan, 0.0):
        fewer = kappa.copy()
        fewer[1] = missing
        assert np.isnan(exponent.fit(lam, fewer).value)
    assert np.isnan(exponent.fit(lam, np.full((4, 2), np.nan)).value)


def test_a_trial_that_was_not_measured_is_left_out():
    lam = np.array([0.0, 0.9, 0.99])
    kappa = np.array([[1.0, np.nan, 1], [10, np.nan, 11], [100, np.nan, 120]])
    fit = exponent.fit(lam, kappa)
    assert (fit.lambdas, fit.trials) == (3, 2)
    assert np.isfinite(fit.low)


def test_the_end_of_a_lane_is_its_last_number():
    values = xr.DataArray(
        [[[1.0, np.nan], [np.inf, np.nan]], [[np.nan] * 2] * 2],
        dims=("lam", "epoch", "split"),
    ).expand_dims(trial=[0])
    np.testing.assert_array_equal(at_the_end(values), [[np.inf], [np.nan]])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (9.9, 14.8, "above the p = 1"),
        (0.8, 1.4, "not significantly different from the p = 1"),
        (0.65, 0.94, "below the p = 1"),
        (-2.4, 1.2, "not significantly different from no growth"),
        (np.nan, np.nan, "without an interval"),
    ],
)
@pytest.mark.parametrize("name", ["kappa", "kappa_lower", "weight_anisotropy"])
def test_an_exponent_is_compared_with_theory_by_its_interval(result, name, low, high, verdict):
    changed = result.copy(deep=True)
    for key, value in (("exponent", 0.9), ("exponent_low", low), ("exponent_high", high)):
        changed[key].loc[{"quantity": name}] = value
    [finding] = [f for f in probe.judge(changed) if f.rule == f"exponent-{name}"]
    assert verdict in finding.sentence


def test_findings_name_what_is_excluded(result):
    sentences = {(f.rule, f.lam): f.sentence for f in probe.judge(result)}
    assert "7 output directions per example have no curvature" in sentences["null-directions", 1.0]
    assert "null space of λ = 1 excluded" in sentences["weights", 1.0]
    assert "excluded" not in sentences["weights", 0.9]
    assert {names.LAM} == {"lam"}


# --- too many classes ----------------------------------------------------------------------------


def test_the_work_grows_with_the_cube_of_the_classes():
    assert cost.work(3, 11) == 3 * 10**3
    assert output_conditioning.most_examples(3, 999) == 0
    assert output_conditioning.most_examples(64, 99) == output_conditioning.FEWEST_EXAMPLES


def test_the_estimate_is_a_sum_over_lanes_and_epochs(toy):
    classes, members = toy.outputs_per_member, toy.recipe.members.count
    d = classes - 1
    each = members * (cost.CUBIC * d**3 + cost.SQUARE * d**2)
    epochs = sum(len(toy.seal(lane).outputs) for lane in toy.lanes)
    once, twice = (cost.seconds(toy, n, 4, 20) for n in (10, 20))
    assert twice - once == pytest.approx(10 * (epochs + 4) * each)
    of_lane = cost.LANE + members * (cost.EXACT * d**3 + cost.REDUNDANCY * classes * 20)
    assert cost.seconds(toy, 0, 4, 20) == pytest.approx(len(toy.lanes) * of_lane)


@pytest.mark.slow
@pytest.mark.parametrize("also_weights", [False, True])
def test_what_takes_too_long_is_left_out_and_said(toy, result, few, monkeypatch, also_weights):
    monkeypatch.setattr(cost, "LARGEST", 1)
    if also_weights:
        monkeypatch.setattr(cost, "LARGEST_EXACT", 1)
    left = probe.ask(toy, Options())
    assert int(left["kappa_examples"]) == 0
    exact = ("kappa_exact", "kappa_exact_alone", "kappa_lower", "cross_share")
    for name in ("kappa", "kappa_limit", "grid_kappa", *(exact if also_weights else ())):
        assert left[name].isnull().all(), name
        assert result[name].notnull().any(), name
    kept = ("anisotropy", "grid_anisotropy", "hessian_max", *(() if also_weights else exact))
    for name in kept:
        xr.testing.assert_equal(left[name], result[name])
    [first, *_] = probe.judge(left)
    assert first.rule == "too-large"
    assert ("Exact condition numbers are" in first.sentence) == also_weights
    assert not [f for f in probe.judge(left) if f.rule in ("outputs", "null-directions")]
    assert not [f for f in probe.judge(result) if f.rule == "too-large"]
