"""PUT /api/v3/segments/<type>/<value>/members: exactly the customers listed have the segment (contract §8)."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.access.api_tokens import create_token
from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.replace_segments import replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, count_change_sets, set_segments
from tests.support.members import BASIC, URL, put

JSON_LINES = "application/x-ndjson"


@pytest.fixture
def shop(app: Flask) -> None:
    """Members a and b, where a has further segments, and c and d without the segment."""
    add_customers("a", "b", "c", "d")
    set_segments("a", [*BASIC, *GOLD, *SILVER])
    set_segments("b", GOLD)
    set_segments("c", SILVER)


@pytest.mark.usefixtures("shop")
def test_exactly_the_listed_customers_have_the_segment(api: Api) -> None:
    before = count_change_sets()
    response = put(api, ["b", "c", "unknown", "d", "c"])
    change_set = response.headers["Change-Set"]
    assert response.json == {
        "added": 2, "removed": 1, "unchanged": 1, "notFound": ["unknown"], "changeSet": change_set,
    }  # fmt: skip
    assert all_segments() == {"a": [*BASIC, *SILVER], "b": GOLD, "c": [*SILVER, *GOLD], "d": GOLD}
    assert count_change_sets() == before + 1
    totals: Any = api.get(f"/api/v3/change-sets/{change_set}").json
    assert (totals["changed"], totals["actor"], totals["source"]) == (3, "token crm-nightly", "api")
    api.call("POST", f"/api/v3/change-sets/{change_set}/revert")
    assert all_segments()["a"] == [*BASIC, *GOLD, *SILVER]


@pytest.mark.usefixtures("shop")
def test_the_same_list_again_changes_nothing(api: Api) -> None:
    put(api, ["b", "c"])
    before = count_change_sets()
    response = put(api, ["b", "c"])
    assert response.json == {"added": 0, "removed": 0, "unchanged": 2, "notFound": [], "changeSet": None}
    assert "Change-Set" not in response.headers
    assert count_change_sets() == before


@pytest.mark.usefixtures("shop")
def test_an_empty_list_removes_all_members(api: Api) -> None:
    assert put(api, []).json["removed"] == 2  # type: ignore[index]
    assert all_segments() == {"a": [*BASIC, *SILVER], "b": [], "c": SILVER, "d": []}


@pytest.mark.usefixtures("shop")
def test_equal_pairs_are_all_removed_and_none_is_added_twice(api: Api) -> None:
    set_segments("a", [*GOLD, *SILVER, *GOLD])
    set_segments("b", [*GOLD, *GOLD])
    assert put(api, ["b"]).json["unchanged"] == 1  # type: ignore[index]
    assert all_segments()["a"] == SILVER
    assert all_segments()["b"] == [*GOLD, *GOLD]


@pytest.mark.usefixtures("shop")
def test_a_dry_run_answers_the_same_and_writes_nothing(api: Api) -> None:
    before = all_segments(), count_change_sets()
    response = put(api, ["c", "unknown"], "?dry_run=true")
    assert response.json == {"added": 1, "removed": 2, "unchanged": 0, "notFound": ["unknown"], "changeSet": None}
    assert "Change-Set" not in response.headers
    assert (all_segments(), count_change_sets()) == before


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "lines", ['"b"\n"c"\n', '{"document_id": "b"}\r\n\r\n{"document_id": "c", "name": "C"}', '\ufeff"b"\n  "c"  ']
)
@pytest.mark.parametrize("media_type", [JSON_LINES, "application/jsonl"])
def test_json_lines_have_an_id_each(api: Api, lines: str, media_type: str) -> None:
    response = api.call("PUT", URL, data=lines.encode(), headers={"Content-Type": media_type})
    assert response.json is not None
    assert (response.json["added"], response.json["removed"], response.json["unchanged"]) == (1, 1, 1)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("lines", "code", "text"),
    [
        ("", "MALFORMED_JSON", "empty"),
        ("\n \n", "MALFORMED_JSON", "empty"),
        ('"a"\n{"document_id": ', "MALFORMED_JSON", "Line 2"),
        ('"a"\n"b", "c"', "MALFORMED_JSON", "Line 2"),
        ('"a"\n\n17\n{"id": "b"}\n"\\u0000"', "VALIDATION_ERROR", "line 3 line 4 line 5"),
    ],
)
def test_malformed_lines_are_named_and_change_nothing(api: Api, lines: str, code: str, text: str) -> None:
    before = all_segments()
    response = api.call("PUT", URL, data=lines, headers={"Content-Type": JSON_LINES}, status=400, code=code)
    error = response.json["error"]  # type: ignore[index]
    assert text in error["message"] or text == " ".join(detail["path"] for detail in error["details"])
    assert all_segments() == before


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "document_ids"),
        ([], ""),
        ({"document_ids": None}, "document_ids"),
        ({"document_ids": "a"}, "document_ids"),
        ({"document_ids": ["a", 1]}, "document_ids[1]"),
        ({"document_ids": ["a", None]}, "document_ids[1]"),
        ({"document_ids": ["\0"]}, "document_ids[0]"),
    ],
)
def test_rejects_another_body(api: Api, body: Any, path: str) -> None:
    response = api.call("PUT", URL, json=body, status=400, code="VALIDATION_ERROR")
    assert [detail["path"] for detail in response.json["error"]["details"]] == [path]  # type: ignore[index]


def test_rejects_other_media_types_parameters_and_scopes(app: Flask, api: Api, ana: str) -> None:
    csv = {"Content-Type": "text/csv"}
    api.call("PUT", URL, data="a", headers=csv, status=415, code="UNSUPPORTED_MEDIA_TYPE")
    put(api, [ana], "?as_of=2026-01-01T00:00:00Z", status=400, code="VALIDATION_ERROR")
    put(api, [ana], headers={"Guard": "yes"}, status=400, code="VALIDATION_ERROR")
    reader = api_with(app, create_token("reader", scopes=("segments:read",)))
    put(reader, [ana], status=403, code="FORBIDDEN")
    assert all_segments() == {ana: []}


def test_any_type_and_value_is_reached(api: Api, ana: str) -> None:
    pair = {"type": "a/b:c%2F", "value": ".."}
    url = "/api/v3/segments/a%252Fb:c%25252F/%252E%252E/members"
    assert api.call("PUT", url, json={"document_ids": [ana]}).json["added"] == 1  # type: ignore[index]
    assert all_segments() == {ana: [pair]}


@pytest.mark.usefixtures("shop")
def test_a_key_makes_it_safe_to_repeat(api: Api) -> None:
    key = {"Idempotency-Key": "members-1"}
    first = put(api, ["c"], headers=key)
    set_segments("c", [])
    again = put(api, ["c"], headers=key)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Change-Set"] == first.headers["Change-Set"]
    assert all_segments()["c"] == []
    put(api, ["d"], headers=key, status=422, code="IDEMPOTENCY_MISMATCH")


@pytest.mark.parametrize(("guard", "allowed"), [(["--guard-percent", "20"], 2), (["--guard-customers", "3"], 3)])
def test_the_guard_counts_removals_in_percent_of_the_members_before(
    app: Flask, shell: Shell, guard: list[str], allowed: int
) -> None:
    ids = [f"{n}" for n in range(10)]
    add_customers(*ids, *(f"new-{n}" for n in range(50)))
    api = api_with(app, shell("tokens", "create", "crm", *guard).stdout.splitlines()[-1])
    put(api, ids)
    others = [f"new-{n}" for n in range(50)]  # so that a percentage of those listed would allow more
    before = all_segments()
    for query in ("?dry_run=true", ""):
        refused: Any = app.test_client().put(
            URL + query, json={"document_ids": [*ids[allowed + 1 :], *others]}, headers=api.headers
        )
        assert refused.status_code == 409
        assert refused.json["error"]["code"] == "CHANGE_TOO_LARGE"
        assert f"{allowed + 1} customers would lose the segment" in refused.json["error"]["message"]
        assert refused.json["report"] == {
            "added": 50, "removed": allowed + 1, "unchanged": 9 - allowed, "notFound": [], "changeSet": None,
        }  # fmt: skip
    assert all_segments() == before
    assert put(api, [*ids[allowed:], *others]).json["removed"] == allowed  # type: ignore[index]
    put(api, [], headers={"Guard": "override"})
    assert not any(all_segments().values())


def test_a_token_limited_to_types_sets_members_of_these_types_only(app: Flask, shell: Shell, ana: str) -> None:
    create = ("tokens", "create", "loyalty", "--type", "membership")
    api = api_with(app, shell(*create).stdout.splitlines()[-1])
    put(api, [ana])
    url = "/api/v3/segments/interest/WINE/members"
    refused = api.call("PUT", url, json={"document_ids": [ana]}, status=403, code="FORBIDDEN")
    assert refused.json["error"]["details"][0]["path"] == "type"  # type: ignore[index]
    assert all_segments() == {ana: GOLD}


@pytest.mark.usefixtures("shop")
def test_a_change_reason_is_the_note(api: Api) -> None:
    change_set = put(api, ["c"], headers={"Change-Reason": "Campaign 7"}).headers["Change-Set"]
    assert api.get(f"/api/v3/change-sets/{change_set}").json["note"] == "Campaign 7"  # type: ignore[index]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_concurrent_change_of_another_segment_is_kept(api: Api) -> None:
    """The writer holds the customer while the list is applied: both changes are there afterwards."""
    writer_holds = threading.Event()
    thread = threading.Thread(target=lambda: (writer_holds.wait(20), put(api, ["a", "b", "d"])))
    thread.start()
    with Session(dialects.for_writing(db.engine)) as session:
        with open_change_set(session, TESTER) as change_set:
            replace_segments_in(change_set, PreparedUpdate.of({"d": SILVER}))
            writer_holds.set()
            thread.join(timeout=1)
            assert thread.is_alive(), "it waits for the customer"
        session.commit()
    thread.join(timeout=20)
    assert all_segments()["d"] == [*SILVER, *GOLD]
