"""No English on pages shown in Spanish."""

from html.parser import HTMLParser

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.access.audit_log import set_origin
from app.access.invitations import invite_operator
from app.core.changes.replace_segments import Guard
from app.webhooks.models import create_webhook
from app.webhooks.signing import new_secret
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, preview, upload
from tests.support.texts import READ_ALOUD, SAME_IN_EVERY_LANGUAGE, WORD

SPANISH = {"Accept-Language": "es"}


class Texts(HTMLParser):
    """The texts of a page: those between tags, and those of attributes that are shown or read aloud."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._verbatim = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._verbatim += tag in ("code", "script", "style", "pre")
        for name, value in attrs:
            if name in READ_ALOUD:
                self._add(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._verbatim -= tag in ("code", "script", "style", "pre")

    def handle_data(self, data: str) -> None:
        if not self._verbatim:
            self._add(data)

    def _add(self, text: str) -> None:
        words = " ".join(text.split()).removesuffix(" · Customer Segments")
        if WORD.search(words):
            self.found.add(words)


DATA = {
    *(
        "1",
        "2",
        "ana@x.co",
        "Ana",
        "GOLD",
        "membership",
        "membership GOLD",
        "spring.csv",
        "tester",
    ),
    *(
        "Name",
        "document_id",
        "ID (document_id)",
        "“nobody”",
        "ben@x.co",
        "crm",
        "https://x.co/hook",
        "Webhook https://x.co/hook",
    ),
    *("Token crm", "admin@example.com", "admin@example.com ·", "production"),
    *("· admin@example.com · 127.0.0.1", "GOLD (membership)", "Werkzeug/3.1.9"),
}
"""Values that are stored."""

SHARED_WORDS = {
    *("English", "Español", "Português", "Editor", "Error:", "Mac", "No", "Tokens", "URL", "Web", "Webhooks"),
    *("Token", "type:value", "UTF-8", "UTF-16"),
}
"""What both languages have, among it what a value contains."""

PAGES = (
    "/",
    "/customers",
    "/customers?q=nobody",
    "/customers/1",
    "/customer-new",
    "/customer-rename/1",
    "/segments",
    "/segments/membership/GOLD",
    "/segments/membership/GOLD/rename",
    "/similar-segments",
    "/changes",
    "/changes/1",
    "/changes/1/undo",
    "/changes/1/undo/1",
    "/imports",
    "/bulk-edits/new?all_matching=yes",
    "/account",
    "/account/second-factor",
    "/account/confirm-password",
    "/tokens",
    "/tokens/1",
    "/tokens/1/rotate",
    "/tokens/1/revoke",
    "/webhooks",
    "/webhooks/1",
    "/webhooks/1/rotate",
    "/webhooks/1/delete",
    "/operators",
    "/operators/1",
    "/operators/2",
    "/audit-log",
    "/nowhere",
)


@pytest.fixture
def shop(admin: HtmlClient) -> HtmlClient:
    add_customers("1", name="Ana", email="ana@x.co")
    set_segments("1", GOLD)
    create_token("crm", types=["membership"], guard=Guard(percent=20), networks=["10.0.0.0/8"])
    salt, digest, _ = new_secret("x" * 32)
    create_webhook("https://x.co/hook", salt, digest, ["membership"])
    set_origin("system", "system")
    invite_operator("ben@x.co", "viewer")
    return admin


def shared_texts(operator: HtmlClient, url: str, status: int = 200) -> set[str]:
    """Return the texts that a page has in English and in Spanish."""
    english, spanish = (
        Texts(operator.get(url, status=status, headers={"Accept-Language": language}).html).found
        for language in ("en", "es")
    )
    return (english & spanish) - DATA - SHARED_WORDS - SAME_IN_EVERY_LANGUAGE


@pytest.mark.parametrize("url", PAGES)
def test_spanish_page_has_no_english(shop: HtmlClient, url: str) -> None:
    assert shared_texts(shop, url, status=404 if url == "/nowhere" else 200) == set()


def test_spanish_import_has_no_english_at_any_step(shop: HtmlClient) -> None:
    url = upload(shop, "document_id,Name\n2,Luis\n,Eva\n")
    assert shared_texts(shop, url) - {"Luis", "Eva"} == set()
    preview(shop, url, ["document_id", "name"])
    assert shared_texts(shop, url) == set()
    apply(shop, url)
    assert shared_texts(shop, url) == set()
    assert shared_texts(shop, "/imports") == set()


def test_spanish_sign_in_has_no_english(app: Flask) -> None:
    visitor = HtmlClient(app.test_client())
    assert shared_texts(visitor, "/sign-in") == set()
    link = invite_operator("new@example.com", "viewer")
    assert shared_texts(visitor, f"/sign-in?invitation={link}") - {"new@example.com"} == set()


def test_spanish_setup_of_an_authenticator_app_has_no_english(viewer: HtmlClient) -> None:
    viewer.post("/account/second-factor/app")
    assert shared_texts(viewer, "/account/second-factor/app/confirm") == set()


def test_refused_sign_in_is_explained_in_spanish(viewer: HtmlClient) -> None:
    viewer.post("/sign-out")
    response = viewer.sign_in("wrong", status=403, headers=SPANISH)
    assert "Correo o contraseña incorrectos." in response.text
    response = viewer.post("/sign-in", {"email": "", "password": ""}, status=200, headers=SPANISH)
    assert "Escriba su correo electrónico." in response.text


def test_missing_permission_is_explained_in_spanish(viewer: HtmlClient) -> None:
    page = viewer.get("/tokens", status=403, headers=SPANISH)
    assert "Solo los administradores pueden hacerlo. Su rol es Lector. No se cambió nada." in page.text


def test_refused_passkey_is_explained_in_spanish(viewer: HtmlClient) -> None:
    response = viewer.client.post(
        "/account/second-factor/passkeys", json={}, headers={**SPANISH, "X-CSRFToken": viewer.token}
    )
    assert response.json == {"error": "No se pudo verificar la clave de acceso. No se cambió nada."}
