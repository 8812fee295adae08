"""Variables of the result of the probe `transfer`."""

from jtdiag import names
from jtdiag.compare.sources import LAYER, RANKING, SCORE, TARGET
from jtdiag.probing import over_trials
from jtdiag.probing.contract import Var

_SOURCE = (names.LAM, names.TRIAL, names.EPOCH, names.MEMBER, LAYER, TARGET)
_BY_TARGET = (names.TRIAL, TARGET, RANKING)
_BY_TRIAL = (names.TRIAL, RANKING)
_MEANINGS = {
    "tau": (
        "1",
        "Kendall's τ-b of a score with small test errors of new heads, over the sources after "
        "training",
    ),
    "loss_tau": ("1", "the same with small test losses"),
    "regret": (
        names.FRACTION,
        "test error of the source with the largest score minus that of the best source",
    ),
}


def _var(dims: tuple[str, ...], unit: str, meaning: str) -> Var:
    return Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)


def _ends(name: str, meaning: str) -> dict[str, Var]:
    unit = _MEANINGS[name][0]
    return {
        f"{name}_bootstrap_{end}": _var((RANKING,), unit, f"{which} end of the {meaning}")
        for end, which in (("low", "lower"), ("high", "upper"))
    }


WRITES = {
    "head_error": _var(
        _SOURCE,
        names.FRACTION,
        "test error of a new head for a target task on the features of a source",
    ),
    "head_loss": _var(_SOURCE, names.NAT, "test loss of that head"),
    "score_value": _var(
        (*_SOURCE, SCORE),
        "1 or nat",
        "score of a source for a target task, larger is better; LogME, LEEP and NCE in nats, the "
        "error with few labels with a minus; NaN at epoch 0, which is a control",
    ),
    "input_error": _var(
        (names.TRIAL, TARGET), names.FRACTION, "test error of a new head on the inputs"
    ),
    "own_task": _var((TARGET,), names.COUNT, "1 if a task is the one that the run is trained on"),
    **{
        f"target_{name}": _var(_BY_TARGET, unit, meaning)
        for name, (unit, meaning) in _MEANINGS.items()
    },
    **{
        name: _var(_BY_TRIAL, unit, f"{meaning}, mean over target tasks")
        for name, (unit, meaning) in _MEANINGS.items()
    },
    "random_regret": _var(
        (names.TRIAL,), names.FRACTION, "regret of a source chosen at random, mean over tasks"
    ),
    **{
        key: var
        for name, (unit, meaning) in _MEANINGS.items()
        for key, var in over_trials.variables(
            name, (RANKING,), unit, f"{meaning}, mean over target tasks", from_outputs=True
        ).items()
    },
    **over_trials.variables(
        "random_regret",
        (),
        names.FRACTION,
        "regret of a source chosen at random, mean over tasks",
        from_outputs=True,
    ),
    **_ends("tau", "95 % bootstrap interval of the mean τ over target tasks"),
    **_ends("loss_tau", "95 % bootstrap interval of the mean τ with losses over target tasks"),
    **_ends("regret", "95 % bootstrap interval of the mean regret over target tasks"),
    "sources": _var(
        (names.TRIAL,), names.COUNT, "sources after training with an error, n of τ and regret"
    ),
}
"""All of them."""
