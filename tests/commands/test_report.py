import json

import pytest
from click.testing import CliRunner

from jtdiag.commands import main
from jtdiag.report import page as pages


def report(*arguments):
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


@pytest.mark.slow
def test_the_cheap_probes_are_asked_and_the_rest_is_named_with_what_it_adds(small_run):
    ran = report(small_run.path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    path = small_run.path / "report.html"
    assert lines[-1] == f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)."
    assert any(line.startswith("performance: running.") for line in lines)
    assert (
        f"calibration: no result yet. To add reliability: jtdiag probe {small_run.path} calibration"
    ) in lines
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")

    record = json.loads(report(small_run.path, "--json").output)
    assert record["report"] == str(path)
    [of_run] = record["runs"]
    assert "calibration" in of_run["missing"]
    assert of_run["outdated"] == []
    path.unlink()
    assert report(small_run.path, "-q").output == ""
    assert path.exists()


def test_without_asking_nothing_is_measured(small_run, tmp_path):
    out = tmp_path / "page.html"
    ran = report(small_run.path, "--no-ask", "--out", out)
    assert ran.exit_code == 0
    assert not (small_run.path / "results").exists()
    assert "No probe has been run on this run yet." in out.read_text("utf-8")


@pytest.mark.parametrize(
    "given", [("--workers", "2"), ("--scheduler", "tcp://host:8786"), ("--cluster", "slurm.toml")]
)
def test_workers_that_would_have_nothing_to_do_are_refused(small_run, given):
    ran = report(small_run.path, "--no-ask", *given)
    assert ran.exit_code == 1
    assert ran.stderr == (
        f"Error: --no-ask measures nothing, so there is nothing to do for {' '.join(given)}; leave "
        "one of them out.\n"
    )
    assert not (small_run.path / "report.html").exists()


def test_no_such_run_is_one_line(tmp_path):
    ran = report(tmp_path / "nowhere")
    assert ran.exit_code == 1
    assert "is not a run" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_folder_that_is_not_there_is_one_line(small_run, tmp_path):
    ran = report(small_run.path, "--no-ask", "--out", tmp_path / "nowhere" / "page.html")
    assert ran.exit_code == 1
    assert "cannot be written" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_page_that_fails_leaves_the_older_one(small_run, monkeypatch):
    path = small_run.path / "report.html"
    path.write_text("older")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pages, "write_atomically", fail)
    ran = report(small_run.path, "--no-ask")
    assert ran.exit_code == 1
    assert path.read_text() == "older"


@pytest.mark.parametrize("arguments", [[], ["--nonsense"]])
def test_a_wrong_command_line_exits_with_2(arguments):
    assert report(*arguments).exit_code == 2
