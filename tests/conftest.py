"""Runs that many tests share: a trained toy, the shortened demo, and runs written by hand."""

import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from jtdiag import find_recipe, names, probe, train
from jtdiag.probing.registry import PROBES
from jtdiag.recipe.toml import from_table
from jtdiag.store import lanes
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.layout import Extent
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, Examples, RunWriter
from jtdiag.testing import ProbePromises

# No test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that `make fast` uses."""
    parser.addoption(
        "--limit",
        type=float,
        metavar="SECONDS",
        help="fail a test that uses more processor time and is not marked slow",
    )


def _processor_time() -> float:
    """Return seconds of processor time of this process and the children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that is too slow for `make fast` and does not say so."""
    start = _processor_time()
    yield
    used, limit = _processor_time() - start, item.config.getoption("--limit")
    if limit is not None and used > limit and item.get_closest_marker("slow") is None:
        pytest.fail(f"took {used:.1f} s of processor time; mark it slow, or make it faster")


class HandWrittenRun:
    """A run whose numbers a test chooses, sealed epoch by epoch when the test says so.

    Epochs beyond the given errors belong to the recipe and cannot be sealed. What is not given:
    losses are 1 nat plus the error, and no outputs are kept.
    """

    def __init__(
        self,
        path: Path,
        member_error: Any,
        ensemble_error: Any,
        *,
        member_loss: Any = None,
        ensemble_loss: Any = None,
        lam: tuple[float, ...],
        epochs: int | None = None,
        val: int = 1,
        classes: int = 10,
        logits: dict[str, Any] | None = None,
        target: dict[str, Any] | None = None,
        keep_dtype: str = "float64",
    ) -> None:
        """Take errors (lam, trial, epoch, split, member) and (lam, trial, epoch, split).

        Logits (lam, trial, epoch, member, example, output) and targets (example) come by split,
        test alone.
        """
        error, ensemble = np.asarray(member_error, float), np.asarray(ensemble_error, float)
        self._rows = {
            names.MEMBER_ERROR: error,
            names.ENSEMBLE_ERROR: ensemble,
            names.MEMBER_LOSS: 1 + error if member_loss is None else np.asarray(member_loss),
            names.ENSEMBLE_LOSS: 1 + ensemble if ensemble_loss is None else ensemble_loss,
        }
        self._logits = logits or {}
        recipe = from_table(
            {
                "name": path.name,
                "lam": list(lam),
                "trials": error.shape[1],
                "data": {"name": "digits", "val": val},
                "members": {"arch": "mlp", "count": error.shape[-1]},
                "train": {"epochs": error.shape[2] - 1 if epochs is None else epochs},
                "keep": {
                    "outputs": "all" if logits else "none",
                    "checkpoints": "none",
                    "dtype": keep_dtype,
                },
            }
        )
        examples = {
            split: Examples(target=np.asarray(t), source_index=np.arange(len(t)))
            for split, t in (target or {}).items()
        }
        extent = Extent(
            examples={names.TEST: 1} | {split: len(e.target) for split, e in examples.items()},
            outputs=classes,
            parameters={},
        )
        self._writer = RunWriter.create(path, recipe, extent, examples, {})
        self.run = Run(path)

    def seal(self, lane: Lane, epoch: int) -> None:
        """Write and seal the next epoch of a lane."""
        at = (lane.lam_index, lane.trial, epoch)
        self._writer.write(
            EpochBlock(
                lane=lane,
                epoch=epoch,
                metrics={name: values[at] for name, values in self._rows.items()},
                outputs={split: values[at] for split, values in self._logits.items()},
                checkpoint={},
                state={},
            )
        )

    def seal_up_to(self, epoch: int, *which: Lane) -> None:
        """Seal all epochs up to one, lane after lane; all lanes, or those that are named."""
        for lane in which or self.run.lanes:
            for next_epoch in range(self.run.seal(lane).epoch + 1, epoch + 1):
                self.seal(lane, next_epoch)

    def seal_all(self) -> Run:
        """Seal every epoch of every lane, let go of the run and return it."""
        self.seal_up_to(self._rows[names.MEMBER_ERROR].shape[2] - 1)
        self.close()
        return self.run

    def close(self) -> None:
        """Let go of the run, as an engine does that ends or dies."""
        self._writer.close()


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[Callable[..., HandWrittenRun]]:
    """Return a function that begins a run written by hand, in the folder ``by-hand``."""
    made = []

    def begin(member_error: Any, ensemble_error: Any, **more: Any) -> HandWrittenRun:
        name = more.pop("name", "by-hand")
        made.append(HandWrittenRun(tmp_path / name, member_error, ensemble_error, **more))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def errors_of_members(*lams: list[list[float]], splits: int = 3) -> np.ndarray:
    """Return errors (lam, 1 trial, epoch, split, member), the same in every split.

    Each argument is a λ: a list over epochs of the members' errors.
    """
    return np.repeat(np.asarray(lams, float)[:, None, :, None, :], splits, axis=3)


