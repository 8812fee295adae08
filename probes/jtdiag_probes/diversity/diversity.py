"""The probe `diversity`: mean member loss minus ensemble loss (Webb et al. 2020, Eq. 5)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jtdiag import names
from jtdiag.families.contract import Family
from jtdiag.probing.contract import Options, Probe, Var
from jtdiag.store.lanes import Lane
from jtdiag.store.run import OutputBlock, Run
from jtdiag_probes.diversity import terms
from jtdiag_probes.diversity.diversity_verdict import judge
from jtdiag_probes.shared import decomposition
from jtdiag_probes.shared.measured_epoch import CHOSEN_EPOCH, chosen_epochs
from jtdiag_probes.shared.outputs import LANE_EPOCH_SPLIT, over_outputs, pieces

_LANE = (names.LAM, names.TRIAL)
_GAP = "in training minus on test; training values are running means over the epoch"

WRITES = {
    "mean_member_loss": Var(dims=LANE_EPOCH_SPLIT, unit=names.NAT, meaning="mean loss of members"),
    "ensemble_loss": Var(dims=LANE_EPOCH_SPLIT, unit=names.NAT, meaning="loss of the ensemble"),
    "diversity": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="mean member loss minus ensemble loss, from the metrics of every epoch",
    ),
    "mean_member_loss_gap": Var(
        dims=(*_LANE, names.EPOCH), unit=names.NAT, meaning=f"mean loss of members, {_GAP}"
    ),
    "ensemble_loss_gap": Var(
        dims=(*_LANE, names.EPOCH), unit=names.NAT, meaning=f"loss of the ensemble, {_GAP}"
    ),
    "diversity_gap": Var(dims=(*_LANE, names.EPOCH), unit=names.NAT, meaning=f"diversity, {_GAP}"),
    "diverged_members": Var(
        dims=(*_LANE, names.EPOCH),
        unit=names.COUNT,
        meaning="members whose loss on any split is infinite or NaN; NaN if not sealed",
    ),
    "chosen_epoch": CHOSEN_EPOCH,
    "diversity_by_member": Var(
        dims=(*LANE_EPOCH_SPLIT, names.MEMBER),
        unit=names.NAT,
        meaning="KL(ensemble ‖ member), mean over examples; its mean over members is the diversity",
        from_outputs=True,
    ),
    "diversity_by_class": Var(
        dims=(*LANE_EPOCH_SPLIT, names.OUTPUT),
        unit=names.NAT,
        meaning="KL(ensemble ‖ member), mean over members and examples of a class; else NaN",
        from_outputs=True,
    ),
    "diversity_by_example": Var(
        dims=(*_LANE, names.EXAMPLE),
        unit=names.NAT,
        meaning="KL(ensemble ‖ member), mean over members, at the chosen epoch, on one split",
        from_outputs=True,
    ),
    "quadratic_part": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="diversity to second order in the members' spread, mean over examples",
        from_outputs=True,
    ),
    "probability_loss": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="loss of the mean of the members' probabilities instead of their logits",
        from_outputs=True,
    ),
    "probability_diversity": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="KL(mean of probabilities ‖ member), mean over members and examples",
        from_outputs=True,
    ),
    "probability_label_term": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.NAT,
        meaning="mean member loss minus probability_loss minus probability_diversity; of any sign",
        from_outputs=True,
    ),
    "not_finite": Var(
        dims=LANE_EPOCH_SPLIT,
        unit=names.COUNT,
        meaning="examples whose residual is not finite: a logit is infinite, NaN or too large",
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
            "|stored − recomputed| loss, the larger of ensemble and mean member, relative to "
            "losses above 1; NaN in training, where stored losses are running means"
        ),
        from_outputs=True,
    ),
}


_MEANS = (
    "quadratic_part",
    "probability_loss",
    "probability_diversity",
    "probability_label_term",
    "members",
    "ensemble",
)
"""Averages over examples; the last two are losses, for the self-test of the store."""


class _Sums:
    """Accumulate sums over the examples of one lane, epoch and split, block by block."""

    def __init__(self, members: int, classes: int, family: Family, combiner: str) -> None:
        self.family, self.combiner = family, combiner
        self.by_member = np.zeros(members)
        self.by_class = np.zeros(classes)
        self.per_class = np.zeros(classes)
        self.sums = dict.fromkeys(_MEANS, 0.0)
        self.examples = 0
        self.residual = 0.0
        self.not_finite = 0

    def add(self, block: OutputBlock, lam: float) -> None:
        of_block = terms.of_outputs(block.logits, block.target, self.family, self.combiner, lam)
        losses, divergences = of_block.losses, of_block.divergences
        classes = len(self.per_class)
        self.by_member += divergences.sum(1)
        if self.family.classes:
            self.by_class += np.bincount(block.target, divergences.mean(0), minlength=classes)
            self.per_class += np.bincount(block.target, minlength=classes)
        self.examples += len(block.target)
        for name in _MEANS:
            values = losses.mean(0) if name == "members" else getattr(of_block, name)
            self.sums[name] += float(values.sum())
        eq5 = decomposition.joint_loss_eq5(losses, divergences, lam)
        scale = np.maximum(1, np.abs(losses).max(0))
        residual = np.abs(of_block.eq4 - eq5) / scale
        self.residual = float(np.maximum(self.residual, residual.max()))
        self.not_finite += int((~np.isfinite(residual)).sum())

    def means(self) -> dict[str, NDArray[np.floating[Any]] | float]:
        examples = self.examples
        with np.errstate(invalid="ignore"):  # a class without examples has no mean
            by_class = self.by_class / self.per_class
        return {
            "diversity_by_member": self.by_member / examples,
            "diversity_by_class": by_class,
            "residual": self.residual,
            "not_finite": self.not_finite,
            **{name: value / examples for name, value in self.sums.items()},
        }


def measure(run: Run, options: Options) -> xr.Dataset:
    """Measure Eq. 5 by epoch, split and lane; from stored outputs, also by member and class."""
    metrics = run.metrics()
    losses = metrics[names.MEMBER_LOSS]
    mean_member_loss = losses.mean(names.MEMBER, skipna=False)
    ensemble_loss = metrics[names.ENSEMBLE_LOSS]
    levels = {
        "mean_member_loss": mean_member_loss,
        "ensemble_loss": ensemble_loss,
        "diversity": mean_member_loss - ensemble_loss,
    }
    gaps = {
        f"{name}_gap": level.sel({names.SPLIT: names.TRAIN}, drop=True)
        - level.sel({names.SPLIT: names.TEST}, drop=True)
        for name, level in levels.items()
    }
    # Errors are finite in every sealed epoch: a prediction that is NaN counts as wrong.
    sealed = metrics[names.MEMBER_ERROR].notnull().all((names.SPLIT, names.MEMBER))
    diverged = (~xr.ufuncs.isfinite(losses)).any(names.SPLIT).sum(names.MEMBER).where(sealed)
    result = xr.Dataset({**levels, **gaps, "diverged_members": diverged}).assign(
        chosen_epoch=chosen_epochs(run, metrics)
    )
    if not options.metrics_only:
        result = result.merge(_from_outputs(run, metrics, result))
        result["diversity_by_example"] = _by_example(run, result["chosen_epoch"])
        result["diversity_by_example"].attrs["split"] = _split_of_examples(run)
    # The loss of class probabilities is 0 or more, that of other families may be negative.
    least = 0.0 if run.family.classes else -np.inf
    return result.assign_attrs(members=metrics.sizes[names.MEMBER], least_loss=least)


def _from_outputs(run: Run, metrics: xr.Dataset, stored: xr.Dataset) -> xr.Dataset:
    def reduce(
        lane: Lane, blocks: Iterator[OutputBlock]
    ) -> Mapping[str, NDArray[np.floating[Any]] | float]:
        sums = _Sums(
            run.recipe.members.count, run.outputs_per_member, run.family, run.recipe.combiner
        )
        for block in blocks:
            sums.add(block, run.lam(lane))
        return sums.means()

    rows: dict[str, tuple[str, ...]] = dict.fromkeys(("residual", "not_finite", *_MEANS), ())
    rows |= {"diversity_by_member": (names.MEMBER,), "diversity_by_class": (names.OUTPUT,)}
    reduced = over_outputs(run, metrics, rows, reduce)
    scale = stored["mean_member_loss"].clip(min=1)
    off_members = abs(reduced["members"] - stored["mean_member_loss"]) / scale
    off_ensemble = abs(reduced["ensemble"] - stored["ensemble_loss"]) / scale
    larger = off_members.where(off_members > off_ensemble, off_ensemble)
    larger = larger.where(larger[names.SPLIT] != names.TRAIN)
    return reduced.drop_vars(["members", "ensemble"]).assign(store_residual=larger)


def _split_of_examples(run: Run) -> str:
    """Return the split that is reported by example: test if it is kept, else the last one."""
    kept = run.recipe.keep.splits
    return names.TEST if names.TEST in kept else str(kept[-1])


def _by_example(run: Run, chosen: xr.DataArray) -> xr.DataArray:
    """Return the diversity of each example at the chosen epoch, (lam, trial, example).

    NaN if the outputs are not kept; (lam, trial, 0) if no outputs are kept at all.
    """
    split = _split_of_examples(run)
    kept = run.recipe.keep.outputs != "none"
    examples = run.array(f"{names.OUTPUTS}/{split}/{names.LOGITS}").shape[4] if kept else 0
    by_example = np.full((*chosen.shape, examples), np.nan)
    for lane in run.lanes:
        index = (lane.lam_index, lane.trial)
        epoch = int(chosen.values[index])
        if epoch not in run.seal(lane).outputs:
            continue
        for block in pieces(run.outputs(lane, epoch, split)):
            setup = (run.family, run.recipe.combiner)
            with np.errstate(invalid="ignore", over="ignore"):  # diverged members are NaN
                values = terms.divergences(block.logits, block.target, *setup).mean(0)
            by_example[index][block.start : block.start + len(values)] = values
    return xr.DataArray(by_example, dims=(*_LANE, names.EXAMPLE))


probe = Probe(
    name="diversity",
    question="By how much does the members' diversity lower the ensemble's loss?",
    writes=WRITES,
    measure=measure,
    judge=judge,
    cost="cheap",
    compares_members=True,
)
