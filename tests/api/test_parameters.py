"""Parameters of the API: what an operation does not know is refused, never ignored (contract §8)."""

import gzip
from typing import Any

import pytest

from app.api import blueprint
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments

URL = "/api/v3/customers/segments"
JSON = {"Content-Type": "application/json"}


def first_path(response: Any) -> str:
    return str(response.json["error"]["details"][0]["path"])


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "/api/v3/customers"),
        ("GET", "/api/v3/segments"),
        ("GET", "/api/v3/changes"),
        ("GET", "/api/v3/customers/1232-2323/segments"),
        ("GET", "/api/customers/segments"),
        ("GET", "/api/v3/change-sets/1"),
        ("POST", "/api/v3/change-sets/1/revert"),
        ("POST", "/api/v3/customers"),
        ("PATCH", URL),
    ],
)
def test_an_unknown_parameter_is_refused(api: Api, ana: str, method: str, url: str) -> None:
    set_segments(ana, GOLD)
    body = {"json": {"customers": [{"document_id": "new"}]}} if method in ("POST", "PATCH") else {}
    response = api.call(method, f"{url}?colour=red", status=400, code="VALIDATION_ERROR", **body)
    assert first_path(response) == "colour"
    assert all_segments() == {ana: GOLD}


@pytest.mark.parametrize(
    "query",
    [
        *("dryrun=true", "dry-run=true", "DRY_RUN=true", "dry_rum=true", "dr_run=true", "reprot=true", "asof=x"),
        *("as-of=x", "type=x", "idempotency_key=x", "IdempotencyKey=x", "guard=override"),
    ],
)
def test_replacing_refuses_a_parameter_that_resembles_an_extra(api: Api, ana: str, query: str) -> None:
    response = api.replace([{"document_id": ana, "segments": GOLD}], f"?{query}", status=400, code="VALIDATION_ERROR")
    assert first_path(response) == query.partition("=")[0]
    assert all_segments() == {ana: []}


@pytest.mark.parametrize("query", ["debug=1", "utm_source=x", "v=3", "run=1", "as=1"])
def test_replacing_ignores_other_parameters(api: Api, ana: str, query: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}], f"?{query}")
    assert all_segments() == {ana: GOLD}


def test_a_repeated_parameter_is_refused(api: Api, ana: str) -> None:
    query = "?dry_run=false&dry_run=true"
    response = api.replace([{"document_id": ana, "segments": GOLD}], query, status=400, code="VALIDATION_ERROR")
    assert first_path(response) == "dry_run"
    assert all_segments() == {ana: []}


def test_a_dry_run_of_an_upsert_writes_nothing(api: Api, ana: str) -> None:
    body = {"customers": [{"document_id": ana, "name": "Ana G."}, {"document_id": "new"}, {"document_id": "new"}]}
    response = api.call("POST", "/api/v3/customers?dry_run=true&report=true", json=body)
    counts = {"created": 1, "updated": 1, "unchanged": 0}
    assert response.json == {**counts, "report": {"duplicates": ["new"], "changeSet": None}}
    assert "Change-Set" not in response.headers
    assert all_segments() == {ana: []}
    done = api.call("POST", "/api/v3/customers?report=true", json=body)
    assert done.json == {**counts, "report": {"duplicates": ["new"], "changeSet": done.headers["Change-Set"]}}


@pytest.mark.parametrize("header", [{"Guard": "override"}, {"Guard": "off"}])
def test_a_write_that_has_no_guard_refuses_the_header(api: Api, header: dict[str, str]) -> None:
    body = {"customers": [{"document_id": "new"}]}
    response = api.call("POST", "/api/v3/customers", json=body, headers=header, status=400, code="VALIDATION_ERROR")
    assert first_path(response) == "Guard"
    assert all_segments() == {}


def test_another_value_of_the_guard_header_is_refused(api: Api, ana: str) -> None:
    rows = [{"document_id": ana, "segments": GOLD}]
    response = api.replace(rows, headers={"Guard": "Override"}, status=400, code="VALIDATION_ERROR")
    assert first_path(response) == "Guard"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_byte_order_mark_before_the_json_is_accepted(api: Api, ana: str, compressed: bool) -> None:
    body = b'\xef\xbb\xbf{"customers": [{"document_id": "1232-2323", "segments": []}]}'
    headers = {**JSON, "Content-Encoding": "gzip"} if compressed else JSON
    response = api.call("POST", URL, data=gzip.compress(body) if compressed else body, headers=headers)
    assert response.json == {"updatedCustomers": [ana]}


@pytest.mark.parametrize("query", ["document_id=1232-2323&email=", "document_id=&email=ana@example.com"])
def test_an_empty_field_beside_another_is_ignored(api: Api, ana: str, query: str) -> None:
    assert api.get(f"/api/customers/segments?{query}").json == {"segments": []}


def test_empty_fields_of_a_list_mean_the_default(api: Api, ana: str) -> None:
    result: Any = api.get("/api/v3/customers?q=&has=&limit=&cursor=").json
    assert [customer["document_id"] for customer in result["customers"]] == [ana]


def test_an_unencoded_plus_in_an_email_is_forgiven(api: Api) -> None:
    add_customers("1", email="ana+shop@example.com")
    set_segments("1", SILVER)
    assert api.get("/api/customers/segments?email=ana+shop@example.com").json == {"segments": SILVER}
    assert api.get("/api/customers/segments?email=ana%2Bshop@example.com").json == {"segments": SILVER}


def test_a_304_varies_as_its_200(api: Api, ana: str) -> None:
    first = api.get("/api/v3/customers")
    again = api.get("/api/v3/customers", status=304, headers={"If-None-Match": first.headers["ETag"]})
    assert again.headers["Vary"] == first.headers["Vary"] == "Accept-Encoding"


def test_the_reason_of_a_change_is_kept_with_the_change_set(api: Api, ana: str) -> None:
    reason = {"Change-Reason": "Corrección de año".encode().decode("latin-1")}
    api.replace([{"document_id": ana, "segments": GOLD}], headers=reason)
    api.replace([{"document_id": ana, "segments": SILVER}], "?types=membership", headers=reason)
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "new"}]}, headers=reason)
    api.call("PUT", "/api/v3/customers/new", json={"name": "Ana"}, headers=reason)
    api.call("POST", "/api/v3/change-sets/1/revert", headers={"Change-Reason": "wrong file"})
    notes = [api.get(f"/api/v3/change-sets/{n}").json["note"] for n in range(1, 5)]  # type: ignore[index]
    assert notes == ["Corrección de año"] * 4
    too_long = {"Change-Reason": "x" * 501}
    rows = [{"document_id": ana, "segments": GOLD}]
    assert first_path(api.replace(rows, headers=too_long, status=400, code="VALIDATION_ERROR")) == "Change-Reason"


def test_every_write_has_a_schema_of_its_headers(api: Api) -> None:
    """Without one, `Guard` and `Idempotency-Key` would be ignored."""
    document: Any = api.get("/api/v3/openapi.json").json
    for item in document["paths"].values():
        for method, operation in item.items():
            if method in ("post", "put", "patch", "delete"):
                assert blueprint.operations[operation["operationId"]].parsed >= {"query", "headers"}
