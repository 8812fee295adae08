from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from jtdiag import DominanceMonitor, watch_branches
from jtdiag.engine.torchvision_import import import_torchvision

import_torchvision()  # which transformers imports, and finds broken beside a torch for CPUs


@pytest.fixture
def library():
    import transformers

    from jtdiag.integrations.huggingface import JtdiagCallback

    return SimpleNamespace(hf=transformers, Callback=JtdiagCallback)


class Model(nn.Module):
    """As the Trainer likes it: inputs by name, a dict of loss and logits, examples first."""

    def __init__(self, toy):
        super().__init__()
        self.members, self.loss = toy.members, toy.loss

    def forward(self, pixels, labels=None):
        logits = self.members(pixels, labels)
        return {"loss": self.loss(logits, labels), "logits": logits.transpose(0, 1)}


def fit(library, toy, callback, tmp_path, *, epochs=3, **more):
    model = Model(toy)
    rows = [{"pixels": x, "labels": y} for x, y in zip(toy.x, toy.y, strict=True)]
    arguments = library.hf.TrainingArguments(
        str(tmp_path),
        num_train_epochs=epochs,
        per_device_train_batch_size=toy.batch,
        learning_rate=0.1,
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        eval_strategy="epoch",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **more,
    )
    trainer = library.hf.Trainer(
        model, arguments, train_dataset=rows, eval_dataset=rows, callbacks=[callback]
    )
    trainer.train()
    return model


@pytest.mark.slow
def test_the_callback_counts_what_the_model_said_in_training(library, toy, tmp_path):
    callback = library.Callback(DominanceMonitor(lam=1, every=1))
    model = fit(library, toy, callback, tmp_path)
    history = callback.monitor.history
    assert history.epoch.tolist() == [1, 2, 3]
    for epoch in (1, 2, 3):
        np.testing.assert_allclose(
            history.member_error[epoch - 1], toy.members.errors_by_hand(epoch)
        )
    assert not model._forward_hooks


@pytest.mark.slow
def test_the_trainer_logs_the_numbers_of_every_epoch(library, toy, tmp_path):
    logged = []
    monitor = DominanceMonitor(lam=1, every=1)
    trainer = SimpleNamespace(log=logged.append)
    fit(library, toy, library.Callback(monitor, trainer=trainer), tmp_path, epochs=2)
    assert len(logged) == 2
    assert logged[-1] == monitor.scalars()
    assert "jtdiag/diversity" in logged[-1]


@pytest.mark.slow
def test_branches_of_the_model_may_be_watched_instead(library, toy, tmp_path):
    monitor = DominanceMonitor(every=1)
    with watch_branches(toy.members, [f"members.{j}" for j in range(3)]) as branches:
        fit(library, toy, library.Callback(monitor, logits=branches), tmp_path, epochs=1)
    found = monitor.history.member_error[0]
    np.testing.assert_allclose(found, toy.members.errors_by_hand(1))


@pytest.mark.slow
def test_labels_that_the_model_never_sees_are_missed_in_one_line(library, toy, tmp_path):
    callback = library.Callback(labels="label")
    with pytest.raises(ValueError, match=r"labels is 'label', which is not in \['pixels', 'labels"):
        fit(library, toy, callback, tmp_path, epochs=1)


@pytest.mark.slow
def test_accumulated_gradients_change_nothing_about_what_is_counted(library, toy, tmp_path):
    callback = library.Callback(DominanceMonitor(every=1))
    fit(library, toy, callback, tmp_path, epochs=1, gradient_accumulation_steps=2)
    assert callback.monitor.epochs[0].examples == 44


def test_other_processes_than_the_first_are_silent(library):
    callback = library.Callback()
    callback.on_train_begin(None, SimpleNamespace(is_world_process_zero=False), None, nn.ReLU())
    assert callback.monitor.tell is None
    assert isinstance(callback, library.hf.TrainerCallback)


class Late(Model):
    """A model that returns other logits from the fourth forward pass on."""

    def forward(self, pixels, labels=None):
        output = super().forward(pixels, labels)
        if self.training and len(self.members.said) > 3:
            output["logits"] = output["logits"][:, :2]
        return output


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_an_error_after_the_first_batch_stops_the_monitor_and_not_the_trainer(
    library, toy, tmp_path, caplog, strict, monkeypatch
):
    monkeypatch.setitem(globals(), "Model", Late)
    callback = library.Callback(DominanceMonitor(lam=1, strict=strict))
    if strict:
        with pytest.raises(ValueError, match="has 2 members"):
            fit(library, toy, callback, tmp_path, epochs=1)
        return
    fit(library, toy, callback, tmp_path, epochs=2)
    lines = [record.getMessage() for record in caplog.records if record.name == "jtdiag"]
    assert lines == [callback.monitor.stopped]
    assert "a batch has 2 members; previous batches had 3." in lines[0]
    assert len(toy.members.said) == 10
