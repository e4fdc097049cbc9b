"""MAX_SEGMENTS_PER_CUSTOMER: no way of changing customers passes it, an undo is never stopped, and it is off."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.core.changes.replace_segments import replace_segments
from app.core.changes.revert import revert
from app.core.changes.segment_updates import SegmentPatch
from app.core.models.segments import Segments
from tests.support.api_jobs import finish_job, submit
from tests.support.clients import Api, Shell
from tests.support.customers import TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, last_result, preview, run_job, upload

LIMIT = 2
SEGMENTS_URL = "/api/v3/customers/segments"
TEXT = "A customer can have at most 2 segments (MAX_SEGMENTS_PER_CUSTOMER)."


def some(count: int, type_: str = "tag") -> Segments:
    return [{"type": type_, "value": str(number)} for number in range(count)]


@pytest.fixture
def limited(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two customers, one of whom had more segments before the limit was set."""
    add_customers("a", "over")
    set_segments("a", some(1))
    set_segments("over", some(4))
    monkeypatch.setitem(app.config, "MAX_SEGMENTS_PER_CUSTOMER", LIMIT)


def paths(response: Any) -> list[str]:
    return [detail["path"] for detail in response.json["error"]["details"]]


# The rule


def test_there_is_no_limit_by_default(api: Api) -> None:
    add_customers("a")
    assert api.updated([{"document_id": "a", "segments": some(1_000)}]) == ["a"]


@pytest.mark.usefixtures("limited")
def test_customers_who_would_have_too_many_are_left_alone() -> None:
    patch = SegmentPatch(add=some(2, "new"), remove=[])
    result = replace_segments({"a": patch, "missing": patch, "over": SegmentPatch(add=[], remove=some(1))}, TESTER)
    assert (result.too_many, result.not_found, result.changed, result.unchanged) == (["a"], ["missing"], 1, 0)
    assert all_segments() == {"a": some(1), "over": some(4)[1:]}


@pytest.mark.usefixtures("limited")
def test_customer_above_the_limit_keeps_loses_and_exchanges_segments() -> None:
    exchanged = [*some(3), *some(1, "new")]
    for segments in (some(4), exchanged, exchanged[:3]):
        assert replace_segments({"over": segments}, TESTER).too_many == []
        assert all_segments()["over"] == segments
    assert replace_segments({"over": some(4)}, TESTER).too_many == ["over"]


# The API


@pytest.mark.usefixtures("limited")
def test_replacing_names_the_customers_and_changes_nothing(api: Api) -> None:
    customers = [{"document_id": id_, "segments": some(n)} for id_, n in (("a", 2), ("a", 3), ("x", 2), ("y", 3))]
    for query in ("", "?dry_run=true"):
        refused = api.replace(customers, query, status=400, code="VALIDATION_ERROR")
        assert paths(refused) == ["customers[1].segments", "customers[3].segments"]
        assert refused.json["error"]["details"][0]["message"] == TEXT
    assert all_segments()["a"] == some(1)
    assert api.updated(customers[:1]) == ["a"]


@pytest.mark.usefixtures("limited")
def test_replacing_types_counts_the_segments_of_others(api: Api) -> None:
    rows = [{"document_id": "x", "segments": []}, {"document_id": "a", "segments": some(2, "new")}]
    refused = api.replace(rows, "?types=new", status=400, code="VALIDATION_ERROR")
    assert paths(refused) == ["customers[1].segments"]
    rows[1]["segments"] = some(1, "new")
    api.replace(rows, "?types=new")
    assert all_segments()["a"] == [*some(1), *some(1, "new")]


@pytest.mark.usefixtures("limited")
def test_patching_names_the_customers_and_changes_nothing(api: Api) -> None:
    rows = [{"document_id": id_, "add": some(2, "new")} for id_ in ("missing", "missing", "a")]
    rows.append({"document_id": "over", "remove": some(1)})
    refused = api.call("PATCH", SEGMENTS_URL, json={"customers": rows}, status=400, code="VALIDATION_ERROR")
    assert paths(refused) == ["customers[2].add"]
    assert all_segments() == {"a": some(1), "over": some(4)}
    api.call("PATCH", SEGMENTS_URL, json={"customers": rows[3:]})
    assert all_segments()["over"] == some(4)[1:]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.usefixtures("limited")
def test_one_customer(api: Api, method: str) -> None:
    body = {"name": "Ana", "segments": some(3)}
    refused = api.call(method, "/api/v3/customers/a", json=body, status=400, code="VALIDATION_ERROR")
    assert paths(refused) == ["segments"]
    assert api.get("/api/v3/customers/a").json["name"] is None
    api.call(method, "/api/v3/customers/a", json={"segments": some(2)})
    assert all_segments()["a"] == some(2)


@pytest.mark.usefixtures("limited")
def test_members(api: Api) -> None:
    url = "/api/v3/segments/new/0/members"
    for query in ("", "?dry_run=true"):
        body = {"document_ids": ["a", "over"]}
        refused = api.call("PUT", url + query, json=body, status=400, code="VALIDATION_ERROR")
        assert paths(refused) == ["document_ids[1]"]
    assert all_segments() == {"a": some(1), "over": some(4)}
    api.call("PUT", url, json={"document_ids": ["a"]})
    api.call("PUT", "/api/v3/segments/tag/3/members", json={"document_ids": ["over"]})


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "text/csv"])
@pytest.mark.usefixtures("limited")
def test_rows_of_a_job_are_rejected(api: Api, media_type: str) -> None:
    if media_type == "text/csv":
        rows = [f"{id_},tag,{n}" for id_, count in (("a", 3), ("over", 2)) for n in range(count)]
        body, rejected = "\n".join(["document_id,type,value", *rows]), 3
    else:
        body, rejected = json_lines(a=some(3), over=some(2)), 1
    job = finish_job(api, submit(api, body.encode(), media_type=media_type))
    assert job["report"]["rejected"] == rejected
    assert TEXT in api.get(f"/api/v3/jobs/{job['id']}/rejected").text
    assert all_segments() == {"a": some(1), "over": some(2)}


