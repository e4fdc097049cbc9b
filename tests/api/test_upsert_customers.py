"""POST /api/v3/customers: create or update by document_id (contract §3)."""

import random
from typing import Any

import pytest

from tests.support.clients import Api
from tests.support.customers import GOLD, all_segments, set_segments
from tests.support.imports import all_profiles


def save(api: Api, customers: Any, **kwargs: Any) -> Any:
    return api.call("POST", "/api/v3/customers", json={"customers": customers}, **kwargs).json


def test_creates_and_updates_customers(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    luis = {"document_id": "2", "name": "Luis", "email": "luis@example.com", "phone": "+57 1"}
    assert save(api, [luis, {"document_id": ana, "name": "Ana G."}]) == {"created": 1, "updated": 1, "unchanged": 0}
    assert all_profiles() == {ana: ("Ana G.", "Ana@Example.com", None), "2": ("Luis", "luis@example.com", "+57 1")}
    assert save(api, [luis]) == {"created": 0, "updated": 0, "unchanged": 1}
    assert all_segments() == {ana: GOLD, "2": []}
    api.get("/api/customers/segments?email=LUIS@example.com")


def test_segments_are_left_alone_also_when_sent(api: Api, ana: str) -> None:
    save(api, [{"document_id": ana, "segments": GOLD}])
    assert all_segments() == {ana: []}


def test_null_empties_a_field_and_a_missing_field_stays(api: Api, ana: str) -> None:
    save(api, [{"document_id": ana, "email": None}])
    assert all_profiles() == {ana: ("Ana Gómez", None, None)}
    api.get("/api/customers/segments?email=ana@example.com", status=404, code="CUSTOMER_NOT_FOUND")


def test_the_first_of_several_entries_wins(api: Api) -> None:
    assert save(api, [{"document_id": "1", "name": "A"}, {"document_id": "1", "name": "B"}])["created"] == 1
    assert all_profiles() == {"1": ("A", None, None)}


@pytest.mark.parametrize(
    ("customers", "path"),
    [
        ([], "customers"),
        ([{"name": "A"}], "customers[0].document_id"),
        ([{"document_id": ""}], "customers[0].document_id"),
        ([{"document_id": "x" * 513}], "customers[0].document_id"),
        ([{"document_id": "1", "name": 7}], "customers[0].name"),
        ([{"document_id": "1", "phone": "\0"}], "customers[0].phone"),
        ([{"document_id": "1", "email": "é" * 513}], "customers[0].email"),
    ],
)
def test_refuses(api: Api, customers: Any, path: str) -> None:
    error = save(api, [{"document_id": "fine"}, *customers] if customers else [], status=400, code="VALIDATION_ERROR")
    assert error["error"]["details"][0]["path"] == path.replace("[0]", "[1]")
    assert all_profiles() == {}


def test_the_longest_of_everything_can_be_stored(api: Api) -> None:
    dice = random.Random(1)  # what repeats itself is compressed, and would fit anywhere
    longest = {"document_id": 512, "name": 1000, "email": 512, "phone": 100}
    row = {name: "".join(chr(dice.randrange(0x10000, 0x3FFFF)) for _ in range(n)) for name, n in longest.items()}
    assert save(api, [row])["created"] == 1
    assert api.updated([{"document_id": row["document_id"], "segments": GOLD}])


def test_upsert_is_recorded_and_can_be_reverted(api: Api, ana: str) -> None:
    body = {"customers": [{"document_id": ana, "name": "Ana G."}, {"document_id": "new"}]}
    assert api.call("POST", "/api/v3/customers", json=body).headers["Change-Set"] == "1"
    change_set = api.get("/api/v3/change-sets/1").json
    assert change_set is not None
    assert (change_set["actor"], change_set["changed"], change_set["created"], change_set["updated"]) == (
        "token crm-nightly",
        0,
        1,
        1,
    )
    undone = api.call("POST", "/api/v3/change-sets/1/revert").json
    assert undone == {"changed": 2, "unchanged": 0, "conflicts": [], "changeSet": "2"}
    assert {document_id: row[0] for document_id, row in all_profiles().items()} == {ana: "Ana Gómez"}
    as_before = {"customers": [{"document_id": ana, "name": "Ana Gómez"}]}
    assert "Change-Set" not in api.call("POST", "/api/v3/customers", json=as_before).headers
