"""Alerts as JSON, posted to a URL."""

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
from jtdiag.alerts.contract import NotSent, SinkType, as_text
from jtdiag.errors import AlertError
from jtdiag.printable import with_addresses
from jtdiag.probing.findings import Finding

TIMEOUT = 10.0
"""Seconds to wait for an answer."""
TRIES = 5
"""Attempts in total."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt; doubled before each further one, with a jitter of 50 %."""
LONGEST_PAUSE = 60.0
"""Maximum number of seconds to wait if a server sends Retry-After."""


def payload(run: Path | str, finding: Finding) -> dict[str, Any]:
    """Return the JSON object: the finding, its run, the version, and `text` for chat programs."""
    fields = {"text": as_text(run, finding), "run": with_addresses(str(run)), **asdict(finding)}
    fields["jtdiag"] = jtdiag.__version__
    # JSON has no infinity.
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in fields.items()
    }


class Webhook:
    """Posts alerts to a URL. It may contain a secret, so only its host is ever printed."""

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
        self._jitter = random.Random()  # runs that fail together should not retry together
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, run: Path | str, finding: Finding) -> None:
        """Post a finding; retry if the connection or the server fails."""
        body = json.dumps(payload(run, finding), ensure_ascii=False).encode()
        for attempt in range(1, self._tries + 1):
            pause = self._first_pause * 2 ** (attempt - 1) * self._jitter.uniform(0.5, 1.5)
            try:
                return self._post(body)
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"HTTP {error.code} {error.reason}"
                if error.code != 429 and error.code < 500:  # a retry would not help
                    raise NotSent(reason) from None
                pause = max(pause, _retry_after(error))
            except (OSError, http.client.HTTPException) as error:
                reason = self._reason(error)
            if attempt < self._tries:
                time.sleep(pause)
        attempts = f"{self._tries} attempts" if self._tries > 1 else "1 attempt"
        raise NotSent(f"{reason} ({attempts})", reason)

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
            return f"no response within {self._timeout:g} seconds"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        return type(cause).__name__  # its message may contain the URL

    def close(self) -> None:
        """Do nothing; each alert uses its own connection."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or send the alert to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


def _checked(url: str) -> str:
    """Return the part of a URL that may be printed.

    Raises:
        AlertError: if the URL cannot be used; the message does not contain it.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise AlertError("--webhook is not a valid URL: cannot parse its host or port.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AlertError("--webhook must be a URL of the form https://host/path (or http://).")
    origin = f"{parts.scheme}://{parts.hostname}{port}"
    if "@" in parts.netloc:
        raise AlertError(
            f"--webhook {origin}: the URL contains a user name or password, which is not "
            "supported; use a URL with a secret in its path or query."
        )
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise AlertError(
            f"--webhook {origin}: the URL contains invalid characters; write them as %XX."
        )
    return origin


def _retry_after(error: urllib.error.HTTPError) -> float:
    """Return the seconds in Retry-After; 0 if it is missing or a date."""
    seconds = error.headers.get("Retry-After", "")
    return min(float(seconds), LONGEST_PAUSE) if seconds.isdecimal() else 0.0


SINK = SinkType(name="webhook", make=Webhook, argument="URL", option="--webhook")
