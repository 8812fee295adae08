"""Loops of Lightning, Ignite and the Trainer, as people write them, with jtdiag's adapters."""

import importlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostile_case import hostile, is_one_line
from monitor_cases import logged
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from jtdiag import DominanceMonitor, watch_branches

LIGHTNING, IGNITE, TRAINER = "Lightning", "Ignite", "Trainer"
M, N, K, BATCH = 3, 22, 4, 5
X = torch.randn(N, 5, generator=torch.Generator().manual_seed(0))
Y = (3 * X[:, 0]).round().long() % K
BATCHES = -(-N // BATCH)


class Members(nn.Module):
    """Linear members that keep what they have returned in training."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.members = nn.ModuleList(nn.Linear(5, K) for _ in range(M))
        self.kept: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return logits (M, N, K)."""
        logits = torch.stack([member(x) for member in self.members])
        if self.training:
            self.kept.append((logits.detach(), y))
        return logits


def loss(logits: Tensor, y: Tensor) -> Tensor:
    """Return the loss of the ensemble."""
    return functional.cross_entropy(logits.mean(0), y)


def is_counted(monitor: DominanceMonitor, kept: list[tuple[Tensor, Tensor]]) -> None:
    """Check the last epoch's errors against those of the batches that were kept."""
    wrong = sum((logits.argmax(-1) != y).sum(1) for logits, y in kept)
    examples = sum(len(y) for _, y in kept)
    assert monitor.epochs[-1].examples == examples
    assert monitor.epochs[-1].batches == len(kept)
    np.testing.assert_allclose(monitor.epochs[-1].means["member_error"], wrong / examples)


def loader() -> DataLoader[Any]:
    """Return the examples in batches."""
    return DataLoader(TensorDataset(X, Y), batch_size=BATCH)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what the libraries say about small loops, and their own deprecations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("lightning.pytorch", "ignite", "transformers"):
            logging.getLogger(name).setLevel(logging.ERROR)
        yield


# --- Lightning ----------------------------------------------------------------------------------

Step = Callable[[Any, Any, int], Any]


def lightning(
    step: Step,
    *,
    loaders: Any = None,
    fits: int = 1,
    automatic: bool = True,
    callback: Any = None,
    **options: Any,
) -> tuple[Any, Members]:
    """Train with Lightning; return the callback and the members."""
    with quiet():
        from jtdiag.integrations.lightning import JtdiagCallback  # isort: skip
        import lightning.pytorch as pl

        class Module(pl.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.net = Members()
                self.automatic_optimization = automatic

            def training_step(self, batch: Any, index: int) -> Any:
                return step(self, batch, index)

            def validation_step(self, batch: Any, index: int) -> None:
                self.net(*batch)

            def configure_optimizers(self) -> Any:
                return torch.optim.SGD(self.parameters(), lr=0.1)

        callback = callback or JtdiagCallback(DominanceMonitor(lam=1, every=1))
        module = Module()
        for _ in range(fits):
            trainer = pl.Trainer(
                **{"max_epochs": 1} | options,
                accelerator="cpu",
                callbacks=[callback],
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, loaders or loader())
        return callback, module.net


def usual(module: Any, batch: Any, index: int) -> Any:
    """Return loss and logits."""
    logits = module.net(*batch)
    return {"loss": loss(logits, batch[1]), "logits": logits.detach()}


@hostile(LIGHTNING, "training_step returns None for some batches", "watched")
def lightning_none(_: Path) -> None:
    def step(module: Any, batch: Any, index: int) -> Any:
        return None if index == 2 else usual(module, batch, index)

    with logged():
        callback, net = lightning(step)
    is_counted(callback.monitor, net.kept)


@hostile(LIGHTNING, "training_step returns None for all batches", "read, and said")
def lightning_nothing(_: Path) -> None:
    with logged("training_step returned nothing in all 5 batches of the epoch"):
        lightning(lambda module, batch, index: None)


@hostile(LIGHTNING, "training_step returns the loss alone, or logits under another key", "refused")
def lightning_loss_alone(_: Path) -> None:
    def alone(module: Any, batch: Any, index: int) -> Any:
        return loss(module.net(*batch), batch[1])

    with pytest.raises(ValueError, match="logits is 'logits'") as caught:
        lightning(alone)
    is_one_line(str(caught.value), r"which is not in \['loss'\]", "pass one of its keys")


@hostile(LIGHTNING, "logits are missing from the third batch on", "watched")
def lightning_missing(_: Path) -> None:
    def step(module: Any, batch: Any, index: int) -> Any:
        output = usual(module, batch, index)
        return output if index < 2 else {"loss": output["loss"]}

    with logged("has stopped: logits is 'logits', which is not in"):
        _callback, net = lightning(step, max_epochs=2)
    assert len(net.kept) == 2 * BATCHES


@hostile(LIGHTNING, "manual optimization that returns nothing, with captured branches", "watched")
def lightning_manual(_: Path) -> None:
    with quiet():
        from jtdiag.integrations.lightning import JtdiagCallback
    captured: list[Any] = []

    def step(module: Any, batch: Any, index: int) -> None:
        if not captured:
            names = [f"members.{j}" for j in range(M)]
            captured.append(watch_branches(module.net, names))
            callback._logits = captured[0]
        logits = module.net(*batch)
        module.optimizers().zero_grad()
        module.manual_backward(loss(logits, batch[1]))
        module.optimizers().step()

    names = [f"members.{j}" for j in range(M)]
    with watch_branches(Members(), names) as unused:
        callback = JtdiagCallback(DominanceMonitor(lam=1, every=1), logits=unused)
        with logged():
            _callback, net = lightning(step, automatic=False, callback=callback)
    captured[0].close()
    is_counted(callback.monitor, net.kept)


@hostile(LIGHTNING, "several training loaders", "watched")
def lightning_loaders(_: Path) -> None:
    with quiet():
        from jtdiag.integrations.lightning import JtdiagCallback

    def step(module: Any, batch: Any, index: int) -> Any:
        return usual(module, batch["a"], index)

    callback = JtdiagCallback(DominanceMonitor(lam=1, every=1), targets=lambda batch: batch["a"][1])
    with logged():
        _callback, net = lightning(step, loaders={"a": loader(), "b": loader()}, callback=callback)
    is_counted(callback.monitor, net.kept)


@hostile(
    LIGHTNING, "accumulated gradients, an end within an epoch, and no batches at all", "watched"
)
def lightning_ends(_: Path) -> None:
    with logged():
        callback, net = lightning(usual, accumulate_grad_batches=3)
        is_counted(callback.monitor, net.kept)
        callback, net = lightning(usual, max_epochs=2, max_steps=BATCHES + 2)
        assert callback.monitor.epochs[0].batches == BATCHES
        callback, net = lightning(usual, limit_train_batches=0)
    assert callback.monitor.epochs == []


@hostile(LIGHTNING, "one callback in two calls of fit", "watched")
def lightning_twice(_: Path) -> None:
    with logged():
        callback, net = lightning(usual)
        again, net = lightning(usual, callback=callback)
    assert len(again.monitor.epochs) == 2
    is_counted(again.monitor, net.kept)


@hostile(LIGHTNING, "an exception in training_step", "watched")
def lightning_exception(_: Path) -> None:
    class OwnError(Exception):
        pass

    def step(module: Any, batch: Any, index: int) -> Any:
        if index == 3:
            raise OwnError("of the user")
        return usual(module, batch, index)

    with logged(), pytest.raises(OwnError, match="^of the user$"):
        lightning(step)


# --- Ignite -------------------------------------------------------------------------------------


def ignite(
    step: Callable[[Members, Any, int], Any], *, runs: int = 1, **options: Any
) -> tuple[Any, Members]:
    """Train with Ignite; return the handler and the members."""
    with quiet():
        from ignite.engine import Engine

        from jtdiag.integrations.ignite import JtdiagHandler

        net = Members()
        engine = Engine(lambda engine, batch: step(net, batch, engine.state.iteration))
        handler = JtdiagHandler(DominanceMonitor(lam=1, every=1), **options)
        handler.attach(engine)
        for _ in range(runs):
            engine.run(loader(), max_epochs=1)
        return handler, net


@hostile(IGNITE, "steps that return None, a tuple and a list", "watched")
def ignite_none(_: Path) -> None:
    def step(net: Members, batch: Any, iteration: int) -> Any:
        if iteration == 2:
            return None
        return (tuple if iteration % 2 else list)((net(*batch), batch[1]))

    with logged():
        handler, net = ignite(step)
    is_counted(handler.monitor, net.kept)


@hostile(IGNITE, "steps that all return None", "read, and said")
def ignite_nothing(_: Path) -> None:
    with logged("the process function returned nothing in all 5 batches"):
        ignite(lambda net, batch, iteration: None)


@hostile(IGNITE, "steps that return the loss, a dict or three values", "refused")
def ignite_other(_: Path) -> None:
    for output, kind in ((0.5, "float"), ({"logits": 1, "y": 2}, "dict"), ((1, 2, 3), "tuple")):
        with pytest.raises(ValueError, match="it must return logits") as caught:
            ignite(lambda net, batch, iteration, given=output: given)
        is_one_line(str(caught.value), f"returned a {kind}", "output_transform")


@hostile(
    IGNITE, "a step that returns the loss from the third batch on, and one that raises", "watched"
)
def ignite_later(_: Path) -> None:
    def step(net: Members, batch: Any, iteration: int) -> Any:
        logits = net(*batch)
        return (logits, batch[1]) if iteration < 3 else float(loss(logits, batch[1]))

    with logged("has stopped: the process function returned a float"):
        _handler, net = ignite(step)
    assert len(net.kept) == BATCHES

    def fails(net: Members, batch: Any, iteration: int) -> Any:
        raise KeyError("of the user")

    with logged(), pytest.raises(KeyError, match="of the user"):
        ignite(fails)


@hostile(IGNITE, "an engine that runs twice", "watched")
def ignite_twice(_: Path) -> None:
    with logged():
        handler, net = ignite(lambda net, batch, i: (net(*batch), batch[1]), runs=2)
    assert len(handler.monitor.epochs) == 2
    is_counted(handler.monitor, net.kept[BATCHES:])


# --- the Trainer --------------------------------------------------------------------------------


def trainer(
    folder: Path,
    answer: Callable[[Any, Any, Tensor], Any],
    *,
    callback: Any = None,
    compute: Any = None,
    **options: Any,
) -> tuple[Any, Members]:
    """Train with the Trainer; `answer` makes the model's output of loss, labels and logits."""
    with quiet():
        from jtdiag.integrations.huggingface import JtdiagCallback  # isort: skip
        from transformers import Trainer, TrainingArguments

        class Model(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.net = Members()

            def forward(self, pixels: Tensor, labels: Tensor | None = None) -> Any:
                y = torch.zeros(len(pixels), dtype=torch.long) if labels is None else labels
                logits = self.net(pixels, y)
                return answer(loss(logits, y), labels, logits.transpose(0, 1))

        callback = callback or JtdiagCallback(DominanceMonitor(lam=1, every=1))
        arguments = TrainingArguments(
            str(folder),
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            use_cpu=True,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            **options,
        )
        rows = [{"pixels": x, "labels": y} for x, y in zip(X, Y, strict=True)]
        model = Model()
        Trainer(
            model,
            arguments,
            train_dataset=rows,
            eval_dataset=rows,
            callbacks=[callback],
            compute_loss_func=compute,
        ).train()
        return callback, model.net


@hostile(TRAINER, "a model that returns a tuple, evaluated between epochs", "watched")
def trainer_tuple(tmp_path: Path) -> None:
    with quiet():
        from jtdiag.integrations.huggingface import JtdiagCallback
    callback = JtdiagCallback(DominanceMonitor(lam=1, every=1), logits=1)
    with logged():
        _callback, net = trainer(
            tmp_path, lambda lo, y, eta: (lo, eta), callback=callback, eval_strategy="epoch"
        )
    is_counted(callback.monitor, net.kept)


@hostile(TRAINER, "compute_loss_func, for which the model receives no labels", "refused")
def trainer_without_labels(tmp_path: Path) -> None:
    def compute(outputs: Any, labels: Tensor, **_others: Any) -> Tensor:
        return functional.cross_entropy(outputs["logits"].mean(1), labels)

    with pytest.raises(ValueError, match="labels is 'labels'") as caught:
        trainer(tmp_path, lambda lo, y, eta: {"logits": eta}, compute=compute)
    is_one_line(str(caught.value), r"which is not in \['pixels'\]")


@hostile(TRAINER, "an exception of the model, and an output without logits", "watched")
def trainer_exception(tmp_path: Path) -> None:
    def fails(lo: Any, y: Any, eta: Tensor) -> Any:
        raise ZeroDivisionError("of the user")

    with logged(), pytest.raises(ZeroDivisionError, match="^of the user$"):
        trainer(tmp_path, fails)
    with pytest.raises(ValueError, match="logits is 'logits', which is not in"):
        trainer(tmp_path, lambda lo, y, eta: {"loss": lo, "scores": eta})


@hostile(TRAINER, "imported beside a build of torch that torchvision was not made for", "watched")
def trainer_import(_: Path) -> None:
    with quiet():
        for adapter in ("huggingface", "ignite", "lightning"):
            importlib.import_module(f"jtdiag.integrations.{adapter}")
        from transformers import Trainer
    assert Trainer.__name__ == "Trainer"
    assert {"torchvision", "jtdiag.integrations.lightning"} <= set(sys.modules)
