"""Alerts as JSON, posted to a URL of the user's."""

import http.client
import json
import math
import random
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jtdiag
from jtdiag.alerts.contract import NotSent, as_text
from jtdiag.errors import AlertError
from jtdiag.probing.findings import Finding

TIMEOUT = 10.0
"""Seconds to wait for an answer."""
TRIES = 5
FIRST_PAUSE = 1.0
"""Seconds before the second try; doubled before each that follows, and moved by up to a half."""
LONGEST_PAUSE = 60.0
"""Seconds that a server may ask us to wait with Retry-After."""


def payload(run: Path | str, finding: Finding) -> dict[str, Any]:
    """Return what is posted: the finding, its run, the version, and `text` for chat programs."""
    fields = {"text": as_text(run, finding), "run": str(run), **asdict(finding)}
    fields["jtdiag"] = jtdiag.__version__
    # JSON has no infinity.
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()
    }


class Webhook:
    """Posts alerts to a URL, which may hold a secret and is never shown."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = TIMEOUT,
        tries: int = TRIES,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self.name = f"the webhook at {_checked(url)}"
        self._url, self._timeout = url, timeout
        self._tries, self._first_pause = tries, first_pause
        self._jitter = random.Random()  # many runs that fail together shall not return together
        self._opener = urllib.request.build_opener(_StayHere)

    def send(self, run: Path | str, finding: Finding) -> None:
        """Post a finding; try again when the connection or the server fails."""
        body = json.dumps(payload(run, finding), ensure_ascii=False).encode()
        for attempt in range(1, self._tries + 1):
            pause = self._first_pause * 2 ** (attempt - 1) * self._jitter.uniform(0.5, 1.5)
            try:
                return self._post(body)
            except urllib.error.HTTPError as error:
                error.close()
                failed = f"it answers {error.code} {error.reason}"
                if error.code != 429 and error.code < 500:  # ours to mend: no use in repeating it
                    raise NotSent(failed) from None
                pause = max(pause, _asked_to_wait(error))
            except (OSError, http.client.HTTPException) as error:
                failed = self._reason(error)
            if attempt < self._tries:
                time.sleep(pause)
        times = f"{self._tries} times" if self._tries > 1 else "once"
        raise NotSent(f"{failed} (tried {times})", failed)

    def _post(self, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"jtdiag/{jtdiag.__version__}",
        }
        request = urllib.request.Request(self._url, body, headers, method="POST")
        self._opener.open(request, timeout=self._timeout).close()

    def _reason(self, error: Exception) -> str:
        cause = getattr(error, "reason", error)
        if isinstance(cause, TimeoutError):
            return f"no answer in {self._timeout:g} seconds"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        return type(cause).__name__  # its words may hold the URL

    def close(self) -> None:
        """Do nothing: every alert has a connection of its own."""


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirection would turn the POST into a GET, or take the alert to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _checked(url: str) -> str:
    """Return the part of a URL that may be shown.

    Raises:
        AlertError: if nothing can be posted to it; the message does not hold it.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise AlertError("--webhook has no URL: host or port cannot be read.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AlertError("--webhook has no URL of the form https://host/path (or http://).")
    shown = f"{parts.scheme}://{parts.hostname}{port}"
    if "@" in parts.netloc:
        raise AlertError(
            f"--webhook {shown}: has a name or password before the host, which are not sent; "
            "use a URL with a secret in its path or query."
        )
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise AlertError(
            f"--webhook {shown}: holds characters that a URL cannot; write them as %XX."
        )
    return shown


def _asked_to_wait(error: urllib.error.HTTPError) -> float:
    """Return the seconds of Retry-After; 0 where there are none, or it gives a date."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0
