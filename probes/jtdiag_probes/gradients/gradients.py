"""Gradients: whether members are taught by their own errors or by the ensemble's alone."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.gradients import geometry
from jtdiag_probes.linalg.curvature_products import Tangents

EXAMPLES = 1000
"""Training examples, evenly spaced, over which gradients are averaged."""

_LANE_EPOCH = (names.LAM, names.TRIAL, names.EPOCH)
_BY_MEMBER = (*_LANE_EPOCH, names.MEMBER)
_RATIO = "1"

_MEANINGS = {
    "consensus_norm": (
        _LANE_EPOCH,
        names.NAT,
        "part of the loss's gradient by the logits that all members share: root mean square norm",
    ),
    "disagreement_norm": (
        _BY_MEMBER,
        names.NAT,
        "a member's own part of the gradient by its logits: root mean square norm over examples",
    ),
    "disagreement_share": (
        _LANE_EPOCH,
        _RATIO,
        "share of the members' own parts in the squared norm of the gradient by the logits",
    ),
    "cosine": (
        _BY_MEMBER,
        _RATIO,
        "cosine by a member's weights between the gradients of its own loss and the ensemble's",
    ),
    "gradient_norm": (_BY_MEMBER, names.NAT, "norm of the joint loss's gradient by its weights"),
    "gradient_share": (
        _BY_MEMBER,
        _RATIO,
        "a member's share of the squared norm of the joint loss's gradient; the shares add up to 1",
    ),
}

WRITES = {
    name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
    for name, (dims, unit, meaning) in _MEANINGS.items()
}


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every kept checkpoint on a fixed subset of the training examples."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    sizes = {dim: coords[dim].size for dim in _BY_MEMBER}
    found = {
        name: (dims, np.full([sizes[dim] for dim in dims], np.nan))
        for name, (dims, _, _) in _MEANINGS.items()
    }
    replay = None
    for lane in run.lanes:
        for epoch in run.seal(lane).checkpoints:
            if epoch < sizes[names.EPOCH]:  # not sealed since the metrics were read
                replay = Replay.of(run, lane, epoch, beside=replay)
                with replay.threads(), np.errstate(invalid="ignore", over="ignore"):
                    numbers = of_replay(replay)
                for name, value in numbers.items():
                    found[name][1][lane.lam_index, lane.trial, epoch] = value
    return xr.Dataset(found, coords={dim: coords[dim] for dim in _BY_MEMBER})


def of_replay(replay: Replay) -> dict[str, float | NDArray[np.floating[Any]]]:
    """Return every variable of `WRITES` for one lane and epoch."""
    x, target = replay.examples(names.TRAIN)
    at = evenly(len(x), EXAMPLES)
    same, x, target = replay.double(), x[at].double(), target[at]
    tangents = Tangents(lambda weights: same.logits_of(weights, x), same.trained)
    logits, lam = tangents.outputs, same.lam
    own, ensemble = (
        tangents.gradient(same.loss_of(logits, target, end)).view(tangents.members, -1).numpy()
        for end in (0.0, 1.0)
    )
    joint = (1 - lam) * own + lam * ensemble
    shared, apart = geometry.squared_norms(logits.detach().numpy(), target.numpy(), lam)
    return {
        "consensus_norm": float(np.sqrt(shared)),
        "disagreement_norm": np.sqrt(apart),
        "disagreement_share": float(apart.mean() / (shared + apart.mean())),
        "cosine": geometry.cosines(own, ensemble),
        "gradient_norm": np.linalg.norm(joint, axis=1),
        "gradient_share": geometry.shares(joint),
    }


def judge(result: xr.Dataset) -> list[Finding]:
    """Say at each λ, at the end, what members are still taught that is their own."""
    if "cosine" not in result:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        lane = result.sel({names.LAM: lam})
        known = np.flatnonzero(lane["consensus_norm"].notnull().any(names.TRIAL).values)
        if known.size:
            findings += _at(lane.isel({names.EPOCH: known[-1]}), lam)
    return findings


def _opposed(share: float) -> str:
    return f"; for {100 * share:.0f} % of members they oppose each other" if share else ""


def _at(last: xr.Dataset, lam: float) -> list[Finding]:
    """Describe one λ at its last kept epoch, over all trials."""
    epoch = int(last[names.EPOCH])
    own = float(last["disagreement_share"].mean())
    cosine, largest = last["cosine"], float(last["gradient_share"].max())
    against = float((cosine < 0).mean())
    sentences = {
        "own-share": (
            own,
            None,
            f"λ = {lam:g}: after epoch {epoch}, {100 * own:.2g} % of the squared gradient by the "
            "logits is the members' own; the rest is the same for all of them.",
        ),
        "cosine": (
            float(cosine.median()),
            0.0,
            f"λ = {lam:g}: after epoch {epoch}, the gradients of a member's own loss and of the "
            f"ensemble's have a cosine of {float(cosine.median()):.2f} (median; "
            f"{float(cosine.min()):.2f} to {float(cosine.max()):.2f})"
            f"{_opposed(against)}.",
        ),
        "largest-share": (
            largest,
            None,
            f"λ = {lam:g}: after epoch {epoch}, the largest share of one member in the squared "
            f"gradient by the weights is {100 * largest:.0f} % (equal shares: "
            f"{100 / last.sizes[names.MEMBER]:.2g} %).",
        ),
    }
    return [
        _finding(rule, lam, epoch, *told)
        for rule, told in sentences.items()
        if np.isfinite(told[0])
    ]


def _finding(
    rule: str, lam: float, epoch: int, number: float, limit: float | None, sentence: str
) -> Finding:
    return Finding(
        probe="gradients",
        rule=rule,
        level="info",
        lam=lam,
        epoch=epoch,
        number=number,
        limit=limit,
        sentence=sentence,
    )


probe = Probe(
    name="gradients",
    question="What are the members taught: their own errors, or the ensemble's?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    classes_only=True,
    own_weights=True,
    replays=True,
)
