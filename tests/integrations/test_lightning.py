import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from jtdiag import DominanceMonitor, Run, watch_branches
from jtdiag.engine.torchvision_import import import_torchvision

import_torchvision()  # which Lightning imports, and finds broken beside a torch for CPUs

pytestmark = [
    # Of Lightning 2.6 on torch 2.13 and of torchmetrics: their own use of what torch deprecates.
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
    pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated:DeprecationWarning"),
    # A loader without workers and epochs of few steps are what a small test wants.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


@pytest.fixture
def library():
    import lightning.pytorch as pl

    from jtdiag.integrations.lightning import JtdiagCallback

    return SimpleNamespace(pl=pl, Callback=JtdiagCallback)


def fit(library, toy, callback, *, key="logits", epochs=3, tmp_path=".", step=None, val=None):
    """Train; `step` and `val` replace what the module does with a batch."""

    class Module(library.pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.members = toy.members

        def training_step(self, batch, batch_idx):
            if step is not None:
                return step(self, batch, batch_idx)
            logits = self.members(*batch)
            return {"loss": toy.loss(logits, batch[1]), key: logits.detach()}

        def validation_step(self, batch, batch_idx):
            logits = self.members(*batch)
            if val is not None:
                val(logits, batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.5)

    loader = DataLoader(TensorDataset(toy.x, toy.y), batch_size=toy.batch)
    trainer = library.pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(Module(), loader, loader)
    return trainer


@pytest.mark.slow
def test_the_callback_counts_what_the_training_steps_said(library, toy, tmp_path):
    callback = library.Callback(DominanceMonitor(lam=1, every=1))
    trainer = fit(library, toy, callback, tmp_path=tmp_path)
    history = callback.monitor.history
    assert history.epoch.tolist() == [1, 2, 3]
    scalars = callback.monitor.scalars()
    assert {name: float(trainer.logged_metrics[name]) for name in scalars} == pytest.approx(scalars)
    for epoch in (1, 2, 3):
        np.testing.assert_allclose(
            history.member_error[epoch - 1], toy.members.errors_by_hand(epoch)
        )


def test_findings_are_logged_unless_the_monitor_tells_them(library, toy, tmp_path, caplog):
    told = []
    with torch.no_grad():
        toy.members.members[1].weight.fill_(float("nan"))
    with caplog.at_level(logging.WARNING, "jtdiag"):
        fit(library, toy, library.Callback(DominanceMonitor(tell=told.append)), epochs=1)
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "jtdiag"):
        fit(library, toy, library.Callback(), epochs=1, tmp_path=tmp_path)
    [record] = caplog.records
    assert record.getMessage() == told[0].sentence
    assert (record.name, record.levelname) == ("jtdiag", "WARNING")


def test_logits_under_another_name_are_found_where_they_are_said_to_be(library, toy, tmp_path):
    callback = library.Callback(
        DominanceMonitor(every=1),
        logits=lambda outputs: outputs["eta"],
        targets=lambda batch: batch[1],
    )
    fit(library, toy, callback, key="eta", epochs=1, tmp_path=tmp_path)
    assert callback.monitor.epochs[0].examples == 44
    with pytest.raises(ValueError, match=r"logits is 'logits', which is not in \['loss', 'eta'\]"):
        fit(library, toy, library.Callback(), key="eta", epochs=1, tmp_path=tmp_path)


def test_other_processes_than_the_first_are_silent(library):
    callback = library.Callback()
    callback.setup(SimpleNamespace(is_global_zero=True), None, "fit")
    assert callback.monitor.tell is not None
    callback.setup(SimpleNamespace(is_global_zero=False), None, "fit")
    assert callback.monitor.tell is None


def test_other_processes_than_the_first_write_no_store(library, toy, tmp_path):
    path = tmp_path / "run"
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=1, strict=True)
    callback = library.Callback(monitor)
    callback.setup(SimpleNamespace(is_global_zero=False), None, "fit")
    monitor.update(toy.members(toy.x, toy.y), toy.y)
    monitor.record("val", toy.members(toy.x, toy.y), toy.y)
    monitor.end_epoch()
    assert len(monitor.epochs) == 1
    assert not path.exists()


