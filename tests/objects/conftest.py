"""A real server of S3's protocol: that of moto, in a process of its own."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from itertools import count

import pytest

from jtdiag.engine.train import train
from jtdiag.objects import mirror
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data

PATIENCE = 120
BUCKETS = count(1)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture(scope="session")
def server():
    """Address of the server; without moto, flask and obstore the test is skipped."""
    for module in ("flask", "flask_cors", "moto", "obstore"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/moto-api/", timeout=5):
            return True
    except (OSError, urllib.error.URLError):
        return False


@pytest.fixture
def environment(server, tmp_path, monkeypatch):
    """Let this process find the server, and keep copies in a folder of the test."""
    variables = {
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(mirror, "_MIRRORS", {})


@pytest.fixture
def address(server, environment):
    """A place in a new bucket."""
    bucket = f"bucket-{next(BUCKETS)}"
    with urllib.request.urlopen(urllib.request.Request(f"{server}/{bucket}", method="PUT")):
        return f"s3://{bucket}/runs/toy"


@pytest.fixture
def another_machine(tmp_path, monkeypatch):
    """Return a function that lets this process have no copies of any run."""

    def forget():
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        monkeypatch.setattr(mirror, "_MIRRORS", {})

    return forget


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """A recipe of two lanes and three epochs, which keeps outputs of the best epoch."""
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    toy_data(path)
    table = {**TOY, "lam": [0, 1], "trials": 1, "train": {**TOY["train"], "epochs": 3}}
    table["data"] = {**TOY["data"], "name": str(path)}
    table["keep"] = {"outputs": ["best", "last"], "checkpoints": "all"}
    return from_table(table)


@pytest.fixture(scope="session")
def in_folder(recipe, tmp_path_factory):
    """The run of the recipe in a folder."""
    return train(recipe, tmp_path_factory.mktemp("folder") / "toy")


@pytest.fixture
def downloaded(tmp_path):
    """Return a function that writes all objects of a run into a folder."""

    def download(address):
        objects, folder = ObjectFolder(address), tmp_path / "downloaded"
        shutil.rmtree(folder, ignore_errors=True)
        objects.download(objects.versions(), folder)
        return folder

    return download
