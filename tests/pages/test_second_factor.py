"""The second factor: authenticator app, recovery codes, and the roles that require one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.access.operators import create_operator, find_operator
from app.access.second_factor import TotpSecret
from app.core.database import db, now
from app.core.encryption import Cipher, SecretKeyLost
from app.pages import auth
from tests.support.clients import Shell
from tests.support.html_client import PASSWORD, HtmlClient, HtmlPage, signed_in
from tests.support.second_factor import code_at, set_up_app


def first_step(app: Flask, email: str) -> HtmlClient:
    """Enter e-mail and password, and arrive at the second step."""
    operator = HtmlClient(app.test_client(), email)
    operator.token = operator.get("/sign-in").field("csrf_token")
    response = operator.post("/sign-in?next=/customers", {"email": email, "password": PASSWORD})
    assert response.headers["Location"] == "/sign-in/code?next=/customers"
    operator.token = operator.get(response.headers["Location"]).field("csrf_token")
    return operator


def second_step(operator: HtmlClient, code: str, status: int = 302) -> str:
    response = operator.post("/sign-in/code?next=/customers", {"code": code}, status=status)
    return response.headers.get("Location", "")


def test_code_completes_the_sign_in_once(app: Flask, viewer: HtmlClient) -> None:
    totp, _ = set_up_app(viewer)
    operator = first_step(app, viewer.email)
    assert operator.client.get("/customers").status_code == 302, "the password alone opens nothing"
    operator = first_step(app, viewer.email)
    second_step(operator, code_at(totp, -1), status=403)  # used when the app was set up
    second_step(operator, code_at(totp, 5), status=403)
    second_step(operator, "12345é", status=403)
    code = code_at(totp)
    assert second_step(operator, f" {code[:3]} {code[3:]}") == "/customers"
    operator.get("/customers")
    second_step(first_step(app, viewer.email), code, status=403)


def test_recovery_code_completes_the_sign_in_once(app: Flask, viewer: HtmlClient) -> None:
    _, codes = set_up_app(viewer)
    assert len(set(codes)) == 10
    assert second_step(first_step(app, viewer.email), codes[0].upper().replace("-", " ")) == "/customers"
    second_step(first_step(app, viewer.email), codes[0], status=403)
    assert "9 unused codes" in viewer.get("/account/second-factor").text
    new = HtmlPage(viewer.post("/account/second-factor/recovery-codes", status=200).text)
    assert codes[1] not in new.text
    second_step(first_step(app, viewer.email), codes[1], status=403)


def test_wrong_codes_are_delayed(app: Flask, viewer: HtmlClient) -> None:
    totp, codes = set_up_app(viewer)
    operator = first_step(app, viewer.email)
    for _ in range(5):
        second_step(operator, "000000", status=403)
    second_step(operator, code_at(totp), status=429)
    second_step(first_step(app, viewer.email), codes[0], status=429)


def test_second_step_expires_after_10_minutes(app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    totp, _ = set_up_app(viewer)
    operator = first_step(app, viewer.email)
    monkeypatch.setattr("app.access.authentication.now", lambda: now() + timedelta(minutes=11))
    assert second_step(operator, code_at(totp)) == "/sign-in?next=/customers"


def test_setting_up_ends_the_other_sessions_and_renews_this_one(app: Flask, viewer: HtmlClient) -> None:
    elsewhere = HtmlClient(app.test_client(), viewer.email)
    elsewhere.sign_in()
    with viewer.client.session_transaction() as session:
        before = session["sign_in"]
    set_up_app(viewer)
    viewer.get("/account")
    with viewer.client.session_transaction() as session:
        assert session["sign_in"] != before
    assert elsewhere.client.get("/account").status_code == 302


def test_removed_app_is_not_required(app: Flask, viewer: HtmlClient) -> None:
    _, codes = set_up_app(viewer)
    viewer.post("/account/second-factor/app", status=400)  # a second app would replace the first
    assert "Authenticator app removed." in viewer.submit("/account/second-factor/app/remove").text
    HtmlClient(app.test_client(), viewer.email).sign_in()
    assert "Recovery codes" not in viewer.get("/account/second-factor").text
    set_up_app(viewer)
    second_step(first_step(app, viewer.email), codes[0], status=403)


def test_secret_is_stored_encrypted(app: Flask, viewer: HtmlClient) -> None:
    totp, _ = set_up_app(viewer)
    db.session.rollback()
    stored = db.session.scalars(select(TotpSecret.encrypted_secret)).one()
    assert totp.secret not in stored
    key = app.config["SECRET_KEY"]
    assert Cipher(["another key, and a long one", key], "second factor").decrypt(stored) == totp.secret
    with pytest.raises(SecretKeyLost):
        Cipher([key], "another purpose").decrypt(stored)


def test_change_asks_for_the_password_after_10_minutes(
    app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "now", lambda: now() + timedelta(minutes=11))
    url = "/account/confirm-password?next=/account/second-factor"
    assert viewer.client.get("/account/second-factor").headers["Location"] == url
    viewer.post(url, {"password": "wrong password"}, status=200)
    viewer.post("/account/second-factor/app")
    assert db.session.scalar(select(TotpSecret)) is None
    monkeypatch.setattr("app.pages.account.now", auth.now)
    assert viewer.post(url, {"password": PASSWORD}).headers["Location"] == "/account/second-factor"
    viewer.get("/account/second-factor")


@pytest.fixture
def required(app: Flask) -> Iterator[None]:
    app.config["SECOND_FACTOR_ROLES"] = frozenset({"admin"})
    yield
    app.config["SECOND_FACTOR_ROLES"] = None


@pytest.mark.usefixtures("required")
def test_role_that_requires_a_second_factor_opens_nothing_before(app: Flask) -> None:
    admin = signed_in_without_factor(app, "admin")
    for url in ("/", "/tokens", "/account", "/operators"):
        assert admin.client.get(url).headers["Location"] == "/account/second-factor"
    admin.post("/tokens", {"name": "x", "scopes": "segments:read"})
    assert "Your role requires a second factor." in admin.get("/account/second-factor").text
    set_up_app(admin)
    admin.get("/tokens")
    signed_in(app.test_client(), "editor").get("/")


def signed_in_without_factor(app: Flask, role: str) -> HtmlClient:

    create_operator(f"{role}@example.com", role, PASSWORD)
    operator = HtmlClient(app.test_client(), f"{role}@example.com")
    operator.token = operator.get("/sign-in").field("csrf_token")
    operator.post("/sign-in", {"email": operator.email, "password": PASSWORD})
    operator.token = operator.get("/account/second-factor").field("csrf_token")
    return operator


def test_admin_and_command_reset_the_second_factor(
    app: Flask, admin: HtmlClient, viewer: HtmlClient, shell: Shell
) -> None:
    set_up_app(viewer)
    url = f"/operators/{find_operator(viewer.email).id}"
    assert "Authenticator app" in admin.get(url).text
    assert "was removed" in admin.submit(f"{url}/reset-second-factor").text
    assert viewer.client.get("/account").status_code == 302
    viewer.sign_in()
    set_up_app(viewer)
    shell("operators", "reset-second-factor", viewer.email)
    viewer.sign_in()


def test_new_password_link_does_not_pass_the_second_factor(app: Flask, admin: HtmlClient, viewer: HtmlClient) -> None:
    totp, _ = set_up_app(viewer)
    page = HtmlPage(admin.post(f"/operators/{find_operator(viewer.email).id}/invite", status=200).text)
    link = next(word for word in page.text.split() if "invitation=" in word)
    operator = HtmlClient(app.test_client())
    operator.token = operator.get(link).field("csrf_token")
    assert operator.post(link, {"password": "a third password"}).headers["Location"] == "/sign-in/code"
    operator.token = operator.get("/sign-in/code").field("csrf_token")
    assert second_step(operator, code_at(totp)) == "/customers"


def test_passkey_endpoints_reject_what_does_not_verify(app: Flask, viewer: HtmlClient) -> None:
    headers = {"X-CSRFToken": viewer.token}
    options = viewer.client.post("/account/second-factor/passkeys/options", json={}, headers=headers)
    assert options.json is not None
    assert options.json["authenticatorSelection"]["userVerification"] == "required"
    for credential in (None, {}, {"id": "x"}, "x", {"id": "eA", "rawId": "eA", "response": {}, "type": "public-key"}):
        payload = {"credential": credential, "name": "x"}
        response = viewer.client.post("/account/second-factor/passkeys", json=payload, headers=headers)
        assert response.status_code == 400
        response = viewer.client.post("/sign-in/passkey", json=credential or 1, headers=headers)
        assert response.status_code == 403
    assert viewer.client.post("/account/second-factor/passkeys", json=[], headers=headers).status_code == 400
    viewer.post("/account/second-factor/passkeys/99/remove", status=404)
