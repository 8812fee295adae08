import errno
import os
from pathlib import Path

import pytest

from jtdiag.alerts.record import Record
from jtdiag.probing import findings


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which nothing can be written while the test has it so."""
    with monkeypatch.context() as patch:

        def full(descriptor):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr("jtdiag.files.os.fsync", full)
        yield patch


def test_findings_take_the_place_of_those_before(tmp_path, finding):
    findings.record(tmp_path, "diversity", [finding(probe="diversity")])
    record = Record("alerts")
    record.write(tmp_path, [finding()])
    record.write(tmp_path, [finding(), finding(lam=0.9)])
    assert findings.read(tmp_path) == [finding(probe="diversity"), finding(), finding(lam=0.9)]


def test_a_full_disk_is_one_line_and_the_next_alert_tries_again(tmp_path, finding, full_disk):
    lines = []
    record = Record("alerts", lines.append)
    record.write(tmp_path, [finding()])
    record.write(tmp_path, [finding(), finding(lam=0.9)])
    [line] = lines
    assert line == (
        f"{tmp_path}/findings.jsonl: cannot be written: [Errno 28] No space left on device. "
        "Training continues; the next alert tries again."
    )
    full_disk.undo()
    record.write(tmp_path, [finding(), finding(lam=0.9), finding(lam=0.5)])
    assert len(findings.read(tmp_path)) == 3
    assert len(lines) == 1


def test_a_disk_that_is_full_again_is_told_again(tmp_path, finding, full_disk):
    lines = []
    record = Record("alerts", lines.append)
    record.write(tmp_path, [finding()])
    full_disk.undo()
    record.write(tmp_path, [finding()])
    record.write(tmp_path / "gone", [finding()])
    assert len(lines) == 2
    assert "No such file" in lines[1]


def test_findings_that_cannot_be_read_are_left_as_they_are(tmp_path, finding):
    lines = []
    Path(tmp_path / findings.LOG).write_text("half a li", "utf-8")
    Record("alerts", lines.append).write(tmp_path, [finding()])
    assert "is not a list of findings" in lines[0]
    assert Path(tmp_path / findings.LOG).read_text("utf-8") == "half a li"
