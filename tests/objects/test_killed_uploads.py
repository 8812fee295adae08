"""kill -9 while a run is uploaded: no seal without its objects, and resuming gives the same run."""

import json
import subprocess
import sys

import pytest

from jtdiag.objects import mirror
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.recipe import toml
from jtdiag.store.run import Run

pytestmark = pytest.mark.slow

MOMENTS = (0.05, 0.4, 0.65, 0.8, 0.95)
"""When processes are killed, as fractions of all requests that change something."""

DRIVER = """
import itertools, json, os, signal, sys
from pathlib import Path
from jtdiag.engine.train import train
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.recipe import toml

recipe, address = toml.read(Path(sys.argv[1])), sys.argv[2]

def in_another_process(place, count):
    # A fork: jtdiag is imported once. obstore, which has threads, is not imported here.
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    calls = itertools.count(1)
    def counted(act):
        def call(*arguments):
            if next(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*arguments)
        return call
    for name in ("overwrite", "write", "remove"):
        setattr(ObjectFolder, name, counted(getattr(ObjectFolder, name)))
    try:
        train(recipe, place, resume=True)
        Path(sys.argv[3]).write_text(str(next(calls) - 1))
    finally:
        sys.stdout.flush()
        os._exit(0)

assert in_another_process(f"{address}-0", None) == 0
total = int(Path(sys.argv[3]).read_text())
codes = {}
for moment in json.loads(sys.argv[4]):
    codes[moment] = in_another_process(f"{address}-{moment}", round(moment * total))
print(json.dumps([total, codes]))
"""


@pytest.fixture
def killed(recipe, address, tmp_path):
    """Number of requests of a whole run, and addresses of runs whose processes were killed."""
    path = tmp_path / "recipe.toml"
    path.write_text(toml.to_toml(recipe), encoding="utf-8")
    arguments = [str(path), address, str(tmp_path / "total"), json.dumps(MOMENTS)]
    command = [sys.executable, "-c", DRIVER, *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    total, codes = json.loads(outcome.stdout.splitlines()[-1])
    assert [*codes.values()] == [-9] * len(MOMENTS), outcome.stderr
    return total, [f"{address}-{moment}" for moment in MOMENTS]


def test_every_killed_run_is_intact_and_resumes_to_the_same_bytes(
    recipe, address, in_folder, killed, downloaded, assert_same_files
):
    from jtdiag.engine.train import train

    total, addresses = killed
    assert total > 50
    # The runs have other names than the one in the folder, but the same files.
    assert_same_files(downloaded(f"{address}-0"), in_folder.path)
    epochs = []
    for each in addresses:
        if "recipe.toml" in ObjectFolder(each).versions():
            run = Run(each)
            assert run.check() > 0
            epochs.append(sum(run.seal(lane).epoch for lane in run.lanes))
        assert train(recipe, each, resume=True).done
        assert_same_files(downloaded(each), in_folder.path)
        assert not any(map(mirror.is_temporary, ObjectFolder(each).versions()))
    assert len({*epochs}) > 1, "they were killed at the same epoch"
