import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from click.testing import CliRunner
from scipy.stats import entropy
from torch.nn import functional

from jtdiag import DominanceMonitor, JtdiagError, Run, names, probe
from jtdiag.commands import main
from jtdiag.engine.lane_group import LaneGroup
from jtdiag.engine.running_means import RunningMeans
from jtdiag.errors import DataError, ProbeError, RecipeError, StoreError
from jtdiag.figures import FIGURES
from jtdiag.monitor.recording import Recording
from jtdiag.probing import findings
from jtdiag.replay import Replay
from jtdiag.testing import toy_run

M, N, K = 4, 60, 5
WEIGHTS = {"first.weight": torch.ones(M, 6, 2), "first.bias": torch.zeros(M, 6)}


def said(seed, n=N):
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(K, (n,), generator=torch.Generator().manual_seed(99))
    logits = torch.randn(M, n, K, generator=random)
    return logits + 2 * functional.one_hot(target, K), target


def trained(monitor, epochs=3, splits=("test",), start=False, weights=False, first_seed=0):
    """Carry a monitor through epochs of made-up training; return the logits recorded by epoch."""
    kept = {}
    for epoch in range(0 if start else 1, epochs + 1):
        seed = first_seed + 100 * epoch
        for step in range(4 if epoch else 0):
            monitor.update(*said(seed + step))
        for split in splits:
            logits, target = said(seed + 50 + len(split))
            for at in torch.arange(N).split(25):
                monitor.record(split, logits[:, at], target[at])
            kept[epoch, split] = (logits, target)
        moved = {name: weight + epoch for name, weight in WEIGHTS.items()}
        monitor.end_epoch(checkpoint=moved if weights else None)
    return kept


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "mine"


@pytest.mark.slow
def test_the_store_holds_what_was_recorded_and_what_training_counted(path):
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=3)
    kept = trained(monitor, splits=("test", "val"), start=True, weights=True)
    run = Run(path)
    [lane] = run.lanes
    assert run.done
    assert not run.training
    assert run.check() > 4 * (2 + 2)
    metrics = run.metrics().isel(lam=0, trial=0)
    for (epoch, split), (logits, target) in kept.items():
        [block] = run.outputs(lane, epoch, split)
        np.testing.assert_array_equal(block.logits, logits)
        np.testing.assert_array_equal(block.target, target)
        at = metrics.sel(epoch=epoch, split=split)
        own = [float(functional.cross_entropy(one, target)) for one in logits]
        np.testing.assert_allclose(at["member_loss"], own, rtol=1e-5)
        wrong = float((logits.mean(0).argmax(-1) != target).double().mean())
        assert float(at["ensemble_error"]) == pytest.approx(wrong)
    history = monitor.history
    for name in names.METRIC_VARIABLES:
        found = metrics[name].sel(split="train")
        assert np.isnan(found.sel(epoch=0)).all()
        np.testing.assert_array_equal(found.sel(epoch=[1, 2, 3]), getattr(history, name))
    assert float(run.checkpoint(lane, 2)["first.weight"][1, 0, 0]) == 3.0
    assert run.seal(lane).best in (1, 2, 3)
    assert run.recipe.members.count == M
    counts = np.bincount(said(0)[1], minlength=K)
    assert run.chance_error == pytest.approx(1 - counts.max() / N)
    assert run.chance_loss == pytest.approx(entropy(counts))
    assert run.training_examples == 4 * N


PARALLEL = {"lam": [0.9], "trials": 1, "train": {"epochs": 3}}


