"""The early warning in a user's training loop: losses, errors and rules during training."""

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from jtdiag import families, names
from jtdiag.alerts.lane_verdicts import LaneVerdict, findings
from jtdiag.errors import StoreError
from jtdiag.families.contract import Family
from jtdiag.monitor import batch_sums
from jtdiag.monitor.batch_sums import Batch, Logits, Outputs
from jtdiag.monitor.chance import Chance
from jtdiag.monitor.displacement import Displacement, Members
from jtdiag.monitor.epoch_sample import EpochSample, Summed
from jtdiag.monitor.recording import Facts, RecordedLane, Recording
from jtdiag.monitor.sampled_epoch import SampledEpoch, decidable
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

    Raises:
        ValueError: if an argument is invalid.
        StoreError: if the folder is not empty.
    """

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
    ) -> None:
        self._lane = _lane(store, epochs, lam)
        self.lam = self._lane.lam if self._lane is not None and lam is None else lam
        self.tell = tell
        self.family = families.find(family) if isinstance(family, str) else family
        self.combiner = _choice("combiner", combiner, families.COMBINERS)
        self._every = _stride(every)
        installed = RULES.names()
        self._log = VerdictLog[None](
            _choice("wanted", name, installed) for name in (installed if wanted is None else wanted)
        )
        self._random = random.Random(0)  # draws the first batch of each sample only
        self._sample: EpochSample | None = None
        self._members = 0
        self._family_name = family if isinstance(family, str) else ""
        self._chance = Chance(self.family, chance_error, chance_loss)
        self._displacement: Displacement | None = None
        self._epoch = 0
        self.epochs: list[SampledEpoch] = []
        """Metrics of each epoch."""
        self.findings: list[Finding] = []
        """All findings so far."""

    # --- every batch -------------------------------------------------------------------------

    def update(self, logits: Logits, targets: Tensor) -> None:
        """Add a batch if it belongs to the sample, without synchronizing with the device.

        Args:
            logits: (M, N, K), logits of M members for N examples; or M tensors (N, K); or a
                function that returns either, which is called only for batches in the sample. Any
                floating-point dtype and device, with or without gradients.
            targets: (N,), classes 0 … K−1; or (N, K), numbers, for other families.

        Raises:
            ValueError: if shapes, dtypes or devices do not match, or M has changed.
        """
        if self._sample is not None and not self._sample.due():
            return
        with torch.no_grad():
            outputs = logits() if callable(logits) else logits
            batch = batch_sums.copied(outputs, self.family, targets)
            self._chance.add(batch)
            self._add(batch, len(batch.values))

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
        size = members.shape[1] if members.ndim == 2 else examples
        if members.ndim not in (1, 2) or ensemble.shape != members.shape[1:] or not size:
            raise ValueError(
                f"losses are {tuple(members.shape)} and {tuple(ensemble.shape)}, with examples = "
                f"{examples}; they must be (M, N) and (N,), or (M,) and () with examples = N."
            )
        if self._sample is not None and not self._sample.due():
            return
        with torch.no_grad():
            nan = members.new_tensor(math.nan)
            if member_errors is None:
                member_errors = nan.expand_as(members)
            if ensemble_errors is None:
                ensemble_errors = nan.expand_as(ensemble)
            member_columns = torch.cat([members.detach(), member_errors.to(members.dtype)])
            ensemble_columns = torch.stack([ensemble.detach(), ensemble_errors.to(members.dtype)])
            columns = torch.cat([member_columns, ensemble_columns])
            values = columns if columns.ndim == 2 else columns[:, None] * size
            self._add(Batch(values, None, size), len(members))

    def _add(self, batch: Batch, members: int) -> None:
        if self._sample is None:
            self._members = members
            rows = max(LEAST_BATCHES, -(-ENOUGH // max(1, batch.examples)))
            self._sample = EpochSample(rows, self._every, self._sums, self._random)
            if not self._sample.due():  # the first batch provides the sizes, but may not be sampled
                return
        if members != self._members:
            raise ValueError(
                f"a batch has {members} members; previous batches had {self._members}."
            )
        self._sample.add(batch)

    def _sums(self, batches: list[Batch]) -> list[Tensor]:
        return batch_sums.sum_batches(self.family, self.combiner, batches)

    def watch_parameters(self, members: Members) -> None:
        """Measure the distance of the members' parameters from now on; call it before training.

        Args:
            members: M modules, or M lists of tensors; or stacked tensors (M, …) by name. They are
                copied on their device.

        Raises:
            ValueError: if a member has no parameters.
        """
        self._displacement = Displacement(members)

    # --- for a store ---------------------------------------------------------------------------

    @torch.no_grad()
    def record(self, split: str, logits: Outputs, targets: Tensor) -> None:
        """Record the members' logits on validation or test examples, for the current epoch.

        Call it after an epoch and before `end_epoch`, with a complete split or batch by batch,
        always in the same order. Logits recorded before the first `update` belong to epoch 0,
        which also ends with a call of `end_epoch`.

        Args:
            split: "val" or "test".
            logits: (M, n, K), or M tensors (n, K).
            targets: (n,), or (n, K).

        Raises:
            StoreError: if the monitor has no store, or there is no such split.
            ValueError: if shapes do not match.
        """
        if self._lane is None:
            raise StoreError("record was called on a monitor without a store; pass store=….")
        batch = batch_sums.copied(logits, self.family, targets)
        self._chance.outputs = batch.values.shape[-1]
        [sums] = self._sums([batch])
        arrays = (tensor.cpu().numpy() for tensor in (batch.values, targets, sums.double()))
        self._lane.add(split, *arrays)

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
            family=self._family_name or _address(self.family),
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
                parameters are watched differs from the number of members with logits.
            StoreError: if the epoch cannot be written.
        """
        sample = self._sample
        if sample is None and self._lane is not None and self._lane.has_outputs:
            self._lane.hold_start(_on_host(checkpoint or {}))
            return []
        if sample is None or not sample.seen:
            raise ValueError(
                f"epoch {self._epoch + 1} has no batches; call update(logits, targets) in every "
                "training step."
            )
        self._check_watched()
        self._epoch += 1
        summed, displacement = self._fetch(sample)
        if summed.counted:
            self.epochs.append(self._sampled_epoch(summed, displacement))
        self._write(checkpoint or {})
        return self._judge() if summed.counted else []

    def _check_watched(self) -> None:
        if self._displacement is not None and self._displacement.members != self._members:
            raise ValueError(
                f"the parameters of {self._displacement.members} members are watched, but update "
                f"received logits of {self._members}; pass the same members to watch_parameters."
            )

    @torch.no_grad()
    def _fetch(self, sample: EpochSample) -> tuple[Summed, NDArray[np.float64] | None]:
        """Copy the epoch's sums and the displacements to the host in one transfer."""
        rows = sample.rows()
        parts = [rows.flatten()]
        if self._displacement is not None:
            parts.append(self._displacement.measure().to(rows))
        host = torch.cat(parts).cpu().double().numpy()
        summed = sample.close(host[: rows.numel()].reshape(rows.shape))
        return summed, None if self._displacement is None else host[rows.numel() :]

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
            chance_error=self._chance.error / self._chance.scale,
            chance_loss=self._chance.loss,
            examples=self.epochs[-1].examples if self.family.classes else None,
            displacement=(
                np.stack(displacements) if len(displacements) == len(self.epochs) else None
            ),
            lam=np.array(lam) if None not in lam else None,
        )

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
        for finding in new:
            if self.tell is not None:
                self.tell(finding)
        return new


def _lane(
    store: str | Path | RecordedLane | None, epochs: int | None, lam: float | None
) -> RecordedLane | None:
    if store is None or isinstance(store, RecordedLane):
        return store
    if epochs is None or lam is None:
        raise ValueError(
            f"store is {str(store)!r}, lam is {lam} and epochs is {epochs}; a store needs all "
            "three. λ is 1 for end-to-end training and 0 for independent members."
        )
    return Recording(store, epochs=epochs, lam=[lam]).lane(lam)


def _on_host(checkpoint: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.items()}


def _address(family: Family) -> str:
    """Return the address from which the class of a family can be imported."""
    return f"{type(family).__module__}:{type(family).__qualname__}"


def _stride(every: object) -> int | None:
    if every == "auto":
        return None
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"every is {every!r}; it must be 'auto' or an integer of at least 1.")
    return every


def _choice(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value
