"""The check of the headers, before the server reads the body."""

from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.access.token_request_log import log_buffer
from app.web.server_environ import BODY_LIMIT, CLIENT, HEADERS_ONLY
from tests.support.clients import Api
from tests.support.customers import GOLD, all_segments
from tests.support.html_client import HtmlClient

PATH = "/api/v3/customers/segments"


def environ_of(path: str, headers: dict[str, str], json: Any = None) -> dict[str, Any]:
    return EnvironBuilder(path=path, method="POST", headers=headers, json=json).get_environ()


def check(app: Flask, environ: dict[str, Any]) -> int:
    """Return the status of the response to the headers."""
    _, status, _ = run_wsgi_app(app.wsgi_app, {**environ, HEADERS_ONLY: environ})
    return int(status.split()[0])


def test_admitted_headers_change_nothing_and_name_the_limit(app: Flask, api: Api, ana: str) -> None:
    environ = environ_of(PATH, api.headers, {"customers": [{"document_id": ana, "segments": GOLD}]})
    check(app, environ)
    assert environ[BODY_LIMIT] == app.config["MAX_BODY_BYTES"]
    assert all_segments() == {ana: []}
    _, status, _ = run_wsgi_app(app.wsgi_app, environ)
    assert status == "200 OK"
    assert all_segments() == {ana: GOLD}


def test_an_admitted_request_is_counted_and_logged_once(
    app: Flask, api: Api, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "RATE_LIMIT", "100 per minute")
    entries: list[Any] = []
    monkeypatch.setattr(log_buffer, "add", entries.append)
    before = api.replace([{"document_id": ana, "segments": []}])
    environ = environ_of(PATH, api.headers, {"customers": [{"document_id": ana, "segments": GOLD}]})
    check(app, environ)
    assert environ[CLIENT].name == "crm-nightly"
    run_wsgi_app(app.wsgi_app, environ)
    after = api.replace([{"document_id": ana, "segments": []}])
    assert int(before.headers["RateLimit-Remaining"]) - int(after.headers["RateLimit-Remaining"]) == 2
    assert [entry.status for entry in entries] == [200, 200, 200]


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [(PATH, "", 401), (PATH, "Bearer wrong", 401), ("/api/v3/segments", None, 405), ("/api/v3/nowhere", None, 404)],
)
def test_refused_headers_are_answered(app: Flask, api: Api, path: str, authorization: str | None, status: int) -> None:
    headers = api.headers if authorization is None else {"Authorization": authorization}
    environ = environ_of(path, headers)
    assert check(app, environ) == status
    assert BODY_LIMIT not in environ


def test_a_body_over_the_limit_is_refused_by_its_length(app: Flask, api: Api) -> None:
    environ = environ_of(PATH, api.headers) | {"CONTENT_LENGTH": str(app.config["MAX_BODY_BYTES"] + 1)}
    assert check(app, environ) == 413
    assert BODY_LIMIT not in environ


def test_an_upload_needs_a_session(app: Flask, editor: HtmlClient) -> None:
    environ = environ_of("/imports", {})
    assert check(app, environ) == 302
    cookie = editor.client.get_cookie("customer-segments")
    assert cookie is not None
    environ = environ_of("/imports", {"Cookie": f"customer-segments={cookie.value}"})
    check(app, environ)
    assert environ[BODY_LIMIT] > app.config["MAX_BODY_BYTES"]
