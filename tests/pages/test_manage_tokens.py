"""/tokens: create, show once, limit, inspect, rotate, revoke. For admins."""

import shlex
from datetime import timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.access import token_rules
from app.access.api_tokens import SCOPES, ApiToken, create_token
from app.access.token_request_log import LogBuffer, TokenRequest, list_requests, log_buffer
from app.core.database import db
from tests.support.another_writer import another_writer
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER
from tests.support.html_client import HtmlClient, HtmlPage

WRITE = "/api/v3/customers/segments"


@pytest.fixture(autouse=True)
def _empty_log_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the requests of other tests."""
    monkeypatch.setattr(log_buffer, "_pending", LogBuffer._empty())


def create(admin: HtmlClient, *scopes: str) -> HtmlPage:
    fields = [("name", "crm"), ("expires", "30"), *(("scopes", scope) for scope in scopes)]
    return HtmlPage(admin.post("/tokens", fields, status=200).text)


def secret_in(page: HtmlPage) -> str:
    return next(word for word in page.text.split() if word.startswith("cs_"))


def shown_curl(page: HtmlPage) -> list[str]:
    shown = page.html[page.html.index("<pre") :].partition("<code>")[2].partition("</code>")[0]
    return shlex.split(unescape(shown))


def run_curl(app: Flask, curl: list[str]) -> TestResponse:
    url = next(part for part in curl if part.startswith("http"))
    headers = dict(curl[n + 1].split(": ", 1) for n, part in enumerate(curl) if part == "-H")
    body = curl[curl.index("-d") + 1] if "-d" in curl else None
    method = curl[curl.index("-X") + 1] if "-X" in curl else "GET"
    parts = urlsplit(url)
    return app.test_client().open(f"{parts.path}?{parts.query}", method=method, headers=headers, data=body)


@pytest.mark.parametrize("scopes", [(scope,) for scope in SCOPES] + [SCOPES])
def test_curl_of_a_new_token_works(app: Flask, admin: HtmlClient, ana: str, scopes: tuple[str, ...]) -> None:
    page = create(admin, *scopes)
    response = run_curl(app, shown_curl(page))
    erases = scopes == ("customers:erase",)  # its example names no customer, so that pasting it erases none
    assert response.status_code == (404 if erases else 200), response.text


def test_secret_is_shown_once_and_token_listed(admin: HtmlClient, app: Flask) -> None:
    secret = secret_in(create(admin, "segments:read"))
    page = admin.get("/tokens")
    assert secret not in page.html
    for text in ("crm", "Active", "Never used", "segments:read"):
        assert text in page.text
    Api(app.test_client(), secret).get("/api/v3/segments")
    assert "Last used just now" in admin.get("/tokens").text


def test_revoking_asks_for_confirmation(admin: HtmlClient, app: Flask) -> None:
    secret = secret_in(create(admin, "segments:read"))
    confirmation = admin.get("/tokens").links["Revoke crm"]
    assert "Revoke crm?" in admin.get(confirmation).text
    Api(app.test_client(), secret).get("/api/v3/segments")
    assert "Token crm revoked." in admin.submit(confirmation).text
    Api(app.test_client(), secret).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    assert "Revoked" in admin.get("/tokens").text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "scopes": "segments:read"}, "Enter a name"),
        ({"name": "x"}, "Select at least one permission"),
        ({"name": "taken", "scopes": "segments:read"}, "exists already"),
        ({"name": "x", "scopes": "everything"}, "everything"),
    ],
)
def test_invalid_form_creates_no_token(admin: HtmlClient, fields: dict[str, str], message: str) -> None:
    create_token("taken")
    page = HtmlPage(admin.post("/tokens", {"expires": "30", **fields}, status=200).text)
    assert message in page.text
    assert "cs_" not in page.text


def test_empty_list_explains_how_to_begin(admin: HtmlClient) -> None:
    assert "No tokens yet" in admin.get("/tokens").text
    admin.get("/tokens/99/revoke", status=404)


def url_of(name: str) -> str:
    db.session.rollback()
    return f"/tokens/{db.session.scalars(select(ApiToken.id).where(ApiToken.name == name)).one()}"


LIMITS = {"guard_customers": "", "guard_percent": "", "networks": "", "expires": "unchanged"}


def test_token_is_created_with_limits(app: Flask, admin: HtmlClient, ana: str) -> None:
    fields = {"name": "crm", "scopes": "segments:write", "expires": "30", "guard_customers": "0"}
    page = HtmlPage(admin.post("/tokens", {**fields, "networks": "10.0.0.0/8\n::1"}, status=200).text)
    api = Api(app.test_client(), secret_in(page))
    api.replace([{"document_id": ana, "segments": GOLD}], status=403, code="FORBIDDEN")
    listed = admin.get("/tokens").text
    assert "Safety limit: 0 customers" in listed
    assert "2 networks" in listed


def test_limits_apply_from_the_next_request(app: Flask, admin: HtmlClient, ana: str) -> None:
    api = Api(app.test_client(), secret_in(create(admin, "segments:write")))
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


def test_token_is_limited_to_types(app: Flask, admin: HtmlClient, ana: str) -> None:
    fields = {"name": "crm", "scopes": "segments:write", "expires": "30", "types": " membership \r\n\r\na, 'b'"}
    page = HtmlPage(admin.post("/tokens", fields, status=200).text)
    api = Api(app.test_client(), secret_in(page))
    wine = [{"document_id": ana, "segments": [{"type": "interest", "value": "WINE"}]}]
    api.replace(wine, status=403, code="FORBIDDEN")
    assert "Only membership, a, 'b'" in admin.get("/tokens").text
    url = url_of("crm")
    assert "membership\na, &#39;b&#39;</textarea>" in admin.get(url).html
    admin.submit(url, LIMITS)  # a form without the field changes nothing
    api.replace(wine, status=403, code="FORBIDDEN")
    admin.submit(url, {**LIMITS, "types": "interest"})
    assert api.updated(wine) == [ana]
    admin.submit(url, {**LIMITS, "types": ""})
    assert api.updated([{"document_id": ana, "segments": GOLD}]) == [ana]


def test_curl_of_a_limited_token_works(app: Flask, admin: HtmlClient, ana: str) -> None:
    fields = {"name": "crm", "scopes": "segments:write", "expires": "30", "types": "it's <b>"}
    curl = shown_curl(HtmlPage(admin.post("/tokens", fields, status=200).text))
    response = run_curl(app, curl)
    assert response.json == {"updatedCustomers": [ana], "report": response.json and response.json["report"]}


def test_expiry_can_be_changed(app: Flask, admin: HtmlClient) -> None:
    create(admin, "segments:read")
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
    assert "Never" in admin.get(url).text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"guard_customers": "-1"}, "0 or more"),
        ({"guard_percent": "101"}, "0 to 100"),
        ({"guard_percent": "all"}, "Not a valid integer"),
        ({"networks": "localhost"}, "localhost is not a network"),
        ({"networks": "10.0.0.0/33"}, "is not a network"),
        ({"networks": "10.0.0.7/8"}, "Write 10.0.0.0/8"),
        ({"types": "\n".join(f"t{n}" for n in range(51))}, "at most 50"),
        ({"expires": "7"}, "Not a valid choice"),
    ],
)
def test_invalid_limits_are_rejected(admin: HtmlClient, fields: dict[str, str], message: str) -> None:
    create(admin, "segments:read")
    url = url_of("crm")
    before = db.session.execute(select(ApiToken.__table__)).one()
    assert message in HtmlPage(admin.post(url, {**LIMITS, **fields}, status=200).text).text
    db.session.rollback()
    assert db.session.execute(select(ApiToken.__table__)).one() == before


def test_old_secret_works_until_the_overlap_ends(
    app: Flask, admin: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = secret_in(create(admin, "segments:read"))
    url = url_of("crm")
    assert "Rotate the secret of crm?" in admin.get(admin.get(url).links["Rotate secret"]).text
    second = secret_in(rotated := HtmlPage(admin.post(f"{url}/rotate", {"overlap": "24"}, status=200).text))
    assert "The old secret works until" in rotated.text
    assert second not in admin.get(url).html
    for secret in (first, second):
        Api(app.test_client(), secret).get("/api/v3/segments")
    assert "works until" in admin.get(url).text
    assert "Rotating again revokes it immediately" in admin.get(f"{url}/rotate").text
    real = token_rules.now
    monkeypatch.setattr(token_rules, "now", lambda: real() + timedelta(hours=24, seconds=1))
    Api(app.test_client(), first).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    Api(app.test_client(), second).get("/api/v3/segments")


def test_rotating_without_overlap_ends_the_old_secret_at_once(app: Flask, admin: HtmlClient) -> None:
    first = secret_in(create(admin, "segments:read"))
    page = HtmlPage(admin.post(f"{url_of('crm')}/rotate", {"overlap": "0"}, status=200).text)
    assert "The old secret no longer works." in page.text
    Api(app.test_client(), first).get("/api/v3/segments", status=401, code="UNAUTHENTICATED")
    Api(app.test_client(), secret_in(page)).get("/api/v3/segments")


def test_revoked_token_cannot_be_changed(app: Flask, admin: HtmlClient) -> None:
    create(admin, "segments:read")
    url = url_of("crm")
    admin.submit(f"{url}/revoke")
    assert "Save limits" not in admin.get(url).text
    admin.post(url, LIMITS, status=409)
    admin.post(f"{url}/rotate", {"overlap": "0"}, status=409)


def test_only_admins_manage_tokens(admin: HtmlClient, editor: HtmlClient) -> None:
    create(admin, "segments:read")
    url = url_of("crm")
    for path in ("/tokens", url, f"{url}/rotate", f"{url}/revoke"):
        editor.get(path, status=403)
    admin.get("/tokens/99", status=404)
    admin.get("/tokens/99/rotate", status=404)


def test_page_lists_recent_requests_without_personal_data(app: Flask, admin: HtmlClient, ana: str) -> None:
    api = Api(app.test_client(), secret_in(create(admin, "segments:write", "segments:read")))
    url = url_of("crm")
    assert "No requests yet" in admin.get(url).text
    api.replace([{"document_id": ana, "segments": GOLD}, {"document_id": "unknown", "segments": SILVER}])
    api.replace([{"document_id": ana, "segments": []}], "?dry_run=true")
    wrong = [{"document_id": ana, "segments": [{"value": "SECRET-VALUE"}]}]
    api.replace(wrong, status=400, code="VALIDATION_ERROR")
    api.get(f"/api/v3/customers/{ana}/segments")
    api.get("/api/v3/customers", status=403, code="FORBIDDEN")
    log_buffer.write()
    page = admin.get(url)
    for text in (
        "POST /api/v3/customers/segments",
        "1 of 2 changed, 1 not found",
        "1 of 1 changed dry run",
        "400 VALIDATION_ERROR customers[0].segments[0].type",
        "GET /api/v3/customers/<document_id>/segments",
        "403 FORBIDDEN",
    ):
        assert text in page.text
    for personal in (ana, "unknown", "SECRET-VALUE", "GOLD"):
        assert personal not in page.html


def test_last_50_requests_of_each_token_are_kept(app: Flask, api: Api, admin: HtmlClient) -> None:
    second_client = Api(app.test_client(), secret_in(create(admin, "segments:read")))
    second_client.get("/api/v3/segments")
    for n in range(70):
        api.get("/api/v3/segments")
        if n == 30:
            log_buffer.write()
    log_buffer.write()
    assert [len(list_requests(id_)) for id_ in (1, 2)] == [50, 1]
    assert db.session.scalar(select(func.count()).select_from(TokenRequest)) == 51


def test_log_write_never_waits_and_is_retried(app: Flask, api: Api, ana: str) -> None:
    """SQLite has one writer: while it is busy, requests are answered and logged later; on PostgreSQL at once."""
    with another_writer():
        api.get("/api/v3/segments")
        log_buffer.write()
        assert len(list_requests(1)) == (1 if db.engine.dialect.name == "postgresql" else 0)
    log_buffer.write()
    assert len(list_requests(1)) == 1


def test_request_with_the_old_secret_is_marked(app: Flask, admin: HtmlClient) -> None:
    first = secret_in(create(admin, "segments:read"))
    url = url_of("crm")
    admin.post(f"{url}/rotate", {"overlap": "1"}, status=200)
    Api(app.test_client(), first).get("/api/v3/segments")
    log_buffer.write()
    assert "old secret" in admin.get(url).text