@pytest.fixture
def parallel(tmp_path, monkeypatch):
    """A toy run of jtdiag's, and what a monitor recorded while it trained."""
    monitor = DominanceMonitor(lam=0.9, every=1, store=tmp_path / "recorded", epochs=3)
    now = SimpleNamespace(split=names.TRAIN, epoch=0)
    originals = LaneGroup.train_epoch, LaneGroup.measure, RunningMeans.add

    def train_epoch(self, epoch, *others):
        now.split, now.epoch = "", epoch
        return originals[0](self, epoch, *others)

    def measure(self, split, *others, **more):
        now.split = split
        return originals[1](self, split, *others, **more)

    def add(self, logits, target, losses, *errors):
        eta = logits[0].transpose(1, 2)
        if now.split == "" and now.epoch:
            monitor.update(eta, target[0])
        elif now.split in (names.VAL, names.TEST):
            monitor.record(now.split, eta, target[0])
            if now.split == names.TEST:  # the last that the engine measures of an epoch
                monitor.end_epoch()
        originals[2](self, logits, target, losses, *errors)

    monkeypatch.setattr(LaneGroup, "train_epoch", train_epoch)
    monkeypatch.setattr(LaneGroup, "measure", measure)
    monkeypatch.setattr(RunningMeans, "add", add)
    own = toy_run(tmp_path, **PARALLEL)
    monkeypatch.undo()
    return SimpleNamespace(own=own, recorded=Run(tmp_path / "recorded"))


@pytest.mark.slow
def test_a_run_of_jtdiag_recorded_while_it_trains_is_the_same_run(parallel):
    own, recorded = parallel.own.metrics(), parallel.recorded.metrics()
    later = slice(1, None)
    for name in names.METRIC_VARIABLES:
        xr.testing.assert_allclose(
            own[name].sel(epoch=later), recorded[name].sel(epoch=later), rtol=1e-12
        )
        for split in (names.VAL, names.TEST):
            xr.testing.assert_allclose(
                own[name].sel(epoch=0, split=split), recorded[name].sel(epoch=0, split=split)
            )
    xr.testing.assert_equal(own["best_epoch"], recorded["best_epoch"])
    [lane] = parallel.own.lanes
    for epoch in range(4):
        for split in (names.VAL, names.TEST):
            [a], [b] = (run.outputs(lane, epoch, split) for run in vars(parallel).values())
            np.testing.assert_array_equal(a.logits, b.logits)
            np.testing.assert_array_equal(a.target, b.target)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["votes", "calibration", "combiners", "stacking", "collusion"])
def test_probes_of_outputs_answer_the_same_of_both(parallel, name):
    own, recorded = (probe(run, name) for run in vars(parallel).values())
    assert own.data_vars
    for variable in own.data_vars:
        a, b = own[variable], recorded[variable]
        if {"split", "epoch"} <= set(a.dims):  # a loop does not measure training before it begins
            at_start = (a["split"] == "train") & (a["epoch"] == 0)
            assert b.where(at_start).isnull().all()
            a = a.where(~at_start)
        xr.testing.assert_allclose(a, b)


@pytest.mark.slow
def test_every_probe_that_applies_answers_and_a_watcher_sees_the_end(path):
    trained(DominanceMonitor(lam=1, store=path, epochs=3), weights=True)
    asked = CliRunner().invoke(main, ["probe", str(path), "-v"])
    assert asked.exit_code == 0, asked.output
    assert "gradients: skipped" in asked.output
    watched = CliRunner().invoke(main, ["watch", str(path)])
    assert "epoch 3: training error" in watched.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recorded", "outputs", "checkpoints"),
    [
        ({}, (1, 2, 3), ()),
        ({"start": True}, (0, 1, 2, 3), ()),
        ({"splits": ()}, (), ()),
        ({"weights": True}, (1, 2, 3), (1, 2, 3)),
    ],
)
def test_the_store_keeps_what_there_is_to_keep(path, recorded, outputs, checkpoints):
    trained(DominanceMonitor(lam=1, store=path, epochs=3), **recorded)
    run = Run(path)
    seal = run.seal(run.lanes[0])
    assert (seal.outputs, seal.checkpoints, seal.done) == (outputs, checkpoints, True)
    run.check()
    assert np.isfinite(probe(run, "performance")["ensemble_error"].sel(split="train")).all()


