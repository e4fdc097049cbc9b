"""/: totals, recent changes, and rejected requests."""

import pytest
from flask import Flask

from app.access.refusal_counts import RefusalCounter
from app.api import errors
from app.core.changes.replace_segments import replace_segments
from app.core.models.change_sets import Actor
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import HtmlClient


def test_shows_totals_and_recent_changes(viewer: HtmlClient) -> None:
    add_customers("1", "2", "3")
    replace_segments({"1": GOLD, "2": GOLD}, Actor("token crm-nightly", "api"))
    set_segments("1", [])
    page = viewer.get("/")
    for text in (
        "customers 3",
        "with segments (33%) 1",
        "updated in the last 24 hours 3",
        "API 1 2",
        "Command line 1 1",
    ):
        assert text in page.text
    assert "GOLD +2 membership token crm-nightly" in page.text
    assert "GOLD −1 membership tester" in page.text


def test_rejected_requests_are_counted_by_token_and_code(
    app: Flask, api: Api, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = RefusalCounter()
    monkeypatch.setattr(errors, "refusal_counter", counter)
    api.replace([], status=400, code="VALIDATION_ERROR")
    for _ in range(3):
        api.call(
            "GET", "/api/v3/segments", headers={"Authorization": "Bearer wrong"}, status=401, code="UNAUTHENTICATED"
        )
    api.get("/api/customers/segments?document_id=nobody", status=404, code="CUSTOMER_NOT_FOUND")
    api.get("/api/v3/segments?limit=0", status=400, code="VALIDATION_ERROR")
    counter.write()
    page = viewer.get("/")
    assert "rejected API requests (24 h) 5" in page.text
    assert "crm-nightly VALIDATION_ERROR 2" in page.text
    assert "Invalid token UNAUTHENTICATED 3" in page.text
    assert "CUSTOMER_NOT_FOUND" not in page.text, "not an error of the client"


def test_an_empty_shop_shows_how_to_start(admin: HtmlClient, viewer: HtmlClient) -> None:
    page = admin.get("/")
    assert {"Import a file", "Create an API token", "Invite your team"} <= page.links.keys()
    assert "Import a file" not in viewer.get("/").links


@pytest.mark.parametrize("name", ["staging", "Production"])
def test_a_badge_names_the_environment(
    app: Flask, viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert 'class="environment' not in viewer.get("/").html
    monkeypatch.setitem(app.config, "ENVIRONMENT_NAME", name)
    for page in (viewer.get("/"), HtmlClient(app.test_client()).get("/sign-in")):
        assert f'class="environment environment-{name.lower()}">{name}<' in page.html
