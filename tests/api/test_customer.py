"""One customer: GET, PUT, PATCH, rename, and the look-up of many (contract §8)."""

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from psycopg.errors import SerializationFailure
from sqlalchemy.exc import OperationalError

from app.access.api_tokens import create_token
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, profile, set_segments


def url(document_id: str) -> str:
    return f"/api/v3/customers/{quote(document_id, safe='')}"


def put(api: Api, document_id: str, body: Any, **kwargs: Any) -> Any:
    return api.call("PUT", url(document_id) + kwargs.pop("query", ""), json=body, **kwargs)


def test_a_customer_is_read_with_an_etag(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    response = api.get(url(ana))
    stored = profile(name="Ana Gómez", email="Ana@Example.com")
    assert response.json == {"document_id": ana, **stored, "segments": GOLD}
    api.get(url(ana), status=304, headers={"If-None-Match": response.headers["ETag"]})
    api.get(url("nobody"), status=404, code="CUSTOMER_NOT_FOUND")


def test_put_creates_and_replaces_the_whole_profile(api: Api) -> None:
    created = put(api, "a/b", {"name": "Luis", "phone": "1"})
    assert created.json == {"document_id": "a/b", **profile(name="Luis", phone="1"), "segments": []}
    assert created.headers["Change-Set"] == "1"
    replaced = put(api, "a/b", {"email": "l@example.com", "segments": GOLD})
    assert replaced.json == {"document_id": "a/b", **profile(email="l@example.com"), "segments": GOLD}
    assert put(api, "a/b", {"email": "l@example.com"}).json["segments"] == GOLD, "without the key they stay"
    assert "Change-Set" not in put(api, "a/b", {"email": "l@example.com", "segments": GOLD}).headers
    assert api.get(url("a/b")).headers["ETag"] == put(api, "a/b", {"email": "l@example.com"}).headers["ETag"]


def test_put_with_if_match_changes_only_the_customer_with_that_etag(api: Api, ana: str) -> None:
    etag = api.get(url(ana)).headers["ETag"]
    set_segments(ana, GOLD)
    refused: Any = {"status": 412, "code": "PRECONDITION_FAILED"}
    put(api, ana, {"segments": []}, headers={"If-Match": etag}, **refused)
    put(api, "new", {"name": "x"}, headers={"If-Match": "*"}, **refused)
    put(api, ana, {"name": "x"}, headers={"If-None-Match": "*"}, **refused)
    assert all_segments() == {ana: GOLD}
    etag = api.get(url(ana)).headers["ETag"]
    put(api, ana, {"segments": SILVER}, headers={"If-Match": f'W/"x", W/{etag}'})
    assert all_segments() == {ana: SILVER}


def test_a_retried_transaction_writes_the_segments_too(api: Api, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def collide_once(*_args: Any) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise OperationalError("UPDATE", {}, SerializationFailure())

    monkeypatch.setattr("app.api.customer.note_warning", collide_once)
    assert put(api, ana, {"segments": GOLD}).json["segments"] == GOLD
    assert len(attempts) == 2
    assert all_segments() == {ana: GOLD}


def patch(api: Api, document_id: str, body: Any, **kwargs: Any) -> Any:
    return api.call("PATCH", url(document_id) + kwargs.pop("query", ""), json=body, **kwargs)


def test_patch_changes_only_what_is_sent(api: Api, ana: str) -> None:
    stored = profile(name="Ana Gómez", email="Ana@Example.com")
    assert patch(api, ana, {"phone": "1"}).json == {"document_id": ana, **stored, "phone": "1", "segments": []}
    response = patch(api, ana, {"email": None, "segments": GOLD})
    assert response.json == {"document_id": ana, **stored, "email": None, "phone": "1", "segments": GOLD}
    assert response.headers["Change-Set"]
    assert response.headers["ETag"] == api.get(url(ana)).headers["ETag"]
    assert "Change-Set" not in patch(api, ana, {}).headers
    assert patch(api, ana, {"name": "x", "segments": []}, query="?dry_run=true").json["segments"] == []
    assert all_segments() == {ana: GOLD}


def test_patch_creates_nobody_and_honours_if_match(api: Api, ana: str) -> None:
    patch(api, "new", {"name": "x"}, status=404, code="CUSTOMER_NOT_FOUND")
    patch(api, ana, {"name": "x"}, headers={"If-Match": '"x"'}, status=412, code="PRECONDITION_FAILED")
    patch(api, ana, {"name": 7}, status=400, code="VALIDATION_ERROR")
    assert api.get("/api/v3/changes").json["changes"] == []
    patch(api, ana, {"name": "x"}, headers={"If-Match": api.get(url(ana)).headers["ETag"]})


def test_a_dry_run_of_put_writes_nothing(api: Api, ana: str) -> None:
    response = put(api, ana, {"name": "x", "segments": GOLD}, query="?dry_run=true")
    assert (response.json["name"], response.json["segments"]) == ("x", GOLD)
    assert "Change-Set" not in response.headers
    assert api.get(url(ana)).json["name"] == "Ana Gómez"
    put(api, "new", {}, query="?dry_run=true")
    assert all_segments() == {ana: []}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], ""),
        ({"name": 7}, "name"),
        ({"name": "x" * 1001}, "name"),
        ({"segments": [{"type": "t"}]}, "segments[0].value"),
        ({"phone": "\0"}, "phone"),
    ],
)
def test_put_refuses_the_wrong_shape(api: Api, ana: str, body: Any, path: str) -> None:
    error = put(api, ana, body, status=400, code="VALIDATION_ERROR").json["error"]
    assert error["details"][0]["path"] == path


