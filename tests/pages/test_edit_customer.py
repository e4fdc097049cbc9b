"""/customers/<document_id>: the editor, without scripts; conflicts, provenance, the timeline and its undo."""

from itertools import takewhile
from typing import Any

import orjson
import pytest
from flask import Flask

from app.core.counts.segment_counts import SegmentSize
from app.core.database import db, now
from app.core.history.retention import prune
from app.core.history.segment_diff import diff_segments
from app.core.history.timeline import timeline
from app.core.models.segments import SegmentPair
from app.core.search.similar_segments import find_similar
from tests.support.customers import GOLD, SILVER, Segments, add_customers, all_segments, set_segments
from tests.support.html_client import Operator, Page

WINE: Segments = [{"type": "interest", "value": "WINE"}]
FIELDS = ("base", "version", "was", "type", "value", "confirmed")


def form_of(page: Page, start: int | None = None) -> list[tuple[str, str]]:
    """The editor's fields as a browser would send them; of several forms, those of the first, or of that one."""
    start = start or next(n for n, (name, _) in enumerate(page.fields) if name == "base")
    form = takewhile(lambda field: field[0] != "csrf_token", page.fields[start:])
    return [(name, value) for name, value in form if name in FIELDS]


def with_row(form: list[tuple[str, str]], type_: str, value: str) -> list[tuple[str, str]]:
    return [*form, ("was", ""), ("type", type_), ("value", value)]


def edited(editor: Operator, document_id: str, form: Any, action: str, status: int = 200) -> Page:
    return Page(editor.post(f"/customers/{document_id}", [*form, ("action", action)], status=status).text)


def save(editor: Operator, document_id: str, form: Any, **kwargs: Any) -> Page:
    return editor.submit(f"/customers/{document_id}", [*form, ("action", "save")], **kwargs)


def test_it_works(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    page = editor.get(f"/customers/{ana}")
    assert "Ana Gómez" in page.title
    assert "by tester" in page.text
    after = save(editor, ana, with_row(form_of(page), "interest", "WINE"))
    assert "Saved." in after.text
    assert all_segments() == {ana: [*GOLD, *WINE]}
    assert "operator editor@example.com" in after.text
    assert timeline(ana, limit=1)[0].change_set.source == "page"


def test_rows_are_added_moved_and_removed_without_saving(editor: Operator, ana: str) -> None:
    set_segments(ana, [*GOLD, *SILVER, *WINE])
    page = editor.get(f"/customers/{ana}")
    page = edited(editor, ana, form_of(page), "add")
    assert len([name for name, _ in page.fields if name == "type"]) == 4
    page = edited(editor, ana, form_of(page), "up-2")
    assert "Not saved yet" in page.text
    page = edited(editor, ana, form_of(page), "remove-0")
    page = edited(editor, ana, form_of(page), "down-0")
    for nonsense in ("up-0", "down-99", "remove-x", "dance", "use-0-0", "remove-"):
        page = edited(editor, ana, form_of(page), nonsense)
    assert all_segments() == {ana: [*GOLD, *SILVER, *WINE]}
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: [*SILVER, *WINE]}, "the empty row is left out"


@pytest.mark.parametrize(("type_", "value"), [("", "GOLD"), ("membership", ""), ("t", "x" * 1001), ("t", "\0")])
def test_what_cannot_be_saved_is_said_and_kept(editor: Operator, ana: str, type_: str, value: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), type_, value)
    page = edited(editor, ana, form, "save", status=422)
    assert "Nothing was saved" in page.text
    assert all_segments() == {ana: []}


