"""?types=, and tokens that are limited to types: several source systems share one customer (contract §8)."""

from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.core.changes.guard import Guard
from app.core.history.segment_diff import merge_types
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments

WINE, TEA = ({"type": "interest", "value": value} for value in ("WINE", "TEA"))
NORTH = {"type": "region", "value": "NORTH"}


@pytest.mark.parametrize(
    ("current", "new", "merged"),
    [
        ([WINE, *GOLD, TEA], SILVER, [WINE, *SILVER, TEA]),
        ([*GOLD, WINE, *GOLD], SILVER, [*SILVER, WINE]),
        ([*GOLD, WINE], [*SILVER, *GOLD], [*SILVER, WINE, *GOLD]),
        ([WINE], [*SILVER, *SILVER], [WINE, *SILVER, *SILVER]),
        ([*GOLD, WINE], [], [WINE]),
        ([], [], []),
    ],
)
def test_new_segments_fill_the_places_of_those_they_replace(current: Any, new: Any, merged: Any) -> None:
    assert merge_types(current, new, {"membership"}) == merged


def test_segments_of_other_types_stay_in_their_places(api: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD, NORTH, TEA])
    rows = [{"document_id": ana, "segments": SILVER}, {"document_id": "nobody", "segments": SILVER}]
    result: Any = api.replace(rows, "?types=membership,region&report=true").json
    assert result["updatedCustomers"] == [ana]
    assert result["report"]["changed"] == 1
    assert result["report"]["notFound"] == ["nobody"]
    assert all_segments() == {ana: [WINE, *SILVER, TEA]}


def test_a_dry_run_of_types_writes_nothing(api: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD])
    result: Any = api.replace([{"document_id": ana, "segments": SILVER}], "?types=membership&dry_run=true").json
    assert (result["report"]["changed"], result["report"]["changeSet"]) == (1, None)
    assert all_segments() == {ana: [WINE, *GOLD]}


def test_a_segment_of_another_type_is_refused_with_its_path(api: Api, ana: str) -> None:
    rows = [{"document_id": ana, "segments": GOLD}, {"document_id": "x", "segments": [*GOLD, WINE]}]
    error: Any = api.replace(rows, "?types=membership", status=400, code="VALIDATION_ERROR").json
    assert [detail["path"] for detail in error["error"]["details"]] == ["customers[1].segments[1].type"]
    assert all_segments() == {ana: []}


def test_commas_and_percent_signs_in_a_type_are_encoded(api: Api, ana: str) -> None:
    odd = [{"type": "a,b%", "value": "1"}]
    set_segments(ana, [*odd, WINE])
    api.replace([{"document_id": ana, "segments": None}], "?types=a%252Cb%2525")
    assert all_segments() == {ana: [WINE]}


def test_the_guard_counts_who_loses_all_segments_of_the_types(app: Flask, shell: Shell) -> None:
    token = shell("tokens", "create", "t", "--guard-customers", "0").stdout.splitlines()[-1]
    api = Api(app.test_client(), token)
    add_customers("1", "2")
    set_segments("1", [WINE, *GOLD])
    set_segments("2", [WINE])
    cleared = {"customers": [{"document_id": "1", "segments": []}, {"document_id": "2", "segments": []}]}
    response: Any = api.client.post("/api/v3/customers/segments?types=membership", json=cleared, headers=api.headers)
    assert response.status_code == 409
    assert "1 customer would" in response.json["error"]["message"]
    assert all_segments() == {"1": [WINE, *GOLD], "2": [WINE]}
    api.replace([{"document_id": "2", "segments": []}], "?types=membership")


def test_patch_refuses_types(api: Api, ana: str) -> None:
    body = {"customers": [{"document_id": ana, "add": GOLD}]}
    api.call("PATCH", "/api/v3/customers/segments?types=membership", json=body, status=400, code="VALIDATION_ERROR")


# Tokens that are limited to types

SEGMENTS = "/api/v3/customers/segments"


@pytest.fixture
def limited(app: Flask) -> Api:
    """A token that is limited to the types membership and region."""
    return api_with(app, create_token("crm", types=["membership", "region"]))


def paths(response: Any) -> list[str]:
    return [detail["path"] for detail in response.json["error"]["details"]]


def test_types_default_to_those_of_the_token(limited: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD, NORTH, TEA])
    assert limited.updated([{"document_id": ana, "segments": SILVER}]) == [ana]
    assert all_segments() == {ana: [WINE, *SILVER, TEA]}


def test_types_of_a_request_are_among_those_of_the_token(limited: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD, NORTH])
    row = {"document_id": ana, "segments": SILVER}
    limited.replace([row], "?types=membership")
    assert all_segments() == {ana: [WINE, *SILVER, NORTH]}
    for query in ("?types=interest", "?types=membership,interest", "?types="):
        assert paths(limited.replace([row], query, status=403, code="FORBIDDEN")) == ["types"]
    refused = limited.replace(
        [{"document_id": ana, "segments": [NORTH]}], "?types=membership", status=400, code="VALIDATION_ERROR"
    )
    assert paths(refused) == ["customers[0].segments[0].type"]
    assert all_segments() == {ana: [WINE, *SILVER, NORTH]}


@pytest.mark.parametrize("query", ["", "?types=membership", "?dry_run=true"])
def test_a_type_outside_the_token_is_forbidden_with_its_path(limited: Api, ana: str, query: str) -> None:
    set_segments(ana, [TEA])
    rows = [{"document_id": ana, "segments": GOLD}, {"document_id": "x", "segments": [*GOLD, WINE]}]
    response = limited.replace(rows, query, status=403, code="FORBIDDEN")
    assert paths(response) == ["customers[1].segments[1].type"]
    assert all_segments() == {ana: [TEA]}


