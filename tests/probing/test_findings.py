import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

from jtdiag.errors import StoreError
from jtdiag.probing import findings as log
from jtdiag.probing.findings import Finding, read, record

NUMBERS = st.floats(allow_nan=False)
INDICES = st.lists(st.integers(0, 300), max_size=3).map(tuple)
FINDINGS = st.builds(
    Finding,
    probe=st.just("mine"),
    rule=st.text(max_size=8),
    level=st.sampled_from(["info", "alert"]),
    sentence=st.text(max_size=30),
    number=NUMBERS,
    limit=st.none() | NUMBERS,
    lam=st.none() | st.floats(0, 1),
    trials=INDICES,
    epoch=st.none() | st.integers(0, 300),
    members=INDICES,
)


def finding(probe="mine", rule="rule", number=1.0, sentence="λ = 1: it is so."):
    return Finding(probe=probe, rule=rule, level="info", number=number, sentence=sentence)


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(FINDINGS, max_size=3))
@example([finding(sentence="Separated\u2028by what\x85some call lines.")])
def test_findings_come_back_as_they_were_recorded(findings):
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), "mine", findings)
        assert read(Path(folder)) == findings


def test_a_run_without_findings_has_nfinding(tmp_path):
    assert read(tmp_path) == []


def test_the_findings_of_a_probe_replace_those_it_had_where_they_were(tmp_path):
    record(tmp_path, "mine", [finding(rule="a"), finding(rule="b")])
    record(tmp_path, "other", [finding("other")])
    record(tmp_path, "mine", [finding(rule="c")])
    assert read(tmp_path) == [finding(rule="c"), finding("other")]
    record(tmp_path, "mine", [])
    assert read(tmp_path) == [finding("other")]


def test_each_finding_is_a_line_of_json_that_others_can_read(tmp_path):
    record(tmp_path, "mine", [finding(), finding(number=2.0)])
    text = (tmp_path / "findings.jsonl").read_text(encoding="utf-8")
    assert "λ = 1" in text
    assert text.endswith("}\n")
    assert [json.loads(line)["number"] for line in text.splitlines()] == [1.0, 2.0]


@pytest.mark.parametrize(
    "damaged",
    [
        b"not json\n",
        b"{}\n",
        b"[]\n",
        b"3\n",
        b'{"trials": [], "members": [], "unknown": 1}\n',
        b'{"probe": "mine", "trials": []\n',
        b"\xff\xfe\n",
        b"no newline at the end",
        b'{"probe": "mine", "rule": "cut sho',
    ],
)
@pytest.mark.parametrize("act", [read, lambda run: record(run, "mine", [finding()])])
def test_damaged_findings_are_one_line_that_says_what_to_do(tmp_path, damaged, act):
    (tmp_path / "findings.jsonl").write_bytes(damaged)
    with pytest.raises(StoreError, match=r"is not a list of findings .*Delete it") as caught:
        act(tmp_path)
    assert "\n" not in str(caught.value)
    assert f"jtdiag probe {tmp_path}" in str(caught.value)
    assert (tmp_path / "findings.jsonl").read_bytes() == damaged


def test_a_last_line_without_its_newline_is_read_all_the_same(tmp_path):
    record(tmp_path, "mine", [finding(), finding(number=2.0)])
    path = tmp_path / "findings.jsonl"
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    assert [entry.number for entry in read(tmp_path)] == [1.0, 2.0]


def test_a_disk_that_refuses_is_one_line(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log.files, "write_atomically", full)
    with pytest.raises(StoreError, match=r"findings\.jsonl: cannot be written: .*No space left"):
        record(tmp_path, "mine", [finding()])


def test_a_failed_recording_leaves_what_was_there(tmp_path, monkeypatch):
    record(tmp_path, "mine", [finding()])

    def failing(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        with pytest.raises(StoreError):
            record(tmp_path, "mine", [finding(rule="b")])
    assert read(tmp_path) == [finding()]


def test_a_failed_recording_leaves_no_draft_behind(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jtdiag.files.os.fsync", full)
    with pytest.raises(StoreError):
        record(tmp_path, "mine", [finding()])
    assert [path.name for path in tmp_path.iterdir()] == [log.LOCK]


# --- several writers ------------------------------------------------------------------------------


def test_writers_at_the_same_time_lose_nothing(tmp_path, monkeypatch):
    reading = log.read

    def slowly(run, **lost):
        findings = reading(run, **lost)
        time.sleep(0.002)  # where another writer would come between reading and writing
        return findings

    monkeypatch.setattr(log, "read", slowly)

    def write(probe):
        for number in range(5):
            record(tmp_path, probe, [finding(probe, number=float(number))])

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((f.probe, f.number) for f in reading(tmp_path)) == [(n, 4.0) for n in "abcd"]


WRITER = """
import sys, time
from pathlib import Path
from jtdiag import files
from jtdiag.probing import findings
with files.locked(Path(sys.argv[1]) / findings.LOCK, 1):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_no_lock_and_one_that_hangs_is_an_error(tmp_path, monkeypatch):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout.readline() == "locked\n"
        monkeypatch.setattr(log, "PATIENCE", 0.05)
        with pytest.raises(StoreError, match=r"findings\.lock: another process has held this lock"):
            record(tmp_path, "mine", [finding()])
        assert read(tmp_path) == []
        writer.kill()
    record(tmp_path, "mine", [finding()])
    assert read(tmp_path) == [finding()]
