"""Servers of object stores as processes of this machine: S3 (moto) and Azure (Azurite)."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from importlib.util import find_spec
from itertools import count

import pytest

PATIENCE = 120
AZURITE = "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, and its key, which is published."""


@dataclass
class S3:
    """A server of S3's protocol: that of moto."""

    address: str
    buckets: count = field(default_factory=lambda: count(1))
    scheme = "s3"
    secrets = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    encryption = "AWS_ALLOW_HTTP"
    endpoint = "AWS_ENDPOINT_URL"
    missing = "there is no such bucket"

    @property
    def variables(self):
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }

    def create(self, bucket):
        request = urllib.request.Request(f"{self.address}/{bucket}", method="PUT")
        with urllib.request.urlopen(request):
            pass


@dataclass
class Azure:
    """A server of Azure's blobs: Azurite."""

    address: str
    buckets: count = field(default_factory=lambda: count(1))
    scheme = "az"
    secrets = ("AZURE_STORAGE_ACCOUNT_KEY",)
    encryption = "AZURE_ALLOW_HTTP"
    endpoint = "AZURE_STORAGE_ENDPOINT"
    missing = "there is no such container"

    @property
    def variables(self):
        return {
            "AZURE_STORAGE_ENDPOINT": f"{self.address}/{ACCOUNT}",
            "AZURE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }

    def create(self, bucket):
        """Create a container by a request that is signed with the key of the account."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
        signed = "PUT" + 12 * "\n"  # eleven headers that the request does not have
        signed += "".join(f"{name}:{value}\n" for name, value in headers.items())
        signed += f"/{ACCOUNT}/{ACCOUNT}/{bucket}\nrestype:container"
        signature = hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        url = f"{self.address}/{ACCOUNT}/{bucket}?restype=container"
        request = urllib.request.Request(
            url, method="PUT", headers={**headers, "Content-Length": 0}
        )
        with urllib.request.urlopen(request):
            pass


@contextmanager
def s3():
    """A server of S3's protocol; without moto, flask and obstore the test is skipped."""
    for module in ("flask", "flask_cors", "moto", "obstore"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    port = free_port()
    with started([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        yield S3(f"http://127.0.0.1:{port}")


@contextmanager
def azure(folder):
    """A server of Azure's blobs; without Azurite and obstore the test is skipped."""
    if find_spec("obstore") is None:
        pytest.skip("obstore is not installed")
    if shutil.which(AZURITE) is None:
        pytest.skip(f"{AZURITE} is not on the path (npm install --global azurite)")
    port = free_port()
    command = [
        AZURITE,
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--inMemoryPersistence",
    ]
    with started([*command, "--blobPort", str(port)], port, cwd=folder):
        yield Azure(f"http://127.0.0.1:{port}")


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started(command, port, **options):
    """Start a server, and end it afterwards."""
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **nowhere, **options)
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
