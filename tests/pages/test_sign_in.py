"""Signing in and out, sessions, roles: nobody sees a page who should not."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.access import authentication, operators
from app.access.operators import OperatorSession, create_operator
from app.core.database import db
from tests.support.clients import Shell
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import PASSWORD, Operator, signed_in

OPEN = {"pages.sign_in", "pages.choose_theme"}


def test_it_works(app: Flask) -> None:
    create_operator("Ada@Example.com", "viewer", PASSWORD)
    ada = Operator(app.test_client(), "ADA@example.com ")
    assert ada.sign_in().headers["Location"] == "/"
    assert "Overview" in ada.get("/").title
    ada.post("/sign-out")
    assert ada.client.get("/").status_code == 302


def test_a_page_asked_for_without_a_sign_in_opens_after_it(app: Flask, ana: str) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = Operator(app.test_client(), "ada@example.com")
    asked = ada.client.get("/customers?q=ana&sort=name")
    assert asked.status_code == 302
    ada.token = ada.get(asked.headers["Location"]).field("csrf_token")
    answer = ada.post(asked.headers["Location"], {"email": ada.email, "password": PASSWORD})
    assert answer.headers["Location"] == "/customers?q=ana&sort=name"


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx", "///evil"]
)
def test_it_never_leads_to_another_site(app: Flask, url: str) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = Operator(app.test_client(), "ada@example.com")
    ada.token = ada.get("/sign-in").field("csrf_token")
    answer = ada.post("/sign-in", {"email": ada.email, "password": PASSWORD}, query_string={"next": url})
    assert answer.headers["Location"] == "/"


def test_every_page_is_closed_until_it_names_the_role_that_opens_it(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("pages."):
            role = vars(app.view_functions[rule.endpoint])["role"]
            assert role in operators.ROLES or rule.endpoint in OPEN, rule


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_sign_in_every_page_leads_there(app: Flask, method: str) -> None:
    stranger = Operator(app.test_client())
    stranger.token = stranger.get("/sign-in").field("csrf_token")
    values = {"document_id": "1", "type": "t", "value": "v", "change_set_id": 1}
    values |= {"operator_id": 1, "token_id": 1, "session_id": 1, "act": "role"}
    values |= {"webhook_id": 1, "delivery_id": 1, "wish": "pause", "import_id": 1, "edit_id": 1}
    adapter = app.url_map.bind("")
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("pages.") and rule.endpoint not in OPEN and method in (rule.methods or ()):
            url = adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments}, method=method)
            data = {"csrf_token": stranger.token} if method == "POST" else None
            answer = stranger.client.open(url, method=method, data=data)
            assert answer.status_code == 302, rule
            assert answer.headers["Location"].startswith("/sign-in")


def test_roles_open_only_what_they_name(app: Flask, viewer: Operator, editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    page = viewer.get(f"/customers/{ana}")
    assert "Save" not in page.text
    form = [("base", "[]"), ("version", ""), ("type", "a"), ("value", "b"), ("was", "")]
    for url in (f"/customers/{ana}", "/changes/1/undo"):
        assert "viewer" in viewer.post(url, form, status=403).text
    for url in ("/tokens", "/operators"):
        viewer.get(url, status=403)
        editor.get(url, status=403)
    assert "Save" in editor.get(f"/customers/{ana}").text


def test_too_many_wrong_passwords_close_the_door_for_a_while(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    for email in ("ada@example.com", "nobody@example.com"):  # it must not tell who is an operator
        guesser = Operator(app.test_client(), email)
        answers = [guesser.sign_in("wrong password", status=403).text for _ in range(5)]
        assert all("do not belong together" in answer for answer in answers)
        assert "Too many wrong passwords" in guesser.sign_in(PASSWORD, status=429).text
    real = authentication.now
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(minutes=16))
    assert Operator(app.test_client(), "ada@example.com").sign_in()


def test_a_right_password_forgets_the_wrong_ones(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = Operator(app.test_client(), "ada@example.com")
    for _ in range(3):
        for _ in range(4):
            ada.sign_in("wrong password", status=403)
        ada.sign_in()
        ada.post("/sign-out")


@pytest.mark.parametrize(("later", "ended"), [(timedelta(hours=11), False), (timedelta(hours=13), True)])
def test_a_session_ends_when_it_is_not_used(
    app: Flask, viewer: Operator, later: timedelta, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = authentication.now
    monkeypatch.setattr(authentication, "now", lambda: real() + later)
    assert (viewer.client.get("/account").status_code == 302) is ended


def test_a_session_that_is_used_lasts_a_week_at_most(
    app: Flask, viewer: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = authentication.now
    for hours in range(10, 24 * 7, 10):
        monkeypatch.setattr(authentication, "now", lambda later=timedelta(hours=hours): real() + later)
        viewer.get("/account")
    monkeypatch.setattr(authentication, "now", lambda: real() + timedelta(days=7, minutes=1))
    assert viewer.client.get("/account").status_code == 302


def test_a_new_password_ends_the_other_sessions(app: Flask, viewer: Operator) -> None:
    elsewhere = Operator(app.test_client(), viewer.email)
    elsewhere.sign_in()
    wrong = {"present": "not this one", "new": "a new password", "again": "a new password"}
    assert "not your present password" in viewer.post("/account", wrong, status=200).text
    right = {**wrong, "present": PASSWORD}
    assert "not the same" in viewer.post("/account", {**right, "again": "another"}, status=200).text
    assert "at least 10" in viewer.post("/account", {**right, "new": "short", "again": "short"}, status=200).text
    assert elsewhere.client.get("/account").status_code == 200
    assert "changed" in viewer.submit("/account", right).text
    assert elsewhere.client.get("/account").status_code == 302
    elsewhere.sign_in(PASSWORD, status=403)
    elsewhere.sign_in("a new password")


def test_one_session_can_be_ended_from_another(app: Flask, viewer: Operator) -> None:
    elsewhere = Operator(app.test_client(), viewer.email)
    elsewhere.sign_in(headers={"User-Agent": "Netscape 4"})
    assert "Netscape 4" in viewer.get("/account").text
    other = db.session.scalars(select(OperatorSession.id).where(OperatorSession.browser == "Netscape 4")).one()
    signed_in(app.test_client(), "editor").post(f"/account/sessions/{other}/end")
    assert elsewhere.client.get("/account").status_code == 200, "a session is ended by its own operator only"
    viewer.post(f"/account/sessions/{other}/end")
    assert elsewhere.client.get("/account").status_code == 302


def test_a_password_set_by_command_ends_all_sessions(app: Flask, viewer: Operator, shell: Shell) -> None:
    shell("operators", "set-password", viewer.email, "--password-stdin", stdin="another password\n")
    assert viewer.client.get("/account").status_code == 302


def test_forms_are_taken_from_our_own_pages_only(app: Flask, editor: Operator, ana: str) -> None:
    editor.token = "forged"
    assert "did not come from here" in editor.post(f"/customers/{ana}", status=400).text


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    plain = Operator(app.test_client(), "ada@example.com").sign_in().headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    browser = app.test_client()
    assert "Secure" in browser.get("/sign-in", base_url="https://localhost").headers["Set-Cookie"]


def test_nothing_put_into_the_cookie_before_outlives_a_sign_in(app: Flask) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = Operator(app.test_client(), "ada@example.com")
    with ada.client.session_transaction() as session:
        session["planted"] = "x"
    ada.sign_in()
    with ada.client.session_transaction() as session:
        assert "planted" not in session


def test_customers_are_not_shown_to_the_signed_out(app: Flask) -> None:
    add_customers("1", name="Ana Secret")
    stranger = Operator(app.test_client())
    for url in ("/customers/1", "/customers", "/nowhere", "/customer-export"):
        assert "Secret" not in stranger.client.get(url, follow_redirects=True).text
