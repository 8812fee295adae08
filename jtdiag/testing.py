"""Test tools for user-defined probes and families: contract tests, and a small trained run.

Inherit the contract tests in a test module::

    from jtdiag.testing import ProbePromises

    class TestMine(ProbePromises):
        probe = mine
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from jtdiag.engine.train import train
from jtdiag.families import combining
from jtdiag.families.contract import Family
from jtdiag.probing.contract import Options, Probe
from jtdiag.probing.findings import Finding
from jtdiag.recipe.toml import from_table
from jtdiag.store.run import Run

TOY: dict[str, Any] = {
    "name": "toy",
    "lam": [0.0, 0.9, 1.0],
    "trials": 2,
    "data": {"name": "toy.npz", "val": 20},
    "members": {"arch": "mlp", "count": 3, "hidden": [5]},
    "train": {"epochs": 4, "batch": 16, "lr": 0.3},
    "keep": {"splits": ["val", "test"]},
    "engine": {"device": "cpu", "threads": 1, "precision": "float64"},
}
"""Recipe of `toy_run`, as a table."""


def toy_run(folder: Path, **changes: Any) -> Run:
    """Train a small ensemble on three noisy classes in the plane; it takes about a second.

    Args:
        folder: An existing folder; data are written to ``toy.npz`` in it and the run to ``toy``.
        changes: Changes to the recipe `TOY`, such as ``lam=[0.5]`` or ``train={"epochs": 1}``;
            a section is merged into that of the recipe.
    """
    toy_data(folder / "toy.npz")
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in TOY.items()}
    table["data"]["name"] = str(folder / "toy.npz")
    for key, value in changes.items():
        table[key] = {**table.get(key, {}), **value} if isinstance(value, dict) else value
    return train(from_table(table), folder / str(table["name"]))


def toy_data(path: Path, train_examples: int = 100, test_examples: int = 40) -> None:
    """Write an .npz file of points around three class centers."""
    random = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    for part, count in (("train", train_examples), ("test", test_examples)):
        target = np.arange(count) % 3
        center = np.stack([np.cos(target * 2.1), np.sin(target * 2.1)], 1)
        arrays[f"x_{part}"] = (center + random.normal(0, 0.5, (count, 2))).astype(np.float32)
        arrays[f"y_{part}"] = target
    np.savez(path, **arrays)  # type: ignore[arg-type]


class ProbePromises:
    """Contract tests for a probe: inherit this class and set `probe`."""

    probe: Probe

    @property
    def run(self) -> Run:
        """A small completed run with outputs and checkpoints of every epoch."""
        return _toy()

    def test_the_question_is_a_question(self) -> None:
        assert self.probe.question.endswith("?")

    def test_the_result_is_what_was_promised(self) -> None:
        _answer(self.probe, self.run)
        self.probe.ask(self.run, Options(metrics_only=True))

    def test_every_variable_says_what_it_means(self) -> None:
        assert all(var.unit and var.meaning for var in self.probe.writes.values())

    def test_asked_twice_it_answers_the_same(self) -> None:
        first = _answer(self.probe, self.run)
        assert first.identical(self.probe.ask(self.run, Options()))

    def test_asking_leaves_the_run_untouched(self) -> None:
        before = dict(_contents(self.run.path))
        self.probe.judge(self.probe.ask(self.run, Options()))
        assert dict(_contents(self.run.path)) == before

    def test_findings_name_the_probe_and_say_a_sentence(self) -> None:
        for finding in self.probe.judge(_answer(self.probe, self.run)):
            assert isinstance(finding, Finding)
            assert finding.probe == self.probe.name
            assert finding.sentence.endswith((".", "!"))

    def test_metrics_alone_can_be_judged(self) -> None:
        self.probe.judge(self.probe.ask(self.run, Options(metrics_only=True)))


class FamilyPromises:
    """Contract tests for a family: inherit this class and set `family`, `target` and `outputs`."""

    family: Family
    target: NDArray[Any]
    """Example targets, (N,) classes or (N, K) numbers."""
    outputs: int
    """Number of outputs, K."""

    @property
    def eta(self) -> torch.Tensor:
        """Canonical parameters (4, N, K) of four members."""
        random = torch.Generator().manual_seed(0)
        shape = (4, len(self.target), self.outputs)
        raw = torch.randn(shape, generator=random, dtype=torch.float64)
        return self.family.parameter(raw)

    def test_the_targets_are_the_familys(self) -> None:
        assert self.family.complaint(torch.from_numpy(self.target)) == ""

    def test_the_mean_is_the_gradient_of_the_log_partition(self) -> None:
        eta = self.eta
        torch.testing.assert_close(self.family.mean(eta), Family.mean(self.family, eta))

    def test_the_hessian_is_the_derivative_of_the_mean(self) -> None:
        eta = self.eta
        torch.testing.assert_close(self.family.hessian(eta), Family.hessian(self.family, eta))

    def test_the_link_leads_back_to_the_mean(self) -> None:
        mean = self.family.mean(self.eta)
        torch.testing.assert_close(self.family.mean(self.family.link(mean)), mean)

    def test_the_gradient_of_the_loss_is_mean_minus_statistic(self) -> None:
        eta, target = self.eta.requires_grad_(), torch.from_numpy(self.target)
        total = combining.member_losses(self.family, eta, target).sum()
        [gradient] = torch.autograd.grad(total, eta)
        statistic = self.family.statistic(target, self.outputs).to(eta.dtype)
        torch.testing.assert_close(gradient, self.family.mean(eta.detach()) - statistic)

    def test_equation_4_is_equation_5(self) -> None:
        eta, target = self.eta, torch.from_numpy(self.target)
        for combiner in ("logits", "probabilities"):
            eq4 = combining.eq4(self.family, eta, target, 0.7, combiner)
            eq5 = combining.eq5(self.family, eta, target, 0.7, combiner)
            torch.testing.assert_close(eq4, eq5, rtol=1e-12, atol=1e-12)

    def test_every_target_has_an_error(self) -> None:
        error = self.family.error(self.family.mean(self.eta[0]), torch.from_numpy(self.target))
        assert error.shape == (len(self.target),)
        assert bool(torch.isfinite(error).all() and (error >= 0).all())


_CACHE: dict[str, tuple[tempfile.TemporaryDirectory[str], Run]] = {}


def _toy() -> Run:
    """Return a toy run shared by all tests of a process; it is deleted when the process exits."""
    if "toy" not in _CACHE:
        folder = tempfile.TemporaryDirectory(prefix="jtdiag-toy-")
        _CACHE["toy"] = (folder, toy_run(Path(folder.name)))
    return _CACHE["toy"][1]


_ANSWERS: list[tuple[Probe, Run, xr.Dataset]] = []


def _answer(probe: Probe, run: Run) -> xr.Dataset:
    """Return what a probe answers of a run; it is asked once for all tests of a process."""
    for known, of_run, result in _ANSWERS:
        if known is probe and of_run is run:
            return result.copy(deep=True)
    result = probe.ask(run, Options())
    _ANSWERS.append((probe, run, result.copy(deep=True)))
    return result


def _contents(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), hashlib.sha256(path.read_bytes()).hexdigest()
