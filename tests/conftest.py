"""Runs that many tests share: a trained toy, the shortened demo, and runs with given numbers."""

import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import settings

from jtdiag import files, find_recipe, names, probe, testing, train
from jtdiag.probing import over_trials
from jtdiag.probing.registry import PROBES
from jtdiag.recipe import toml
from jtdiag.recipe.toml import from_table
from jtdiag.store import checksums, lanes, layout
from jtdiag.store.lanes import Lane, Seal
from jtdiag.store.layout import Extent
from jtdiag.store.run import Run
from jtdiag.store.writer import EpochBlock, Examples, RunWriter, refuse_occupied
from jtdiag.testing import ProbePromises, toy_run

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


EXPENSIVE = ("probed_run", "browser")
"""Fixtures that take seconds: the toy run with the results of all probes, and a browser."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use an expensive fixture as slow, and run them first; mark exhaustive cases.

    Side by side, they are run by the same process, which makes the fixture once for all of them:
    `--dist worksteal` moves only the last tests of a process to another.
    """
    for item in items:
        if _is_expensive(item):
            item.add_marker(pytest.mark.slow)
    _mark_exhaustive(items)
    items.sort(key=lambda item: not _is_expensive(item))


def _mark_exhaustive(items: list[pytest.Item]) -> None:
    """Mark all but every n-th case of a test that is marked `one_in(n)` as exhaustive."""
    cases = Counter[str]()
    for item in items:
        marker = item.get_closest_marker("one_in")
        if marker is not None:
            name = item.nodeid.partition("[")[0]
            if cases[name] % marker.args[0]:
                item.add_marker(pytest.mark.exhaustive)
            cases[name] += 1