@pytest.mark.slow
def test_several_lambdas_and_trials_share_a_store(path):
    store = Recording(path, epochs=2, lam=(0, 1), trials=2, keep=(2,))
    for trial in range(2):
        for lam in (0, 1):
            monitor = DominanceMonitor(every=1, store=store.lane(lam, trial))
            assert monitor.lam == lam
            trained(monitor, 2, first_seed=1000 * trial + 10_000 * lam)
    run = Run(path)
    assert run.done
    assert [run.seal(lane).outputs for lane in run.lanes] == 4 * [(2,)]
    loss = run.metrics()["ensemble_loss"].sel(split="test", epoch=2)
    assert len(np.unique(loss)) == 4
    assert probe(run, "collusion").sizes["lam"] == 2


@pytest.mark.slow
def test_numbers_are_recorded_with_the_scale_of_their_errors(path):
    monitor = DominanceMonitor(lam=1, every=1, family="gaussian", store=path, epochs=1)
    random = torch.Generator().manual_seed(0)
    target = torch.randn(30, 2, generator=random, dtype=torch.float64)
    eta = torch.randn(M, 30, 2, generator=random, dtype=torch.float64)
    monitor.update(eta, target)
    monitor.record("test", eta, target)
    monitor.end_epoch()
    run = Run(path)
    at = run.metrics().isel(lam=0, trial=0, epoch=1)
    variance = float(target.var(0, correction=0).sum())
    square = float((eta.mean(0) - target).square().sum(-1).mean())
    for split in ("train", "test"):
        assert float(at["ensemble_error"].sel(split=split)) == pytest.approx(square / variance)
    assert (run.chance_error, run.error_scale) == (1.0, pytest.approx(variance))
    assert probe(run, "diversity").sizes["epoch"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("start", [True, False])
def test_the_rules_say_of_the_store_what_the_monitor_said(path, start):
    """Epoch 0, of which nothing was measured in training, is no divergence."""
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=4)
    weights = [[torch.zeros(2)] for _ in range(M)]
    monitor.watch_parameters(weights)
    if start:
        monitor.record("test", *said(0))
        monitor.end_epoch()
    for epoch in range(4):
        with torch.no_grad():
            for j, [weight] in enumerate(weights):
                weight += j  # the first stands still
        for step in range(4):
            logits, target = said(100 * epoch + step)
            logits[0] = 0.0  # and has learned nothing
            monitor.update(logits, target)
        monitor.record("test", *said(0))
        monitor.end_epoch()
    assert [found.rule for found in monitor.findings] == ["stagnation"]
    run = Run(path)
    history = run.history(run.lanes[0])
    assert history.epoch.tolist() == [1, 2, 3, 4]
    for name in (*names.METRIC_VARIABLES, "displacement", "lam"):
        np.testing.assert_array_equal(getattr(history, name), getattr(monitor.history, name))
    first = probe(run, "alerts")["first_spoke"].isel(lam=0, trial=0)
    spoke = {
        str(rule): int(epoch)
        for rule, epoch in zip(first["rule"].values, first.values, strict=True)
    }
    assert {rule: epoch for rule, epoch in spoke.items() if epoch >= 0} == {"stagnation": 3}
    [told] = [f for f in findings.read(path) if f.probe == "alerts" and f.rule != "carried"]
    assert told == monitor.findings[0]


@pytest.mark.slow
def test_losses_alone_can_be_recorded_with_outputs(path):
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=1)
    monitor.update_losses(torch.arange(1.0, 1 + M), torch.ones(()), examples=3)
    monitor.record("test", *said(0))
    monitor.end_epoch()
    run = Run(path)
    loss = run.metrics()["member_loss"].sel(split="train", epoch=1).values.ravel()
    np.testing.assert_array_equal(loss, [1, 2, 3, 4])
    assert run.chance_error == pytest.approx(1 - 1 / K)


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_needs_the_members_themselves_is_refused_in_one_line(path):
    trained(DominanceMonitor(lam=1, store=path, epochs=2), 2, weights=True)
    run = Run(path)
    with pytest.raises(ProbeError, match="was recorded from a user-defined training loop"):
        probe(run, "gradients")
    with pytest.raises(DataError, match="recorded from a user's training loop"):
        Replay.of(run, run.lanes[0], 2)
    by_outputs = probe(run, "conditioning")
    assert bool((by_outputs["anisotropy"] > 0).any())
    assert (by_outputs["checkpoint"] == -1).all()


