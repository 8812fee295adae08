"""A server that answers as a test wants it to, and a finding to send."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jtdiag.probing.findings import Finding

ODD = "λ = 1: \"quoted\", 'single', $(touch harm) `touch harm`; {rule} && | > harm \\ 50 %."


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """Return a function that makes an alert of which a test names the odd parts."""

    def make(**more: Any) -> Finding:
        known = {
            "probe": "alerts",
            "rule": "dominance",
            "level": "alert",
            "sentence": ODD,
            "number": 0.125,
            "limit": 0.55,
            "lam": 1.0,
            "trials": (0,),
            "epoch": 3,
            "members": (2, 5),
        }
        return Finding(**(known | more))

    return make


class Server:
    """Keeps what is posted to it; answers with the statuses that it is given, then with 200."""

    def __init__(self) -> None:
        self.answers: list[int | str | None] = []
        """None: never, until the test ends; "garbage": what it was asked, and not in HTTP."""
        self.headers: dict[str, str] = {}
        """Of every answer."""
        self.posted: list[dict[str, Any]] = []
        self.requests: list[Any] = []
        """Headers of every request."""
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/SECRET?token=SECRET"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.requests.append(self.headers)
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.posted.append(body)
                status = server.answers.pop(0) if server.answers else 200
                if status is None:
                    server.over.wait(30)
                    return
                if status == "garbage":
                    self.wfile.write(f"{self.path}\r\n\r\n".encode())
                    return
                self.send_response(status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine, asked without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    begun = Server()
    yield begun
    begun.close()


@pytest.fixture
def nobody() -> str:
    """A URL on which nobody listens."""
    begun = Server()
    begun.close()
    return begun.url
