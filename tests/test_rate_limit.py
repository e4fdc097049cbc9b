"""RATE_LIMIT: how often one token may call."""

import pytest
from flask import Flask

from app.core.tokens import create_token
from tests.conftest import Api


@pytest.fixture
def limited(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setitem(app.config, "RATE_LIMIT", "3 per hour")
    return app


def test_it_works(limited: Flask, ana: str, request: pytest.FixtureRequest) -> None:
    url = f"/api/customers/segments?document_id={ana}"
    api = Api(limited.test_client(), create_token(f"busy {request.node.name}"))
    assert [api.get(url).headers["RateLimit-Remaining"] for _ in range(3)] == ["2", "1", "0"]
    refused = api.get(url, status=429, code="RATE_LIMITED")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["RateLimit-Limit"] == "3"
    assert "3 times per hour" in refused.text
    Api(limited.test_client(), create_token(f"calm {request.node.name}")).get(url)


def test_it_is_off_by_default(api: Api, ana: str) -> None:
    assert "RateLimit-Limit" not in api.get(f"/api/customers/segments?document_id={ana}").headers


def test_the_refusal_names_the_limit_in_full(
    app: Flask, monkeypatch: pytest.MonkeyPatch, ana: str, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setitem(app.config, "RATE_LIMIT", "1 per 5 minutes")
    api = Api(app.test_client(), create_token(f"in a hurry {request.node.name}"))
    api.get(f"/api/customers/segments?document_id={ana}")
    refused = api.get(f"/api/customers/segments?document_id={ana}", status=429, code="RATE_LIMITED")
    assert "1 times per 5 minutes" in refused.text
