"""/changes: the list and its filters, one change set, and undo."""

from datetime import timedelta

import pytest
from flask import Flask

from app.core.changes.replace_segments import replace_segments
from app.core.counts.compaction import compact
from app.core.counts.segment_deltas import deltas_by_change_set
from app.core.database import now
from app.core.history.retention import prune
from app.core.models.change_sets import Actor
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, count_change_sets, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, preview, upload

CRM = Actor("token crm-nightly", "api")


@pytest.fixture(autouse=True)
def change_sets(app: Flask) -> None:
    """Change set 1: the nightly job adds GOLD to three customers. 2: tester replaces one by SILVER."""
    add_customers("a", "b", "c", name="Ana")
    replace_segments(dict.fromkeys("abc", GOLD), CRM)
    set_segments("a", SILVER)


def test_lists_change_sets_and_their_customers(viewer: HtmlClient) -> None:
    page = viewer.get("/changes")
    assert {"#1", "#2"} <= page.links.keys()
    assert "GOLD +3" in page.text
    assert "GOLD −1" in page.text
    page = viewer.get("/changes/1")
    assert "token crm-nightly · API" in page.text
    assert "3 customers updated" in page.text
    assert {"a", "b", "c"} <= page.links.keys()
    assert "added membership GOLD" in page.text
    assert "Undo" not in page.text, "a viewer cannot undo"


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"1", "2"}),
        ("source=api", {"1"}),
        ("actor=tester", {"2"}),
        ("actor=token crm-nightly", {"1"}),
        ("actor=crm-nightly", {"1"}),
        ("customer=b", {"1"}),
        ("customer=a", {"1", "2"}),
        ("customer=a&source=command", {"2"}),
        ("customer=a&segment=membership:SILVER", {"2"}),
        ("segment=membership:SILVER", {"2"}),
        ("segment=membership:GOLD", {"1", "2"}),
        ("segment=membership:GOLD&source=api", {"1"}),
        ("segment=a:b", set()),
        ("since=2001-01-01", {"1", "2"}),
        ("until=2001-01-01", set()),
        (f"since={now().date()}&until={now().date()}", {"1", "2"}),
        (f"customer=a&since={now().date() + timedelta(days=2)}", set()),
    ],
)
def test_filters(viewer: HtmlClient, query: str, expected: set[str], compacted: bool) -> None:
    if compacted:
        compact()
    page = viewer.get(f"/changes?{query}")
    assert {link.lstrip("#") for link in page.links if link.startswith("#")} - {"main"} == expected
    if not expected:
        assert "No matching changes" in page.text or "No customer has" in page.text


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("segment=GOLD", "Choose a segment from the list."),
        ("since=yesterday", "Enter a date as YYYY-MM-DD."),
        ("actor=%00", "invalid characters"),
        ("customer=unknown", "No customer has this document_id."),
    ],
)
def test_an_invalid_filter_is_reported_at_its_field(viewer: HtmlClient, query: str, error: str) -> None:
    page = viewer.get(f"/changes?{query}", status=422)
    assert error in page.text
    assert f'aria-describedby="{query.partition("=")[0]}-error"' in page.html
    assert "Clear filters" in page.links


@pytest.mark.parametrize("url", ["/changes", "/changes/1", "/segments", "/segment-days", "/imports", "/customers/b"])
def test_an_invalid_cursor_shows_the_first_page_with_a_notice(viewer: HtmlClient, url: str) -> None:
    set_segments("b", GOLD)
    page = viewer.follow(f"{url}?before=x&after=x")
    assert "That page of the list no longer exists. This is the first one." in page.text


def test_the_list_is_paged(viewer: HtmlClient) -> None:
    for n in range(120):
        set_segments("b", [{"type": "n", "value": str(n)}])
    for query in ("", "customer=b"):
        page, seen = viewer.get(f"/changes?{query}"), []
        while True:
            seen += [int(link[1:]) for link in page.links if link[1:].isdecimal()]
            if "Next →" not in page.links:
                break
            page = viewer.get(page.links["Next →"])
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == (122 if not query else 121)


def test_a_large_change_set_is_paged(viewer: HtmlClient) -> None:
    ids = [f"x{n:03}" for n in range(120)]
    add_customers(*ids)
    replace_segments(dict.fromkeys(ids, GOLD), CRM)
    page, seen = viewer.get("/changes/3"), []
    while True:
        seen += [link for link in page.links if link.startswith("x")]
        if "Next →" not in page.links:
            break
        page = viewer.get(page.links["Next →"])
    assert seen == ids


def test_undo_has_a_preview_and_can_be_undone(editor: HtmlClient) -> None:
    page = editor.get("/changes/1/undo")
    assert "customers to restore 2" in page.text
    assert "Undo for 2 customers" in page.text
    assert "a" in page.links, "customers changed later are listed"
    assert all_segments() == {"a": SILVER, "b": GOLD, "c": GOLD}, "a preview changes nothing"
    done = editor.submit("/changes/1/undo")
    assert "Undone for 2 customers. 1 skipped because it changed later." in done.text
    assert all_segments() == {"a": SILVER, "b": [], "c": []}
    assert "Reverts #1" in done.links
    undo_id = done.links["Undo…"].split("/")[2]  # a preview on PostgreSQL uses up a number
    assert f"Reverted by #{undo_id}" in editor.get("/changes/1").links
    assert "Nothing to undo" in editor.get("/changes/1/undo").text
    editor.submit(done.links["Undo…"])
    assert all_segments() == {"a": SILVER, "b": GOLD, "c": GOLD}


def test_undo_without_effect_is_reported(editor: HtmlClient) -> None:
    editor.post("/changes/1/undo")
    assert "Nothing to undo: all these customers changed later." in editor.submit("/changes/1/undo").text


def test_deltas_survive_compaction_and_end_with_retention(app: Flask) -> None:
    moved = deltas_by_change_set([1, 2])
    assert moved == {1: [("membership", "GOLD", 3)], 2: [("membership", "GOLD", -1), ("membership", "SILVER", 1)]}
    compact()
    assert deltas_by_change_set([1, 2]) == moved
    prune(now() + timedelta(minutes=1))
    assert deltas_by_change_set([1, 2]) == {1: [], 2: []}


def test_unknown_change_set_is_404(editor: HtmlClient) -> None:
    for url in ("/changes/99", "/changes/99/undo", "/changes/x"):
        editor.get(url, status=404)


def test_deleted_history_is_reported(viewer: HtmlClient) -> None:
    prune(now() + timedelta(minutes=1))
    assert "have been deleted" in viewer.get("/changes").text


def test_undo_of_new_customers_lists_no_empty_ids(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,name\nn-1,Eva\nn-2,Luis\n")
    preview(editor, url, ["document_id", "name"])
    apply(editor, url)
    page = editor.submit(f"/changes/{count_change_sets()}/undo")
    assert "2 deleted" in page.text
    assert "2 customers deleted. Their IDs aren't kept here." in page.text
    assert 'class="id"' not in page.html
