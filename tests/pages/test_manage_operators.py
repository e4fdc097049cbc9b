"""/operators: invite, set the role, deactivate, reactivate. For admins."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.access import invitations
from app.access.operators import ROLES, Operator
from app.access.sessions import OperatorSession
from app.core.database import db
from app.pages.role_texts import ROLE_TEXTS
from tests.support.clients import Shell
from tests.support.html_client import HtmlClient, HtmlPage


def invite(admin: HtmlClient, email: str, role: str = "editor") -> str:
    page = HtmlPage(admin.post("/operators", {"email": email, "role": role}, status=200).text)
    link: str = next(word for word in page.text.split() if "invitation=" in word)
    return link


def id_of(email: str) -> int:
    db.session.rollback()
    return db.session.scalars(select(Operator.id).where(Operator.email == email)).one()


def accept(app: Flask, link: str, password: str = "a good password", status: int = 302) -> HtmlClient:
    invited = HtmlClient(app.test_client())
    invited.token = invited.get(link).field("csrf_token")
    invited.post(link, {"password": password}, status=status)
    if status == 302:
        invited.token = invited.get("/account").field("csrf_token")
    return invited


def test_invitation_works_once(app: Flask, admin: HtmlClient) -> None:
    link = invite(admin, "New@Shop.co")
    assert "new@shop.co" in admin.get("/operators").text
    accept(app, link, "short", status=200)
    new = accept(app, link)
    assert "new@shop.co" in new.get("/account").text
    assert "expired or was already used" in HtmlClient(app.test_client()).get(link, status=404).text


def test_changing_the_password_revokes_the_invitation(app: Flask, admin: HtmlClient, shell: Shell) -> None:
    link = invite(admin, "new@shop.co")
    shell("operators", "set-password", "new@shop.co", "--password-stdin", stdin="another password\n")
    HtmlClient(app.test_client()).get(link, status=404)
    new = HtmlClient(app.test_client(), "new@shop.co")
    new.sign_in("another password")
    link = "/sign-in?invitation=" + invitations.reissue_invitation(id_of("new@shop.co"))
    fields = {"current_password": "another password", "new_password": "a third password"}
    new.submit("/account", {**fields, "confirmation": "a third password"})
    HtmlClient(app.test_client()).get(link, status=404)


def test_common_password_does_not_use_up_the_invitation(app: Flask, admin: HtmlClient) -> None:
    link = invite(admin, "new@shop.co")
    accept(app, link, "1q2w3e4r5t", status=200)
    accept(app, link)


def test_admin_ends_sessions_of_others(app: Flask, admin: HtmlClient, viewer: HtmlClient) -> None:
    url = f"/operators/{id_of(viewer.email)}"
    assert "Last active" in admin.get(url).text
    session_id = db.session.scalars(select(OperatorSession.id).where(OperatorSession.operator_id == 2)).one()
    assert "Session signed out." in admin.submit(f"{url}/sessions/{session_id}/end").text
    assert viewer.client.get("/account").status_code == 302
    viewer.sign_in()
    assert "signed out everywhere" in admin.submit(f"{url}/sign-out").text
    assert viewer.client.get("/account").status_code == 302
    assert "Not signed in." in admin.get(url).text
    admin.get("/operators/99", status=404)


def test_invitation_expires_after_7_days(app: Flask, admin: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    link = invite(admin, "new@shop.co")
    real = invitations.now
    monkeypatch.setattr(invitations, "now", lambda: real() + timedelta(days=8))
    HtmlClient(app.test_client()).get(link, status=404)


def test_new_link_replaces_a_forgotten_password(app: Flask, admin: HtmlClient, viewer: HtmlClient) -> None:
    page = HtmlPage(admin.post(f"/operators/{id_of(viewer.email)}/invite", status=200).text)
    link = next(word for word in page.text.split() if "invitation=" in word)
    assert viewer.client.get("/account").status_code == 200, "a new link does not end sessions"
    accept(app, link, "remembered this time")
    assert viewer.client.get("/account").status_code == 302, "accepting it ends the sessions of the old password"
    viewer.sign_in("remembered this time")


def test_role_applies_from_the_next_request(app: Flask, admin: HtmlClient, viewer: HtmlClient) -> None:
    viewer.get("/tokens", status=403)
    admin.post(f"/operators/{id_of(viewer.email)}/role", {"role": "admin"})
    viewer.get("/tokens")
    assert "Choose a role" in admin.submit(f"/operators/{id_of(viewer.email)}/role", {"role": "owner"}).text


def test_deactivated_operator_is_signed_out_until_reactivated(
    app: Flask, admin: HtmlClient, viewer: HtmlClient
) -> None:
    admin.post(f"/operators/{id_of(viewer.email)}/deactivate")
    assert viewer.client.get("/account").status_code == 302
    viewer.sign_in(status=403)
    admin.post(f"/operators/{id_of(viewer.email)}/activate")
    viewer.sign_in()


def test_last_admin_cannot_be_removed(app: Flask, admin: HtmlClient) -> None:
    for action, data in (("deactivate", {}), ("role", {"role": "viewer"})):
        assert "at least one admin" in admin.submit(f"/operators/{id_of(admin.email)}/{action}", data).text
    admin.get("/tokens")


@pytest.mark.parametrize("email", ["", "no-at-sign", "a b@c", "a@b@c", "\uff41na@example.com"])
def test_invalid_email_is_rejected(admin: HtmlClient, email: str) -> None:
    page = HtmlPage(admin.post("/operators", {"email": email, "role": "viewer"}, status=200).text)
    assert "invitation=" not in page.text


def test_email_of_another_operator_is_rejected(admin: HtmlClient) -> None:
    assert (
        "exists already" in admin.post("/operators", {"email": "ADMIN@example.com", "role": "viewer"}, status=200).text
    )


def test_every_role_has_its_texts() -> None:
    assert tuple(ROLE_TEXTS) == ROLES
    assert all(ROLE_TEXTS[role].required is not None for role in ROLES[1:])
