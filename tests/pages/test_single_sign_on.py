"""Single sign-on by OpenID Connect, with a provider that runs on the loopback interface."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from sqlalchemy import select

from app import create_app
from app.access.operators import Operator, create_operator
from app.access.sessions import end_sessions
from app.core.database import db
from tests.support.clients import IsolatedClient
from tests.support.customers import all_segments
from tests.support.editor_form import NEW_ROW
from tests.support.html_client import PASSWORD, HtmlClient, HtmlPage
from tests.support.oidc_provider import Provider, running_provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def sso_app(app: Flask, provider: Provider) -> Iterator[Flask]:
    """The application of `app` with the provider in its settings."""
    environ = {
        "DATABASE_URL": app.config["DATABASE_URL"],
        "SECRET_KEY": app.config["SECRET_KEY"],
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": "customer-segments",
        "OIDC_CLIENT_SECRET": "secret",
        "OIDC_ROLE_CLAIM": "segments_role",
    }
    sso_app = create_app(environ)
    sso_app.testing = True
    sso_app.test_client_class = IsolatedClient
    yield sso_app
    with sso_app.app_context():
        db.engine.dispose()


def sign_in(app: Flask, provider: Provider, subject: str, operator: HtmlClient | None = None) -> HtmlClient:
    """Sign in at the provider and come back."""
    operator = operator or HtmlClient(app.test_client())
    assert "Use single sign-on" in operator.get("/sign-in").links
    response = operator.client.get("/sign-in/single-sign-on?next=/customers")
    location = response.headers["Location"]
    assert location.startswith(provider.issuer)
    assert parse_qs(urlsplit(location).query)["code_challenge_method"] == ["S256"]
    back = requests.post(location, data={"sub": subject}, allow_redirects=False, timeout=30).headers["Location"]
    parts = urlsplit(back)
    operator.back = f"{parts.path}?{parts.query}"  # type: ignore[attr-defined]
    response = operator.client.get(operator.back)  # type: ignore[attr-defined]
    operator.location = response.headers["Location"]  # type: ignore[attr-defined]
    return operator


def row_of(email: str) -> Operator:
    db.session.rollback()
    return db.session.scalars(select(Operator).where(Operator.email == email)).one()


def test_person_with_a_role_becomes_an_operator(app: Flask, sso_app: Flask, provider: Provider) -> None:
    provider.add_user("s-1", "Ada@Example.com", segments_role="editor")
    operator = sign_in(sso_app, provider, "s-1")
    assert operator.location == "/customers"  # type: ignore[attr-defined]
    assert "ada@example.com" in operator.get("/customers").text
    assert row_of("ada@example.com").role == "editor"
    operator.get("/tokens", status=403)


def test_role_follows_the_claim(app: Flask, sso_app: Flask, provider: Provider) -> None:
    create_operator("boss@example.com", "admin", PASSWORD)
    provider.add_user("s-2", "eva@example.com", segments_role=["other", "viewer", "admin"])
    sign_in(sso_app, provider, "s-2").get("/tokens")
    provider.add_user("s-2", "eva@example.com", segments_role="viewer")
    sign_in(sso_app, provider, "s-2").get("/tokens", status=403)
    provider.add_user("s-2", "renamed@example.com", segments_role="viewer")
    sign_in(sso_app, provider, "s-2")
    assert row_of("eva@example.com").oidc_subject == f"{provider.issuer} s-2"


def test_invited_operator_is_found_by_verified_email(app: Flask, sso_app: Flask, provider: Provider) -> None:
    create_operator("luis@example.com", "viewer", PASSWORD)
    provider.add_user("s-3", "luis@example.com", segments_role="editor", email_verified=False)
    refused = sign_in(sso_app, provider, "s-3")
    assert refused.location == "/sign-in"  # type: ignore[attr-defined]
    assert "You have no access to this service." in refused.get("/sign-in").text
    provider.add_user("s-3", "luis@example.com", segments_role="editor")
    sign_in(sso_app, provider, "s-3").get("/customers")
    assert row_of("luis@example.com").role == "editor"


@pytest.mark.parametrize("role", [None, "owner", "", 7])
def test_person_without_a_role_is_refused(app: Flask, sso_app: Flask, provider: Provider, role: object) -> None:
    provider.add_user("s-4", "eve@example.com", segments_role=role)
    refused = sign_in(sso_app, provider, "s-4")
    assert "Ask an admin" in refused.get("/sign-in").text
    assert refused.client.get("/customers").status_code == 302


def test_deactivated_operator_is_refused(app: Flask, sso_app: Flask, provider: Provider, admin: HtmlClient) -> None:
    provider.add_user("s-5", "leo@example.com", segments_role="viewer")
    operator = sign_in(sso_app, provider, "s-5")
    admin.post(f"/operators/{row_of('leo@example.com').id}/deactivate")
    assert operator.client.get("/customers").status_code == 302
    assert "deactivated" in sign_in(sso_app, provider, "s-5").get("/sign-in").text


def test_callback_without_its_state_is_refused(app: Flask, sso_app: Flask, provider: Provider) -> None:
    provider.add_user("s-6", "mia@example.com", segments_role="viewer")
    back = sign_in(sso_app, provider, "s-6").back  # type: ignore[attr-defined]
    second_browser = HtmlClient(sso_app.test_client())
    assert second_browser.client.get(back).headers["Location"] == "/sign-in"
    assert "Single sign-on failed." in second_browser.get("/sign-in").text
    assert (
        second_browser.client.get("/sign-in/single-sign-on/callback?error=access_denied").headers["Location"]
        == "/sign-in"
    )


def test_provider_that_does_not_answer_is_reported(app: Flask) -> None:
    environ = {"DATABASE_URL": app.config["DATABASE_URL"], "SECRET_KEY": app.config["SECRET_KEY"]}
    environ |= {"OIDC_ISSUER": "http://127.0.0.1:9", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "x"}
    broken = create_app(environ)
    response = broken.test_client().get("/sign-in/single-sign-on", follow_redirects=True)
    assert "Single sign-on failed." in HtmlPage(response.text).text
    with broken.app_context():
        db.engine.dispose()


def test_edits_are_there_after_single_sign_on_in_another_tab(
    app: Flask, sso_app: Flask, provider: Provider, ana: str
) -> None:
    """Without scripts: the tab with the edits stays, its button leads back to them."""
    provider.add_user("s-7", "eli@example.com", segments_role="editor")
    operator, url = sign_in(sso_app, provider, "s-7"), f"/customers/{ana}"
    page = operator.get(url)
    operator.token = page.field("csrf_token")
    form = [*NEW_ROW, ("action", "save"), ("operator", page.field("operator"))]
    end_sessions(row_of("eli@example.com").id, "eli@example.com")
    kept = HtmlPage(operator.post(url, form, status=403).text)
    assert "Opens in a new tab." in kept.text
    sign_in(sso_app, provider, "s-7", operator)
    operator.token = kept.field("csrf_token")
    after = HtmlPage(operator.post(url, {"kept_form": kept.field("kept_form")}, status=200).text)
    operator.token = after.field("csrf_token")
    restored = HtmlPage(operator.post(url, {"kept_form": after.field("kept_form")}, status=200).text)
    assert "Your edits are here, but not saved yet." in restored.text
    assert (restored.field("type"), restored.field("value")) == ("interest", "WINE")
    assert all_segments() == {ana: []}


def test_without_a_provider_there_is_no_single_sign_on(app: Flask) -> None:
    stranger = HtmlClient(app.test_client())
    assert "Use single sign-on" not in stranger.get("/sign-in").links
    stranger.get("/sign-in/single-sign-on", status=404)
