"""Diversity: by how much the ensemble's loss lies below its members' (Webb et al. 2020, Eq. 5)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.families.contract import Family
from jtdiag.finding import Finding
from jtdiag.lanes import Lane
from jtdiag.probe_contract import Options, Probe, Var
from jtdiag.store import OutputBlock, Run
from jtdiag_probes import decomposition
from jtdiag_probes.outputs import LANE_EPOCH_SPLIT, over_outputs

RESIDUAL_LIMIT = 1e-12
"""Eq. 4 and Eq. 5 agree to rounding in float64; relative to losses above 1 nat."""
STORE_LIMIT = 1e-3
"""Losses recomputed from outputs agree with the engine's to float32, or float16 if kept so."""

WRITES = {
    "mean_member_loss": Var(dims=LANE_EPOCH_SPLIT, unit=names.NAT, meaning="mean loss of members"),
    "ensemble_loss": Var(dims=LANE_EPOCH_SPLIT, unit=names.NAT, meaning="loss of the ensemble"),
    "diversity": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="mean member loss minus ensemble loss, from the metrics of every epoch",
    ),
    "diversity_by_member": Var(
        dims=(*LANE_EPOCH_SPLIT, names.MEMBER),
        unit=names.NAT,
        meaning="KL(ensemble ‖ member), mean over examples; its mean over members is the diversity",
        from_outputs=True,
    ),
    "diversity_by_class": Var(
        dims=(*LANE_EPOCH_SPLIT, names.OUTPUT),
        unit=names.NAT,
        meaning="KL(ensemble ‖ member), mean over members and the examples of a class; NaN without",
        from_outputs=True,
    ),
    "residual": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="largest |Eq. 4 − Eq. 5| over examples, relative to losses above 1: a self-test",
        from_outputs=True,
    ),
    "store_residual": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning=(
            "larger of |stored − recomputed| for ensemble and mean member loss, relative to "
            "losses above 1; NaN for train, whose stored losses are running means"
        ),
        from_outputs=True,
    ),
}


