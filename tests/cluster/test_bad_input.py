"""Clusters that cannot be used: one line that says why, before anything is trained."""

from importlib.metadata import PackageNotFoundError, version

import pytest
from click.testing import CliRunner
from distributed.scheduler import NoWorkerError

from jtdiag.cluster import connecting, tasks, workers
from jtdiag.commands import main
from jtdiag.errors import ClusterError
from jtdiag.terminal.cluster_options import ClusterOptions


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that trains the demo with options, and returns the line of the error."""
    monkeypatch.chdir(tmp_path)

    def run(*options):
        result = CliRunner().invoke(main, ["train", "demo", *options])
        assert result.exit_code == 1, result.output
        assert list(tmp_path.glob("runs/*")) == []
        [line] = result.output.splitlines()
        return line

    return run


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nothing://x", "127.0.0.1:9"])
def test_no_scheduler_there(command, monkeypatch, address):
    monkeypatch.setattr(connecting, "PATIENCE", 0.1)
    assert "No Dask scheduler answers at " in command("--scheduler", address)


def test_two_clusters_at_once(command):
    assert "exclude each other" in command("--workers", "2", "--scheduler", "tcp://x:1")


FILES = {
    "class = ": "is not a TOML file",
    "": "class is None; it must be the address of one",
    'class = "SLURMCluster"': "class is 'SLURMCluster'; it must be the address",
    'class = "no_such_package.Cluster"': "no_such_package cannot be imported",
    'class = "distributed.Client"': "which is not a cluster of Dask",
    'class = "distributed.NoCluster"': "which is not a cluster of Dask",
    'class = "distributed.LocalCluster"\n[option]': "has a field 'option'; .* mean 'options'",
    'class = "distributed.LocalCluster"\noptions = 3': r"options is 3; it must be a table",
    'class = "distributed.LocalCluster"\n[options]\nprocesses = false\nnode = 1': (
        "LocalCluster does not start with these .options.: .*'node'. Correct them"
    ),
}


@pytest.mark.parametrize("text", FILES)
def test_a_file_that_describes_no_cluster(tmp_path, text):
    path = tmp_path / "cluster.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ClusterError, match=FILES[text]), connecting.described(path):
        pass


def test_a_file_that_describes_workers_of_this_machine(tmp_path):
    path = tmp_path / "cluster.toml"
    options = "[options]\nprocesses = false\nn_workers = 0\ndashboard_address = ':0'"
    path.write_text(f'class = "distributed.LocalCluster"\n{options}\n[scale]\nn = 1', "utf-8")
    with ClusterOptions(cluster=path).client() as client:
        client.wait_for_workers(1, timeout=20)
        assert client.submit(workers.threads).result() > 0


def test_without_dask(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(connecting.importlib, "import_module", missing)
    with pytest.raises(ClusterError, match=r"pip install 'jtdiag\[cluster\]'"), connecting.local(1):
        pass


class Client:
    """Has a worker that answers what a test says."""

    def __init__(self, *answers):
        self._answers = list(answers)

    def wait_for_workers(self, count, timeout):
        pass

    def run(self, function, *arguments, on_error):
        return {"tcp://worker:1": self._answers.pop(0)}


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ([PackageNotFoundError("jtdiag")], "tcp://worker:1 has no jtdiag. Install jtdiag"),
        (["0.0.9"], f"tcp://worker:1 has jtdiag 0.0.9, and this is {version('jtdiag')}. Install"),
        ([OSError("lost")], "tcp://worker:1 does not answer .lost"),
        ([version("jtdiag"), False], "tcp://worker:1 does not see the files in"),
    ],
)
def test_workers_that_cannot_train(tmp_path, answers, text):
    with pytest.raises(ClusterError, match=text):
        workers.check(Client(*answers), tmp_path / "some" / "run")
    assert list(tmp_path.iterdir()) == []


def test_workers_that_can(tmp_path):
    workers.check(Client(version("jtdiag"), True), tmp_path / "some" / "run")
    assert list(tmp_path.iterdir()) == []


class Failed:
    """A task that has failed."""

    def __init__(self, error, status="error"):
        self.status, self._error = status, error

    def result(self):
        raise self._error


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (Failed(NoWorkerError("lanes", 60.0)), "^All workers have ended. Resume."),
        (Failed(None, "cancelled"), "^The scheduler has ended, or given up tasks. Resume."),
        (Failed(ModuleNotFoundError(name="jtdiag")), "^A worker that was added has no jtdiag."),
    ],
)
def test_tasks_that_dask_has_given_up(task, text):
    tasks.raise_errors([Failed(None, "pending"), Failed(None, "lost")], "Resume.")
    with pytest.raises(ClusterError, match=text):
        tasks.raise_errors([task], "Resume.")
