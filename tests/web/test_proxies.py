"""Headers of proxies, host names, CORS, and the headers that restrict browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app import create_app
from app.core.database import db
from bench.servers.gunicorn import SECRET_KEY
from tests.support.clients import Api
from tests.support.html_client import HtmlClient


@contextmanager
def configured(folder: Path, **settings: str) -> Iterator[FlaskClient]:
    """Return a client of an application whose URL /echo answers what it knows of the request."""
    app = create_app({"DATABASE_URL": f"sqlite:///{folder / 'test.db'}", "SECRET_KEY": SECRET_KEY, **settings})

    @app.get("/echo")
    def echo() -> list[object]:
        return [request.remote_addr, request.url]

    yield app.test_client()
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:52044", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:52044", "2001:db8::1"),
        ("198.51.100.7, 203.0.113.9:1", "203.0.113.9"),
    ],
)
def test_the_address_of_a_trusted_proxy_may_have_a_port(tmp_path: Path, forwarded: str, address: str) -> None:
    with configured(tmp_path, TRUSTED_PROXIES="1") as client:
        assert client.get("/echo", headers={"X-Forwarded-For": forwarded}).json[0] == address


def test_a_trusted_proxy_sets_scheme_host_and_prefix(tmp_path: Path) -> None:
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example.com", "X-Forwarded-Prefix": "/segments/"}
    with configured(tmp_path, TRUSTED_PROXIES="1") as client:
        assert client.get("/echo", headers=headers).json[1] == "https://shop.example.com/segments/echo"
        response = client.get("/customers?q=ana", headers=headers)
        assert response.headers["Location"] == "/segments/sign-in?next=/segments/customers?q%3Dana"
        assert response.headers["Strict-Transport-Security"]
    with configured(tmp_path) as client:
        assert client.get("/echo", headers=headers).json == ["127.0.0.1", "http://localhost/echo"]


@pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "javascript"}, {"X-Forwarded-Prefix": "//evil.example"}])
def test_an_invalid_value_of_a_proxy_is_ignored(tmp_path: Path, headers: dict[str, str]) -> None:
    with configured(tmp_path, TRUSTED_PROXIES="1") as client:
        assert client.get("/echo", headers=headers).json[1] == "http://localhost/echo"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("segments.example.com", 200),
        ("segments.example.com:8000", 200),
        ("a.internal.example", 200),
        ("evil.example", 400),
        ("segments.example.com.evil.example", 400),
        ("", 400),
    ],
)
def test_other_host_names_are_refused(tmp_path: Path, host: str, status: int) -> None:
    with configured(tmp_path, TRUSTED_HOSTS="segments.example.com, .internal.example") as client:
        response = client.get("/echo", headers={"Host": host})
        assert response.status_code == status
        assert client.get("/readyz", headers={"Host": "10.0.0.7"}).status_code == 503, "not migrated"


def test_pages_of_an_origin_may_call_the_api(tmp_path: Path) -> None:
    origin = {"Origin": "https://shop.example.com"}
    preflight = origin | {"Access-Control-Request-Method": "POST"}
    with configured(tmp_path, CORS_ORIGINS="https://shop.example.com") as client:
        response = client.options("/api/v3/customers/segments", headers=preflight)
        assert response.status_code == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
        response = client.get("/api/v3/openapi.json", headers=origin)
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
        assert "Origin" in response.headers["Vary"]
        for headers, path in (({"Origin": "https://evil.example"}, "/api/v3/openapi.json"), (origin, "/sign-in")):
            assert "Access-Control-Allow-Origin" not in client.get(path, headers=headers).headers
    with configured(tmp_path) as client:
        assert "Access-Control-Allow-Origin" not in client.get("/api/v3/openapi.json", headers=origin).headers


def test_every_response_restricts_browsers(app: Flask) -> None:
    for path in ("/sign-in", "/nowhere", "/api/v3/openapi.json", "/api/v3/customers", "/readyz"):
        headers = app.test_client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "geolocation=()" in headers["Permissions-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_responses_with_customer_data_are_not_cached(api: Api, admin: HtmlClient, ana: str) -> None:
    responses = [
        api.replace([{"document_id": ana, "segments": []}]),
        api.replace([], status=400, code="VALIDATION_ERROR"),
        admin.client.get("/customers"),
        admin.client.get("/customers.csv"),
        admin.client.get("/customers.jsonl"),
    ]
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}
    assert api.get("/api/v3/customers").headers["Cache-Control"] == "private, no-cache"


def test_the_session_cookie_belongs_to_the_host_over_https(app: Flask) -> None:
    for base, name in (("https://localhost", "__Host-customer-segments"), ("http://localhost", "customer-segments")):
        cookie = app.test_client().get("/sign-in", base_url=base).headers["Set-Cookie"]
        assert cookie.startswith(f"{name}=")
        assert "Path=/" in cookie
        assert "HttpOnly" in cookie
        assert ("Secure" in cookie) == base.startswith("https")
