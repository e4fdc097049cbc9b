"""Error pages: what happened, what was not changed, what to do, and the request ID."""

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core.errors import Unavailable
from app.pages import overview
from tests.support.customers import GOLD, all_segments, set_segments
from tests.support.html_client import HtmlClient, HtmlPage, checked


def test_unknown_url_is_404(viewer: HtmlClient) -> None:
    for url in ("/nowhere", "/customers/nobody", "/changes/99", "/segments/a/b", "/segments/a", "/operators/1/dance"):
        page = viewer.get(url, status=404, headers={"X-Request-Id": "abc-123"})
        assert "abc-123" in page.text
        assert "Find a customer" in page.links
        assert "Sign out" in page.text, "the operator is still signed in"


def test_an_error_without_session_links_to_the_sign_in(app: Flask) -> None:
    page = HtmlClient(app.test_client()).get("/nowhere", status=404)
    assert "Sign in" in page.links
    assert "Find a customer" not in page.links


def test_missing_role_is_403(viewer: HtmlClient) -> None:
    page = viewer.get("/operators", status=403)
    assert "Only admins can do this. Your role is Viewer." in page.text
    assert "Ask an admin" in page.text


def test_unsupported_method_is_405(viewer: HtmlClient) -> None:
    assert "Nothing was changed" in HtmlPage(viewer.post("/segments", status=405).text).text


def test_too_large_form_is_413(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    response = editor.post(f"/customers/{ana}", {"type": "x" * 5_000_000}, status=413)
    assert "Maximum size is 4,194,304 bytes. Nothing was changed." in checked(response).text
    assert all_segments() == {ana: GOLD}


def test_unavailable_database_is_503(viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable()

    monkeypatch.setattr(overview, "totals", away)
    response = viewer.client.get("/")
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert "Try again in a moment" in checked(response).text


@pytest.mark.parametrize("fault", [ZeroDivisionError("secret"), OperationalError("SELECT secret", {}, Exception())])
def test_an_internal_error_reveals_only_the_request_id(
    viewer: HtmlClient, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(overview, "largest_deltas", broken)
    response = viewer.client.get("/", headers={"X-Request-Id": "abc-123"})
    page = checked(response)
    assert response.status_code in (500, 503)
    assert "abc-123" in page.text
    assert "secret" not in page.html
