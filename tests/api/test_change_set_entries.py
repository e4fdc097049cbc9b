"""GET /api/v3/change-sets/<id>/changes: what a change set did, of every kind."""

from typing import Any

from app.core.changes.document_ids import rename_customer
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.feed import read_all


def entries(api: Api, change_set: str, query: str = "", **kwargs: Any) -> Any:
    return api.get(f"/api/v3/change-sets/{change_set}/changes{query}", **kwargs).json


def test_entries_are_those_of_the_feed(api: Api) -> None:
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": id_} for id_ in "ab"]})
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": id_, "name": "N"} for id_ in "abc"]})
    api.replace([{"document_id": id_, "segments": GOLD} for id_ in "abc"])
    rename_customer("a", "z", TESTER)
    api.call("DELETE", "/api/v3/customers/c", status=403, code="FORBIDDEN")
    feed, _ = read_all(api)
    ids = {entry["changeSet"] for entry in feed}
    assert len(ids) == 4
    for id_ in ids:
        assert entries(api, id_) == {"changes": [entry for entry in feed if entry["changeSet"] == id_], "next": None}


def test_pages_of_any_size_have_the_same_entries(api: Api) -> None:
    ids = [f"{n}" for n in range(5)]
    add_customers(*ids)
    set_segments("0", SILVER)
    change_set = api.replace([{"document_id": id_, "segments": GOLD} for id_ in ids]).headers["Change-Set"]
    expected = entries(api, change_set)["changes"]
    assert [entry["before"] for entry in expected] == [SILVER, [], [], [], []]
    for limit in (1, 2, 5):
        found, cursor = [], ""
        while True:
            page = entries(api, change_set, f"?limit={limit}{cursor}")
            found += page["changes"]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert found == expected


def test_kinds_filter_the_entries(api: Api) -> None:
    body = {"customers": [{"document_id": "a", "name": "A"}]}
    api.call("POST", "/api/v3/customers", json=body)
    change_set = read_all(api)[0][0]["changeSet"]
    assert len(entries(api, change_set, "?kind=created")["changes"]) == 1
    assert entries(api, change_set, "?kind=segments&kind=renamed")["changes"] == []
    entries(api, change_set, "?kind=x", status=400, code="VALIDATION_ERROR")


def test_unknown_change_set_is_404(api: Api) -> None:
    entries(api, "7", status=404, code="NOT_FOUND")
