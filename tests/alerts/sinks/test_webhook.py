import json
import re
from pathlib import Path

import pytest

import jtdiag
from jtdiag.alerts.contract import NotSent
from jtdiag.alerts.sinks import webhook
from jtdiag.alerts.sinks.webhook import Webhook, payload
from jtdiag.errors import AlertError

ROOT = Path(__file__).parents[3]


def hook(url, **more):
    return Webhook(url, **({"first_pause": 0.001, "timeout": 5.0} | more))


def refused(url):
    with pytest.raises(AlertError) as caught:
        Webhook(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is posted -------------------------------------------------------------------------------


def test_a_finding_arrives_with_all_its_fields_its_run_and_a_text(server, finding):
    hook(server.url).send(Path("runs/mine"), finding())
    [posted] = server.posted
    text = f"ALERT in runs/mine, trial 0: {finding().sentence}"
    assert posted == {
        "text": text,
        "run": "runs/mine",
        "probe": "alerts",
        "rule": "dominance",
        "level": "alert",
        "sentence": finding().sentence,
        "number": 0.125,
        "limit": 0.55,
        "lam": 1.0,
        "trials": [0],
        "epoch": 3,
        "members": [2, 5],
        "headline": "",
        "jtdiag": jtdiag.__version__,
    }
    [headers] = server.requests
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["User-Agent"] == f"jtdiag/{jtdiag.__version__}"


def test_what_is_no_number_is_null_since_json_knows_no_infinity(finding):
    posted = payload("runs/mine", finding(number=float("inf"), limit=None))
    assert posted["number"] is None
    json.dumps(posted, allow_nan=False)


def test_the_manual_shows_the_payload_as_it_is_posted(finding):
    page = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    [block] = re.findall(r"^```json\n(.*?)^```$", page, flags=re.M | re.S)
    shown = json.loads(block)
    facts = {key: shown[key] for key in ("rule", "sentence", "number", "limit", "lam", "epoch")}
    facts |= {key: tuple(shown[key]) for key in ("trials", "members")}
    expected = json.loads(json.dumps(payload(shown["run"], finding(**facts))))
    assert list(shown.items()) == list(expected.items())


# --- trying again ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_fails_twice_is_asked_a_third_time(server, finding, status):
    server.answers = [status, status]
    hook(server.url).send("runs/mine", finding())
    assert len(server.posted) == 3
    assert server.posted[0] == server.posted[2]


def test_a_server_that_goes_on_failing_is_left_alone_after_some_tries(server, finding):
    server.answers = 9 * [500]
    with pytest.raises(NotSent, match=r"^HTTP 500 .*\(5 attempts\)$") as caught:
        hook(server.url).send("runs/mine", finding())
    assert len(server.posted) == 5
    assert caught.value.kind == "HTTP 500 Internal Server Error"


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
def test_what_is_ours_to_mend_is_not_tried_again(server, finding, status):
    server.answers, server.headers = [status], {"Location": server.url}
    with pytest.raises(NotSent, match=f"^HTTP {status} "):
        hook(server.url).send("runs/mine", finding())
    assert len(server.posted) == 1


def test_nobody_there_is_tried_again_and_told_in_words(nobody, finding, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(NotSent, match=r"^Connection refused \(3 attempts\)$"):
        hook(nobody, tries=3).send("runs/mine", finding())


def test_a_server_that_never_answers_is_given_up(server, finding):
    server.answers = [None, None]
    with pytest.raises(NotSent, match=r"^no response within 0\.1 seconds \(2 attempts\)$"):
        hook(server.url, timeout=0.1, tries=2).send("runs/mine", finding())
    assert len(server.posted) == 2


def test_pauses_double_and_differ_between_runs(server, finding, monkeypatch):
    paused = []
    monkeypatch.setattr(webhook.time, "sleep", paused.append)
    server.answers = 10 * [500]
    for _ in range(2):
        with pytest.raises(NotSent):
            hook(server.url, first_pause=1.0).send("runs/mine", finding())
    first, second = paused[:4], paused[4:]
    for pauses in (first, second):
        assert all(0.5 <= p / 2**i <= 1.5 for i, p in enumerate(pauses))
    assert first != second


@pytest.mark.parametrize(("asked", "paused"), [("7", 7.0), ("9000", 60.0), ("soon", None)])
def test_a_server_may_ask_for_a_longer_pause(server, finding, monkeypatch, asked, paused):
    pauses = []
    monkeypatch.setattr(webhook.time, "sleep", pauses.append)
    server.answers, server.headers = [429], {"Retry-After": asked}
    hook(server.url).send("runs/mine", finding())
    [pause] = pauses
    assert pause == paused if paused else pause < 0.01


# --- the URL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/SECRET",
        "file:///SECRET",
        "SECRET",
        "https:///SECRET",
        "",
        "http://host:SECRET/",
        "http://[SECRET/",
    ],
)
def test_what_is_no_url_is_refused_at_once(url):
    assert re.match("--webhook (is not a valid|must be a) URL", refused(url))
    assert "SECRET" not in refused(url)


def test_a_password_before_the_host_is_refused_without_showing_it():
    said = refused("https://me:SECRET@host/path")
    assert said.startswith("--webhook https://host: the URL contains a user name or password")
    assert "SECRET" not in said


@pytest.mark.parametrize("odd", ["SECRET λ", "SECRETλ", "SECRET\n", "SECRET\x7f"])
def test_characters_that_no_url_has_are_refused(odd):
    assert "SECRET" not in refused(f"https://host/{odd}")


def test_no_failure_shows_more_of_the_url_than_its_host(server, nobody, finding, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.answers = [404, 500, "garbage", None]
    for url in (server.url, server.url, server.url, server.url, nobody):
        at = hook(url, tries=1, timeout=0.1)
        with pytest.raises(NotSent) as caught:
            at.send("runs/mine", finding())
        assert "SECRET" not in f"{caught.value} {caught.value.kind} {at.name}"
    assert hook(server.url).name == f"the webhook at {server.url.partition('/hook')[0]}"