def _is_expensive(item: pytest.Item) -> bool:
    return bool({*EXPENSIVE} & {*getattr(item, "fixturenames", ())})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that is too slow for `make fast` and does not say so."""
    start = _processor_time()
    yield
    used, limit = _processor_time() - start, item.config.getoption("--limit")
    if limit is not None and used > limit and item.get_closest_marker("slow") is None:
        pytest.fail(f"took {used:.1f} s of processor time; mark it slow, or make it faster")


class HandWrittenRun:
    """A run with numbers that a test chooses, sealed epoch by epoch.

    Epochs beyond the given errors belong to the recipe and cannot be sealed. By default losses are
    1 nat plus the error, and no outputs are kept.
    """

    def __init__(
        self,
        path: Path,
        member_error: Any,
        ensemble_error: Any,
        *,
        member_loss: Any = None,
        ensemble_loss: Any = None,
        displacement: Any = None,
        lam: tuple[float, ...],
        epochs: int | None = None,
        val: int = 1,
        classes: int = 10,
        logits: dict[str, Any] | None = None,
        target: dict[str, Any] | None = None,
        keep_dtype: str = "float64",
    ) -> None:
        """Create a run from errors (lam, trial, epoch, split, member), and those of the ensemble.

        The displacement (lam, trial, epoch, member) is 0 unless it is given.

        Logits (lam, trial, epoch, member, example, output) and targets (example) are given by
        split, only for test.
        """
        error, ensemble = np.asarray(member_error, float), np.asarray(ensemble_error, float)
        self._rows = {
            names.MEMBER_ERROR: error,
            names.ENSEMBLE_ERROR: ensemble,
            names.MEMBER_LOSS: 1 + error if member_loss is None else np.asarray(member_loss),
            names.ENSEMBLE_LOSS: 1 + ensemble if ensemble_loss is None else ensemble_loss,
        }
        if displacement is not None:
            self._rows[names.DISPLACEMENT] = np.asarray(displacement, float)
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
        index = (lane.lam_index, lane.trial, epoch)
        self._writer.write(
            EpochBlock(
                lane=lane,
                epoch=epoch,
                metrics={name: values[index] for name, values in self._rows.items()},
                outputs={split: values[index] for split, values in self._logits.items()},
                checkpoint={},
                state={},
            )
        )

    def seal_up_to(self, epoch: int, *which: Lane) -> None:
        """Seal all epochs up to one, lane by lane, of all lanes or of those given."""
        for lane in which or self.run.lanes:
            for next_epoch in range(self.run.seal(lane).epoch + 1, epoch + 1):
                self.seal(lane, next_epoch)

    def seal_all(self) -> Run:
        """Seal every epoch of every lane, close the run and return it."""
        self.seal_up_to(self._rows[names.MEMBER_ERROR].shape[2] - 1)
        self.close()
        return self.run

    def close(self) -> None:
        """Release the run, as training does when it ends."""
        self._writer.close()

    def unlock(self) -> None:
        """Go on without a lock that others see, as on some file systems."""
        self._writer._lock.release()


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[Callable[..., HandWrittenRun]]:
    """Return a function that creates a run with given numbers, in the folder ``by-hand``."""
    runs = []

    def begin(member_error: Any, ensemble_error: Any, **more: Any) -> HandWrittenRun:
        name = more.pop("name", "by-hand")
        runs.append(HandWrittenRun(tmp_path / name, member_error, ensemble_error, **more))
        return runs[-1]

    yield begin
    for run in runs:
        run.close()


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


def credited_result(
    errors: Any,
    *,
    lams: tuple[float, ...] = (0.0, 1.0),
    rule: str = "local, pred",
    setting: str = "a",
    members: int = 8,
    **facts: Any,
) -> xr.Dataset:
    """Return errors (lam, trial) as a result of performance; members err by 10 points more.

    Args:
        errors: Of the ensemble, on test.
        lams: λs.
        rule: How the run trains layers.
        setting: Runs with the same one are pairs.
        members: Number of members.
        facts: Further attributes of `credit_facts`.
    """
    by_trial = np.asarray(errors, float)[..., None]
    dims = ("lam", "trial", "split")
    values = xr.Dataset(
        {"ensemble_error": (dims, by_trial), "median_member_error": (dims, by_trial + 0.1)},
        coords={"lam": list(lams), "trial": range(by_trial.shape[1]), "split": ["test"]},
    )
    known = {
        "credit": rule.partition(",")[0],
        "credit_label": rule,
        "credit_rule": rule,
        "layers_end_to_end": 0,
        "setting": setting,
        "members": members,
    }
    return xr.merge([values, over_trials.summary(values)]).assign_attrs(known | facts)


@pytest.fixture
def credited() -> SimpleNamespace:
    """Functions that return results of runs: `of` other credits, and `whole` of end to end."""
    known = {"rule": "end-to-end", "mu": 1.0, "layers_end_to_end": 1}
    return SimpleNamespace(
        of=credited_result, whole=lambda errors, **more: credited_result(errors, **known | more)
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
    """The same, completely sealed: a run that is quick to make and may be changed."""
    return warned.seal_all()


class ToyRuns:
    """Trains each recipe of `toy_run` once per process; later calls get a copy of that run.

    A copy equals a run trained in its folder: the folder's name in it is replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.enabled = True
        self.trained = 0
        self._folder = folder
        self._runs: dict[str, tuple[Path, str]] = {}

    def train(self, recipe: Any, path: Path) -> Run:
        """Do what `jtdiag.train` does, for a recipe whose data lie beside the run."""
        data = str(Path(recipe.data.name).parent)
        key = f"{layout.CHUNK_BYTES} {toml.to_toml(recipe).replace(data, 'FOLDER')}"
        if not self.enabled or not path.is_absolute():
            return train(recipe, path)
        if key in self._runs:
            refuse_occupied(path)
            return self._copy(key, path, data)
        run = train(recipe, path)
        self.trained += 1
        copy = self._folder / str(len(self._runs))
        shutil.copytree(path, copy)
        self._runs[key] = (copy, data)
        return run

    def _copy(self, key: str, path: Path, data: str) -> Run:
        source, old_data = self._runs[key]
        shutil.copytree(source, path, dirs_exist_ok=True)
        for name in ("recipe.toml", "store.zarr/zarr.json"):
            text = (path / name).read_text("utf-8")
            (path / name).write_text(text.replace(old_data, data), "utf-8")
        _record_metadata(path)
        return Run(path)


