"""The rules' verdicts on a lane after each early epoch, as the installed rules give them."""

from collections.abc import Iterator
from contextlib import contextmanager

from early_warning_study.grid import EARLY
from jtdiag import rules
from jtdiag.rules import limits
from jtdiag.rules.contract import History

RULES = (
    "dominance",
    "codependence",
    "stagnation",
    "diversity-explosion",
    "divergence",
    "over-capacity",
)


@contextmanager
def asked_from(epoch: int) -> Iterator[None]:
    """Let rules that wait for `limits.EARLY_EPOCH` answer from another epoch on."""
    usual = limits.EARLY_EPOCH
    limits.EARLY_EPOCH = epoch
    try:
        yield
    finally:
        limits.EARLY_EPOCH = usual


def by_epoch(history: History) -> dict[str, str]:
    """Return whether each rule fires after each early epoch, as a text of zeros and ones.

    The rules answer from epoch 1 on, which shows what they would say before they are asked.
    """
    with asked_from(EARLY[0]):
        fired = [
            {verdict.rule for verdict in rules.judge(history.until(epoch), RULES)}
            for epoch in EARLY
        ]
    return {rule: "".join(str(int(rule in names)) for names in fired) for rule in RULES}


def first_epochs(history: History) -> dict[str, int]:
    """Return the epoch after which each rule fires for the first time; 0 where it never does."""
    verdicts = {verdict.rule: verdict.epoch for verdict in rules.first(history, RULES)}
    return {rule: verdicts.get(rule, 0) for rule in RULES}
