"""The early warning in a training loop of one's own: losses, errors and the rules, as it trains."""

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
from jtdiag.monitor.batch_sums import Batch, Given, Logits
from jtdiag.monitor.chance import Chance
from jtdiag.monitor.displacement import Displacement, Members
from jtdiag.monitor.epoch_sample import EpochSample, Summed
from jtdiag.monitor.measured_epoch import MeasuredEpoch, settled
from jtdiag.monitor.recording import Facts, RecordedLane, Recording
from jtdiag.probing.findings import Finding
from jtdiag.rules import RULES, VerdictLog
from jtdiag.rules.contract import History

ENOUGH = 2500
"""Examples of an epoch that are counted: errors then stand within about one percentage point."""
LEAST_BATCHES = 16
"""Batches of an epoch that are counted at least, where it has so many."""


class DominanceMonitor:
    """Watches the members of an ensemble, or branches of a network, in any training loop.

    `update` counts an evenly spread sample of an epoch's batches and never waits for the device;
    `end_epoch` fetches the sums, once, and asks the rules of the early warning. The numbers are
    means over an epoch, each batch before its update of the weights, as those of `jtdiag train`.

    Args:
        lam: λ of Eq. 4 (Webb et al. 2020) with which the loop trains: 1 for the ensemble's loss
            alone, 0 for members each by itself; None for another loss. May be set anew.
        every: Count one batch in so many; 1 counts all. "auto" counts about `ENOUGH` examples of
            an epoch, and not fewer than `LEAST_BATCHES` batches.
        family: The likelihood, by its name or as an object; logits are its canonical parameters.
        combiner: What the ensemble averages, "logits" or "probabilities".
        wanted: Names of the rules to evaluate; by default all installed ones.
        chance_error: Error without skill, for loops that give losses only; else it is known.
        chance_loss: Loss without skill, in nats; likewise.
        tell: Called with every new finding.
        store: Folder of a new run to write, or the lane of a `Recording`, which has room for
            several λs and trials; then every probe of outputs can be asked of it.
        epochs: How many epochs there will be; for a folder.

    Raises:
        ValueError: if an argument is out of its range.
        StoreError: if the folder holds something.
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
        self.combiner = _known("combiner", combiner, families.COMBINERS)
        self._every = _stride(every)
        installed = RULES.names()
        self._log = VerdictLog[None](
            _known("wanted", name, installed) for name in (installed if wanted is None else wanted)
        )
        self._random = random.Random(0)  # where an epoch's sample begins, and nothing else
        self._sample: EpochSample | None = None
        self._members = 0
        self._family_name = family if isinstance(family, str) else ""
        self._chance = Chance(self.family, chance_error, chance_loss)
        self._moved: Displacement | None = None
        self._epoch = 0
        self.epochs: list[MeasuredEpoch] = []
        """What was measured, one for each epoch."""
        self.findings: list[Finding] = []
        """All findings so far."""

    # --- in every batch ----------------------------------------------------------------------

    def update(self, logits: Logits, targets: Tensor) -> None:
        """Count a batch, if it belongs to the sample; nothing is waited for.

        Args:
            logits: (M, N, K), what the M members say of N examples; or M tensors (N, K); or a
                function that returns either, called only for batches that are counted. Of any
                floating type, on any device, with or without a gradient.
            targets: (N,), classes 0 … K−1; or (N, K), numbers, for other families.

        Raises:
            ValueError: if shapes, types or devices do not fit, or M is not that of before.
        """
        if self._sample is not None and not self._sample.due():
            return
        with torch.no_grad():
            given = logits() if callable(logits) else logits
            batch = batch_sums.held(given, self.family, targets)
            self._chance.see(batch)
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
        """Count a batch of which only losses are at hand, in nats; errors where they are known.

        Without errors the rules that compare skill stay silent.

        Args:
            members: (M, N), or means over the batch (M,).
            ensemble: (N,), or the mean, ().
            member_errors: As `members`, 0 to 1.
            ensemble_errors: As `ensemble`, 0 to 1.
            examples: N, where means are given.

        Raises:
            ValueError: if shapes do not fit, or M is not that of before.
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
            unknown = members.new_tensor(math.nan)
            of_members = unknown.expand_as(members) if member_errors is None else member_errors
            of_all = unknown.expand_as(ensemble) if ensemble_errors is None else ensemble_errors
            both = torch.cat([members.detach(), of_members.to(members.dtype)])
            last = torch.stack([ensemble.detach(), of_all.to(members.dtype)])
            columns = torch.cat([both, last])
            values = columns if columns.ndim == 2 else columns[:, None] * size
            self._add(Batch(values, None, size), len(members))

    def _add(self, batch: Batch, members: int) -> None:
        if self._sample is None:
            self._members = members
            rows = max(LEAST_BATCHES, -(-ENOUGH // max(1, batch.examples)))
            self._sample = EpochSample(rows, self._every, self._sums, self._random)
            if not self._sample.due():  # the first batch tells the sizes, and need not be counted
                return
        if members != self._members:
            raise ValueError(f"a batch has {members} members; those before it had {self._members}.")
        self._sample.add(batch)

    def _sums(self, batches: list[Batch]) -> list[Tensor]:
        return batch_sums.of_batches(self.family, self.combiner, batches)

    def watch_parameters(self, members: Members) -> None:
        """Measure from now on how far the members' parameters move; call it before training.

        Args:
            members: M modules, or M lists of tensors; or stacked tensors (M, …) by name. A copy
                of them as they are is kept on their device.

        Raises:
            ValueError: if a member has no parameters.
        """
        self._moved = Displacement(members)

    # --- for a store ---------------------------------------------------------------------------

    @torch.no_grad()
    def record(self, split: str, logits: Given, targets: Tensor) -> None:
        """Record what members say of validation or test examples, for the store's next epoch.

        Call it after an epoch and before `end_epoch`, with a whole split or piece by piece, always
        in the same order. What is recorded before the first `update` belongs to epoch 0, which a
        call of `end_epoch` ends too.

        Args:
            split: "val" or "test".
            logits: (M, n, K), or M tensors (n, K).
            targets: (n,), or (n, K).

        Raises:
            StoreError: if the monitor has no store, or the split has another name.
            ValueError: if shapes do not fit.
        """
        if self._lane is None:
            raise StoreError("record was called on a monitor without a store; give store=….")
        batch = batch_sums.held(logits, self.family, targets)
        self._chance.outputs = batch.values.shape[-1]
        [sums] = self._sums([batch])
        arrays = (one.cpu().numpy() for one in (batch.values, targets, sums.double()))
        self._lane.add(split, *arrays)

    def close(self) -> None:
        """Let go of the store, if training ends before all its epochs; else nothing is to do."""
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
        )
        self._lane.write(self._epoch, train, self._members, _on_host(checkpoint), facts)

    # --- after every epoch -------------------------------------------------------------------

    def end_epoch(self, checkpoint: Mapping[str, Tensor] | None = None) -> list[Finding]:
        """Close an epoch and return what the rules say now and have not said before.

        A rule speaks once; `findings` keeps all. Of an epoch so short that no batch of it
        belonged to the sample nothing is known, and nothing is said.

        Args:
            checkpoint: Parameters (M, …) of all members by name, for the store.

        Raises:
            ValueError: if no batch was given since the last call, or the parameters that are
                watched are not those of as many members.
            StoreError: if the store cannot take the epoch.
        """
        sample = self._sample
        if sample is None and self._lane is not None and self._lane.has_outputs:
            self._lane.hold_start(_on_host(checkpoint or {}))
            return []
        if sample is None or not sample.seen:
            raise ValueError(
                f"epoch {self._epoch + 1} ends and no batch of it was given; call update(logits, "
                "targets) in every step."
            )
        self._check_watched()
        self._epoch += 1
        summed, moved = self._fetch(sample)
        if summed.counted:
            self.epochs.append(self._measured(summed, moved))
        self._write(checkpoint or {})
        return self._judge() if summed.counted else []

    def _check_watched(self) -> None:
        if self._moved is not None and self._moved.members != self._members:
            raise ValueError(
                f"the parameters of {self._moved.members} members are watched, and {self._members} "
                "have logits; give watch_parameters the members that update sees."
            )

    @torch.no_grad()
    def _fetch(self, sample: EpochSample) -> tuple[Summed, NDArray[np.float64] | None]:
        """Bring the epoch's sums to the host, and what the members have moved: one transfer."""
        rows = sample.rows()
        parts = [rows.flatten()]
        if self._moved is not None:
            parts.append(self._moved.measure().to(rows))
        host = torch.cat(parts).cpu().double().numpy()
        summed = sample.close(host[: rows.numel()].reshape(rows.shape))
        return summed, None if self._moved is None else host[rows.numel() :]

    def _measured(self, summed: Summed, moved: NDArray[np.float64] | None) -> MeasuredEpoch:
        self._chance.settle()
        return MeasuredEpoch(
            epoch=self._epoch,
            means=batch_sums.by_name(summed.means(), self._chance.scale),
            standard_errors=batch_sums.by_name(summed.standard_errors(), self._chance.scale),
            examples=int(summed.examples.sum()),
            counted=summed.counted,
            batches=summed.seen,
            lam=self.lam,
            displacement=moved,
        )

    @property
    def history(self) -> History:
        """The training metrics so far, as the rules see them.

        Raises:
            ValueError: if no epoch has ended yet.
        """
        if not self.epochs:
            raise ValueError("no epoch has ended yet; call end_epoch() after one.")
        moved = [one.displacement for one in self.epochs if one.displacement is not None]
        lam = [one.lam for one in self.epochs]
        return History(
            epoch=np.array([one.epoch for one in self.epochs]),
            **{name: self._by_epoch(name) for name in names.METRIC_VARIABLES},
            chance_error=self._chance.error / self._chance.scale,
            chance_loss=self._chance.loss,
            displacement=np.stack(moved) if len(moved) == len(self.epochs) else None,
            lam=np.array(lam) if None not in lam else None,
        )

    def _by_epoch(self, name: str) -> NDArray[np.float64]:
        return np.stack([one.means[name] for one in self.epochs])

    def _judge(self) -> list[Finding]:
        history = self.history
        names = settled(self._log.pending(None), history, self.epochs)
        verdicts = self._log.judge(None, history, names)
        doubt = self.epochs[-1].doubt
        new = [
            replace(found, sentence=found.sentence + doubt)
            for found in findings(
                LaneVerdict(verdict=verdict, lam=self.lam) for verdict in verdicts
            )
        ]
        self.findings += new
        for found in new:
            if self.tell is not None:
                self.tell(found)
        return new


def _lane(
    store: str | Path | RecordedLane | None, epochs: int | None, lam: float | None
) -> RecordedLane | None:
    if store is None or isinstance(store, RecordedLane):
        return store
    if epochs is None or lam is None:
        raise ValueError(
            f"store is {str(store)!r}, lam is {lam} and epochs is {epochs}; a store needs all "
            "three. λ is 1 where a loop trains the ensemble as a whole, 0 where each member alone."
        )
    return Recording(store, epochs=epochs, lam=[lam]).lane(lam)


def _on_host(checkpoint: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.items()}


def _address(family: Family) -> str:
    """Return where a family's class can be imported from."""
    return f"{type(family).__module__}:{type(family).__qualname__}"


def _stride(every: object) -> int | None:
    if every == "auto":
        return None
    if not isinstance(every, int) or every < 1:
        raise ValueError(f"every is {every!r}; it must be 'auto', or a whole number, 1 or more.")
    return every


def _known(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ValueError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}.")
    return value