def test_put_of_segments_needs_their_scope_and_heeds_the_guard(app: Flask, shell: Shell, ana: str) -> None:
    set_segments(ana, GOLD)
    profiles_only = Api(app.test_client(), create_token("p", ("customers:write",)))
    put(profiles_only, ana, {"name": "x"})
    put(profiles_only, ana, {"segments": []}, status=403, code="FORBIDDEN")
    patch(profiles_only, ana, {"segments": []}, status=403, code="FORBIDDEN")
    guarded = Api(app.test_client(), shell("tokens", "create", "g", "--guard-customers", "0").stdout.splitlines()[-1])
    put(guarded, ana, {"segments": []}, status=409, code="CHANGE_TOO_LARGE")
    patch(guarded, ana, {"segments": []}, status=409, code="CHANGE_TOO_LARGE")
    assert all_segments() == {ana: GOLD}
    put(guarded, ana, {"segments": []}, headers={"Guard": "override"})
    assert all_segments() == {ana: []}


@pytest.mark.parametrize(
    "path", ["segments", "lookup", "export", "1232-2323/segments", "1232-2323/rename", "a/b/segments"]
)
def test_fixed_paths_win_for_every_method(api: Api, ana: str, path: str) -> None:
    for method in ("PUT", "DELETE", *(["PATCH"] if path != "segments" else [])):
        response = api.call(method, f"/api/v3/customers/{path}", json={}, status=405, code="METHOD_NOT_ALLOWED")
        assert response.headers["Allow"]
    assert all_segments() == {ana: []}


def test_a_rename_keeps_the_customer_and_refuses_an_id_in_use(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    add_customers("2")
    rename = f"{url(ana)}/rename"
    api.call("POST", rename, json={"document_id": "2"}, status=409, code="CUSTOMER_EXISTS")
    api.call("POST", rename, json={"document_id": ""}, status=400, code="VALIDATION_ERROR")
    api.call("POST", rename, json={}, status=400, code="VALIDATION_ERROR")
    api.call("POST", f"{url('x')}/rename", json={"document_id": "y"}, status=404, code="CUSTOMER_NOT_FOUND")
    assert api.call("POST", f"{rename}?dry_run=true", json={"document_id": "3"}).json == {"changeSet": None}
    key = {"Idempotency-Key": "k"}
    response = api.call("POST", rename, json={"document_id": "3"}, headers=key)
    assert response.json == {"changeSet": response.headers["Change-Set"]}
    assert api.call("POST", rename, json={"document_id": "3"}, headers=key).json == response.json
    assert all_segments() == {"2": [], "3": GOLD}


def test_many_are_looked_up_by_id(api: Api, ana: str) -> None:
    add_customers("segments", "a")
    result: Any = api.call(
        "POST", "/api/v3/customers/lookup", json={"document_ids": ["segments", "x", ana, "segments", "\0"]}
    ).json
    assert [customer["document_id"] for customer in result["customers"]] == ["segments", ana]
    assert result["notFound"] == ["x", "\0"]
    assert result["customers"][1]["name"] == "Ana Gómez"


def test_many_are_looked_up_by_email(api: Api, ana: str) -> None:
    add_customers("2", email="ANA@example.com")
    body = {"emails": ["x@example.com", "ana@EXAMPLE.com"]}
    result: Any = api.call("POST", "/api/v3/customers/lookup", json=body).json
    assert [customer["document_id"] for customer in result["customers"]] == [ana, "2"]
    assert result["notFound"] == ["x@example.com"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"document_ids": ["1"], "emails": []},
        {"document_ids": []},
        {"emails": [7]},
        {"document_ids": ["1"] * 1001},
    ],
)
def test_a_lookup_names_ids_or_emails_up_to_a_thousand(api: Api, body: Any) -> None:
    api.call("POST", "/api/v3/customers/lookup", json=body, status=400, code="VALIDATION_ERROR")
