import numpy as np
import pytest
import xarray as xr

from jtdiag.compare import sources
from jtdiag_probes.transfer.heads import SCORES
from jtdiag_probes.transfer.verdict import judge


def result_of(trials=5, targets=6, members=6, good=("LogME",), seed=0, spread=0.02):
    """Errors of sources, of which some scores know the errors and the others know nothing."""
    random = np.random.default_rng(seed)
    shape = (1, trials, 2, members, 2, targets)
    error = 0.1 + spread * random.normal(size=shape)
    values = random.normal(size=(*shape, len(SCORES)))
    for name in good:
        values[..., SCORES.index(name)] = -error
    dims = ("lam", "trial", "epoch", "member", "layer", "target")
    measured = xr.Dataset(
        {
            "head_error": (dims, error),
            "head_loss": (dims, error),
            "score_value": ((*dims, "score"), values),
            "input_error": (("trial", "target"), np.full((trials, targets), 0.2)),
        },
        coords={
            "lam": [1.0],
            "epoch": [0, 3],
            "layer": ["layer1", "layer2"],
            "target": [f"{i} | {i + 1}" for i in range(targets)],
            "score": list(SCORES),
        },
    )
    return measured.merge(sources.of_run(measured))


def sentences(result):
    return {finding.rule: finding.sentence for finding in judge(result)}


def test_the_best_ranking_is_named_first_and_tested():
    found = sentences(result_of())
    assert "Over 12 sources" in found["ranking"]
    assert "is 1.00 for LogME, " in found["ranking"]
    assert "bootstrap intervals are over tasks" in found["ranking"]
    assert "best source: 0.00 points by LogME" in found["regret"]
    assert "NaN" not in found["regret"]
    assert "nan" not in " ".join(found.values())


def test_equal_taus_have_nothing_to_test_and_others_are_tested():
    found = sentences(result_of(good=()))
    assert "not significantly different from 0 for AL, centred AL" in found["above-0"]
    assert "not significantly different for any score" in found["against-static"]


def test_a_score_that_is_nearly_right_is_significant():
    result = result_of()
    random = np.random.default_rng(1)
    result["tau"][:, SCORES.index("LogME")] = 0.8 + 0.01 * random.normal(size=5)
    found = sentences(result)
    assert "significantly above 0 for LogME" in found["above-0"]
    assert "significantly higher for LogME (+0.8" in found["against-static"]


def test_two_trials_show_nothing_and_few_tasks_have_no_interval():
    found = sentences(result_of(trials=2, targets=3))
    assert set(found) == {"ranking", "regret", "too-few-trials"}
    assert "interval" not in found["ranking"]


def test_two_sources_cannot_be_ranked():
    found = sentences(result_of(members=1))
    assert set(found) == {"too-few-sources"}
    assert "2 sources after training are too few" in found["too-few-sources"]


def test_sources_with_the_same_error_cannot_be_ranked():
    assert set(sentences(result_of(spread=0))) == {"nothing-differs"}


def test_where_nothing_was_measured_there_is_no_finding():
    assert judge(result_of() * np.nan) == []
    assert judge(xr.Dataset()) == []


@pytest.mark.one_in(2)
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["above-0", "against-static"])
def test_scores_that_know_nothing_are_claimed_to_in_5_percent_of_runs_at_most(rule):
    runs, claims = 100, 0
    result = result_of(trials=4, targets=2, members=2, good=())
    for seed in range(runs):
        result["tau"][:] = 0.1 * np.random.default_rng(seed).normal(size=result["tau"].shape)
        sentence = sentences(result)[rule]
        claims += " significantly" in sentence.replace("not significantly", "")
    assert claims / runs < 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)