@pytest.mark.slow
def test_a_folder_in_use_is_refused_before_anything_is_trained(path):
    trained(DominanceMonitor(lam=1, store=path, epochs=3))
    with pytest.raises(StoreError, match="already contains a run"):
        DominanceMonitor(lam=1, store=path, epochs=3)


@pytest.mark.parametrize("facts", [{"lam": 1}, {"epochs": 3}])
def test_a_store_needs_lambda_and_the_number_of_epochs(path, facts):
    with pytest.raises(ValueError, match="a store needs all three"):
        DominanceMonitor(store=path, **facts)


def test_recording_without_a_store_is_refused():
    with pytest.raises(StoreError, match="without a store"):
        DominanceMonitor().record("test", *said(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said_of_it"),
    [
        ("order", "the targets of split test have changed"),
        ("split", "the split 'test' is missing"),
        ("weights", r"the array of the checkpoint 'w' is new"),
        ("epochs", "was created for 2 epochs and has no room for epoch 3"),
    ],
)
def test_another_epoch_than_the_store_was_made_for_is_refused(path, change, said_of_it):
    epochs = 2 if change == "epochs" else 4
    monitor = DominanceMonitor(lam=1, store=path, epochs=epochs, strict=True)
    trained(monitor, 2)
    monitor.update(*said(0))
    logits, target = said(1)
    if change != "split":
        monitor.record("test", logits, target.flip(0) if change == "order" else target)
    with pytest.raises(JtdiagError, match=said_of_it):
        monitor.end_epoch(checkpoint={"w": torch.zeros(M, 2)} if change == "weights" else None)
    assert Run(path).training is (change != "epochs")
    monitor.close()
    assert not Run(path).training


def test_unknown_splits_and_lanes_are_refused(path):
    store = Recording(path, epochs=2, lam=(0, 1))
    with pytest.raises(
        RecipeError, match=r"has λ = 0, 1; trials per λ: 1\. It has no lane for λ = 0.5"
    ):
        store.lane(0.5)
    with pytest.raises(RecipeError, match="trial 1"):
        store.lane(0, 1)
    with pytest.raises(StoreError, match="split is 'train'; it must be 'val' or 'test'"):
        DominanceMonitor(store=store.lane(0)).record("train", *said(0))


def test_a_store_of_losses_alone_must_be_told_the_error_of_a_guess(path):
    monitor = DominanceMonitor(lam=1, store=path, epochs=1, strict=True)
    monitor.update_losses(torch.ones(M), torch.ones(()), examples=3)
    with pytest.raises(ValueError, match="pass chance_error"):
        monitor.end_epoch()


# --- going on -------------------------------------------------------------------------------------


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


@pytest.fixture
def interrupted(path):
    """Two of four epochs, and what a killed process leaves of the third."""
    monitor = DominanceMonitor(lam=1, every=1, store=path, epochs=4)
    trained(monitor, 2, weights=True)
    monitor.close()
    unsealed = path / "store.zarr/outputs/test/logits/c/0/0/3/0/0/0"
    unsealed.parent.mkdir(parents=True)
    unsealed.write_bytes(b"half")
    (path / "lanes" / "lam0-trial0-epoch3.draft").write_bytes(b"half")
    return path


@pytest.mark.slow
def test_a_loop_that_begins_again_completes_its_recording(interrupted, tmp_path):
    again = DominanceMonitor(lam=1, every=1, store=interrupted, epochs=4, resume=0, strict=True)
    trained(again, 4, weights=True)
    whole = DominanceMonitor(lam=1, every=1, store=tmp_path / "w" / "mine", epochs=4, strict=True)
    trained(whole, 4, weights=True)
    assert Run(interrupted).done
    assert contents(interrupted) == contents(tmp_path / "w" / "mine")


@pytest.mark.slow
def test_a_loop_that_goes_on_after_an_epoch_numbers_its_epochs_from_there(interrupted, tmp_path):
    whole = DominanceMonitor(lam=1, every=1, store=tmp_path / "whole", epochs=4, strict=True)
    kept = trained(whole, 4)
    later = DominanceMonitor(lam=1, every=1, store=interrupted, epochs=4, resume=2, strict=True)
    later.watch_parameters([torch.nn.Linear(2, 1) for _ in range(M)])  # initialization is unknown
    for epoch in (3, 4):
        for step in range(4):
            later.update(*said(100 * epoch + step))
        later.record("test", *kept[epoch, "test"])
        later.end_epoch(checkpoint={name: weight + epoch for name, weight in WEIGHTS.items()})
    run = Run(interrupted)
    assert run.done
    expected = Run(tmp_path / "whole").metrics()
    for name in names.METRIC_VARIABLES:  # the sums of a first epoch are added in another order
        np.testing.assert_allclose(run.metrics()[name], expected[name], rtol=1e-6)
    assert np.isnan(run.metrics()["displacement"].sel(epoch=[3, 4])).all()


@pytest.mark.slow
def test_a_gap_another_split_or_another_number_of_epochs_is_one_line(interrupted):
    before = contents(interrupted)
    for options, split, reason in (
        ({"resume": 3}, "test", "epochs up to 2 are sealed; epoch 4 cannot be written"),
        ({"resume": 2}, "val", "contains outputs of test, but those of val were recorded"),
        ({"resume": 2, "epochs": 5}, "test", r"these fields differ: train\.epochs"),
    ):
        monitor = DominanceMonitor(
            lam=1, store=interrupted, strict=True, **{"epochs": 4, **options}
        )
        monitor.update(*said(0))
        monitor.record(split, *said(50))
        with pytest.raises(StoreError, match=reason):
            monitor.end_epoch(checkpoint=WEIGHTS)
        monitor.close()
    assert before.keys() - contents(interrupted).keys() <= {
        "store.zarr/outputs/test/logits/c/0/0/3/0/0/0",
        "lanes/lam0-trial0-epoch3.draft",
    }


@pytest.mark.slow
def test_only_a_recording_is_continued(tmp_path):
    run = toy_run(tmp_path, lam=[1], trials=1, train={"epochs": 1})
    with pytest.raises(StoreError, match="was not recorded by a monitor"):
        Recording(run.path, epochs=1, resume=True)
    with pytest.raises(StoreError, match="already contains a run"):
        Recording(run.path, epochs=1)
    with pytest.raises(ValueError, match="resume is -1; it must be an epoch"):
        DominanceMonitor(resume=-1)


# --- without training, and without a test split --------------------------------------------------


def test_outputs_of_several_epochs_without_training_are_refused(path):
    monitor = DominanceMonitor(lam=1, store=path, epochs=2, strict=True)
    monitor.record("test", *said(1))
    assert monitor.end_epoch() == []
    monitor.record("test", *said(2))
    with pytest.raises(StoreError, match=r"after two epochs without a batch.*jtdiag\.from_logits"):
        monitor.end_epoch()


def test_a_store_that_was_never_written_is_one_warning_when_the_monitor_is_gone(path, caplog):
    monitor = DominanceMonitor(lam=1, store=path, epochs=1)
    monitor.record("test", *said(1))
    monitor.end_epoch()
    assert not caplog.records
    del monitor
    gc.collect()
    [record] = caplog.records
    assert record.getMessage().startswith(f"{path} was not written")


@pytest.mark.slow
def test_a_store_with_an_epoch_of_training_gives_no_such_warning(path, caplog):
    trained(DominanceMonitor(lam=1, store=path, epochs=1), 1, start=True)
    gc.collect()
    assert not caplog.records


@pytest.mark.slow
def test_with_validation_examples_only_they_take_the_place_of_the_test_split(path):
    kept = trained(DominanceMonitor(lam=1, every=1, store=path, epochs=3), splits=("val",))
    run = Run(path)
    assert run.recipe.splits == ("train", "test")
    logits, target = kept[3, "val"]
    wrong = float((logits.mean(0).argmax(-1) != target).double().mean())
    [lane] = run.lanes
    assert run.chosen_epoch(lane) == 3  # the last: not chosen on the examples that it is judged by
    result = probe(run, "performance")
    assert result["ensemble_error"].sel(split="test").item() == pytest.approx(wrong)
    assert "validation" in [finding.rule for finding in findings.read(path)]
    shown = CliRunner().invoke(main, ["plot", str(path), "error-against-lambda"])
    assert "Only validation examples were recorded" in shown.output


@pytest.mark.slow
def test_the_final_leader_is_that_of_the_last_epoch_without_an_epoch_0(path):
    trained(DominanceMonitor(lam=1, every=1, store=path, epochs=4), 4)
    result = probe(path, "dominance")
    leaders = result["leader"].sel(split="train").values[0, 0]
    assert leaders[0] == -1
    [[is_final]], [[done]] = result["leader_is_final"].values, result["done"].values
    assert np.isnan(is_final[0])
    np.testing.assert_array_equal(is_final[1:], leaders[1:] == leaders[4])
    assert done == 1
    [[since]] = result["leader_known_since"].values
    assert (leaders[since:] == leaders[4]).all()
    assert since == 1 or leaders[since - 1] != leaders[4]


@pytest.mark.slow
def test_without_recorded_outputs_no_panel_and_no_table_is_empty(path):
    trained(DominanceMonitor(lam=1, every=1, store=path, epochs=2), 2, splits=())
    made = CliRunner().invoke(main, ["report", str(path)])
    assert made.exit_code == 0, made.output
    text = (path / "report.html").read_text("utf-8")
    assert "No tables: nothing was measured on the split test." in text
    assert "not measured" not in text
    for name in ("error-against-lambda", "capacity", "collusion"):
        kind = FIGURES.find(name)
        with pytest.raises(ProbeError, match="Nothing was measured on the split test"):
            kind.draw([("mine", probe(path, kind.needs))])
    for name, needs in (
        ("errors-by-epoch", "dominance"),
        ("members-against-lambda", "performance"),
        ("diversity-against-lambda", "diversity"),
    ):
        figure = FIGURES.find(name).draw([("mine", probe(path, needs))])
        assert len(figure.axes) == 1
        assert all(axes.has_data() for axes in figure.axes)


@pytest.mark.slow
def test_a_recording_of_validation_examples_is_continued(path):
    first = DominanceMonitor(lam=1, store=path, epochs=3)
    trained(first, 2, splits=("val",))
    first.close()
    trained(DominanceMonitor(lam=1, store=path, epochs=3, resume=0), splits=("val",))
    assert Run(path).done


@pytest.mark.slow
def test_the_report_of_a_recorded_run_invents_no_recipe(path):
    trained(DominanceMonitor(lam=1, store=path, epochs=2), 2)
    made = CliRunner().invoke(main, ["report", str(path)])
    assert made.exit_code == 0, made.output
    text = (path / "report.html").read_text("utf-8")
    assert "How this run was trained is unknown" in text
    assert "jtdiag train" not in text.replace("jtdiag train --resume", "")
    for invented in ("[train]\nepochs = 2\nbatch", "lr =", "seed =", "factory", "optimiser"):
        assert invented not in text
    assert "count = 4" in text
    assert "epochs = 2" in text