def _record_metadata(path: Path) -> None:
    """Record the hashes of a store's metadata as they are."""
    created = checksums.read_created(path)
    assert created is not None
    store = path / "store.zarr"
    there = [name for name in created["metadata"] if (store / name).exists()]
    hashes = {name: files.digest(store / name) for name in there}
    checksums.write_created(path, created["chunks"], hashes)


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remember the runs that tests make, and whose code is trusted, in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def toy_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyRuns]:
    """Let `toy_run` train each recipe once in the session."""
    runs = ToyRuns(tmp_path_factory.mktemp("toy-runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "train", runs.train)
        yield runs


@pytest.fixture(autouse=True)
def _train_where_code_is_patched(toy_runs: ToyRuns, request: pytest.FixtureRequest) -> None:
    """Train again in tests that patch code: the patch may concern the training."""
    toy_runs.enabled = "monkeypatch" not in request.fixturenames


@pytest.fixture(scope="session")
def probed_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The toy run with the results of every probe; tests may draw figures in it, no more.

    Local heads watch it, which changes no weight, so that probes of modules apply.
    """
    run = toy_run(tmp_path_factory.mktemp("probed"), modules={"watch": True})
    for name in PROBES.names():
        probe(run, name)
    return run


@pytest.fixture(scope="session")
def toy() -> Run:
    """The toy run used by the contract tests of probes; tests must not change it."""
    return ProbePromises().run


@pytest.fixture
def toy_copy(toy: Run, tmp_path: Path) -> Run:
    """A copy of the toy run that may be changed; `small_run` is quicker but has no outputs."""
    shutil.copytree(toy.path, tmp_path / "toy")
    return Run(tmp_path / "toy")


@pytest.fixture
def record_again() -> Callable[[Run | Path], None]:
    """A function that records the files of a run as they are, after a test has changed them."""

    def record(changed: Run | Path) -> None:
        _record_metadata(changed if isinstance(changed, Path) else changed.path)
        run = Run(changed) if isinstance(changed, Path) else changed
        for lane in run.lanes:
            for epoch in range(run.seal(lane).epoch + 1):
                chunks = checksums.read(run.path, lane, epoch) or {}
                for array, recorded in chunks.items():
                    folder = run.path / "store.zarr" / array / "c"
                    chunks[array] = {n: checksums.of_chunk(folder / n) for n in recorded}
                checksums.write(run.path, lane, epoch, chunks)

    return record


SHORT_DEMO = (
    "train.epochs=4",
    "trials=1",
    "lam=[0, 0.9, 1]",
    "members.count=4",
    "members.hidden=[128, 128, 128]",
    "members.start_spread=[]",
    "train.batch=32",
    "train.lr=0.1",
    "engine.lanes=1",
)
"""Changes to the demo: quick, and with members that start equal, as in most runs."""


@pytest.fixture(scope="session")
def short_demo_recipe() -> Any:
    """The recipe of the demo with one trial of four epochs of members that start equal."""
    return find_recipe("demo", SHORT_DEMO)


@pytest.fixture(scope="session")
def short_demo(short_demo_recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The trained shortened demo; tests must not change it."""
    return train(short_demo_recipe, tmp_path_factory.mktemp("short") / "demo")


@pytest.fixture
def cut_back() -> Callable[..., Run]:
    """Return a function that resets the seals of a run to earlier epochs."""

    def cut(run: Run, *epochs: int) -> Run:
        """Seal each lane up to an epoch; -1 for a lane that has not started."""
        for lane, epoch in zip(run.lanes, epochs, strict=True):
            sealed = tuple(range(epoch + 1))
            best = {"best": 1, "best_error": 0.0} if epoch >= 1 and run.recipe.data.val else {}
            seal = Seal(epoch=epoch, outputs=sealed, checkpoints=sealed, **best)
            lanes.write_seal(run.path, lane, seal)
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
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that installs a third-party distribution for the duration of the test.

    ``install("jtdiag.probes", "foreign", code, "probe")`` installs a module with that code and an
    entry point ``foreign`` that refers to its attribute ``probe``; it returns the module's file.
    """
    site = tmp_path / "site"
    installed: list[str] = []

    def install_one(group: str, name: str, code: str, attribute: str, module: str = "") -> Path:
        module = module or f"third_party_{len(installed)}_of_a_test"
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute}\n")
        path = site / f"{module}.py"
        path.write_text(code)
        monkeypatch.syspath_prepend(site)
        installed.append(module)
        return path

    yield install_one
    for module in installed:
        sys.modules.pop(module, None)


@pytest.fixture
def foreign(install: Callable[..., Path]) -> Path:
    """Install a distribution with a third-party probe, `foreign`; return the file of its code."""
    return install("jtdiag.probes", "foreign", FOREIGN, "probe", "foreign_probes_of_a_test")


@pytest.fixture(scope="session")
def assert_same_files() -> Callable[[Path, Path], None]:
    """Return a function that compares the files of two runs, but for their locks, byte by byte."""

    def contents(run: Path) -> dict[str, bytes]:
        return {
            str(file.relative_to(run)): file.read_bytes()
            for file in run.rglob("*")
            if file.is_file() and file.suffix != ".lock"
        }

    def compare(run: Path, other: Path) -> None:
        files, others = contents(run), contents(other)
        assert files.keys() == others.keys()
        # A file that differs is named, not printed.
        assert [name for name in files if files[name] != others[name]] == []

    return compare
