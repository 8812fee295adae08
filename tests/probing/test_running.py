from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jtdiag.errors import ProbeError, StoreError
from jtdiag.probing import findings, results, running
from jtdiag.probing.registry import PROBES
from jtdiag.probing.running import probe as ask
from jtdiag.report.evidence import ask_cheap
from jtdiag.store.run import Run


@pytest.fixture
def measured(monkeypatch):
    """Names of the probes that measured, in order."""
    names, measure = [], running.measure

    def noted(run, probe, client=None):
        names.append(probe.name)
        return measure(run, probe, client)

    monkeypatch.setattr(running, "measure", noted)
    return names


@pytest.mark.slow
def test_a_fresh_result_is_not_measured_again(small_run, measured):
    first = ask(small_run, "performance")
    again = ask(small_run, "performance")
    assert measured == ["performance"]
    xr.testing.assert_equal(first, again)


@pytest.mark.slow
def test_force_measures_again(small_run, measured):
    ask(small_run, "performance")
    ask(small_run, "performance", force=True)
    assert measured == ["performance", "performance"]


@pytest.mark.slow
def test_a_run_that_has_grown_is_measured_again(warned, measured):
    warned.seal_up_to(1)
    assert ask(warned.run, "performance").sel(lam=1)["chosen_epoch"].item() == 1
    warned.seal_up_to(2)
    ask(warned.run, "performance")
    ask(warned.run, "performance")
    assert measured == ["performance", "performance"]


@pytest.mark.slow
def test_epochs_sealed_while_a_probe_measures_make_its_result_stale(warned):
    warned.seal_up_to(1)
    performance = PROBES.find("performance")

    def measure(run, options):
        result = performance.measure(run, options)
        warned.seal_up_to(2)
        return result

    growing = replace(performance, measure=measure)
    running.measure(warned.run, growing)
    assert not results.is_fresh(warned.run, growing)
    running.measure(warned.run, growing)
    assert results.is_fresh(warned.run, growing)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [str, Run, lambda path: path], ids=["text", "run", "path"])
def test_a_run_may_be_named_by_its_folder(small_run, kind):
    assert ask(kind(small_run.path), "performance")["chosen_epoch"].shape == (2, 1)


@pytest.mark.slow
def test_findings_are_recorded_for_each_probe(small_run):
    ask(small_run, "performance")
    ask(small_run, "dominance")
    recorded = findings.read(small_run.path)
    assert [f for f in recorded if f.probe == "performance"] == PROBES.find("performance").judge(
        results.load(small_run, "performance")
    )
    assert {f.probe for f in recorded} == {"performance", "dominance"}
    ask(small_run, "performance", force=True)
    assert sorted(map(str, findings.read(small_run.path))) == sorted(map(str, recorded))


@pytest.mark.slow
def test_deleted_findings_are_restored_from_a_fresh_result(small_run, measured):
    ask(small_run, "performance")
    before = findings.read(small_run.path)
    assert before
    (small_run.path / findings.LOG).unlink()
    ask(small_run, "performance")
    assert findings.read(small_run.path) == before
    assert measured == ["performance"]


def best_errors(run):
    return [f.number for f in findings.read(run.path) if f.rule == "best-lambda"]


@pytest.mark.slow
def test_findings_are_never_older_than_a_fresh_result(by_hand, monkeypatch):
    """The disk may fill, or the process die, between writing the one and the other."""
    ensemble = np.broadcast_to(np.array([0.9, 0.5, 0.1])[:, None], (1, 1, 3, 3))
    made = by_hand(np.repeat(ensemble[..., None], 2, -1), ensemble, lam=(0.5,))
    made.seal_up_to(1)
    ask(made.run, "performance")
    assert best_errors(made.run) == [0.5]
    made.seal_up_to(2)

    def full(run, probe, new):
        raise StoreError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(findings, "record", full)
        with pytest.raises(StoreError, match="no space left"):
            ask(made.run, "performance")
    ask(made.run, "performance")
    assert best_errors(made.run) == [0.1]


def test_a_run_without_a_sealed_epoch_cannot_be_probed(warned):
    with pytest.raises(StoreError, match="no sealed epoch yet; run the probe after the first one"):
        ask(warned.run, "performance")
    assert not (warned.run.path / "results").exists()


def test_a_probe_that_breaks_its_promise_stores_nothing(small_run):
    broken = replace(PROBES.find("performance"), measure=lambda run, options: xr.Dataset())
    with pytest.raises(ProbeError, match=r"fix its `writes` or its `measure`\.$"):
        running.measure(small_run, broken)
    assert not results.path_of(small_run, "performance").exists()
    assert findings.read(small_run.path) == []


def test_a_probe_killed_before_its_findings_are_written_is_asked_again(toy_copy, monkeypatch):
    (toy_copy.path / findings.LOG).unlink(missing_ok=True)
    probe = PROBES.find("performance")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(findings, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            running.measure(toy_copy, probe)
    assert (toy_copy.path / "results/performance.zarr").exists()
    assert findings.read(toy_copy.path) == []
    assert not results.is_fresh(toy_copy, probe)
    assert "performance" in ask_cheap(toy_copy)
    assert {"performance"} <= {finding.probe for finding in findings.read(toy_copy.path)}
    assert results.is_fresh(toy_copy, probe)


def test_a_missing_run_and_an_unknown_probe_are_errors(toy, tmp_path):
    with pytest.raises(StoreError, match="is not a run: it has no recipe.toml"):
        ask(tmp_path, "performance")
    with pytest.raises(ProbeError, match="There is no probe 'perform'"):
        ask(toy, "perform")


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False])
def test_drafts_of_killed_processes_are_removed_by_the_next_probe(small_run, fresh):
    ask(small_run, "performance")
    draft = small_run.path / "results" / ".performance.zarr.99999999-0123abcd.draft"
    draft.mkdir()
    (draft / "zarr.json").write_text("{}", encoding="utf-8")
    of_findings = small_run.path / ".findings.jsonl.99999999.draft"
    of_findings.write_text("half", encoding="utf-8")
    ask(small_run, "performance", force=not fresh)
    assert not draft.exists()
    assert not of_findings.exists()


# --- a full disk ----------------------------------------------------------------------------------


def full(*_arguments, **_options):
    raise OSError(28, "No space left on device")


def test_without_room_for_a_result_nothing_is_measured(small_run, monkeypatch):
    """Measuring may take hours, so the disk is tried before."""
    asked = []
    probe = replace(PROBES.find("performance"), measure=lambda *_: asked.append("measured"))
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StoreError, match=r"No space left on device\. Nothing was measured\.$"):
        running.measure(small_run, probe)
    assert asked == []


@pytest.mark.slow
def test_a_disk_that_is_full_afterwards_loses_no_result(small_run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(xr.Dataset, "to_zarr", full)
        with pytest.raises(results.NotSavedError, match=r"findings are not saved\.$") as caught:
            ask(small_run, "performance")
    assert findings.read(small_run.path) == []
    assert list((small_run.path / "results").iterdir()) == []
    measured = caught.value.result
    xr.testing.assert_equal(measured, ask(small_run, "performance"))
    judged = running.judge(small_run, PROBES.find("performance"), measured)
    assert judged
    assert judged == [f for f in findings.read(small_run.path) if f.probe == "performance"]
