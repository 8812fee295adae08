import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from jtdiag import DominanceMonitor
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


def fit(library, toy, callback, *, key="logits", epochs=3, tmp_path="."):
    class Module(library.pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.members = toy.members

        def training_step(self, batch, batch_idx):
            logits = self.members(*batch)
            return {"loss": toy.loss(logits, batch[1]), key: logits.detach()}

        def validation_step(self, batch, batch_idx):
            self.members(*batch)

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


@pytest.mark.slow
def test_the_callback_counts_what_the_training_steps_said(library, toy, tmp_path):
    callback = library.Callback(DominanceMonitor(lam=1, every=1))
    fit(library, toy, callback, tmp_path=tmp_path)
    history = callback.monitor.history
    assert history.epoch.tolist() == [1, 2, 3]
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
