"""/changes: the record, its filters, one change set, and undoing it."""

from datetime import timedelta

import pytest
from flask import Flask

from app.core.changes.replace_segments import replace_segments
from app.core.counts.compaction import compact
from app.core.counts.segment_deltas import deltas_by_change_set
from app.core.database import now
from app.core.history.retention import prune
from app.core.models.change_sets import Actor
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import Operator

CRM = Actor("token crm-nightly", "api")


@pytest.fixture(autouse=True)
def record(app: Flask) -> None:
    """1: three get GOLD by the nightly job. 2: one of them SILVER, by tester."""
    add_customers("a", "b", "c", name="Ana")
    replace_segments(dict.fromkeys("abc", GOLD), CRM)
    set_segments("a", SILVER)


def test_it_works(viewer: Operator) -> None:
    page = viewer.get("/changes")
    assert {"1", "2"} <= page.links.keys()
    assert "GOLD +3" in page.text
    assert "GOLD −1" in page.text
    one = viewer.get("/changes/1")
    assert "token crm-nightly changed 3 customers by API" in one.text
    assert {"a", "b", "c"} <= one.links.keys()
    assert "added membership GOLD" in one.text
    assert "Undo" not in one.text, "a viewer only sees"


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("source=api", {"1"}),
        ("actor=tester", {"2"}),
        ("customer=b", {"1"}),
        ("customer=a", {"1", "2"}),
        ("customer=a&source=test", {"2"}),
        ("customer=a&segment=membership:SILVER", {"2"}),
        ("segment=membership:SILVER", {"2"}),
        ("segment=membership:GOLD", {"1", "2"}),
        ("segment=membership:GOLD&source=api", {"1"}),
        ("segment=a:b", set()),
        ("since=2001-01-01", {"1", "2"}),
        ("until=2001-01-01", set()),
        (f"since={now().date()}&until={now().date()}", {"1", "2"}),
        (f"customer=a&since={now().date() + timedelta(days=2)}", set()),
        ("customer=nobody", set()),
    ],
)
def test_filters(viewer: Operator, query: str, expected: set[str], folded: bool) -> None:
    if folded:
        compact()
    page = viewer.get(f"/changes?{query}")
    assert {link for link in page.links if link.isdecimal()} == expected
    if not expected:
        assert "No change like that" in page.text or "No customer has" in page.text


@pytest.mark.parametrize("query", ["segment=GOLD", "since=yesterday", "before=x", "actor=%00"])
def test_what_is_not_understood_is_said(viewer: Operator, query: str) -> None:
    viewer.get(f"/changes?{query}", status=400)


def test_pages_lead_on(viewer: Operator) -> None:
    for n in range(120):
        set_segments("b", [{"type": "n", "value": str(n)}])
    for query in ("", "customer=b"):
        page, seen = viewer.get(f"/changes?{query}"), []
        while True:
            seen += [int(link) for link in page.links if link.isdecimal()]
            if "Next →" not in page.links:
                break
            page = viewer.get(page.links["Next →"])
        assert seen == sorted(set(seen), reverse=True)
        assert len(seen) == (122 if not query else 121)


def test_a_large_change_set_is_told_page_by_page(viewer: Operator) -> None:
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


def test_undo_shows_first_what_it_will_do(editor: Operator) -> None:
    page = editor.get("/changes/1/undo")
    assert "get back their segments 2" in page.text
    assert "Put back 2 customers" in page.text
    assert "a" in page.links, "who was changed since is listed"
    assert all_segments() == {"a": SILVER, "b": GOLD, "c": GOLD}, "looking changes nothing"
    done = editor.submit("/changes/1/undo")
    assert "2 customers are as before. 1 were changed since, and left alone" in done.text
    assert all_segments() == {"a": SILVER, "b": [], "c": []}
    assert "It undid change 1" in done.text
    assert "Undone by change" in editor.get("/changes/1").text
    assert "nothing to put back" in editor.get("/changes/1/undo").text
    editor.submit(done.links["Undo this change …"])
    assert all_segments() == {"a": SILVER, "b": GOLD, "c": GOLD}


def test_undoing_in_vain_says_so(editor: Operator) -> None:
    editor.post("/changes/1/undo")
    assert "Nothing was changed" in editor.submit("/changes/1/undo").text


def test_what_was_moved_is_kept_when_the_ledger_is_folded_and_forgotten_when_it_is_pruned(app: Flask) -> None:
    moved = deltas_by_change_set([1, 2])
    assert moved == {1: [("membership", "GOLD", 3)], 2: [("membership", "GOLD", -1), ("membership", "SILVER", 1)]}
    compact()
    assert deltas_by_change_set([1, 2]) == moved
    prune(now() + timedelta(minutes=1))
    assert deltas_by_change_set([1, 2]) == {1: [], 2: []}


def test_what_is_not_on_record_has_no_page(editor: Operator) -> None:
    for url in ("/changes/99", "/changes/99/undo", "/changes/x"):
        editor.get(url, status=404)


def test_pruning_is_said(viewer: Operator) -> None:
    prune(now() + timedelta(minutes=1))
    page = viewer.get("/changes")
    assert "no longer kept" in page.text
    assert "Nothing has changed" not in page.text or TESTER
