"""Clusters that tests share: starting processes takes seconds."""

import logging

import pytest
from distributed import Client, LocalCluster

from jtdiag.cluster import connecting


@pytest.fixture(scope="session")
def worker_in_this_process():
    """A client of one worker that is a thread of this process."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with LocalCluster(**options, **quiet) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="session")
def worker_process():
    """A client of one worker process, which is replaced if it dies."""
    with connecting.local(1) as client:
        yield client
