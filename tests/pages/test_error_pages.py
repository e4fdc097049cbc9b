"""When something is refused or fails: what happened, what was not changed, what to do, and the request id."""

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.core.errors import Unavailable
from app.pages import overview
from tests.support.customers import GOLD, all_segments, set_segments
from tests.support.html_client import Operator, Page, checked


def test_nothing_here(viewer: Operator) -> None:
    for url in ("/nowhere", "/customers/nobody", "/changes/99", "/segments/a/b", "/segments/a", "/operators/1/dance"):
        page = viewer.get(url, status=404, headers={"X-Request-Id": "abc-123"})
        assert "abc-123" in page.text
        assert "Find a customer" in page.links
        assert "Sign out" in page.text, "still signed in, and told so"


def test_a_stranger_is_led_to_the_sign_in(app: Flask) -> None:
    page = Operator(app.test_client()).get("/nowhere", status=404)
    assert "Sign in" in page.links
    assert "Find a customer" not in page.links


def test_not_allowed(viewer: Operator) -> None:
    page = viewer.get("/operators", status=403)
    assert "Only admins can do this. Your role is Viewer." in page.text
    assert "Ask an admin" in page.text


def test_not_for_that(viewer: Operator) -> None:
    assert "Nothing was changed" in Page(viewer.post("/segments", status=405).text).text


def test_too_large(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    answer = editor.post(f"/customers/{ana}", {"type": "x" * 5_000_000}, status=413)
    assert "at most 4,194,304 bytes. Nothing was changed" in checked(answer).text
    assert all_segments() == {ana: GOLD}


def test_the_database_is_away(viewer: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise Unavailable()

    monkeypatch.setattr(overview, "totals", away)
    page = viewer.get("/", status=503)
    assert "Try again in a moment" in page.text


@pytest.mark.parametrize("fault", [ZeroDivisionError("secret"), OperationalError("SELECT secret", {}, Exception())])
def test_a_fault_of_ours_tells_nothing_but_its_id(
    viewer: Operator, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(overview, "largest_deltas", broken)
    answer = viewer.client.get("/", headers={"X-Request-Id": "abc-123"})
    page = checked(answer)
    assert answer.status_code in (500, 503)
    assert "abc-123" in page.text
    assert "secret" not in page.html