def by_hand(self, batch, toy):
    """A step of manual optimization; returns the logits."""
    logits = self.members(*batch)
    self.optimizers().zero_grad()
    self.manual_backward(toy.loss(logits, batch[1]))
    self.optimizers().step()
    return logits.detach()


@pytest.mark.filterwarnings("ignore:`training_step` returned `None`")
def test_batches_that_a_step_leaves_out_are_not_counted(library, toy, tmp_path, caplog):
    def step(self, batch, index):
        if index == 2:
            return None
        logits = self.members(*batch)
        return {"loss": toy.loss(logits, batch[1]), "logits": logits.detach()}

    callback = library.Callback(DominanceMonitor(lam=1, every=1))
    fit(library, toy, callback, epochs=2, tmp_path=tmp_path, step=step)
    assert [epoch.batches for epoch in callback.monitor.epochs] == [4, 4]
    assert [epoch.examples for epoch in callback.monitor.epochs] == [34, 34]
    assert not [record for record in caplog.records if record.name == "jtdiag"]


@pytest.mark.parametrize("captured", [False, True])
def test_with_manual_optimization_every_step_is_counted(library, toy, tmp_path, captured):
    def step(self, batch, index):
        logits = by_hand(self, batch, toy)
        return None if captured else {"logits": logits}

    monitor = DominanceMonitor(lam=1, every=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.pl.LightningModule, "automatic_optimization", False)
        if captured:
            names = [f"members.{j}" for j in range(3)]
            with watch_branches(toy.members, names) as branches:
                callback = library.Callback(monitor, logits=branches)
                fit(library, toy, callback, epochs=1, tmp_path=tmp_path, step=step)
        else:
            fit(library, toy, library.Callback(monitor), epochs=1, tmp_path=tmp_path, step=step)
    np.testing.assert_allclose(monitor.history.member_error[0], toy.members.errors_by_hand(1))


def test_manual_optimization_that_returns_nothing_is_one_line(library, toy, tmp_path, caplog):
    callback = library.Callback(DominanceMonitor(lam=1))

    def step(self, batch, index):
        by_hand(self, batch, toy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.pl.LightningModule, "automatic_optimization", False)
        fit(library, toy, callback, epochs=2, tmp_path=tmp_path, step=step)
    [line] = [record.getMessage() for record in caplog.records if record.name == "jtdiag"]
    assert line == callback.monitor.stopped
    assert "training_step returned nothing in all 5 batches of the epoch; it must return" in line
    assert len(toy.members.said) == 10


def test_logits_that_are_missing_later_stop_the_monitor_and_not_the_trainer(
    library, toy, tmp_path, caplog
):
    def step(self, batch, index):
        logits = self.members(*batch)
        named = {"logits": logits.detach()} if index < 2 else {}
        return {"loss": toy.loss(logits, batch[1])} | named

    callback = library.Callback(DominanceMonitor(lam=1))
    fit(library, toy, callback, epochs=2, tmp_path=tmp_path, step=step)
    assert len(toy.members.said) == 10
    [line] = [record.getMessage() for record in caplog.records if record.name == "jtdiag"]
    assert "logits is 'logits', which is not in ['loss']" in line


def test_what_the_sanity_check_records_is_discarded(library, toy, tmp_path):
    monitor = DominanceMonitor(lam=1, every=1, store=tmp_path / "run", epochs=2, strict=True)
    calls = []

    def val(logits, target):
        calls.append(len(target))
        monitor.record("val", logits, target)

    fit(library, toy, library.Callback(monitor), epochs=2, tmp_path=tmp_path, val=val)
    assert calls == 2 * [10] + 2 * [10, 10, 10, 10, 4]  # two batches are the sanity check's
    run = Run(tmp_path / "run")
    assert run.done
    errors = run.metrics()["member_error"].sel(split="test")  # validation examples stand in
    assert errors.notnull().any("member").sum() == 2
