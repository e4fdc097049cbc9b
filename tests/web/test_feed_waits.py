"""`GET /api/v3/changes?wait=`: answered as soon as any process commits a change, and without a thread until then."""

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.jobs.revoked_tokens import revoke_token
from bench.servers.gunicorn import SECRET_KEY, Server, serving, wait_for
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.feed import read
from tests.support.metrics import parse_metrics

WAITING = 50
WAIT_S = 55
NEAR_END_S = 45
"""Later answers would have come without a change, too."""


class FeedResponse(NamedTuple):
    status: int
    content: Any
    headers: http.client.HTTPMessage


class Waiter:
    """A request that is sent, and whose answer is read later."""

    def __init__(self, server: Server, api: Api, **query: Any) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        self._connection.request("GET", f"/api/v3/changes?{urlencode(query)}", headers=api.headers)
        self._sent = time.monotonic()

    def answer(self) -> FeedResponse:
        response = self._connection.getresponse()
        content = json.loads(response.read())
        assert time.monotonic() - self._sent < NEAR_END_S, "answered at the end of the time only"
        self._connection.close()
        return FeedResponse(response.status, content, response.headers)


@pytest.fixture
def running(app: Flask, tmp_path: Path) -> Iterator[Server]:
    """Two workers on the database of the application under test, which is a further process that writes to it."""
    environ = {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": SECRET_KEY, "RATE_LIMIT": "1000 per hour"}
    with serving(environ, tmp_path / "log") as server:
        yield server


def get(server: Server, api: Api, path: str) -> FeedResponse:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", path, headers=api.headers)
        response = connection.getresponse()
        return FeedResponse(response.status, json.loads(response.read()), response.headers)


def test_many_clients_wait_while_others_are_served_and_all_get_the_change(running: Server, api: Api, ana: str) -> None:
    _, end = read(api)
    waiters = [Waiter(running, api, after=end, wait=WAIT_S) for _ in range(WAITING)]
    for _ in range(20):
        assert get(running, api, f"/api/v3/customers/{ana}/segments").content == {"segments": []}
    api.replace([{"document_id": ana, "segments": GOLD}])
    for response in [waiter.answer() for waiter in waiters]:
        assert [(entry["document_id"], entry["after"]) for entry in response.content["changes"]] == [(ana, GOLD)]
        assert "RateLimit-Remaining" in response.headers
    last = get(running, api, f"/api/v3/changes?after={response.content['next']}")
    assert last.content == {"changes": [], "next": response.content["next"]}
    assert int(last.headers["RateLimit-Remaining"]) == 1000 - WAITING - 20 - 1, "a waiting request counts once"


def test_other_changes_do_not_end_a_filtered_wait(running: Server, api: Api, ana: str) -> None:
    add_customers("other")
    _, end = read(api)
    waiter = Waiter(running, api, after=end, wait=WAIT_S, document_id=ana)
    wait_for(lambda: count_waiting(running) == 1)
    set_segments("other", GOLD)
    time.sleep(1.5)  # for several looks at the feed
    set_segments("other", SILVER)
    set_segments(ana, SILVER)
    result = waiter.answer().content
    assert [(entry["document_id"], entry["after"]) for entry in result["changes"]] == [(ana, SILVER)]
    assert read(api, result["next"]) == ([], result["next"])


def test_a_revoked_token_gets_no_changes(running: Server, api: Api, ana: str) -> None:
    _, end = read(api)
    waiter = Waiter(running, Api(api.client, create_token("mirror")), after=end, wait=WAIT_S)
    wait_for(lambda: count_waiting(running) == 1)
    revoke_token("mirror")
    set_segments(ana, GOLD)
    response = waiter.answer()
    assert (response.status, response.content["error"]["code"]) == (401, "UNAUTHENTICATED")


def count_waiting(server: Server) -> float:
    """Return how many requests have looked at the feed and wait."""
    with urllib.request.urlopen(f"{server.address}/metrics", timeout=60) as response:
        return parse_metrics(response.read().decode()).get("feed_requests_waiting", 0)


def test_without_a_change_the_answer_has_no_entries_and_the_same_cursor(running: Server, api: Api, ana: str) -> None:
    _, end = read(api)
    result = Waiter(running, api, after=end, wait=1).answer().content
    assert result == {"changes": [], "next": end}


def test_a_stopping_server_answers_at_once(running: Server, api: Api, ana: str) -> None:
    _, end = read(api)
    waiter = Waiter(running, api, after=end, wait=WAIT_S)
    get(running, api, f"/api/v3/customers/{ana}/segments")
    running.process.terminate()
    assert waiter.answer().content == {"changes": [], "next": end}


def test_existing_entries_are_answered_without_waiting(running: Server, api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    assert Waiter(running, api, wait=WAIT_S).answer().content["changes"]
    assert Waiter(running, api, after="now", wait=WAIT_S).answer().content["changes"] == []


@pytest.mark.parametrize("wait", ["-1", "61", "x", "1.5", ""])
def test_rejects_other_times(api: Api, wait: str) -> None:
    api.get(f"/api/v3/changes?wait={wait}", status=400, code="VALIDATION_ERROR")
