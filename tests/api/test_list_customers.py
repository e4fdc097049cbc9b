"""GET /api/v3/customers: contract §3."""

from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.core.models.customers import PROFILE_FIELD_NAMES
from app.demo_data import fill_demo
from app.web.cursors import encode_cursor
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, set_segments

URL = "/api/v3/customers"


def ids(api: Api, query: str = "") -> list[str]:
    result: Any = api.get(f"{URL}?{query}").json
    return [customer["document_id"] for customer in result["customers"]]


def test_lists_customers_with_profile_and_segments(api: Api, ana: str) -> None:
    result: Any = api.get(URL).json
    profile = {**dict.fromkeys(PROFILE_FIELD_NAMES), "name": "Ana Gómez", "email": "Ana@Example.com"}
    assert result == {"customers": [{"document_id": ana, **profile, "segments": [], "changedAt": None}], "next": None}
    set_segments(ana, GOLD)
    result = api.get(URL).json
    assert result["customers"][0]["segments"] == GOLD
    assert result["customers"][0]["changedAt"].endswith("Z")


def test_filters_hold_together(api: Api) -> None:
    add_customers("1", name="Ana")
    add_customers("2", name="Ána")
    add_customers("3", name="Luis")
    set_segments("1", [*GOLD, *SILVER])
    set_segments("3", [*GOLD, {"type": "a:b%", "value": "c:d"}])
    assert ids(api, "q=ANA") == ["1", "2"]
    assert ids(api, "segment=membership:GOLD") == ["1", "3"]
    assert ids(api, "segment=membership:GOLD&segment=membership:SILVER") == ["1"]
    assert ids(api, "segment=membership:GOLD&without=membership:SILVER") == ["3"]
    assert ids(api, "segment=a%253Ab%2525:c:d") == ["3"]
    assert ids(api, "has=none") == ["2"]
    assert ids(api, "has=any&q=luis") == ["3"]


@pytest.mark.parametrize("query", ["", "q=ana", "segment=activity:ACTIVE", "without=membership:GOLD&has=any"])
def test_pages_are_complete_while_others_write(api: Api, query: str) -> None:
    fill_demo(400, lambda _done: None)
    whole = ids(api, query)
    seen: list[str] = []
    result: Any = api.get(f"{URL}?{query}&limit=7").json
    while True:
        seen += [customer["document_id"] for customer in result["customers"]]
        add_customers(f"0-{len(seen):04}", name="Ana, new and ahead of them all")
        if not result["next"]:
            break
        result = api.get(f"{URL}?{query}&limit=7&cursor={result['next']}").json
    assert seen == whole
    assert len(seen) > 7


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("segment=GOLD", "segment"),
        ("without=x", "without"),
        ("segment=a:%00", "segment"),
        ("has=some", "has"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("q=%00", "q"),
        ("cursor=x", "cursor"),
    ],
)
def test_refuses(api: Api, query: str, path: str) -> None:
    error: Any = api.get(f"{URL}?{query}", status=400, code="VALIDATION_ERROR").json
    assert error["error"]["details"][0]["path"] == path


def test_cursor_is_valid_for_its_own_list_only(app: Flask, api: Api) -> None:
    add_customers("1", "2")
    result: Any = api.get(f"{URL}?limit=1").json
    made_up = "WyIyIl0." + result["next"].split(".")[1]  # another place, with this one's signature
    set_segments("1", [*GOLD, *SILVER])
    of_segments: Any = api.get("/api/v3/segments?limit=1").json
    with app.test_request_context("/customers"):
        of_a_page = encode_cursor("1")
    for cursor in (of_segments["next"], of_a_page, result["next"][:-1], "WyIxIl0", made_up):
        api.get(f"{URL}?cursor={cursor}", status=400, code="VALIDATION_ERROR")


def test_needs_its_own_scope(app: Flask) -> None:
    Api(app.test_client(), create_token("t", ("segments:read",))).get(URL, status=403, code="FORBIDDEN")