# Training errors by epoch of four members, on ten classes, and of the ensemble.
GOOD = [[0.90, 0.91, 0.92, 0.93]] + 4 * [[0.14, 0.15, 0.16, 0.17]]
LED = [[0.90, 0.91, 0.92, 0.93]] + 4 * [[0.70, 0.12, 0.75, 0.72]]
TOGETHER = [[0.90, 0.91, 0.92, 0.93]] + 4 * [[0.56, 0.60, 0.65, 0.50]]
ENSEMBLE = [0.9, 0.1, 0.1, 0.1, 0.1]


@pytest.fixture
def stories() -> SimpleNamespace:
    """Errors by epoch: `good` members, one that `led`, members that are good only `together`."""
    return SimpleNamespace(
        good=GOOD, led=LED, together=TOGETHER, ensemble=ENSEMBLE, errors=errors_of_members
    )


WARNED = {
    "member_error": errors_of_members(GOOD, LED),
    "ensemble_error": np.broadcast_to(np.asarray(ENSEMBLE)[:, None], (2, 1, 5, 3)),
    "lam": (0.9, 1.0),
}


@pytest.fixture
def warned(by_hand) -> HandWrittenRun:
    """Five epochs at λ = 0.9 and 1: at 0.9 all members are good, at 1 one of them leads."""
    return by_hand(**WARNED)


@pytest.fixture
def small_run(warned: HandWrittenRun) -> Run:
    """The same, sealed to its end: a run to be changed that takes a moment to make."""
    return warned.seal_all()


@pytest.fixture(scope="session")
def probed_run(toy: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The toy run when every probe has been asked; figures may be drawn, nothing else changes."""
    run = Run(shutil.copytree(toy.path, tmp_path_factory.mktemp("probed") / "toy"))
    for name in PROBES.names():
        probe(run, name)
    return run


@pytest.fixture(scope="session")
def toy() -> Run:
    """The toy run that the promises of probes are asked of; nobody changes it."""
    return ProbePromises().run


@pytest.fixture
def toy_copy(toy: Run, tmp_path: Path) -> Run:
    """A copy of the toy run, to be changed; `small_run` is quicker where no outputs are needed."""
    shutil.copytree(toy.path, tmp_path / "toy")
    return Run(tmp_path / "toy")


@pytest.fixture(scope="session")
def short_demo_recipe() -> Any:
    """The demo's recipe, one trial of four epochs."""
    return find_recipe("demo", ("train.epochs=4", "trials=1"))


@pytest.fixture(scope="session")
def short_demo(short_demo_recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shortened demo, trained; nobody changes it."""
    return train(short_demo_recipe, tmp_path_factory.mktemp("short") / "demo")


@pytest.fixture
def cut_back() -> Callable[..., Run]:
    """Return a function that takes seals of a run back, as if its lanes had come less far."""

    def cut(run: Run, *epochs: int) -> Run:
        """Seal each lane up to an epoch; -1 for a lane that has not begun."""
        for lane, epoch in zip(run.lanes, epochs, strict=True):
            sealed = tuple(range(epoch + 1))
            best = {"best": 1, "best_error": 0.0} if epoch >= 1 and run.recipe.data.val else {}
            seal = Seal(epoch=epoch, outputs=sealed, checkpoints=sealed, **best)
            lanes.write_seal(run.path, lane, seal)
            if epoch < 0:
                (run.path / lanes.FOLDER / f"{lane.key}.json").unlink()
        return Run(run.path)

    return cut


FOREIGN = '''"""A probe of somebody else."""
import xarray as xr

from jtdiag.probing.findings import Finding
from jtdiag.probing.contract import Probe, Var


def measure(run, options):
    return xr.Dataset({"lanes": ((), len(run.lanes))})


def judge(result):
    number = float(result["lanes"])
    sentence = f"The run has {number:.0f} lanes."
    return [Finding(probe="foreign", rule="count", level="info", number=number, sentence=sentence)]


probe = Probe(
    name="foreign",
    question="How many lanes are there?",
    writes={"lanes": Var(dims=(), unit="count", meaning="lanes of the run")},
    measure=measure,
    judge=judge,
    cost="slow",
)
'''


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a distribution with one more probe, `foreign`; return the file of its code."""
    site = tmp_path / "site"
    info = site / "foreign_probes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-probes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[jtdiag.probes]\nforeign = foreign_probes_of_a_test:probe\n"
    )
    code = site / "foreign_probes_of_a_test.py"
    code.write_text(FOREIGN)
    monkeypatch.syspath_prepend(site)
    yield code
    sys.modules.pop("foreign_probes_of_a_test", None)
