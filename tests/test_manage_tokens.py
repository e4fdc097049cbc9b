"""/tokens: made, shown once, tried, revoked. For admins."""

import shlex
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.core.tokens import SCOPES, create_token
from tests.conftest import Api
from tests.pages import Operator, Page


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