def test_what_was_not_touched_stays_exactly_as_it_was(editor: Operator, ana: str) -> None:
    odd = [{"type": "a\r\nb", "value": "\n"}, {"type": "", "value": ""}, {"type": "x", "value": ""}, *GOLD, *GOLD]
    set_segments(ana, odd)
    save(editor, ana, with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE"))
    assert all_segments() == {ana: [*odd, *WINE]}


def test_a_spelling_close_to_an_existing_one_is_asked_about(editor: Operator, ana: str) -> None:
    add_customers("b", "c")
    for document_id in "bc":
        set_segments(document_id, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "Membership", "gold ")
    page = edited(editor, ana, form, "save", status=422)
    assert "membership GOLD exists, 2 customers" in page.text
    assert all_segments()[ana] == []
    taken = edited(editor, ana, form_of(page), "use-0-0")
    save(editor, ana, form_of(taken))
    assert all_segments()[ana] == GOLD
    page = edited(editor, ana, with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "GOLDD"), "save", 422)
    save(editor, ana, form_of(page))  # as it is, now that it was asked
    assert all_segments()[ana] == [*GOLD, {"type": "membership", "value": "GOLDD"}]


def similar_to(pair: SegmentPair) -> list[SegmentSize]:
    return find_similar([pair])[pair]


@pytest.mark.parametrize(
    ("value", "alike"),
    [
        ("gold", True),
        ("GOLDD", True),
        ("GOD", False),
        ("G OLD", True),
        ("Göld", True),
        ("BOLD", True),
        ("SILVER", False),
    ],
)
def test_which_spellings_are_close(app: Flask, ana: str, value: str, alike: bool) -> None:
    set_segments(ana, [*GOLD, {"type": "store", "value": "STORE_001"}])
    assert bool(similar_to(SegmentPair("membership", value))) is alike
    assert similar_to(SegmentPair("store", "STORE_002")) == [], "digits tell things apart"
    assert similar_to(SegmentPair("membership", "GOLD")) == [], "itself is not another one"


def test_somebody_faster_is_not_overwritten(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, SILVER)
    page = edited(editor, ana, form, "save", status=409)
    assert all_segments() == {ana: SILVER}
    for text in ("tester", "When you began", "Now", "Yours", "WINE", "SILVER"):
        assert text in page.text
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: [*GOLD, *WINE]}


def test_both_changes_can_be_kept(editor: Operator, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "store", "STORE_1")
    set_segments(ana, [*WINE, *SILVER])
    page = edited(editor, ana, form, "save", status=409)
    assert "Save both changes" in page.text
    *_, last = (n for n, (name, _) in enumerate(page.fields) if name == "base")
    save(editor, ana, form_of(page, last))
    assert all_segments() == {ana: [*WINE, *SILVER, {"type": "store", "value": "STORE_1"}]}


def test_one_of_two_is_not_called_both(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, [*GOLD, *WINE, *SILVER])
    assert "Save both changes" not in edited(editor, ana, form, "save", status=409).text


def test_a_conflict_can_be_edited_first_and_can_meet_another_one(editor: Operator, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, SILVER)
    page = edited(editor, ana, form, "save", status=409)
    again = edited(editor, ana, form_of(page), "edit")
    set_segments(ana, GOLD)
    page = edited(editor, ana, form_of(again), "save", status=409)
    assert all_segments() == {ana: GOLD}
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: WINE}


def test_no_conflict_where_both_wanted_the_same(editor: Operator, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, WINE)
    assert "has these segments already" in save(editor, ana, form).text


@pytest.mark.parametrize("broken", [[], [("base", "{"), ("version", "")], [("base", "[1]"), ("version", "")]])
def test_a_form_that_is_not_ours_is_refused(editor: Operator, ana: str, broken: Any) -> None:
    set_segments(ana, GOLD)
    editor.post(f"/customers/{ana}", [*broken, ("action", "save")], status=400)
    assert all_segments() == {ana: GOLD}


