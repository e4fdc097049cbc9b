"""POST /api/v3/customers/segments, as the document describes it: contract §1."""

import gzip
import json
from typing import Any

import pytest

from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments


def test_example_of_the_contract(api: Api, ana: str) -> None:
    """The document's own example: one of the two customers exists."""
    customers = [{"document_id": ana, "segments": GOLD}, {"document_id": "222-133", "segments": GOLD}]
    response = api.replace(customers)
    assert response.json == {"updatedCustomers": [ana]}
    assert all_segments() == {ana: GOLD}


def test_replaces_all_segments(api: Api, ana: str) -> None:
    set_segments(ana, [*GOLD, {"type": "affiliation", "value": "NEW_CUSTOMER"}])
    api.replace([{"document_id": ana, "segments": SILVER}])
    assert all_segments() == {ana: SILVER}


@pytest.mark.parametrize("nothing", [None, []])
def test_clears(api: Api, ana: str, nothing: Any) -> None:
    set_segments(ana, GOLD)
    assert api.updated([{"document_id": ana, "segments": nothing}]) == [ana]
    assert all_segments() == {ana: []}


@pytest.mark.parametrize(
    "segments",
    [
        pytest.param([*SILVER, *GOLD], id="in the order sent"),
        pytest.param([*GOLD, *GOLD], id="equal pairs kept"),
        pytest.param([{"type": "Membership", "value": " gold "}], id="case and blanks"),
        pytest.param([{"type": "interest", "value": v} for v in ("WINE", "TOYS")], id="several of one type"),
        pytest.param([{"type": "é", "value": "e\u0301"}, {"type": "e\u0301", "value": "é"}], id="no normalization"),
        pytest.param([{"type": "", "value": ""}], id="empty texts"),
        pytest.param([{"type": "t", "value": '"\\/\b\f\n\r\t\x1f\x7f 😀 مرحبا \ufffe'}], id="odd characters"),
        pytest.param([{"type": "t" * 5_000, "value": "v" * 100_000}], id="long"),
        pytest.param([{"type": "t", "value": str(n)} for n in range(2_000)], id="many"),
        pytest.param([{"type": "t", "value": '{"type":"membership","value":"GOLD"}'}], id="JSON in a value"),
    ],
)
def test_keeps_segments_exactly_as_sent(api: Api, ana: str, segments: list[dict[str, str]]) -> None:
    assert api.updated([{"document_id": ana, "segments": segments}]) == [ana]
    result = api.get(f"/api/customers/segments?document_id={ana}").json
    assert result == {"segments": segments}
    assert api.updated([{"document_id": ana, "segments": segments}]) == [ana], "again, and nothing differs"
    assert api.replace([{"document_id": ana, "segments": segments}], "?report=true").json["report"]["unchanged"] == 1


def test_ignores_unknown_properties(api: Api, ana: str) -> None:
    segment = {"value": "GOLD", "since": 2019, "type": "membership"}
    body = {"customers": [{"document_id": ana, "segments": [segment], "name": 7}], "sender": {}}
    api.call("POST", "/api/v3/customers/segments", json=body)
    assert all_segments() == {ana: GOLD}
    assert api.replace([{"document_id": ana, "segments": GOLD}], "?report=true").json["report"]["unchanged"] == 1


def test_takes_the_first_of_several_entries(api: Api, ana: str) -> None:
    entries = [{"document_id": ana, "segments": segments} for segments in (GOLD, SILVER, None)]
    assert api.updated(entries) == [ana]
    assert all_segments() == {ana: GOLD}


def test_answers_in_the_order_of_first_occurrence(api: Api) -> None:
    add_customers("b", "a", "c", "10", "9")
    set_segments("c", GOLD)
    order = ["c", "9", "unknown", "a", "10", "a", "b", "c"]
    response = api.updated([{"document_id": document_id, "segments": GOLD} for document_id in order])
    assert response == ["c", "9", "a", "10", "b"]


def test_never_creates_customers(api: Api) -> None:
    assert api.updated([{"document_id": "nobody", "segments": GOLD}]) == []
    assert all_segments() == {}


def test_ids_are_compared_exactly(api: Api) -> None:
    ids = ["A", "a", "á", "a\u0301", " a", "a ", "1", "01", "a/b", "a//b", "%61", "'", '"', "\\", "\t", "😀", "a\x1f"]
    add_customers(*ids)
    for document_id in ids:
        segments = [{"type": "id", "value": document_id}]
        assert api.updated([{"document_id": document_id, "segments": segments}]) == [document_id]
    assert all_segments() == {document_id: [{"type": "id", "value": document_id}] for document_id in ids}


def test_accepts_gzip(api: Api, ana: str) -> None:
    body = json.dumps({"customers": [{"document_id": ana, "segments": GOLD}]}).encode()
    for data in (gzip.compress(body), gzip.compress(body[:9]) + gzip.compress(body[9:])):
        api.call("POST", "/api/v3/customers/segments", data=data, headers=JSON | {"Content-Encoding": "gzip"})
    assert all_segments() == {ana: GOLD}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
def test_accepts_the_charset_that_json_has(api: Api, ana: str, content_type: str) -> None:
    body = json.dumps({"customers": [{"document_id": ana, "segments": GOLD}]})
    api.call("POST", "/api/v3/customers/segments", data=body, headers={"Content-Type": content_type})


def test_handles_an_id_longer_than_any_that_exists(api: Api) -> None:
    assert api.updated([{"document_id": "9" * 10_000, "segments": GOLD}]) == []


def test_names_its_change_set_only_when_something_changed(api: Api, ana: str) -> None:
    customers = [{"document_id": ana, "segments": GOLD}]
    assert api.replace(customers).headers["Change-Set"] == "1"
    assert "Change-Set" not in api.replace(customers).headers


def test_reports(api: Api, ana: str) -> None:
    add_customers("b")
    set_segments(ana, GOLD)
    customers = [
        {"document_id": document_id, "segments": GOLD} for document_id in ("x", ana, "b", ana, "y", "x", "x", ana)
    ]
    report = api.replace(customers, "?report=true").json["report"]
    assert report == {
        "changed": 1,
        "unchanged": 1,
        "notFound": ["x", "y"],
        "duplicates": [ana, "x"],
        "stale": [],
        "changeSet": "2",
    }
