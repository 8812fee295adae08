"""The answer: what is recommended, how sure that is, and what else was compared."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from jtdiag.advising import wording
from jtdiag.advising.additive import Floats
from jtdiag.advising.evidence import SELECTING
from jtdiag.advising.qualities import Better
from jtdiag.advising.searching import Ended
from jtdiag.advising.standing import Standing
from jtdiag.stats import Interval, mean_interval


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Advice:
    """What `jtdiag.advise` returns."""

    folder: Path
    """Folder with the runs; the same question continues there."""
    ended: Ended
    """Whether the search has "decided", or was ended by a "limit"."""
    standings: tuple[Standing, ...]
    """All candidates, and where they stand."""
    test_errors: Floats
    """(trials,), test errors of the recommended candidate, as fractions."""
    compared_in: tuple[str, ...] = ()
    """In which other respects the candidates were compared that are not significantly worse."""
    better: tuple[Better, ...] = ()
    """Those that are significantly better than the recommended one in one of them."""
    recipe: Path | None = None
    """Recipe of the recommended candidate, for `jtdiag train`."""
    figures: tuple[Path, ...] = ()

    @property
    def recommended(self) -> Standing | None:
        """The candidate with the lowest validation error; None without a complete trial."""
        return next((s for s in self.standings if s.state == "recommended"), None)

    @property
    def undecided(self) -> tuple[Standing, ...]:
        """Candidates that are not significantly worse than the recommended one."""
        return self._in_state("undecided")

    @property
    def validation(self) -> Interval:
        """Validation error of the recommended candidate, as a fraction, beside the first trial."""
        errors = self.recommended.errors if self.recommended else np.empty(0)
        return mean_interval(errors[SELECTING:] if len(errors) > SELECTING else errors)

    @property
    def test(self) -> Interval:
        """Test error of the recommended candidate, as a fraction."""
        return mean_interval(self.test_errors)

    @property
    def sentences(self) -> list[str]:
        """The answer in words."""
        every = [*self._about_recommended(), *self._about_others(), *self._about_qualities()]
        return [*every, wording.LIMIT] if self.ended == "limit" else every

    def __repr__(self) -> str:
        """Return the answer in words."""
        return "\n".join(self.sentences)

    def _in_state(self, *states: str) -> tuple[Standing, ...]:
        return tuple(standing for standing in self.standings if standing.state in states)

    def _about_recommended(self) -> list[str]:
        best = self.recommended
        if best is None:
            return [wording.NO_EVIDENCE]
        trials = max(1, len(best.errors) - SELECTING)
        return [
            wording.recommended(best.candidate.label, self.validation, trials),
            wording.on_test(self.test, len(self.test_errors)),
        ]

    def _about_others(self) -> list[str]:
        dropped, untried = self._in_state("dropped"), self._in_state("not trained")
        counts = wording.not_compared(len(dropped), len(untried), len(self.standings))
        if self.recommended is None:
            return [counts]
        singles = [s for s in self.standings if s.candidate.scheme == "single"]
        compared = [s.difference for s in singles if s is not self.recommended]
        versus = [wording.against_single(d) for d in compared if d is not None]
        contenders = len(self.standings) - len(dropped) - len(untried)
        others = [standing.candidate.label for standing in self.undecided]
        verdict = wording.undecided(others) if others else wording.decided(contenders)
        return [*versus, verdict, *([counts] if counts else [])]

    def _about_qualities(self) -> list[str]:
        labels = {s.candidate.name: s.candidate.label for s in self.standings}
        sentences = [
            wording.better_at(each.quality, labels[each.name], each.difference)
            for each in self.better
        ]
        surpassed = {each.quality for each in self.better}
        rest = [quality for quality in self.compared_in if quality not in surpassed]
        return [*sentences, *([wording.none_better_at(rest)] if rest else [])]


def best_first(standings: Sequence[Standing]) -> list[Standing]:
    """Return the candidates in the order of a table: by state, then by error."""
    order = ("recommended", "undecided", "worse", "dropped", "not trained")
    return sorted(standings, key=lambda s: (order.index(s.state), s.error))