class _Sums:
    """Sums over the examples of one lane, epoch and split, block by block."""

    def __init__(self, members: int, classes: int, family: Family, combiner: str) -> None:
        self.family, self.combiner = family, combiner
        self.by_member = np.zeros(members)
        self.by_class = np.zeros(classes)
        self.per_class = np.zeros(classes)
        self.examples = 0
        self.residual = 0.0
        self.loss_of_members = 0.0
        self.loss_of_ensemble = 0.0

    def add(self, block: OutputBlock, lam: float) -> None:
        logits = block.logits.astype(np.float64)
        how = (self.family, self.combiner)
        if self.family.classes:
            # A shift of a member's logits changes no prediction, and far from 0 costs digits.
            logits -= logits.max(-1, keepdims=True)
        divergences = (
            decomposition.member_divergences(logits, self.family)
            if self.combiner == "logits"
            else decomposition.label_dependent_divergences(logits, block.target, self.family)
        )
        losses = decomposition.cross_entropy(logits, block.target, self.family)
        classes = len(self.per_class)
        self.by_member += divergences.sum(1)
        if self.family.classes:
            self.by_class += np.bincount(block.target, divergences.mean(0), minlength=classes)
            self.per_class += np.bincount(block.target, minlength=classes)
        self.examples += len(block.target)
        self.loss_of_members += float(losses.mean(0).sum())
        self.loss_of_ensemble += float(
            decomposition.ensemble_loss(logits, block.target, *how).sum()
        )
        eq4 = decomposition.joint_loss_eq4(logits, block.target, lam, *how)
        eq5 = decomposition.joint_loss_eq5(losses, divergences, lam)
        scale = np.maximum(1, np.abs(losses).max(0))
        self.residual = float(np.maximum(self.residual, (np.abs(eq4 - eq5) / scale).max()))


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure Eq. 5 by epoch, split and lane, and from stored outputs by member and class."""
    metrics = run.metrics()
    mean_member_loss = metrics[names.MEMBER_LOSS].mean(names.MEMBER)
    ensemble_loss = metrics[names.ENSEMBLE_LOSS]
    result = xr.Dataset(
        {
            "mean_member_loss": mean_member_loss,
            "ensemble_loss": ensemble_loss,
            "diversity": mean_member_loss - ensemble_loss,
        }
    )
    if not options.metrics_only:
        result = result.merge(_from_outputs(run, metrics, result))
    return result


def _from_outputs(run: Run, metrics: xr.Dataset, stored: xr.Dataset) -> xr.Dataset:
    def reduce(
        lane: Lane, blocks: Iterator[OutputBlock]
    ) -> Mapping[str, NDArray[np.floating[Any]] | float]:
        sums = _Sums(
            run.recipe.members.count, run.outputs_per_member, run.family, run.recipe.combiner
        )
        for block in blocks:
            sums.add(block, run.lam(lane))
        examples = sums.examples
        with np.errstate(invalid="ignore"):  # a class without examples has no mean
            by_class = sums.by_class / sums.per_class
        return {
            "diversity_by_member": sums.by_member / examples,
            "diversity_by_class": by_class,
            "residual": sums.residual,
            "members": sums.loss_of_members / examples,
            "ensemble": sums.loss_of_ensemble / examples,
        }

    rows = {"diversity_by_member": (names.MEMBER,), "diversity_by_class": (names.OUTPUT,)}
    found = over_outputs(
        run, metrics, {**rows, "residual": (), "members": (), "ensemble": ()}, reduce
    )
    scale = stored["mean_member_loss"].clip(min=1)
    off_members = abs(found["members"] - stored["mean_member_loss"]) / scale
    off_ensemble = abs(found["ensemble"] - stored["ensemble_loss"]) / scale
    larger = off_members.where(off_members > off_ensemble, off_ensemble)
    larger = larger.where(larger[names.SPLIT] != names.TRAIN)
    return found[[*rows, "residual"]].assign(store_residual=larger)


def judge(result: xr.Dataset) -> list[Finding]:
    """Say what diversity is worth at each λ at the end, and whether the numbers hold."""
    findings = [_worth(result, float(lam)) for lam in result[names.LAM].values]
    if "residual" in result:
        findings += _self_test(result, "residual", RESIDUAL_LIMIT, "Eq. 4 and Eq. 5 differ")
        findings += _self_test(
            result, "store_residual", STORE_LIMIT, "stored losses and stored outputs differ"
        )
    return [finding for finding in findings if np.isfinite(finding.number)]


def _worth(result: xr.Dataset, lam: float) -> Finding:
    last = _last_sealed(result.sel({names.LAM: lam, names.SPLIT: names.TEST}))
    diversity = float(last["diversity"].mean())
    members, ensemble = float(last["mean_member_loss"].mean()), float(last["ensemble_loss"].mean())
    return Finding(
        probe="diversity",
        rule="worth",
        level="info",
        lam=lam,
        number=diversity,
        sentence=(
            f"λ = {lam:g}: on test, the ensemble's loss is {ensemble:.3g} nats and its members' "
            f"mean loss {members:.3g}; the difference, {diversity:.3g}, is diversity."
        ),
    )


def _last_sealed(result: xr.Dataset) -> xr.Dataset:
    """Return each trial at its last epoch with numbers."""
    sealed = result["diversity"].notnull().sum(names.EPOCH) - 1
    return result.isel({names.EPOCH: sealed.clip(min=0)})


def _self_test(result: xr.Dataset, name: str, limit: float, what: str) -> list[Finding]:
    worst = float(result[name].max())
    if not worst > limit:
        return []
    return [
        Finding(
            probe="diversity",
            rule=name,
            level="alert",
            number=worst,
            limit=limit,
            sentence=(
                f"Self-test failed: {what} by {worst:.2g} nats (limit {limit:.0g}); "
                "do not trust this run's numbers, check its store."
            ),
        )
    ]


probe = Probe(
    name="diversity",
    question="What does the diversity of the members buy?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
)