@pytest.mark.usefixtures("limited")
def test_job_that_adds_leaves_customers_alone_and_reports_them(api: Api) -> None:
    add_customers("b")
    body = json_lines(a=some(2, "new"), b=some(2, "new"), over=some(1)).encode()
    for query in ("action=merge&dry_run=true", "action=merge"):
        report = finish_job(api, submit(api, body, query))["report"]
        assert (report["overLimit"], report["changed"], report["unchanged"]) == (["a"], 1, 1)
    assert all_segments() == {"a": some(1), "b": some(2, "new"), "over": some(4)}
    finish_job(api, submit(api, json_lines(over=some(3)).encode(), "action=remove"))
    assert all_segments()["over"] == some(4)[3:]


def json_lines(**segments: Segments) -> str:
    return "\n".join(json.dumps({"document_id": id_, "segments": value}) for id_, value in segments.items())


# Files, pages


@pytest.mark.usefixtures("limited")
def test_commands_reject_rows(shell: Shell) -> None:
    for command in ("customers import", "segments apply"):
        file = shell.file("sent.jsonl", json_lines(a=some(3), over=some(3)[:2]))
        shell(*command.split(), file, exit_code=1)
        assert "MAX_SEGMENTS_PER_CUSTOMER" in Path(f"{file}.rejected.csv").read_text()
    assert all_segments() == {"a": some(1), "over": some(2)}


def add_by_file(editor: HtmlClient, rows: str) -> str:
    """Upload a file whose segments are added, have it previewed, and return the URL of the import."""
    url = upload(editor, "document_id,type,value\n" + rows)
    roles = [("role", role) for role in ("document_id", "type", "value")]
    editor.post(url, [("action", "check"), ("mode", "add"), ("create", "yes"), *roles])
    assert run_job()
    return url


@pytest.mark.usefixtures("limited")
def test_import_rejects_rows_and_leaves_customers_alone(editor: HtmlClient) -> None:
    page = preview(editor, upload(editor, json_lines(a=some(3), over=some(1)), "sent.jsonl"))
    assert TEXT in page.text
    url = add_by_file(editor, "a,new,0\nover,new,0\nc,new,0\n")
    assert "1 customer is left alone: they would have too many segments." in editor.get(url).text
    apply(editor, url)
    assert all_segments() == {"a": [*some(1), *some(1, "new")], "over": some(4), "c": some(1, "new")}


@pytest.mark.usefixtures("limited")
def test_import_leaves_customers_alone_who_would_have_too_many_by_now(editor: HtmlClient) -> None:
    url = add_by_file(editor, "a,new,0\n")
    set_segments("a", some(2))
    page = apply(editor, url)
    assert "would have too many segments" in page.text
    assert all_segments()["a"] == some(2)


def edit(editor: HtmlClient, segments: Segments, status: int) -> Any:
    page = editor.get("/customers/a")
    fields = [("action", "save"), *((name, page.field(name)) for name in ("base", "version"))]
    for segment in segments:
        fields += [("type", segment["type"]), ("value", segment["value"]), ("original_index", "")]
    return editor.post("/customers/a", fields, status=status)


@pytest.mark.usefixtures("limited")
def test_editor_says_how_many_are_allowed(editor: HtmlClient) -> None:
    colors = [{"type": "color", "value": value} for value in ("black", "white", "orange")]
    assert "A customer can have at most 2 segments." in edit(editor, colors, status=422).text
    assert all_segments()["a"] == some(1)
    edit(editor, colors[:2], status=302)
    assert all_segments()["a"] == colors[:2]


def bulk_edit(editor: HtmlClient, value: str) -> str:
    row = [("type", "color"), ("value", value), ("original_index", "")]
    selected = [("document_id", id_) for id_ in ("a", "over")]
    form = [("operation", "add"), ("action", "preview"), ("base", "[]"), ("version", ""), *row, *selected]
    url = editor.post("/bulk-edits", form, status=302).headers["Location"]
    assert run_job()
    return str(url)


@pytest.mark.usefixtures("limited")
def test_bulk_edit_leaves_customers_alone(editor: HtmlClient) -> None:
    url = bulk_edit(editor, "black")
    assert "1 customer is left alone: they would have too many segments." in editor.get(url).text
    apply(editor, url)
    assert all_segments() == {"a": [*some(1), {"type": "color", "value": "black"}], "over": some(4)}


@pytest.mark.usefixtures("limited")
def test_bulk_edit_leaves_customers_alone_who_would_have_too_many_by_now(editor: HtmlClient) -> None:
    url = bulk_edit(editor, "black")
    set_segments("a", some(2))
    assert "would have too many segments" in apply(editor, url).text
    assert last_result()["skipped"] == 1
    assert all_segments()["a"] == some(2)


# Undo


def clear() -> int:
    change_set_id = replace_segments({"over": []}, TESTER).change_set_id
    assert change_set_id is not None
    return change_set_id


@pytest.mark.usefixtures("limited")
def test_undo_is_never_stopped() -> None:
    assert revert(clear(), TESTER).changed == 1
    assert all_segments()["over"] == some(4)


@pytest.mark.usefixtures("limited")
def test_undo_for_one_customer_is_never_stopped(editor: HtmlClient) -> None:
    url = f"/changes/{clear()}/undo/over"
    editor.post(url, {"version": editor.get(url).field("version")}, status=302)
    assert all_segments()["over"] == some(4)