def test_thousands_of_segments_can_be_edited(editor: Operator, ana: str) -> None:
    many = [{"type": "interest", "value": f"NUMBER {n}"} for n in range(1500)]
    set_segments(ana, many)
    rows = [(name, value) for n, one in enumerate(many) for name, value in [("was", str(n)), *one.items()]]
    form = [("base", orjson.dumps(many).decode()), ("version", "1"), *rows]
    save_raw = editor.post(f"/customers/{ana}", [*with_row(form, "interest", "WINE"), ("action", "save")])
    assert save_raw.status_code == 302
    assert all_segments() == {ana: [*many, *WINE]}


def test_any_change_can_be_undone_keeping_what_came_since(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)  # 1
    set_segments(ana, [*SILVER, *WINE])  # 2
    set_segments(ana, [*SILVER, *WINE, {"type": "store", "value": "7"}])  # 3
    preview = editor.get(f"/customers/{ana}?undo=2")
    form = [("version", preview.field("version"))]
    assert "Undo it for this customer" in preview.text
    assert all_segments()[ana][-1]["type"] == "store", "looking changes nothing"
    editor.submit(f"/customers/{ana}?undo=2", form)
    assert all_segments() == {ana: [{"type": "store", "value": "7"}, *GOLD]}
    preview = editor.get(f"/customers/{ana}?undo=4")
    editor.submit(f"/customers/{ana}?undo=4", [("version", preview.field("version"))])
    assert all_segments() == {ana: [*SILVER, *WINE, {"type": "store", "value": "7"}]}, "the last one, exactly"
    assert "Nothing would change" in editor.get(f"/customers/{ana}?undo=4").text


def test_an_undo_sees_what_changed_since_its_preview(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    version = editor.get(f"/customers/{ana}?undo=1").field("version")
    set_segments(ana, SILVER)
    page = Page(editor.post(f"/customers/{ana}?undo=1", {"version": version}, status=409).text)
    assert "changed since you looked" in page.text
    assert all_segments() == {ana: SILVER}


@pytest.mark.parametrize("undo", ["99", "x", "-1", "9" * 30])
def test_only_what_is_on_record_can_be_undone(editor: Operator, ana: str, undo: str) -> None:
    assert editor.client.get(f"/customers/{ana}?undo={undo}").status_code in (400, 404)


def test_the_timeline_goes_back_page_by_page(editor: Operator, ana: str) -> None:
    for n in range(30):
        set_segments(ana, [{"type": "n", "value": str(n)}])
    page = editor.get(f"/customers/{ana}")
    assert "Change 30" in page.links
    assert "Change 10" not in page.links
    older = editor.get(page.links["Older changes"])
    assert {"Change 10", "Change 1"} <= older.links.keys()


def test_what_is_no_longer_on_record_is_said(editor: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    prune(now())
    db.session.rollback()
    page = editor.get(f"/customers/{ana}")
    assert "no longer kept" in page.text
    assert "before the record begins" in page.text


@pytest.mark.parametrize("document_id", ["a/b", "/a", "a//", "a b", "ä%2F", "?", "#", "a\nb", "..a", "😀"])
def test_any_id_has_a_page(editor: Operator, document_id: str) -> None:
    add_customers(document_id)
    found = editor.get("/customers")
    url = next(url for url in found.links.values() if url.startswith("/customers/"))
    save(editor, url.removeprefix("/customers/"), with_row(form_of(editor.get(url)), "t", "v"))
    assert all_segments() == {document_id: [{"type": "t", "value": "v"}]}


def test_nobody_has_no_page(editor: Operator) -> None:
    assert "No customer has this document_id" in editor.get("/customers/nobody", status=404).text


def test_a_difference_is_told_pair_by_pair() -> None:
    told = diff_segments([*GOLD, *WINE, *GOLD], [*GOLD, *SILVER])
    assert [(one.sign, one.value) for one in told.segments] == [
        ("removed", "GOLD"),
        ("removed", "WINE"),
        ("unchanged", "GOLD"),
        ("added", "SILVER"),
    ]
    assert diff_segments([*GOLD, *WINE], [*WINE, *GOLD]).reordered
    assert not diff_segments(GOLD, GOLD).reordered