def test_the_first_100_types_outside_the_token_are_named(limited: Api, ana: str) -> None:
    row = {"document_id": ana, "segments": [WINE] * 150}
    assert len(paths(limited.replace([row], status=403, code="FORBIDDEN"))) == 100


def test_a_limited_token_patches_its_types_only(limited: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD])
    patch = {"customers": [{"document_id": ana, "add": [*SILVER, TEA], "remove": [WINE]}]}
    response = limited.call("PATCH", SEGMENTS, json=patch, status=403, code="FORBIDDEN")
    assert paths(response) == ["customers[0].add[1].type", "customers[0].remove[0].type"]
    assert all_segments() == {ana: [WINE, *GOLD]}
    limited.call("PATCH", SEGMENTS, json={"customers": [{"document_id": ana, "add": SILVER, "remove": GOLD}]})
    assert all_segments() == {ana: [WINE, *SILVER]}


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        ([*GOLD, WINE, TEA], "segments[2].type"),
        (GOLD, "segments"),
        ([], "segments"),
        (None, "segments"),
    ],
)
def test_put_by_a_limited_token_may_not_change_other_types(limited: Api, ana: str, segments: Any, path: str) -> None:
    set_segments(ana, [WINE, *GOLD])
    body = {"name": "x", "segments": segments}
    response = limited.call("PUT", f"/api/v3/customers/{ana}", json=body, status=403, code="FORBIDDEN")
    assert paths(response) == [path]
    assert all_segments() == {ana: [WINE, *GOLD]}
    assert limited.get(f"/api/v3/customers/{ana}").json["name"] == "Ana Gómez"  # type: ignore[index]


def test_put_by_a_limited_token_changes_its_types_and_profiles(limited: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD])
    url = f"/api/v3/customers/{ana}"
    limited.call("PUT", url, json={"name": "x"})
    limited.call("PUT", url, json={"name": "x", "segments": [WINE, *SILVER]})
    assert all_segments() == {ana: [WINE, *SILVER]}
    limited.call("PUT", "/api/v3/customers/new", json={"segments": [WINE]}, status=403, code="FORBIDDEN")
    limited.call("PUT", "/api/v3/customers/new", json={"segments": GOLD})
    assert all_segments() == {ana: [WINE, *SILVER], "new": GOLD}


def revert_url(response: Any) -> str:
    return f"/api/v3/change-sets/{response.headers['Change-Set']}/revert"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_revert_by_a_limited_token_may_not_change_other_types(limited: Api, api: Api, query: str) -> None:
    add_customers("1", "2")
    change = api.replace([{"document_id": "1", "segments": GOLD}])
    mixed = api.replace([{"document_id": id_, "segments": [*GOLD, *tail]} for id_, tail in (("1", []), ("2", [WINE]))])
    before = all_segments()
    response = limited.call("POST", revert_url(mixed) + query, status=403, code="FORBIDDEN")
    assert paths(response) == ["change_set_id"]
    assert all_segments() == before
    assert limited.call("POST", revert_url(change) + query).json["changed"] == 1  # type: ignore[index]


def test_revert_by_a_limited_token_keeps_later_changes_of_other_types(limited: Api, ana: str) -> None:
    gold = limited.replace([{"document_id": ana, "segments": GOLD}])
    set_segments(ana, [*GOLD, WINE])
    limited.call("POST", revert_url(gold))
    assert all_segments() == {ana: [WINE]}


def test_revert_of_a_creation_by_a_limited_token_deletes_no_other_types(limited: Api, api: Api) -> None:
    for id_, segments in (("1", [*GOLD, WINE]), ("2", GOLD)):
        created = api.call("PUT", f"/api/v3/customers/{id_}", json={"segments": segments})
        if id_ == "1":
            limited.call("POST", revert_url(created), status=403, code="FORBIDDEN")
            deleted = api.call("POST", revert_url(created))
            limited.call("POST", revert_url(deleted), status=403, code="FORBIDDEN")
        else:
            limited.call("POST", revert_url(limited.call("POST", revert_url(created))))
    assert all_segments() == {"2": GOLD}


@pytest.fixture
def guarded(app: Flask) -> Api:
    """A token that is limited to the type membership and may empty no customer."""
    add_customers("1", "2")
    set_segments("1", [WINE, *GOLD])
    set_segments("2", [WINE])
    return api_with(app, create_token("guarded", guard=Guard(customers=0), types=["membership"]))


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", SEGMENTS, {"customers": [{"document_id": id_, "segments": []} for id_ in ("1", "2")]}),
        ("PATCH", SEGMENTS, {"customers": [{"document_id": id_, "remove": GOLD} for id_ in ("1", "2")]}),
        ("PUT", "/api/v3/customers/1", {"segments": [WINE]}),
    ],
)
def test_the_guard_of_a_limited_token_counts_its_types(guarded: Api, method: str, url: str, body: Any) -> None:
    refused: Any = guarded.client.open(url, method=method, json=body, headers=guarded.headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "CHANGE_TOO_LARGE")
    assert refused.json["error"]["message"].startswith("1 customer would")
    assert all_segments() == {"1": [WINE, *GOLD], "2": [WINE]}
    guarded.call(method, url, json=body, headers={"Guard": "override"})
    assert all_segments() == {"1": [WINE], "2": [WINE]}


def test_the_guard_of_a_limited_token_counts_its_types_in_a_revert(guarded: Api) -> None:
    gold = guarded.replace([{"document_id": "2", "segments": GOLD}])
    refused: Any = guarded.client.post(revert_url(gold), headers=guarded.headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (409, "CHANGE_TOO_LARGE")
    guarded.call("POST", revert_url(gold), headers={"Guard": "override"})
    assert all_segments() == {"1": [WINE, *GOLD], "2": [WINE]}
