import numpy as np
import pytest
import xarray as xr

from jtdiag import Var, asks
from jtdiag.errors import ProbeError
from jtdiag.probing import results
from jtdiag.probing.contract import Options
from jtdiag.probing.running import probe as ask
from jtdiag.testing import ProbePromises

BY_EPOCH = Var(dims=("lam", "trial", "epoch"), unit="1", meaning="the worst member's test error")


@asks("How bad is the worst member?", BY_EPOCH)
def worst(run):
    return run.metrics()["member_error"].sel(split="test", drop=True).max("member")


@asks("How many lanes are there?", Var(dims=(), unit="lanes", meaning="λs times trials"), limit=2)
def lanes(run):
    return xr.DataArray(len(run.lanes))


@asks(
    "How large do logits get?",
    Var(dims=("lam",), unit="nat", meaning="largest logit", from_outputs=True),
)
def largest(run):
    result = xr.DataArray(np.full(len(run.recipe.lam), -np.inf), dims="lam")
    result["lam"] = list(run.recipe.lam)
    for lane in run.lanes:
        for block in run.outputs(lane, 4, "test"):
            result[lane.lam_index] = max(result[lane.lam_index], block.logits.max())
    return result


@pytest.mark.slow
class TestWorst(ProbePromises):
    probe = worst


@pytest.mark.slow
class TestLanes(ProbePromises):
    probe = lanes


@pytest.mark.slow
class TestLargest(ProbePromises):
    probe = largest


def test_the_number_is_the_mean_over_trials_at_the_last_epoch(toy):
    findings = {f.lam: f for f in worst.judge(worst.ask(toy, Options()))}
    errors = toy.metrics()["member_error"].sel(split="test", epoch=4).max("member")
    assert list(findings) == [0.0, 0.9, 1.0]
    for lam, finding in findings.items():
        number = float(errors.sel(lam=lam).mean())
        assert finding.number == pytest.approx(number, rel=1e-14)
        assert finding.sentence == (
            f"λ = {lam:g}: worst is {number:.3g} after epoch 4 (the worst member's test error)."
        )


def test_unfinished_lanes_are_reported_at_their_own_last_epoch(toy_copy, cut_back):
    run = cut_back(toy_copy, 2, -1, -1, 1, -1, -1)
    [finding] = worst.judge(worst.ask(run, Options()))
    assert (finding.lam, finding.epoch) == (0, 2)


def test_above_the_limit_it_is_an_alert(toy):
    [finding] = lanes.judge(lanes.ask(toy, Options()))
    assert (finding.level, finding.number, finding.limit, finding.lam) == ("alert", 6, 2, None)
    assert finding.sentence == "lanes is 6 lanes, above the limit of 2 (λs times trials)."


def test_a_probe_that_reads_outputs_is_skipped_when_only_metrics_are_read(toy):
    assert largest.cost == "slow"
    assert worst.cost == "cheap"
    assert dict(largest.ask(toy, Options(metrics_only=True)).data_vars) == {}


@pytest.mark.slow
def test_its_result_is_fresh_until_its_file_changes(small_run, monkeypatch):
    ask(small_run, worst)
    assert worst.source == __file__
    assert results.is_fresh(small_run, worst)
    monkeypatch.setattr(results, "code_hash", lambda source, family: "another")
    assert not results.is_fresh(small_run, worst)


@pytest.mark.slow
def test_a_probe_whose_code_is_not_in_a_file_is_never_fresh(small_run):
    namespace = {"asks": asks, "BY_EPOCH": BY_EPOCH}
    source = '@asks("Why?", BY_EPOCH)\ndef typed(run):\n    return run.metrics()["member_error"]'
    exec(
        compile(source + '.sel(split="test", drop=True).max("member")', "<stdin>", "exec"),
        namespace,
    )
    ask(small_run, namespace["typed"])
    assert results.load(small_run, "typed").attrs["code_hash"] == ""
    assert not results.is_fresh(small_run, namespace["typed"])


def test_a_missing_question_mark_and_a_missing_var_are_errors():
    with pytest.raises(ProbeError, match=r"must end with '\?': 'How bad' does not\.$"):
        asks("How bad", BY_EPOCH)
    with pytest.raises(ProbeError, match=r"must be a Var\(dims=.*\); it is of type str\.$"):
        asks("How bad?", "1")


def test_a_function_that_returns_another_type_is_an_error(toy):
    returned = asks("How bad?", BY_EPOCH)(lambda run: 3)
    with pytest.raises(ProbeError, match=r"of type int; it must return an xarray.DataArray\.$"):
        returned.ask(toy, Options())


def test_dimensions_that_differ_from_those_declared_are_an_error(toy):
    wrong = asks("How bad?", BY_EPOCH)(lambda run: run.metrics()["member_error"])
    with pytest.raises(ProbeError, match="`writes` declares"):
        wrong.ask(toy, Options())
