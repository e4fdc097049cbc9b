"""/tokens: made, shown once, tried, limited, watched, rotated, revoked. For admins."""

import shlex
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.access import api_tokens
from app.access.api_tokens import SCOPES, ApiToken, create_token
from app.access.token_request_log import LogBuffer, TokenRequest, list_requests, log_buffer
from app.core.database import db
from tests.core.test_busy_database import another_writer
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER
from tests.support.html_client import Operator, Page

WRITE = "/api/v3/customers/segments"


@pytest.fixture(autouse=True)
def _nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of other tests are not to be written here."""
    monkeypatch.setattr(log_buffer, "_noted", LogBuffer._empty())


def made(admin: Operator, *scopes: str) -> Page:
    fields = [("name", "crm"), ("expires", "30"), *(("scopes", scope) for scope in scopes)]
    return Page(admin.post("/tokens", fields, status=200).text)


def secret_in(page: Page) -> str:
    return next(word for word in page.text.split() if word.startswith("cs_"))


@pytest.mark.parametrize("scopes", [(scope,) for scope in SCOPES] + [SCOPES])
def test_its_curl_works_as_it_is(app: Flask, admin: Operator, ana: str, scopes: tuple[str, ...]) -> None:
    page = made(admin, *scopes)
    shown = page.html[page.html.index("<pre") :].partition("<code>")[2].partition("</code>")[0]
    curl = shlex.split(unescape(shown))
    url = next(part for part in curl if part.startswith("http"))
    headers = dict(curl[n + 1].split(": ", 1) for n, part in enumerate(curl) if part == "-H")
    body = curl[curl.index("-d") + 1] if "-d" in curl else None
    method = curl[curl.index("-X") + 1] if "-X" in curl else "GET"
    parts = urlsplit(url)
    answer = app.test_client().open(f"{parts.path}?{parts.query}", method=method, headers=headers, data=body)
    assert answer.status_code == 200, answer.text


def test_it_is_shown_once_and_listed(admin: Operator, app: Flask) -> None:
    secret = secret_in(made(admin, "segments:read"))
    page = admin.get("/tokens")
    assert secret not in page.html
    for text in ("crm", "active", "Never used", "segments:read"):
        assert text in page.text
    Api(app.test_client(), secret).get("/api/v3/segments")
    assert "Last used just now" in admin.get("/tokens").text


def test_revoking_asks_first(admin: Operator, app: Flask) -> None:
    secret = secret_in(made(admin, "segments:read"))
    ask = admin.get("/tokens").links["Revoke crm"]
    assert "Revoke the token crm?" in admin.get(ask).text
    Api(app.test_client(), secret).get("/api/v3/segments")
    assert "opens nothing any more" in admin.submit(ask).text
    Api(app.test_client(), secret).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    assert "revoked" in admin.get("/tokens").text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "scopes": "segments:read"}, "Give it a name"),
        ({"name": "x"}, "Choose at least one"),
        ({"name": "taken", "scopes": "segments:read"}, "exists already"),
        ({"name": "x", "scopes": "everything"}, "everything"),
    ],
)
def test_it_refuses(admin: Operator, fields: dict[str, str], said: str) -> None:
    create_token("taken")
    page = Page(admin.post("/tokens", {"expires": "30", **fields}, status=200).text)
    assert said in page.text
    assert "cs_" not in page.text


def test_empty_says_what_to_do_next(admin: Operator) -> None:
    assert "No tokens yet" in admin.get("/tokens").text
    admin.get("/tokens/99/revoke", status=404)


def url_of(name: str) -> str:
    db.session.rollback()
    return f"/tokens/{db.session.scalars(select(ApiToken.id).where(ApiToken.name == name)).one()}"


LIMITS = {"guard_customers": "", "guard_percent": "", "networks": "", "expires": "as-it-is"}


def test_a_token_is_made_with_limits(app: Flask, admin: Operator, ana: str) -> None:
    fields = {"name": "crm", "scopes": "segments:write", "expires": "30", "guard_customers": "0"}
    page = Page(admin.post("/tokens", {**fields, "networks": "10.0.0.0/8\n::1"}, status=200).text)
    api = Api(app.test_client(), secret_in(page))
    api.replace([{"document_id": ana, "segments": GOLD}], status=403, code="FORBIDDEN")
    listed = admin.get("/tokens").text
    assert "guarded" in listed
    assert "2 networks" in listed


def test_its_limits_hold_from_the_next_request_on(app: Flask, admin: Operator, ana: str) -> None:
    api = Api(app.test_client(), secret_in(made(admin, "segments:write")))
    url = url_of("crm")
    api.updated([{"document_id": ana, "segments": GOLD}])
    assert "Saved" in admin.submit(url, {**LIMITS, "guard_percent": "20"}).text
    empties = {"customers": [{"document_id": ana, "segments": []}]}
    assert app.test_client().post(WRITE, json=empties, headers=api.headers).status_code == 409
    admin.submit(url, {**LIMITS, "networks": "198.51.100.0/24, 127.0.0.2"})
    api.replace([], status=403, code="FORBIDDEN")
    page = admin.get(url)
    assert "198.51.100.0/24\n127.0.0.2/32" in page.html
    assert page.field("guard_percent") == ""
    admin.submit(url, {**LIMITS, "networks": "127.0.0.0/8"})
    assert api.updated([{"document_id": ana, "segments": []}]) == [ana]


def test_its_expiry_can_be_moved(app: Flask, admin: Operator) -> None:
    made(admin, "segments:read")
    url = url_of("crm")
    before = db.session.scalars(select(ApiToken.expires_at)).one()
    admin.submit(url, LIMITS)
    assert db.session.scalars(select(ApiToken.expires_at)).one() == before
    admin.submit(url, {**LIMITS, "expires": "365"})
    db.session.rollback()
    moved = db.session.scalars(select(ApiToken.expires_at)).one()
    assert moved is not None
    assert before is not None
    assert timedelta(days=334) < moved - before < timedelta(days=336)
    admin.submit(url, {**LIMITS, "expires": ""})
    assert "never" in admin.get(url).text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"guard_customers": "-1"}, "0 or more"),
        ({"guard_percent": "101"}, "0 to 100"),
        ({"guard_percent": "all"}, "Not a valid integer"),
        ({"networks": "localhost"}, "localhost is not a network"),
        ({"networks": "10.0.0.0/33"}, "is not a network"),
        ({"networks": "10.0.0.7/8"}, "Write 10.0.0.0/8"),
        ({"expires": "7"}, "Not a valid choice"),
    ],
)
def test_limits_that_are_none(admin: Operator, fields: dict[str, str], said: str) -> None:
    made(admin, "segments:read")
    url = url_of("crm")
    before = db.session.execute(select(ApiToken.__table__)).one()
    assert said in Page(admin.post(url, {**LIMITS, **fields}, status=200).text).text
    db.session.rollback()
    assert db.session.execute(select(ApiToken.__table__)).one() == before


def test_rotating_leaves_time_to_change_over(app: Flask, admin: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    first = secret_in(made(admin, "segments:read"))
    url = url_of("crm")
    assert "Rotate the secret of crm?" in admin.get(admin.get(url).links["Rotate the secret"]).text
    second = secret_in(rotated := Page(admin.post(f"{url}/rotate", {"overlap": "24"}, status=200).text))
    assert "The secret before it works until" in rotated.text
    assert second not in admin.get(url).html
    for secret in (first, second):
        Api(app.test_client(), secret).get("/api/v3/segments")
    assert "works until" in admin.get(url).text
    assert "Rotating again ends it at once" in admin.get(f"{url}/rotate").text
    real = api_tokens.now
    monkeypatch.setattr(api_tokens, "now", lambda: real() + timedelta(hours=24, seconds=1))
    Api(app.test_client(), first).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    Api(app.test_client(), second).get("/api/v3/segments")


def test_rotating_can_end_the_present_secret_at_once(app: Flask, admin: Operator) -> None:
    first = secret_in(made(admin, "segments:read"))
    page = Page(admin.post(f"{url_of('crm')}/rotate", {"overlap": "0"}, status=200).text)
    assert "opens nothing any more" in page.text
    Api(app.test_client(), first).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    Api(app.test_client(), secret_in(page)).get("/api/v3/segments")


def test_a_revoked_token_stays_as_it_is(app: Flask, admin: Operator) -> None:
    made(admin, "segments:read")
    url = url_of("crm")
    admin.submit(f"{url}/revoke")
    assert "Save the limits" not in admin.get(url).text
    admin.post(url, LIMITS, status=409)
    admin.post(f"{url}/rotate", {"overlap": "0"}, status=409)


def test_only_admins_manage_tokens(admin: Operator, editor: Operator) -> None:
    made(admin, "segments:read")
    url = url_of("crm")
    for path in ("/tokens", url, f"{url}/rotate", f"{url}/revoke"):
        editor.get(path, status=403)
    admin.get("/tokens/99", status=404)
    admin.get("/tokens/99/rotate", status=404)


def test_its_last_requests(app: Flask, admin: Operator, ana: str) -> None:
    api = Api(app.test_client(), secret_in(made(admin, "segments:write", "segments:read")))
    url = url_of("crm")
    assert "No requests yet" in admin.get(url).text
    api.replace([{"document_id": ana, "segments": GOLD}, {"document_id": "nobody", "segments": SILVER}])
    api.replace([{"document_id": ana, "segments": []}], "?dry_run=true")
    wrong = [{"document_id": ana, "segments": [{"value": "SECRET-VALUE"}]}]
    api.replace(wrong, status=400, code="VALIDATION_ERROR")
    api.get(f"/api/v3/customers/{ana}/segments")
    api.get("/api/v3/customers", status=403, code="FORBIDDEN")
    log_buffer.write()
    page = admin.get(url)
    for text in (
        "POST /api/v3/customers/segments",
        "1 changed, 1 not found of 2 sent",
        "1 changed of 1 sent dry run",
        "400 VALIDATION_ERROR customers[0].segments[0].type",
        "GET /api/v3/customers/<document_id>/segments",
        "403 FORBIDDEN",
    ):
        assert text in page.text
    for personal in (ana, "nobody", "SECRET-VALUE", "GOLD"):
        assert personal not in page.html


def test_fifty_requests_are_kept_of_each_token(app: Flask, api: Api, admin: Operator) -> None:
    other = Api(app.test_client(), secret_in(made(admin, "segments:read")))
    other.get("/api/v3/segments")
    for n in range(70):
        api.get("/api/v3/segments")
        if n == 30:
            log_buffer.write()
    log_buffer.write()
    assert [len(list_requests(id_)) for id_ in (1, 2)] == [50, 1]
    assert db.session.scalar(select(func.count()).select_from(TokenRequest)) == 51


def test_noting_a_request_waits_for_nobody_and_is_tried_again(app: Flask, api: Api, ana: str) -> None:
    """SQLite has one writer: while it is busy, requests are answered, and noted later. On PostgreSQL, at once."""
    with another_writer():
        api.get("/api/v3/segments")
        log_buffer.write()
        assert len(list_requests(1)) == (1 if db.engine.dialect.name == "postgresql" else 0)
    log_buffer.write()
    assert len(list_requests(1)) == 1


def test_a_request_with_the_old_secret_is_marked(app: Flask, admin: Operator) -> None:
    first = secret_in(made(admin, "segments:read"))
    url = url_of("crm")
    admin.post(f"{url}/rotate", {"overlap": "1"}, status=200)
    Api(app.test_client(), first).get("/api/v3/segments")
    log_buffer.write()
    assert "old secret" in admin.get(url).text
