import importlib
import json

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.probing import findings, results
from jtdiag.probing.registry import PROBES
from jtdiag.report.answer import sentences
from jtdiag.report.evidence import gather
from jtdiag.terminal.closing import alert_line

NAMES = PROBES.names()


def probe(run, *arguments):
    return CliRunner().invoke(main, ["probe", str(run.path), *arguments])


def applicable(run):
    return [each.name for each in PROBES.all() if each.applies(run)]


def asked_lines(ran):
    return [line for line in ran.stdout.splitlines() if line.partition(":")[0] in NAMES]


@pytest.mark.slow
def test_every_probe_is_asked_by_default(small_run):
    ran = probe(small_run, "-v")
    assert (ran.exit_code, ran.stderr) == (0, "")
    names = applicable(small_run)
    skipped = "skipped, not applicable to this run"
    assert asked_lines(ran) == [
        f"{each.name}: {'running' if each.name in names else skipped}. {each.question}"
        for each in sorted(PROBES.all(), key=lambda each: each.cost)
    ]
    assert {path.stem for path in (small_run.path / "results").iterdir()} == set(names)


@pytest.mark.slow
def test_only_those_named_are_asked(small_run):
    ran = probe(small_run, "performance")
    assert asked_lines(ran) == [
        "performance: running. How good are the ensemble and its members, at each lambda?"
    ]
    assert [path.stem for path in (small_run.path / "results").glob("*.zarr")] == ["performance"]


@pytest.mark.slow
def test_what_is_fresh_is_not_measured_again_unless_forced(small_run):
    probe(small_run, "performance")
    before = results.path_of(small_run, "performance").stat().st_ino
    assert asked_lines(probe(small_run, "performance"))[0].startswith("performance: up to date. ")
    assert results.path_of(small_run, "performance").stat().st_ino == before
    ran = probe(small_run, "performance", "--force")
    assert asked_lines(ran)[0].startswith("performance: running. ")
    assert results.path_of(small_run, "performance").stat().st_ino != before


@pytest.mark.slow
def test_every_finding_is_a_line_and_alerts_come_first(small_run):
    ran = probe(small_run, "-v")
    lines = [line for line in ran.stdout.splitlines() if line.startswith(("ALERT", "  -  "))]
    recorded = findings.read(small_run.path)
    alerts = [f"ALERT {f.sentence}" for f in recorded if f.level == "alert"]
    infos = [f"  -   {f.sentence}" for f in recorded if f.level == "info"]
    assert len(alerts) == 1
    assert sorted(lines[:1]) == alerts
    assert sorted(lines[1:]) == sorted(infos)


@pytest.mark.slow
def test_the_answer_the_errors_and_the_alerts_are_what_all_probes_come_to(small_run):
    ran = probe(small_run)
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert len(lines) <= 25
    evidence = gather(small_run)
    answer = sentences(evidence)
    assert lines[-3 - len(answer) : -3] == answer != []
    assert alert_line(evidence) in lines
    assert f"All {len(evidence.findings)} findings: -v, or the report." in lines
    assert lines[-2:] == [f"  jtdiag {name} {small_run.path}" for name in ("report", "plot")]


@pytest.mark.slow
def test_as_json_it_is_one_object(small_run):
    ran = probe(small_run, "--json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    printed = json.loads(ran.stdout)
    assert printed["run"] == str(small_run.path)
    assert printed["answer"] == sentences(gather(small_run))
    stored = findings.read(small_run.path)
    assert {(f["probe"], f["rule"], f["sentence"]) for f in printed["findings"]} == {
        (f.probe, f.rule, f.sentence) for f in stored
    }
    of_one = json.loads(probe(small_run, "performance", "--json").stdout)
    assert of_one.keys() == {"run", "findings"}
    assert {finding["probe"] for finding in of_one["findings"]} == {"performance"}


@pytest.mark.slow
def test_quietly_it_prints_errors_only(small_run, foreign):
    ran = probe(small_run, "performance", "-q")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "")
    assert results.path_of(small_run, "performance").exists()
    foreign.write_text(foreign.read_text().replace("    return xr", "    1 / 0\n    return xr"))
    ran = probe(small_run, "foreign", "performance", "-q")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "1 of 2 probes failed: foreign." in ran.stderr


