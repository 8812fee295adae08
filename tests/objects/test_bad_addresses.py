"""Object stores that cannot be used: one line, before anything is trained."""

import sys
from pathlib import Path

import pytest

from jtdiag.engine import train as training
from jtdiag.engine.train import train
from jtdiag.errors import StoreError
from jtdiag.objects.object_folder import ObjectFolder, is_address
from jtdiag.store.run import Run


@pytest.fixture
def refused(recipe, monkeypatch):
    """Return a function that trains at an address, and returns why that is refused."""

    def refuse(address):
        monkeypatch.setattr(training, "_set_up", None)  # not called before the store is known
        with pytest.raises(StoreError) as raised:
            train(recipe, address)
        text = str(raised.value)
        assert "\n" not in text
        assert len(text) < 300
        return text

    return refuse


@pytest.mark.parametrize("place", ["s3://bucket/run", "gs://bucket/a/run", "az://container/run"])
def test_addresses_are_no_paths(place):
    assert is_address(place)


@pytest.mark.parametrize("place", ["runs/demo", "s3:/run", "/s3://run", "http://host/run", None])
def test_other_places_are_paths(place):
    assert not is_address(place)


@pytest.mark.slow
def test_a_bucket_that_is_missing(server, environment, refused):
    missing = f"{server.scheme}://no-such-bucket/run"
    assert refused(missing) == f"{missing}: {server.missing}; create it, or give another address."


@pytest.mark.slow
def test_a_bucket_without_a_place_in_it(server, environment, refused):
    bucket = f"{server.scheme}://bucket"
    assert refused(f"{bucket}/") == (
        f"{bucket}/ is not a place in a bucket; give one, such as {bucket}/run."
    )


@pytest.mark.slow
def test_missing_credentials(server, address, refused, monkeypatch):
    for name in server.secrets:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    assert refused(address) == (
        f"{address}: there are no credentials; set the environment variables of the store."
    )


@pytest.mark.slow
def test_credentials_that_are_wrong(server, address, refused, monkeypatch):
    if server.scheme == "s3":
        pytest.skip("moto accepts any credentials")
    for name in server.secrets:
        monkeypatch.setenv(name, "AAAA")
    assert refused(address) == (
        f"{address}: the credentials are refused; check the environment variables."
    )


@pytest.mark.slow
def test_a_server_that_is_not_there(server, address, refused, monkeypatch):
    monkeypatch.setenv(server.endpoint, "http://127.0.0.1:1")
    assert refused(address) == (
        f"{address}: the server does not answer; check its address and the network."
    )


@pytest.mark.slow
def test_a_server_without_encryption(server, address, refused, monkeypatch):
    monkeypatch.delenv(server.encryption)
    assert refused(address) == (
        f"{address}: the server is asked without encryption; {server.encryption}=true allows that."
    )


def test_obstore_that_is_not_installed(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    assert refused("s3://bucket/run") == (
        "s3://bucket/run: object stores need obstore. Install it with: pip install 'jtdiag[cloud]'"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "names", [["notes.txt"], ["poetry.lock", "store.zarr/zarr.json"], ["lanes/lam0-trial0.json"]]
)
def test_a_place_that_is_not_empty(address, refused, names):
    for name in names:
        ObjectFolder(address).overwrite(name, b"mine")
    assert refused(address) == f"{address} is not empty, and has no run; choose another address."
    assert [*ObjectFolder(address).versions()] == names


def test_an_address_that_became_a_path(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"s3:/bucket/run: addresses of object stores are for"):
        train(recipe, Path("s3://bucket/run"))
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_reading_where_there_is_no_run(address):
    with pytest.raises(StoreError, match=f"{address} is not a run: it has no recipe.toml"):
        Run(address)


@pytest.mark.slow
def test_a_server_that_stops_answering_ends_training_in_one_line(
    recipe, address, in_folder, downloaded, assert_same_files, monkeypatch
):
    overwrite, calls = ObjectFolder.overwrite, []

    def failing(self, name, content):
        calls.append(name)
        if len(calls) > 60:
            raise StoreError(f"{address}: the server does not answer.")
        return overwrite(self, name, content)

    monkeypatch.setattr(ObjectFolder, "overwrite", failing)
    with pytest.raises(StoreError, match="the server does not answer"):
        train(recipe, address)
    monkeypatch.setattr(ObjectFolder, "overwrite", overwrite)
    assert train(recipe, address, resume=True).done
    assert_same_files(downloaded(address), in_folder.path)
