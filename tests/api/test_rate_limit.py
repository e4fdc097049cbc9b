"""RATE_LIMIT: how often one token may call, whichever worker answers."""

import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.api import rate_limit
from bench.servers.gunicorn import serving
from tests.support.clients import Api


@pytest.fixture
def limited(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(rate_limit, "counters", rate_limit.SharedCounters())
    monkeypatch.setitem(app.config, "RATE_LIMIT", "3 per hour")
    return app


def url(document_id: str) -> str:
    return f"/api/customers/segments?document_id={document_id}"


def test_requests_over_the_limit_are_429(limited: Flask, api: Api, ana: str) -> None:
    assert [api.get(url(ana)).headers["RateLimit-Remaining"] for _ in range(3)] == ["2", "1", "0"]
    refused = api.get(url(ana), status=429, code="RATE_LIMITED")
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit-Limit"] == "3"
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert refused.headers["RateLimit-Reset"] == refused.headers["Retry-After"]
    assert "3 times per hour" in refused.text
    Api(limited.test_client(), create_token("calm")).get(url(ana))


def test_retry_after_is_long_enough(limited: Flask, api: Api, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        api.get(url(ana))
    wait = int(api.get(url(ana), status=429, code="RATE_LIMITED").headers["Retry-After"])
    later = rate_limit.time.monotonic() + wait
    monkeypatch.setattr(rate_limit.time, "monotonic", lambda: later)
    assert api.get(url(ana)).headers["RateLimit-Remaining"] == "2"


def test_rate_limit_is_off_by_default(api: Api, ana: str) -> None:
    assert "RateLimit-Limit" not in api.get(url(ana)).headers


def test_the_refusal_names_the_limit_in_full(
    limited: Flask, api: Api, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limited.config, "RATE_LIMIT", "1 per 5 minutes")
    api.get(url(ana))
    refused = api.get(url(ana), status=429, code="RATE_LIMITED")
    assert "1 times per 5 minutes" in refused.text


def test_the_workers_of_a_server_count_together(app: Flask, api: Api, ana: str, tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": "only-for-tests-0123456789",
        "WEB_CONCURRENCY": "3",
        "RATE_LIMIT": "20 per hour",
    }
    with serving(environ, tmp_path / "log") as server, ThreadPoolExecutor(8) as callers:

        def call(_: int) -> tuple[int, str]:
            request = urllib.request.Request(server.address + url(ana), headers=api.headers)
            try:
                with urllib.request.urlopen(request, timeout=20) as response:
                    return response.status, response.headers["RateLimit-Remaining"]
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, refused.headers["RateLimit-Remaining"]

        answers = list(callers.map(call, range(30)))
    assert sorted(answers) == sorted([(200, str(left)) for left in range(20)] + [(429, "0")] * 10)
