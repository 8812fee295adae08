"""Where every candidate stands at the end of a search."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.advising.additive import Floats
from jtdiag.advising.candidates import Candidate, path_of
from jtdiag.advising.evidence import Evidence
from jtdiag.advising.training import existing, validation_errors
from jtdiag.stats import Interval

State = Literal["recommended", "undecided", "worse", "dropped", "not trained"]


@attrs.frozen(kw_only=True, eq=False)
class Standing:
    """What is known of one candidate."""

    candidate: Candidate
    state: State
    """"undecided" if it is not significantly worse than the recommended one, "worse" if it is, and
    "dropped" if the search gave it up within its first trial."""
    errors: Floats
    """(trials,), lowest validation error of the ensemble in each complete trial."""
    partial_error: float
    """The same within the first trial as far as it is trained; NaN if it is not."""
    difference: Interval | None
    """Mean error minus that of the recommended candidate, see `Evidence.differences`."""

    @property
    def error(self) -> float:
        """Mean validation error, of an incomplete trial if there is no complete one."""
        return float(self.errors.mean()) if len(self.errors) else self.partial_error


def standings(folder: Path, every: Sequence[Candidate], evidence: Evidence) -> list[Standing]:
    """Return where every candidate stands, from its run."""
    return [_standing(folder, candidate, evidence) for candidate in every]


def _standing(folder: Path, candidate: Candidate, evidence: Evidence) -> Standing:
    run = existing(path_of(folder, candidate))
    errors, partial_error = np.empty(0), np.nan
    if run is not None and run.seal(run.lanes[0]).epoch > 0:
        errors = validation_errors(run, candidate.recipe.train.epochs)
        on_val = run.metrics()[names.ENSEMBLE_ERROR].sel({names.SPLIT: names.VAL})
        partial_error = float(on_val.isel({names.TRIAL: 0}).min())
    return Standing(
        candidate=candidate,
        state=_state(candidate.name, evidence, trained=np.isfinite(partial_error)),
        errors=errors,
        partial_error=partial_error,
        difference=evidence.differences.get(candidate.name),
    )


def _state(name: str, evidence: Evidence, *, trained: bool) -> State:
    if name == evidence.recommended:
        return "recommended"
    if name in evidence.differences:
        return "worse" if name in evidence.worse else "undecided"
    return "dropped" if trained else "not trained"


def to_dataset(every: Sequence[Standing]) -> xr.Dataset:
    """Return errors (candidate, trial) and what else a figure draws, by candidate."""
    trials = max(1, *(len(standing.errors) for standing in every))
    errors = np.full((len(every), trials), np.nan)
    for row, standing in zip(errors, every, strict=True):
        row[: len(standing.errors)] = standing.errors
    of_candidates = [standing.candidate for standing in every]
    columns = {
        "members": [candidate.members for candidate in of_candidates],
        "parameters": [candidate.parameters for candidate in of_candidates],
        "lam": [candidate.lam for candidate in of_candidates],
        "scheme": [candidate.scheme for candidate in of_candidates],
        "state": [standing.state for standing in every],
        "partial_error": [standing.partial_error for standing in every],
    }
    return xr.Dataset(
        {
            "error": (("candidate", "trial"), errors, {"unit": "fraction"}),
            **{name: ("candidate", values) for name, values in columns.items()},
        },
        coords={
            "candidate": [candidate.name for candidate in of_candidates],
            "trial": np.arange(trials),
        },
    )
