"""Signing in and out, sessions, and the role that each page requires."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import create_app
from app.access import authentication, sessions
from app.access.operators import ROLES, create_operator, find_operator, set_role
from app.access.sessions import OperatorSession
from app.core.database import db
from tests.support.clients import IsolatedClient, Shell
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import PASSWORD, HtmlClient, signed_in

PUBLIC_PAGES = {
    "pages.sign_in",
    "pages.sign_in_code",
    "pages.sign_in_passkey",
    "pages.sign_in_passkey_options",
    "pages.single_sign_on",
    "pages.single_sign_on_callback",
    "pages.choose_theme",
    "pages.choose_locale",
}


def set_now(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], datetime]) -> None:
    for module in (authentication, sessions):
        monkeypatch.setattr(module, "now", clock)


def test_operator_signs_in_and_out(app: Flask) -> None:
    create_operator("Ada@Example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ADA@example.com ")
    assert ada.sign_in().headers["Location"] == "/"
    assert "Overview" in ada.get("/").title
    assert ada.post("/sign-out").headers["Clear-Site-Data"] == '"cache", "storage"'
    assert ada.client.get("/").status_code == 302


def test_requested_page_opens_after_sign_in(app: Flask, ana: str) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    redirect = ada.client.get("/customers?q=ana&sort=name")
    assert redirect.status_code == 302
    ada.token = ada.get(redirect.headers["Location"]).field("csrf_token")
    response = ada.post(redirect.headers["Location"], {"email": ada.email, "password": PASSWORD})
    assert response.headers["Location"] == "/customers?q=ana&sort=name"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx", "///evil"]
)
def test_sign_in_never_redirects_to_another_site(app: Flask, url: str) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    ada.token = ada.get("/sign-in").field("csrf_token")
    response = ada.post("/sign-in", {"email": ada.email, "password": PASSWORD}, query_string={"next": url})
    assert response.headers["Location"] == "/"


def test_every_page_requires_a_role(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("pages."):
            role = vars(app.view_functions[rule.endpoint])["role"]
            assert role in ROLES or rule.endpoint in PUBLIC_PAGES, rule


ACTIONS = {"operators": "role", "customer-views": "rename"}
"""An action of the pages that have several, by the first part of their path."""


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_page_redirects_to_sign_in_without_a_session(app: Flask, method: str) -> None:
    stranger = HtmlClient(app.test_client())
    stranger.token = stranger.get("/sign-in").field("csrf_token")
    values: dict[str, Any] = {"document_id": "1", "type": "t", "value": "v"}  # all others are numbers
    adapter = app.url_map.bind("")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("pages.") and rule.endpoint not in PUBLIC_PAGES and method in (rule.methods or ()):
            values["action"] = ACTIONS.get(rule.rule.split("/")[1], "pause")
            url = adapter.build(rule.endpoint, {name: values.get(name, 1) for name in rule.arguments}, method=method)
            data = {"csrf_token": stranger.token} if method == "POST" else None
            response = stranger.client.open(url, method=method, data=data)
            assert response.status_code == 302, rule
            assert response.headers["Location"].startswith("/sign-in")


def test_role_opens_only_its_pages(app: Flask, viewer: HtmlClient, editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    page = viewer.get(f"/customers/{ana}")
    assert 'value="save"' not in page.html
    form = [("base", "[]"), ("version", ""), ("type", "a"), ("value", "b"), ("original_index", "")]
    for url in (f"/customers/{ana}", "/changes/1/undo"):
        assert "Your role is Viewer" in viewer.post(url, form, status=403).text
    for url in ("/tokens", "/operators"):
        viewer.get(url, status=403)
        editor.get(url, status=403)
    assert 'value="save"' in editor.get(f"/customers/{ana}").html


@pytest.mark.parametrize(("later", "ended"), [(timedelta(hours=11), False), (timedelta(hours=13), True)])
def test_session_expires_after_12_hours_without_use(
    app: Flask, viewer: HtmlClient, later: timedelta, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = authentication.now
    set_now(monkeypatch, lambda: real() + later)
    assert (viewer.client.get("/account").status_code == 302) is ended


def test_session_in_use_expires_after_7_days(app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = authentication.now
    for hours in range(10, 24 * 7, 10):
        set_now(monkeypatch, lambda later=timedelta(hours=hours): real() + later)
        viewer.get("/account")
    set_now(monkeypatch, lambda: real() + timedelta(days=7, minutes=1))
    assert viewer.client.get("/account").status_code == 302


def test_changing_the_password_ends_the_other_sessions(app: Flask, viewer: HtmlClient) -> None:
    elsewhere = HtmlClient(app.test_client(), viewer.email)
    elsewhere.sign_in()
    wrong = {"current_password": "not this one", "new_password": "a new password", "confirmation": "a new password"}
    assert "Current password is incorrect." in viewer.post("/account", wrong, status=200).text
    right = {**wrong, "current_password": PASSWORD}
    assert "match." in viewer.post("/account", {**right, "confirmation": "another"}, status=200).text
    short = {**right, "new_password": "short", "confirmation": "short"}
    assert "at least 10" in viewer.post("/account", short, status=200).text
    assert elsewhere.client.get("/account").status_code == 200
    assert "Password changed." in viewer.submit("/account", right).text
    assert elsewhere.client.get("/account").status_code == 302
    elsewhere.sign_in(PASSWORD, status=403)
    elsewhere.sign_in("a new password")


def test_change_of_role_gives_the_session_a_new_secret(app: Flask, viewer: HtmlClient) -> None:
    def secret() -> str:
        with viewer.client.session_transaction() as session:
            return str(session["sign_in"])

    old = secret()
    viewer.get("/account")
    assert secret() == old
    create_operator("other@example.com", "admin", PASSWORD)
    set_role(find_operator(viewer.email).id, "editor")
    viewer.get("/account")
    assert secret() != old
    assert authentication.authenticate_session(old) is not None, "parallel requests of the browser still succeed"
    db.session.rollback()
    row = db.session.scalars(select(OperatorSession)).one()
    row.previous_until = row.created_at
    db.session.commit()
    assert authentication.authenticate_session(old) is None
    assert authentication.authenticate_session(secret()) is not None


def test_change_of_password_gives_the_session_a_new_secret(app: Flask, viewer: HtmlClient) -> None:
    with viewer.client.session_transaction() as session:
        old = session["sign_in"]
    fields = {"current_password": PASSWORD, "new_password": "a new password", "confirmation": "a new password"}
    viewer.submit("/account", fields)
    with viewer.client.session_transaction() as session:
        assert session["sign_in"] != old


def test_sessions_forms_devices_and_second_factors_survive_a_new_secret_key(app: Flask, viewer: HtmlClient) -> None:
    setup = viewer.submit("/account/second-factor/app").html
    environ = {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": "a new key of more than 16 letters"}
    renewed = create_app({**environ, "SECRET_KEY_FALLBACKS": app.config["SECRET_KEY"]})
    renewed.test_client_class = IsolatedClient
    browser = HtmlClient(renewed.test_client(), viewer.email)
    for cookie in ("customer-segments", "device"):
        browser.client.set_cookie(cookie, viewer.client.get_cookie(cookie).value)
    browser.token = viewer.token
    secret = re.search("[A-Z2-7]{32}", setup)
    assert secret is not None
    assert secret[0] in browser.get("/account/second-factor/app/confirm").html
    browser.post("/sign-out")
    for _ in range(5):
        HtmlClient(renewed.test_client(), viewer.email).sign_in("wrong password", status=403)
    browser.sign_in()
    without = create_app(environ)
    client = without.test_client()
    client.set_cookie("customer-segments", viewer.client.get_cookie("customer-segments").value)
    assert client.get("/account").status_code == 302
    for application in (renewed, without):
        with application.app_context():
            db.engine.dispose()


def test_operator_ends_their_own_sessions_only(app: Flask, viewer: HtmlClient) -> None:
    elsewhere = HtmlClient(app.test_client(), viewer.email)
    elsewhere.sign_in(headers={"User-Agent": "Netscape 4"})
    assert "Netscape 4" in viewer.get("/account").text
    session_id = db.session.scalars(select(OperatorSession.id).where(OperatorSession.browser == "Netscape 4")).one()
    signed_in(app.test_client(), "editor").post(f"/account/sessions/{session_id}/end")
    assert elsewhere.client.get("/account").status_code == 200, "the session of another operator is not ended"
    viewer.post(f"/account/sessions/{session_id}/end")
    assert elsewhere.client.get("/account").status_code == 302


def test_set_password_command_ends_all_sessions(app: Flask, viewer: HtmlClient, shell: Shell) -> None:
    shell("operators", "set-password", viewer.email, "--password-stdin", stdin="another password\n")
    assert viewer.client.get("/account").status_code == 302


def test_form_without_csrf_token_is_400(app: Flask, editor: HtmlClient, ana: str) -> None:
    editor.token = "forged"
    assert "Your session expired. Nothing was changed." in editor.post(f"/customers/{ana}", status=400).text


def test_session_cookie_is_http_only_same_site_and_secure_over_tls(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    plain = HtmlClient(app.test_client(), "ada@example.com").sign_in().headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    browser = app.test_client()
    assert "Secure" in browser.get("/sign-in", base_url="https://localhost").headers["Set-Cookie"]


def test_sign_in_clears_what_the_cookie_held_before(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    with ada.client.session_transaction() as session:
        session["planted"] = "x"
    ada.sign_in()
    with ada.client.session_transaction() as session:
        assert "planted" not in session


def test_customers_are_hidden_without_a_session(app: Flask) -> None:
    add_customers("1", name="Ana Secret")
    stranger = HtmlClient(app.test_client())
    for url in ("/customers/1", "/customers", "/nowhere", "/customer-export"):
        assert "Secret" not in stranger.client.get(url, follow_redirects=True).text
