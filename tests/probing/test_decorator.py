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
    found = xr.DataArray(np.full(len(run.recipe.lam), -np.inf), dims="lam")
    found["lam"] = list(run.recipe.lam)
    for lane in run.lanes:
        for block in run.outputs(lane, 4, "test"):
            found[lane.lam_index] = max(found[lane.lam_index], block.logits.max())
    return found


class TestWorst(ProbePromises):
    probe = worst


class TestLanes(ProbePromises):
    probe = lanes


class TestLargest(ProbePromises):
    probe = largest


def test_the_number_is_the_mean_over_trials_at_the_last_epoch(toy):
    said = {f.lam: f for f in worst.judge(worst.ask(toy, Options()))}
    errors = toy.metrics()["member_error"].sel(split="test", epoch=4).max("member")
    assert list(said) == [0.0, 0.9, 1.0]
    for lam, one in said.items():
        number = float(errors.sel(lam=lam).mean())
        assert one.number == pytest.approx(number, rel=1e-14)
        assert one.sentence == (
            f"λ = {lam:g}: worst is {number:.3g} after epoch 4 (the worst member's test error)."
        )


def test_lanes_that_have_come_less_far_are_said_at_their_own_end(toy_copy, cut_back):
    run = cut_back(toy_copy, 2, -1, -1, 1, -1, -1)
    [one] = worst.judge(worst.ask(run, Options()))
    assert (one.lam, one.epoch) == (0, 2)


def test_above_the_limit_it_is_an_alert(toy):
    [one] = lanes.judge(lanes.ask(toy, Options()))
    assert (one.level, one.number, one.limit, one.lam) == ("alert", 6, 2, None)
    assert one.sentence == "lanes is 6 lanes, above the limit of 2 (λs times trials)."


def test_what_is_read_from_outputs_is_left_out_while_a_run_trains(toy):
    assert largest.cost == "slow"
    assert worst.cost == "cheap"
    assert dict(largest.ask(toy, Options(metrics_only=True)).data_vars) == {}


def test_its_result_is_fresh_until_its_file_changes(small_run, monkeypatch):
    ask(small_run, worst)
    assert worst.source == __file__
    assert results.is_fresh(small_run, worst)
    monkeypatch.setattr(results, "code_hash", lambda source, family: "another")
    assert not results.is_fresh(small_run, worst)


def test_code_that_lies_in_no_file_is_measured_anew(small_run):
    namespace = {"asks": asks, "BY_EPOCH": BY_EPOCH}
    source = '@asks("Why?", BY_EPOCH)\ndef typed(run):\n    return run.metrics()["member_error"]'
    exec(
        compile(source + '.sel(split="test", drop=True).max("member")', "<stdin>", "exec"),
        namespace,
    )
    ask(small_run, namespace["typed"])
    assert results.load(small_run, "typed").attrs["code_hash"] == ""
    assert not results.is_fresh(small_run, namespace["typed"])


def test_what_is_no_question_and_what_is_no_var_are_told_at_once():
    with pytest.raises(ProbeError, match=r"'How bad' does not end with '\?'\.$"):
        asks("How bad", BY_EPOCH)
    with pytest.raises(ProbeError, match=r"writes a Var\(dims=.*\), not a str\.$"):
        asks("How bad?", "1")


def test_a_function_that_returns_something_else_is_told(toy):
    returned = asks("How bad?", BY_EPOCH)(lambda run: 3)
    with pytest.raises(ProbeError, match=r"returned a int; it must return an xarray.DataArray\.$"):
        returned.ask(toy, Options())


def test_other_dimensions_than_promised_are_told(toy):
    other = asks("How bad?", BY_EPOCH)(lambda run: run.metrics()["member_error"])
    with pytest.raises(ProbeError, match="it promises"):
        other.ask(toy, Options())
