"""Early-warning rules: each compares one number of a lane's training metrics with a limit.

`contract` defines what a rule is, `limits` contains the limits of the built-in rules, `wording`
their sentences. Each rule is a file of its own, found by its entry point. Importing this package
imports neither torch nor any rule.
"""

from jtdiag.rules.evaluation import judge, scores
from jtdiag.rules.registry import RULES, rank
from jtdiag.rules.verdict_log import VerdictLog, first

__all__ = ["RULES", "VerdictLog", "first", "judge", "rank", "scores"]
