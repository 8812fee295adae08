"""The early warning in a user's training loop: losses, errors and rules during training."""

import logging
import math
import numbers
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import families, names
from jtdiag.alerts.lane_verdicts import LaneVerdict, findings
from jtdiag.errors import StoreError
from jtdiag.families.categorical import Categorical
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums, html, processes, targets as targets_of_loops, wording
from jtdiag.monitor.batch_sums import Batch, Logits, Measure, Outputs
from jtdiag.monitor.branches import BranchSkippedError
from jtdiag.monitor.chance import Chance
from jtdiag.monitor.displacement import Displacement, Members, is_distributed
from jtdiag.monitor.epoch_sample import EpochSample, Summed
from jtdiag.monitor.guard import Guard
from jtdiag.monitor.processes import Share
from jtdiag.monitor.recording import Facts, RecordedLane, Recording, address
from jtdiag.monitor.sampled_epoch import SampledEpoch, decidable
from jtdiag.monitor.scalars import scalars
from jtdiag.probing.findings import Finding
from jtdiag.rules import RULES, VerdictLog
from jtdiag.rules.contract import History

ENOUGH = 2500
"""Examples to sample per epoch; errors then have a standard error of about one percentage point."""
LEAST_BATCHES = 16
"""Minimum number of batches to sample per epoch, if the epoch has as many."""


