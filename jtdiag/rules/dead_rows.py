"""Dead rows: a module returns only zeros for some examples, so that nothing can be learned there.

Duan & Principe train modules one after the other: layers of ReLU without normalization then give
more and more such rows, and the modules after them see the same input for all of these examples.
"""

import numpy as np

from jtdiag.rules import limits, wording
from jtdiag.rules.contract import Floats, History, Rule, Verdict


def score(history: History) -> float:
    """Return the largest share of dead rows of a module of a member; NaN if unknown."""
    shares = _shares(history)
    return float("nan") if shares is None else float(shares.max())


def _shares(history: History) -> Floats | None:
    """Return the shares (M, K) after the last epoch; None if they are unknown."""
    modules = history.modules
    if modules is None or modules.dead_rows is None:
        return None
    return np.nan_to_num(modules.dead_rows[-1])


def judge(history: History) -> Verdict | None:
    """Fire where a module of a member returns only zeros for more examples than the limit."""
    shares = _shares(history)
    if shares is None or history.last < 1 or shares.max() <= limits.DEAD_ROWS:
        return None
    assert history.modules is not None
    members = np.flatnonzero(shares.max(1) > limits.DEAD_ROWS)
    module = int(shares.max(0).argmax())
    return Verdict(
        rule=RULE.name,
        level="alert",
        epoch=history.last,
        number=float(shares.max()),
        limit=limits.DEAD_ROWS,
        members=tuple(int(member) for member in members),
        observation=wording.dead_rows_observation(
            module=history.modules.names[module],
            count=members.size,
            members=history.members,
            share=float(shares.max()),
            limit=limits.DEAD_ROWS,
        ),
        advice=wording.dead_rows_advice(),
    )


RULE = Rule(
    name="dead-rows",
    compares=(
        "the largest share of the training examples for which a module of a member returns only "
        "zeros"
    ),
    limit=limits.DEAD_ROWS,
    score=score,
    judge=judge,
    needs_heads=False,
)
