"""/operators: invite, role, in and out. For admins."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.access import operators
from app.access.operators import Operator as Row
from app.core.database import db
from tests.support.html_client import Operator, Page


def invite(admin: Operator, email: str, role: str = "editor") -> str:
    page = Page(admin.post("/operators", {"email": email, "role": role}, status=200).text)
    link: str = next(word for word in page.text.split() if "invitation=" in word)
    return link


def number(email: str) -> int:
    db.session.rollback()
    return db.session.scalars(select(Row.id).where(Row.email == email)).one()


def take_up(app: Flask, link: str, password: str = "a good password", status: int = 302) -> Operator:
    invited = Operator(app.test_client())
    invited.token = invited.get(link).field("csrf_token")
    invited.post(link, {"password": password}, status=status)
    if status == 302:
        invited.token = invited.get("/account").field("csrf_token")
    return invited


def test_an_invitation_is_good_once(app: Flask, admin: Operator) -> None:
    link = invite(admin, "New@Shop.co")
    assert "new@shop.co" in admin.get("/operators").text
    take_up(app, link, "short", status=200)
    new = take_up(app, link)
    assert "new@shop.co" in new.get("/account").text
    assert "not valid any more" in Operator(app.test_client()).get(link, status=404).text


def test_it_ends_after_a_week(app: Flask, admin: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    link = invite(admin, "new@shop.co")
    real = operators.now
    monkeypatch.setattr(operators, "now", lambda: real() + timedelta(days=8))
    Operator(app.test_client()).get(link, status=404)


def test_a_new_link_replaces_a_forgotten_password(app: Flask, admin: Operator, viewer: Operator) -> None:
    page = Page(admin.post(f"/operators/{number(viewer.email)}/invite", status=200).text)
    link = next(word for word in page.text.split() if "invitation=" in word)
    assert viewer.client.get("/account").status_code == 200, "asking for a link changes nothing yet"
    take_up(app, link, "remembered this time")
    assert viewer.client.get("/account").status_code == 302, "who had the old password is out"
    viewer.sign_in("remembered this time")


def test_a_role_counts_from_the_next_request_on(app: Flask, admin: Operator, viewer: Operator) -> None:
    viewer.get("/tokens", status=403)
    admin.post(f"/operators/{number(viewer.email)}/role", {"role": "admin"})
    viewer.get("/tokens")
    assert "choose a role" in admin.submit(f"/operators/{number(viewer.email)}/role", {"role": "owner"}).text


def test_the_deactivated_are_out_at_once_and_can_come_back(app: Flask, admin: Operator, viewer: Operator) -> None:
    admin.post(f"/operators/{number(viewer.email)}/deactivate")
    assert viewer.client.get("/account").status_code == 302
    viewer.sign_in(status=403)
    admin.post(f"/operators/{number(viewer.email)}/activate")
    viewer.sign_in()


def test_the_last_admin_stays(app: Flask, admin: Operator) -> None:
    for act, data in (("deactivate", {}), ("role", {"role": "viewer"})):
        assert "last admin" in admin.submit(f"/operators/{number(admin.email)}/{act}", data).text
    admin.get("/tokens")


@pytest.mark.parametrize("email", ["", "nobody", "a b@c", "a@b@c"])
def test_it_refuses(admin: Operator, email: str) -> None:
    page = Page(admin.post("/operators", {"email": email, "role": "viewer"}, status=200).text)
    assert "invitation=" not in page.text


def test_an_e_mail_is_used_once(admin: Operator) -> None:
    assert (
        "exists already" in admin.post("/operators", {"email": "ADMIN@example.com", "role": "viewer"}, status=200).text
    )
