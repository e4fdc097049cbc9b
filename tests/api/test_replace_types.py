"""?types=: two source systems share one customer (contract §8)."""

from typing import Any

import pytest
from flask import Flask

from app.core.changes.replace_types import merge_types
from tests.support.clients import Api, Shell
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
    sent = [{"document_id": ana, "segments": SILVER}, {"document_id": "nobody", "segments": SILVER}]
    answer: Any = api.replace(sent, "?types=membership,region&report=true").json
    assert answer["updatedCustomers"] == [ana]
    assert answer["report"]["changed"] == 1
    assert answer["report"]["notFound"] == ["nobody"]
    assert all_segments() == {ana: [WINE, *SILVER, TEA]}


def test_a_dry_run_of_types_writes_nothing(api: Api, ana: str) -> None:
    set_segments(ana, [WINE, *GOLD])
    answer: Any = api.replace([{"document_id": ana, "segments": SILVER}], "?types=membership&dry_run=true").json
    assert (answer["report"]["changed"], answer["report"]["changeSet"]) == (1, None)
    assert all_segments() == {ana: [WINE, *GOLD]}


def test_a_segment_of_another_type_is_refused_with_its_path(api: Api, ana: str) -> None:
    sent = [{"document_id": ana, "segments": GOLD}, {"document_id": "x", "segments": [*GOLD, WINE]}]
    error: Any = api.replace(sent, "?types=membership", status=400, code="VALIDATION_ERROR").json
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
    answer: Any = api.client.post("/api/v3/customers/segments?types=membership", json=cleared, headers=api.headers)
    assert answer.status_code == 409
    assert "1 customer would" in answer.json["error"]["message"]
    assert all_segments() == {"1": [WINE, *GOLD], "2": [WINE]}
    api.replace([{"document_id": "2", "segments": []}], "?types=membership")


def test_patch_refuses_types(api: Api, ana: str) -> None:
    body = {"customers": [{"document_id": ana, "add": GOLD}]}
    api.call("PATCH", "/api/v3/customers/segments?types=membership", json=body, status=400, code="VALIDATION_ERROR")
