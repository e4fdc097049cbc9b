"""/operators: invite, set the role, deactivate, reactivate. For admins."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.access import invitations
from app.access.operators import Operator as Row
from app.core.database import db
from tests.support.html_client import Operator, Page


def invite(admin: Operator, email: str, role: str = "editor") -> str:
    page = Page(admin.post("/operators", {"email": email, "role": role}, status=200).text)
    link: str = next(word for word in page.text.split() if "invitation=" in word)
    return link


def id_of(email: str) -> int:
    db.session.rollback()
    return db.session.scalars(select(Row.id).where(Row.email == email)).one()


def accept(app: Flask, link: str, password: str = "a good password", status: int = 302) -> Operator:
    invited = Operator(app.test_client())
    invited.token = invited.get(link).field("csrf_token")
    invited.post(link, {"password": password}, status=status)
    if status == 302:
        invited.token = invited.get("/account").field("csrf_token")
    return invited


def test_invitation_works_once(app: Flask, admin: Operator) -> None:
    link = invite(admin, "New@Shop.co")
    assert "new@shop.co" in admin.get("/operators").text
    accept(app, link, "short", status=200)
    new = accept(app, link)
    assert "new@shop.co" in new.get("/account").text
    assert "expired or was already used" in Operator(app.test_client()).get(link, status=404).text


def test_invitation_expires_after_7_days(app: Flask, admin: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    link = invite(admin, "new@shop.co")
    real = invitations.now
    monkeypatch.setattr(invitations, "now", lambda: real() + timedelta(days=8))
    Operator(app.test_client()).get(link, status=404)


def test_new_link_replaces_a_forgotten_password(app: Flask, admin: Operator, viewer: Operator) -> None:
    page = Page(admin.post(f"/operators/{id_of(viewer.email)}/invite", status=200).text)
    link = next(word for word in page.text.split() if "invitation=" in word)
    assert viewer.client.get("/account").status_code == 200, "a new link does not end sessions"
    accept(app, link, "remembered this time")
    assert viewer.client.get("/account").status_code == 302, "accepting it ends the sessions of the old password"
    viewer.sign_in("remembered this time")


def test_role_applies_from_the_next_request(app: Flask, admin: Operator, viewer: Operator) -> None:
    viewer.get("/tokens", status=403)
    admin.post(f"/operators/{id_of(viewer.email)}/role", {"role": "admin"})
    viewer.get("/tokens")
    assert "Choose a role" in admin.submit(f"/operators/{id_of(viewer.email)}/role", {"role": "owner"}).text


def test_deactivated_operator_is_signed_out_until_reactivated(app: Flask, admin: Operator, viewer: Operator) -> None:
    admin.post(f"/operators/{id_of(viewer.email)}/deactivate")
    assert viewer.client.get("/account").status_code == 302
    viewer.sign_in(status=403)
    admin.post(f"/operators/{id_of(viewer.email)}/activate")
    viewer.sign_in()


def test_last_admin_cannot_be_removed(app: Flask, admin: Operator) -> None:
    for action, data in (("deactivate", {}), ("role", {"role": "viewer"})):
        assert "at least one admin" in admin.submit(f"/operators/{id_of(admin.email)}/{action}", data).text
    admin.get("/tokens")


@pytest.mark.parametrize("email", ["", "no-at-sign", "a b@c", "a@b@c"])
def test_invalid_email_is_rejected(admin: Operator, email: str) -> None:
    page = Page(admin.post("/operators", {"email": email, "role": "viewer"}, status=200).text)
    assert "invitation=" not in page.text


def test_email_of_another_operator_is_rejected(admin: Operator) -> None:
    assert (
        "exists already" in admin.post("/operators", {"email": "ADMIN@example.com", "role": "viewer"}, status=200).text
    )