@pytest.mark.slow
def test_findings_of_probes_that_were_not_asked_are_not_told(small_run):
    probe(small_run)
    lines = probe(small_run, "performance").stdout.splitlines()[1:]
    stored = [f for f in findings.read(small_run.path) if f.probe == "performance"]
    assert lines == [f"  -   {finding.sentence}" for finding in stored]
    assert len(stored) == 2


@pytest.mark.slow
def test_fresh_results_are_told_again(small_run):
    first, second = probe(small_run, "-v"), probe(small_run, "-v")
    assert second.stdout == first.stdout.replace(": running.", ": up to date.")


@pytest.mark.slow
def test_damaged_findings_can_be_mended_as_the_error_says(small_run):
    first = probe(small_run, "dominance")
    log = small_run.path / findings.LOG
    log.write_text("damaged\n")
    ran = probe(small_run, "dominance")
    assert ran.exit_code == 1
    assert ran.stderr.endswith(f"Delete it and run `jtdiag probe {small_run.path}`.\n")
    log.unlink()
    again = probe(small_run, "dominance")
    assert again.stdout.splitlines()[1:] == first.stdout.splitlines()[1:]


def test_a_sentence_with_brackets_is_told_as_it_is(small_run, foreign):
    foreign.write_text(foreign.read_text().replace("The run has", "Lanes [bold] of [/run]:"))
    assert "Lanes [bold] of [/run]: 2 lanes." in probe(small_run, "foreign").stdout


def test_a_probe_of_somebody_else_is_asked(small_run, foreign):
    ran = probe(small_run, "foreign")
    assert ran.stdout == (
        "foreign: running. How many lanes are there?\n  -   The run has 2 lanes.\n"
    )


@pytest.mark.parametrize("names", [["dominanze"], ["performance", "dominanze"]])
def test_an_unknown_name_is_one_line_and_nothing_is_measured(small_run, names):
    ran = probe(small_run, *names)
    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("Error: There is no probe 'dominanze'. Did you mean 'dominance'? ")
    assert not (small_run.path / "results").exists()


def test_a_run_that_has_not_begun_is_one_line(warned):
    ran = probe(warned.run)
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: {warned.run.path} has no sealed epoch yet; run the probe after the first one.\n"
    )


def test_a_probe_that_fails_costs_the_others_nothing(small_run, foreign):
    foreign.write_text(foreign.read_text().replace("    return xr", "    1 / 0\n    return xr"))
    ran = probe(small_run, "foreign", "performance")
    assert ran.exit_code == 1
    assert "foreign: failed. Traceback" in ran.stderr
    assert "ZeroDivisionError" in ran.stderr
    assert ran.stderr.endswith(
        "1 of 2 probes failed: foreign. The reasons are above; results of the others are stored.\n"
    )
    assert "performance: running." in ran.stdout
    assert "λ = 0.9" in ran.stdout
    assert (small_run.path / "results" / "performance.zarr").exists()


@pytest.mark.slow
@pytest.mark.parametrize("others", [(), ("dominance",)])
def test_findings_that_cannot_be_saved_are_printed(small_run, monkeypatch, others):
    expected = probe(small_run, "performance")
    sentences = [line for line in expected.stdout.splitlines() if line.startswith("  ")]
    assert sentences
    results.remove(results.path_of(small_run, "performance"))
    (small_run.path / "findings.jsonl").unlink()

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("xarray.Dataset.to_zarr", full)
    ran = probe(small_run, "performance", *others)
    assert ran.exit_code == 1
    assert {*sentences} <= {*ran.stdout.splitlines()}
    assert "No space left on device. The result and its findings are not saved." in ran.stderr
    assert "Traceback" not in ran.stderr


def test_slow_probes_are_run_after_the_cheap_ones(small_run, monkeypatch):
    costs = []

    def succeeds(_run, probe, *_, **__):
        costs.append(probe.cost)
        return True

    command = importlib.import_module("jtdiag.commands.probe")
    monkeypatch.setattr(command, "_succeeds", succeeds)
    assert CliRunner().invoke(main, ["probe", str(small_run.path), "-q"]).exit_code == 0
    assert costs == ["cheap"] * costs.count("cheap") + ["slow"] * costs.count("slow")
    assert {*costs} == {"cheap", "slow"}
