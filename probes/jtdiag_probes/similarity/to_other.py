"""The probe `similarity-to`: how similar the layers of a run are to those of another run."""

from pathlib import Path

import numpy as np
import xarray as xr

from jtdiag import names
from jtdiag.printable import printable
from jtdiag.probing import lane_states
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.store.run import Run
from jtdiag_probes.similarity import wording
from jtdiag_probes.similarity.similarity import seconds
from jtdiag_probes.similarity.two_runs import OTHER_LAM, between
from jtdiag_probes.similarity.verdict import LAYER, OTHER_LAYER, intervals

NAME = "similarity-to"
SIMILARITY = "run_similarity"
WRITES = {
    SIMILARITY: Var(
        dims=(names.LAM, OTHER_LAM, names.TRIAL, LAYER, OTHER_LAYER),
        unit=names.FRACTION,
        meaning="CKA of a layer of a member and of one of a member of the other run, each at its "
        "last kept epoch, mean over pairs of members",
        from_outputs=True,
    )
}


def to(path: str | Path) -> Probe:
    """Return the probe that compares a run with the run in a folder.

    Its result is `similarity-to`, for whichever other run was compared last.

    Raises:
        RunNotFoundError: if there is no run in the folder.
    """
    other = Run(path)
    other = other.without(lane_states.diverged(other))
    epochs = [other.seal(lane).checkpoints for lane in other.lanes]

    def measure(run: Run, options: Options) -> xr.Dataset:
        if options.metrics_only:
            return xr.Dataset(coords={names.LAM: list(run.recipe.lam)})
        similarity = between(run, other)
        layers = {dim: _text(similarity[dim]) for dim in (LAYER, OTHER_LAYER)}
        dataset = similarity.assign_coords(layers).to_dataset(name=SIMILARITY)
        examples = similarity.attrs["examples"]
        return dataset.assign_attrs(other=printable(other.path.name), examples=examples)

    return Probe(
        name=NAME,
        question="Do the layers of another run represent the same?",
        writes=WRITES,
        measure=measure,
        judge=judge,
        cost="slow",
        seconds=lambda run: seconds(run) + seconds(other),
        own_weights=True,
        replays=True,
        settings=f"{other.recipe_hash} {epochs}",
    )


def judge(result: xr.Dataset) -> list[Finding]:
    """Return the similarity of layers of the same name, at the same or the closest λ."""
    if SIMILARITY not in result:
        return []
    findings = []
    for lam in sorted(map(float, result[names.LAM].values)):
        others = result[OTHER_LAM].values
        other_lam = float(others[np.abs(others - lam).argmin()])
        at_lam = result[SIMILARITY].sel({names.LAM: lam, OTHER_LAM: other_lam})
        by_layer = intervals(_same_layers(at_lam))
        if by_layer:
            sentence = wording.other_run(
                lam, str(result.attrs["other"]), other_lam, int(result.attrs["examples"]), by_layer
            )
            number = list(by_layer.values())[-1].mean
            findings.append(
                Finding(
                    probe=NAME,
                    rule="other-run",
                    level="info",
                    lam=lam,
                    number=number,
                    sentence=sentence,
                )
            )
    return findings


def _same_layers(values: xr.DataArray) -> xr.DataArray:
    """Return values (trial, layer) of the layers that both runs have, without the inputs."""
    others = set(map(str, values[OTHER_LAYER].values))
    common = [name for name in map(str, values[LAYER].values) if name in others][1:]
    return xr.concat(
        [values.sel({LAYER: name, OTHER_LAYER: name}, drop=True) for name in common],
        xr.Variable(LAYER, common),
    )


def _text(values: xr.DataArray) -> np.ndarray:
    return np.asarray(values.values, np.dtypes.StringDType())