class DominanceMonitor:
    """Monitors the members of an ensemble, or the branches of a network, in any training loop.

    `update` takes a systematic sample of an epoch's batches and never synchronizes with the
    device; `end_epoch` copies the sums to the host once and evaluates the early-warning rules. As
    in `jtdiag train`, metrics are means over an epoch, each batch before its weight update.

    Once a first batch has been accepted, none of these methods raises an error: an error is logged
    once, with the logger "jtdiag", and the monitor stops. Its attribute `stopped` then holds the
    message, and all further calls do nothing.

    Args:
        lam: λ of Eq. 4 (Webb et al. 2020) with which the loop trains: 1 for the ensemble loss
            only, 0 for independent members; None for another loss. The attribute may be changed.
        every: Sample every n-th batch; 1 samples all. "auto" samples about `ENOUGH` examples per
            epoch, and at least `LEAST_BATCHES` batches.
        family: The likelihood, by name or as an object; logits are its canonical parameters.
        combiner: What the ensemble averages, "logits" or "probabilities".
        wanted: Names of the rules to evaluate; by default all installed ones.
        chance_error: Chance-level error; only needed by loops that pass losses without logits.
        chance_loss: Chance-level loss in nats; likewise.
        tell: Function that is called with each new finding.
        store: Folder of a new run to write, or a lane of a `Recording`, which supports several λs
            and trials. Probes can be run on the result.
        epochs: Total number of epochs; required if `store` is a folder.
        strict: Raise every error instead of stopping.
        ignore_index: Class of examples to leave out, as in torch's cross-entropy.
        class_weights: (K,), weights of the classes in the loss, as in torch's cross-entropy: the
            loss of a batch is a weighted mean. Errors are not weighted.
        label_smoothing: As in torch's cross-entropy, 0 to 1; without `class_weights`.
        resume: Epoch after which an interrupted loop continues, 0 if it starts again with the same
            seeds. The recording in the folder `store` is continued; epochs that it contains are
            left as they are. By default, the folder must not contain anything.

    Raises:
        ValueError: if an argument is invalid.
        StoreError: if the folder is not empty, or contains no recording to be continued.
    """

    guard: Guard
    """Context manager in which adapters run code of their own."""
    epochs: list[SampledEpoch]
    """Metrics of each epoch."""
    findings: list[Finding]
    """All findings so far."""

    def __init__(
        self,
        *,
        lam: float | None = None,
        every: int | Literal["auto"] = "auto",
        family: str | Family = "categorical",
        combiner: str = "logits",
        wanted: Iterable[str] | None = None,
        chance_error: float | None = None,
        chance_loss: float | None = None,
        tell: Callable[[Finding], object] | None = None,
        store: str | Path | RecordedLane | None = None,
        epochs: int | None = None,
        strict: bool = False,
        ignore_index: int = targets_of_loops.IGNORED,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        resume: int | None = None,
    ) -> None:
        self.guard = Guard(strict)
        self._lane = _lane(store, epochs, lam, resumes=resume is not None)
        self.lam = self._lane.lam if self._lane is not None and lam is None else _lam(lam)
        self.tell = _callable("tell", tell)
        self.family = families.find(family) if isinstance(family, str) else family
        self.combiner = _choice("combiner", combiner, families.COMBINERS)
        self._every = _stride(every)
        self._log = _verdict_log(wanted)
        self._random = random.Random(0)  # draws the first batch of each sample only
        self._family_name = family if isinstance(family, str) else ""
        self._chance = Chance(self.family, chance_error, chance_loss, ignore_index)
        self._measure = Measure(
            family=self.family,
            combiner=combiner,
            ignore_index=ignore_index,
            label_smoothing=_smoothing(label_smoothing, class_weights, self.family),
        )
        self._class_weights = class_weights
        self._epoch = self._first = _epoch(resume)
        self._start()

    def _start(self) -> None:
        """Set what changes while the loop runs."""
        self._sample: EpochSample | None = None
        self._members = 0
        self._normalized: Tensor | None = None
        self._skipped, self._target_dims, self._in_background = "", 1, False
        self._combines = False
        self._displacement: Displacement | None = None
        self.epochs = []
        self.findings = []

    def __repr__(self) -> str:
        """Return the members, epochs and alerts so far, on one line."""
        alerts = sum(finding.level == "alert" for finding in self.findings)
        return wording.monitor(self._members, len(self.epochs), alerts, stopped=bool(self.stopped))

    def _repr_html_(self) -> str:
        """Return the numbers of the last epoch and all findings, for notebooks."""
        return html.of_monitor(repr(self), self.scalars(), self.findings)

    # --- every batch -------------------------------------------------------------------------

    @property
    def stopped(self) -> str:
        """The sentence that was logged when the monitor stopped; empty while it is watching."""
        return self.guard.stopped

    def update(self, logits: Logits, targets: Tensor, weights: Tensor | None = None) -> None:
        """Add a batch if it belongs to the sample, without synchronizing with the device.

        Args:
            logits: (M, N, K), logits of M members for N examples; or M tensors (N, K); or a
                function that returns either, which is called only for batches in the sample. Any
                floating-point dtype and device, with or without gradients.
            targets: (N,), classes 0 … K−1, or `ignore_index` for examples to leave out; (N, K),
                class probabilities; (N, K), numbers, for other families. Logits of sequences may be
                (M, B, T, K) and targets (B, T): every position is an example.
            weights: (N,), or (B, T), weights of the examples in the loss, 0 or more. The loss of a
                batch is their weighted mean; errors are not weighted.

        Raises:
            ValueError: if shapes, dtypes or devices do not match, or M has changed.
        """
        if not self._is_due():
            return
        with self.guard, torch.no_grad():
            try:
                outputs = logits() if callable(logits) else logits
            except BranchSkippedError as error:
                self._leave_out(error.branch)
                return
            batch = batch_sums.copied(outputs, self.family, targets)
            self._check_outputs(batch.values.shape[-1])
            batch, mass = self._weighted(batch, weights)
            self._chance.add(batch, mass)
            if self._normalized is None and batch.values.numel():
                self._normalized = batch_sums.are_normalized(self.family, batch.values)
            self._target_dims = 1 if batch.target is None else batch.target.ndim
            self._add(batch, len(batch.values))

    def _weighted(self, batch: Batch, weights: Tensor | None) -> tuple[Batch, Tensor | None]:
        """Return a batch with its weights, and its weighted or smoothed targets, summed, (K,)."""
        measure, of_classes, target = self._measure, self._class_weights, batch.target
        assert target is not None
        if weights is None and of_classes is None and not measure.label_smoothing:
            return batch, None
        outputs = batch.values.shape[-1]
        left_out = targets_of_loops.ignored(self.family, target, measure.ignore_index)
        left_out = left_out | targets_of_loops.out_of_range(self.family, target, outputs)
        weights = targets_of_loops.weights(weights, of_classes, target, outputs, left_out)
        if weights is not None:
            weights = batch_sums.normalized(weights, left_out)
        mass = None
        if isinstance(self.family, Categorical):
            smoothing = measure.label_smoothing
            mass = targets_of_loops.mass(target, outputs, smoothing, weights, left_out)
        return replace(batch, weights=weights), mass

    def _check_outputs(self, outputs: int) -> None:
        if outputs != (self._chance.outputs or outputs):
            raise ValueError(wording.other_outputs(outputs, self._chance.outputs))

    def _is_due(self) -> bool:
        """Register a batch; return whether it may belong to the sample."""
        if self.stopped:
            self._sample = None  # releases the batches that it holds
            return False
        return self._sample is None or self._sample.due()

    def _leave_out(self, branch: str) -> None:
        """Leave out a batch in which a branch was skipped; the next batch takes its place."""
        self._skipped = branch
        if self._sample is not None:
            self._sample.replace_last()

    def update_losses(
        self,
        members: Tensor,
        ensemble: Tensor,
        *,
        member_errors: Tensor | None = None,
        ensemble_errors: Tensor | None = None,
        examples: int | None = None,
    ) -> None:
        """Add a batch given by its losses in nats and, if available, its errors.

        Rules that compare skill do not fire without errors.

        Args:
            members: (M, N), or means over the batch (M,).
            ensemble: (N,), or the mean, ().
            member_errors: As `members`, 0 to 1.
            ensemble_errors: As `ensemble`, 0 to 1.
            examples: N, if means are passed.

        Raises:
            ValueError: if shapes do not match, or M has changed.
        """
        if self.stopped:
            return
        with self.guard, torch.no_grad():
            size = members.shape[1] if members.ndim == 2 else examples
            if members.ndim not in (1, 2) or ensemble.shape != members.shape[1:] or not size:
                raise ValueError(
                    f"losses are {tuple(members.shape)} and {tuple(ensemble.shape)}, with "
                    f"examples = {examples}; they must be (M, N) and (N,), or (M,) and () with "
                    "examples = N."
                )
            if self._is_due():
                columns = _columns(members, ensemble, member_errors, ensemble_errors, size)
                self._add(Batch(columns, None, size), len(members))

    def _add(self, batch: Batch, members: int) -> None:
        if self._sample is None:
            self._members = members
            rows = max(LEAST_BATCHES, -(-ENOUGH // max(1, batch.examples)))
            sums = partial(batch_sums.sum_batches, self._measure)
            self._sample = EpochSample(rows, self._every, sums, self._random)
            self.guard.arm()
            if not self._sample.due():  # the first batch provides the sizes, but may not be sampled
                return
        if members != self._members:
            raise ValueError(wording.other_members(members, self._members))
        self._sample.add(batch)

    def watch_parameters(self, members: Members) -> None:
        """Measure the distance of the members' parameters from now on; call it before training.

        In a loop that continues after an epoch, nothing is measured: initialization is unknown.

        Args:
            members: M modules, or M lists of tensors; or stacked tensors (M, …) by name. They are
                copied on their device. If they are distributed over processes (FSDP), pass them
                after `fully_shard`, and call `combine_processes`.

        Raises:
            ValueError: if a member has no parameters.
        """
        with self.guard:
            self._displacement = None if self._first else Displacement(members)

    # --- for a store ---------------------------------------------------------------------------

    @torch.no_grad()
    def record(self, split: str, logits: Outputs, targets: Tensor) -> None:
        """Record the members' logits on validation or test examples, for the current epoch.

        Call it after an epoch and before `end_epoch`, with a complete split or batch by batch,
        always in the same order. Logits recorded before the first `update` belong to epoch 0,
        which also ends with a call of `end_epoch`. Examples with the target `ignore_index` are not
        stored.

        Args:
            split: "val" or "test".
            logits: (M, n, K), or M tensors (n, K).
            targets: (n,), or (n, K).

        Raises:
            StoreError: if the monitor has no store, or there is no such split.
            ValueError: if shapes do not match.
        """
        if self.stopped or self._in_background:
            return
        with self.guard:
            if self._lane is None:
                raise StoreError("record was called on a monitor without a store; pass store=….")
            batch = self._without_ignored(batch_sums.copied(logits, self.family, targets))
            self._check_outputs(batch.values.shape[-1])
            self._chance.outputs = batch.values.shape[-1]
            plain = replace(self._measure, label_smoothing=0.0)
            [sums] = batch_sums.sum_batches(plain, [batch])
            assert batch.target is not None
            self._check_range(sums[None], batch.target.ndim, None)
            arrays = (batch.values, batch.target, sums[:-2].double())
            self._lane.add(split, *(tensor.cpu().numpy() for tensor in arrays))

    def _without_ignored(self, batch: Batch) -> Batch:
        assert batch.target is not None
        if targets_of_loops.are_probabilities(self.family, batch.target):
            raise ValueError(wording.probabilities_in_store())
        keep = ~targets_of_loops.ignored(self.family, batch.target, self._measure.ignore_index)
        return Batch(batch.values[:, keep], batch.target[keep], int(keep.sum()))

    def combine_processes(self) -> None:
        """Combine the sums of all processes of torch.distributed at the end of each epoch.

        Call it in every process that trains the model, before training; the monitors must end the
        same epochs. Each then has the metrics and findings of all examples, and `in_background`
        keeps all but the main process from reporting them. Every `end_epoch` waits for the others;
        some kilobytes are exchanged.
        """
        self._combines = True

    def in_background(self) -> None:
        """Report no findings and write no store: for all processes but the main one."""
        self.tell = None
        self._lane, self._in_background = None, True

    def discard(self) -> None:
        """Discard the logits recorded since the last epoch, for example by a sanity check."""
        if self._lane is not None:
            self._lane.discard()

    def close(self) -> None:
        """Close the store if training ends early; after the last epoch it is closed already."""
        if self._lane is not None:
            self._lane.close()

    def _write(self, checkpoint: Mapping[str, Tensor]) -> None:
        if self._lane is None:
            return
        last = self.epochs[-1] if self.epochs else None
        train = last if last is not None and last.epoch == self._epoch else None
        facts = Facts(
            family=self._family_name or address(self.family),
            combiner=self.combiner,
            outputs=self._chance.outputs or 1,
            targets=self._chance.facts(),
            examples=None if train is None else train.examples,
        )
        self._lane.write(self._epoch, train, self._members, _on_host(checkpoint), facts)

    # --- every epoch -------------------------------------------------------------------------

    def end_epoch(self, checkpoint: Mapping[str, Tensor] | None = None) -> list[Finding]:
        """End an epoch and return the new findings.

        Each rule fires once; `findings` contains all findings so far. An epoch that is so short
        that none of its batches is in the sample has no metrics and no findings.

        Args:
            checkpoint: Parameters (M, …) of all members by name, for the store.

        Raises:
            ValueError: if no batch was passed since the last call, or the number of members whose
                parameters are watched differs from the number of members with logits, or they are
                distributed over processes that are not combined.
            StoreError: if the epoch cannot be written.
        """
        new: list[Finding] = []
        shares = self._shares()
        if self.stopped:
            return new
        with self.guard:
            nothing_trained = self._sample is None and not shares
            if self._lane is not None and self._lane.has_outputs and nothing_trained:
                self._lane.hold_start(_on_host(checkpoint or {}))
            elif shares or not self._in_background:
                new = self._end(shares, checkpoint or {})
        with self.guard:
            for finding in new:
                if self.tell is not None:
                    self.tell(finding)
        return new

    def _shares(self) -> list[Share]:
        """Return the sums of the epoch, of this process or of all; none if there was no batch.

        A process that has stopped takes part, so that the others do not wait for it.
        """
        own: list[Share] = []
        if self._sample is not None and self._sample.seen and not self.stopped:
            with self.guard:
                self._check_watched()
                own = [self._fetch(self._sample)]
        if self._combines:
            with self.guard:
                return processes.gathered(own[0] if own else None)
        return own

    def _end(self, shares: list[Share], checkpoint: Mapping[str, Tensor]) -> list[Finding]:
        if not shares:
            raise ValueError(wording.no_batches(self._epoch + 1, self._skipped))
        self._epoch += 1
        first = self._epoch == self._first + 1
        if first and self._normalized is not None and bool(self._normalized):
            logging.getLogger("jtdiag").warning("%s", wording.probabilities_in_loop())
        summed = processes.combined(shares)
        self._chance.replace_targets([t for share in shares for t in share.targets or ()])
        displacement = processes.distance(shares)
        has_metrics = bool(summed.counted and summed.examples.sum())
        if has_metrics:
            self.epochs.append(self._sampled_epoch(summed, displacement))
        elif summed.counted:
            line = wording.none_counted(self._epoch, self._measure.ignore_index)
            logging.getLogger("jtdiag").warning("%s", line)
        self._write(checkpoint)
        return self._judge() if has_metrics else []

    def _check_watched(self) -> None:
        if self._displacement is not None and self._displacement.members != self._members:
            raise ValueError(
                f"the parameters of {self._displacement.members} members are watched, but update "
                f"received logits of {self._members}; pass the same members to watch_parameters."
            )
        if self._displacement is not None and self._displacement.distributed and not self._combines:
            raise ValueError(wording.not_combined())

    @torch.no_grad()
    def _fetch(self, sample: EpochSample) -> Share:
        """Copy the epoch's sums and the displacements to the host in one transfer."""
        rows = sample.rows()
        parts = [rows.flatten()]
        if self._displacement is not None:
            parts.append(self._displacement.measure().to(rows))
        host = torch.cat(parts).cpu().double().numpy()
        sums = host[: rows.numel()].reshape(rows.shape)
        self._check_range(sums, self._target_dims, self._epoch + 1)
        summed = sample.close(sums)
        if summed.counted:
            examples = np.rint(sums[:, -2]).astype(np.int64)
            summed = replace(summed, sums=sums[:, :-2], examples=examples)
        return Share(
            summed=summed,
            displacement=None if self._displacement is None else host[rows.numel() :],
            distributed=self._displacement is not None and self._displacement.distributed,
            targets=self._chance.targets_on_host() if self._combines else None,
        )

    def _check_range(
        self, sums: NDArray[np.float64] | Tensor, target_dims: int, epoch: int | None
    ) -> None:
        """Raise a ValueError if a target is out of range, given sums (R, 2M + 4)."""
        number = round(float(sums[:, -1].sum())) if len(sums) else 0
        if number:
            allowed = targets_of_loops.allowed(
                self.family, target_dims, self._chance.outputs, self._measure.ignore_index
            )
            examples = number + round(float(sums[:, -2].sum()))
            raise ValueError(
                wording.out_of_range(number=number, examples=examples, epoch=epoch, allowed=allowed)
            )

    def _sampled_epoch(
        self, summed: Summed, displacement: NDArray[np.float64] | None
    ) -> SampledEpoch:
        self._chance.settle()
        return SampledEpoch(
            epoch=self._epoch,
            means=batch_sums.by_name(summed.means(), self._chance.scale),
            standard_errors=batch_sums.by_name(summed.standard_errors(), self._chance.scale),
            examples=int(summed.examples.sum()),
            counted=summed.counted,
            batches=summed.seen,
            lam=self.lam,
            displacement=displacement,
        )

    @property
    def history(self) -> History:
        """The training metrics so far, as input of the rules.

        Raises:
            ValueError: if no epoch has ended yet.
        """
        if not self.epochs:
            raise ValueError("no epoch has ended yet; call end_epoch() after one.")
        displacements = [e.displacement for e in self.epochs if e.displacement is not None]
        lam = [epoch.lam for epoch in self.epochs]
        return History(
            epoch=np.array([epoch.epoch for epoch in self.epochs]),
            **{name: self._by_epoch(name) for name in names.METRIC_VARIABLES},
            head_from=0,
            modules=None,
            chance_error=self._chance.error / self._chance.scale,
            chance_loss=self._chance.loss,
            examples=self.epochs[-1].examples if self.family.classes else None,
            displacement=(
                np.stack(displacements) if len(displacements) == len(self.epochs) else None
            ),
            lam=np.array(lam) if None not in lam else None,
        )

    def scalars(self) -> dict[str, float]:
        """Return numbers of the last epoch for a logger, such as ``jtdiag/median_skill``.

        See `jtdiag.monitor.scalars`. Empty before an epoch has ended.
        """
        return scalars(self.history) if self.epochs else {}

    def summary(self) -> str:
        """Return the epochs watched, the numbers of the last one, and all alerts, as lines."""
        return "\n".join([repr(self), *wording.summary(self.scalars(), self.findings)])

    def _by_epoch(self, name: str) -> NDArray[np.float64]:
        return np.stack([epoch.means[name] for epoch in self.epochs])

    def _judge(self) -> list[Finding]:
        history = self.history
        rule_names = decidable(self._log.pending(None), history, self.epochs)
        verdicts = self._log.judge(None, history, rule_names)
        note = self.epochs[-1].note
        new = findings(LaneVerdict(verdict=verdict, lam=self.lam) for verdict in verdicts)
        if note:
            new = [replace(finding, sentence=f"{finding.sentence} {note}") for finding in new]
        self.findings += new
        return new


def _columns(
    members: Tensor,
    ensemble: Tensor,
    member_errors: Tensor | None,
    ensemble_errors: Tensor | None,
    size: int,
) -> Tensor:
    """Return losses and errors of N examples as `batch_sums.counted` does, (2M + 4, N or 1)."""
    nan = members.new_tensor(math.nan)
    member_errors = nan.expand_as(members) if member_errors is None else member_errors
    ensemble_errors = nan.expand_as(ensemble) if ensemble_errors is None else ensemble_errors
    of_members = torch.cat([members.detach(), member_errors.to(members.dtype)])
    of_ensemble = torch.stack([ensemble.detach(), ensemble_errors.to(members.dtype)])
    columns = torch.cat([of_members, of_ensemble])
    columns = columns if columns.ndim == 2 else columns[:, None]
    none = torch.zeros(columns.shape[1], dtype=torch.bool, device=columns.device)
    return batch_sums.counted(columns, none, none) * (size if members.ndim == 1 else 1)


def _lane(
    store: str | Path | RecordedLane | None,
    epochs: int | None,
    lam: float | None,
    *,
    resumes: bool,
) -> RecordedLane | None:
    if store is None or isinstance(store, RecordedLane):
        return store
    if epochs is None or lam is None:
        raise ValueError(
            f"store is {str(store)!r}, lam is {lam} and epochs is {epochs}; a store needs all "
            "three. λ is 1 for end-to-end training and 0 for independent members."
        )
    return Recording(store, epochs=epochs, lam=[lam], resume=resumes).lane(lam)


def _callable(field: str, value: Callable[..., object] | None) -> Callable[..., object] | None:
    if value is not None and not callable(value):
        raise ValueError(wording.not_callable(field, type(value).__name__))
    return value


def _epoch(resume: object) -> int:
    if resume is None:
        return 0
    if not isinstance(resume, int) or resume < 0:
        raise ValueError(f"resume is {resume!r}; it must be an epoch, an integer of at least 0.")
    return resume


def _on_host(checkpoint: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    for name, tensor in checkpoint.items():
        if is_distributed(tensor):
            raise ValueError(wording.distributed_checkpoint(name))
    return {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.items()}


def _lam(lam: object) -> float | None:
    if lam is None:
        return None
    if isinstance(lam, bool) or not isinstance(lam, numbers.Real) or not 0 <= float(lam) <= 1:
        raise ValueError(wording.lam_out_of_range(lam))
    return float(lam)


def _stride(every: object) -> int | None:
    if every == "auto":
        return None
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"every is {every!r}; it must be 'auto' or an integer of at least 1.")
    return every


def _verdict_log(wanted: Iterable[str] | None) -> VerdictLog[None]:
    """Return a log of the wanted rules; by default all that are installed."""
    installed = RULES.names()
    names_of_rules = installed if wanted is None else wanted
    if isinstance(names_of_rules, str):
        names_of_rules = (names_of_rules,)
    return VerdictLog[None](_choice("wanted", name, installed) for name in names_of_rules)


def _smoothing(value: float, class_weights: Tensor | None, family: Family) -> float:
    """Return the label smoothing; only classes have any, and not together with their weights."""
    if not 0 <= value <= 1:
        raise ValueError(f"label_smoothing is {value!r}; it must be a number from 0 to 1.")
    if (value or class_weights is not None) and not isinstance(family, Categorical):
        raise ValueError(wording.only_for_classes())
    if value and class_weights is not None:
        raise ValueError(wording.smoothing_and_weights())
    return float(value)


def _choice(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value
