"""Gradients: whether each member is trained on its own errors or only on the ensemble's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names, stats
from jtdiag.probing import last_epoch
from jtdiag.probing.checkpoints import Checkpoint, of_checkpoints
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.probing.findings import Finding
from jtdiag.probing.last_epoch import LAST_EPOCH, at_last_epoch
from jtdiag.replay import Replay
from jtdiag.store.run import Run
from jtdiag_probes.conditioning.weight_conditioning import evenly
from jtdiag_probes.gradients import geometry, wording
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
        "root mean square norm over examples of the gradient part common to all members (logits)",
    ),
    "disagreement_norm": (
        _BY_MEMBER,
        names.NAT,
        "root mean square norm over examples of the member-specific gradient part (logits)",
    ),
    "disagreement_share": (
        _LANE_EPOCH,
        _RATIO,
        "member-specific share of the squared norm of the gradient with respect to the logits",
    ),
    "cosine": (
        _BY_MEMBER,
        _RATIO,
        "cosine between the gradients of a member's own and the ensemble's loss by its weights",
    ),
    "gradient_norm": (
        _BY_MEMBER,
        names.NAT,
        "norm of the joint loss's gradient with respect to a member's weights",
    ),
    "gradient_share": (
        _BY_MEMBER,
        _RATIO,
        "a member's share of the squared norm of the joint loss's gradient; shares sum to 1",
    ),
}

WRITES = {
    name: Var(dims=dims, unit=unit, meaning=meaning, from_outputs=True)
    for name, (dims, unit, meaning) in _MEANINGS.items()
} | last_epoch.WRITES


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure every stored checkpoint on a fixed subset of the training examples."""
    coords = run.metrics().coords
    if options.metrics_only:
        return xr.Dataset(coords={names.LAM: coords[names.LAM]})
    sizes = {dim: coords[dim].size for dim in _BY_MEMBER}
    variables = {
        name: (dims, np.full([sizes[dim] for dim in dims], np.nan))
        for name, (dims, _, _) in _MEANINGS.items()
    }
    newest = sizes[names.EPOCH] - 1  # more may have been sealed since the metrics were read
    kept = {lane: [e for e in run.seal(lane).checkpoints if e <= newest] for lane in run.lanes}
    measured = of_checkpoints(run, kept, _of_checkpoint, options.client)
    for (lane, epoch), numbers in measured.items():
        for name, value in numbers.items():
            variables[name][1][lane.lam_index, lane.trial, epoch] = value
    result = xr.Dataset(variables, coords={dim: coords[dim] for dim in _BY_MEMBER})
    return result.assign(last_epoch.variable(run, kept))


def _of_checkpoint(checkpoint: Checkpoint) -> dict[str, float | NDArray[np.floating[Any]]]:
    with np.errstate(invalid="ignore", over="ignore"):
        return of_replay(checkpoint.replay)


def of_replay(replay: Replay) -> dict[str, float | NDArray[np.floating[Any]]]:
    """Return every variable but the last epoch, for one lane and epoch."""
    x, target = replay.examples(names.TRAIN)
    examples = evenly(len(x), EXAMPLES)
    double, x, target = replay.double(), x[examples].double(), target[examples]
    tangents = Tangents(lambda weights: double.logits_of(weights, x), double.trained)
    logits, lam = tangents.outputs, double.lam
    individual, ensemble = (
        tangents.gradient(double.loss_of(logits, target, end)).view(tangents.members, -1).numpy()
        for end in (0.0, 1.0)
    )
    joint = (1 - lam) * individual + lam * ensemble
    common, specific = geometry.squared_norms(logits.detach().numpy(), target.numpy(), lam)
    return {
        "consensus_norm": float(np.sqrt(common)),
        "disagreement_norm": np.sqrt(specific),
        "disagreement_share": float(specific.mean() / (common + specific.mean())),
        "cosine": geometry.cosines(individual, ensemble),
        "gradient_norm": np.linalg.norm(joint, axis=1),
        "gradient_share": geometry.shares(joint),
    }


def judge(result: xr.Dataset) -> list[Finding]:
    """Return findings for every λ at each trial's last checkpoint; none for a single member."""
    if "cosine" not in result or result.sizes[names.MEMBER] < 2:
        return []
    findings = []
    for lam in sorted(float(value) for value in result[names.LAM].values):
        lane = result.sel({names.LAM: lam})
        if last_epoch.distinct(lane[LAST_EPOCH]):
            findings += _of_lam(at_last_epoch(lane, lane[LAST_EPOCH]), lam)
    return findings


def _of_lam(last: xr.Dataset, lam: float) -> list[Finding]:
    """Return the findings of one λ, over all trials."""
    epochs, cosine = last_epoch.distinct(last[LAST_EPOCH]), last["cosine"]
    own, median = stats.mean_interval(last["disagreement_share"].values), float(cosine.median())
    largest = float(last["gradient_share"].max())
    findings = []
    if np.isfinite(own.mean):
        sentence = wording.own_share(lam, epochs, own)
        findings.append(_finding("own-share", lam, epochs, own.mean, None, sentence))
    if np.isfinite(median):
        sentence = wording.cosine(
            lam,
            epochs,
            median=median,
            low=float(cosine.min()),
            high=float(cosine.max()),
            negative=float((cosine < 0).mean()),
        )
        findings.append(_finding("cosine", lam, epochs, median, 0.0, sentence))
    if np.isfinite(largest):
        sentence = wording.largest_share(lam, epochs, largest, last.sizes[names.MEMBER])
        findings.append(_finding("largest-share", lam, epochs, largest, None, sentence))
    return findings


def _finding(
    rule: str, lam: float, epochs: Sequence[int], number: float, limit: float | None, sentence: str
) -> Finding:
    return Finding(
        probe="gradients",
        rule=rule,
        level="info",
        lam=lam,
        epoch=last_epoch.of_finding(epochs),
        number=number,
        limit=limit,
        sentence=sentence,
    )


probe = Probe(
    name="gradients",
    question="Is each member trained on its own errors or on the ensemble's?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="slow",
    by_lane=True,
    classes_only=True,
    own_weights=True,
    replays=True,
    compares_members=True,
)
