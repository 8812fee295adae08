"""Real servers of object stores, and runs in them."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from object_servers import azure, s3

from jtdiag.engine.train import train
from jtdiag.objects import mirror
from jtdiag.objects.object_folder import ObjectFolder
from jtdiag.recipe.toml import from_table
from jtdiag.testing import TOY, toy_data


@pytest.fixture(scope="session", params=["s3", "azure"])
def server(request, tmp_path_factory):
    """A server of each kind that there is; others are skipped."""
    kinds = {"s3": s3, "azure": lambda: azure(tmp_path_factory.mktemp("azurite"))}
    with kinds[request.param]() as running:
        yield running


@pytest.fixture
def environment(server, tmp_path, monkeypatch):
    """Let this process find the server, and keep copies in a folder of the test."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mirror, "_MIRRORS", {})


@pytest.fixture
def address(server, environment):
    """A place in a new bucket."""
    bucket = f"bucket-{next(server.buckets)}"
    server.create(bucket)
    return f"{server.scheme}://{bucket}/runs/toy"


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
