"""/bulk-edits: one change for the selected customers or for all who match, previewed, then made, and undone."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.core import dialects
from app.core.counts.recount import recount
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from app.core.models.customers import Customer
from app.core.search.filters import Filter
from app.core.search.similar_segments import within_one_edit
from app.jobs import batches, bulk_edits
from app.jobs.bulk_edits import BulkEdit
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient, HtmlPage, checked
from tests.support.imports import last_preview, run_job

FORM: list[tuple[str, str]] = [("base", "[]"), ("version", "")]


@pytest.fixture(autouse=True)
def customers(app: Any) -> None:
    add_customers("a", "b", "c", "d")
    set_segments("a", GOLD)
    set_segments("b", [*GOLD, *WINE])
    set_segments("c", SILVER)


def prepare(editor: HtmlClient, verb: str, segments: Any, ids: str = "", query: str = "", status: int = 302) -> str:
    """The address of a prepared change: for these ids, or for all who match."""
    rows = [field for segment in segments for field in [*segment.items(), ("original_index", "")]]
    form = [*FORM, ("operation", verb), *(("document_id", id_) for id_ in ids), *rows]
    response = editor.post(f"/bulk-edits?{query}", form, status=status)
    return response.headers.get("Location", response.text)


def make(editor: HtmlClient, verb: str, segments: Any, ids: str = "", query: str = "") -> HtmlPage:
    url = prepare(editor, verb, segments, ids, query)
    assert run_job()
    assert "nothing has changed yet" in editor.get(url).text
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert recount(TESTER) == []
    return editor.get(url)


BEFORE = {"a": GOLD, "b": [*GOLD, *WINE], "c": SILVER, "d": []}


@pytest.mark.parametrize(
    ("verb", "segments", "ids", "query", "after", "expected"),
    [
        ("add", WINE, "abd", "", {"a": [*GOLD, *WINE], "d": WINE}, (2, 0, 1)),
        ("remove", GOLD, "", "all_matching=yes&segment=membership:GOLD", {"a": [], "b": WINE}, (0, 2, 0)),
        ("replace", SILVER, "", "all_matching=yes", {"a": SILVER, "b": SILVER, "d": SILVER}, (3, 2, 1)),
        ("clear", [], "", "all_matching=yes&has=any", {id_: [] for id_ in "abc"}, (0, 3, 0)),
        ("add", WINE, "", "all_matching=yes&without=interest:WINE&q=c", {"c": [*SILVER, *WINE]}, (1, 0, 0)),
    ],
)  # fmt: skip
def test_bulk_edit_applies_its_preview(
    editor: HtmlClient, verb: str, segments: Any, ids: str, query: str, after: Any, expected: tuple[int, ...]
) -> None:
    page = make(editor, verb, segments, ids, query)
    assert all_segments() == BEFORE | after
    numbers = last_preview()
    assert (numbers["gain"], numbers["lose"], numbers["unchanged"]) == expected
    assert f"{len(after)} customer" in page.text
    undo = editor.get(page.links["Undo…"])
    assert "Undo for" in undo.text
    editor.post(page.links["Undo…"])
    assert all_segments() == BEFORE
    assert recount(TESTER) == []


def test_nothing_changes_before_apply(editor: HtmlClient) -> None:
    url = prepare(editor, "clear", [], "ab")
    assert run_job()
    page = editor.get(url)
    assert "Remove all segments from 2 customers" in page.text
    assert all_segments() == BEFORE
    editor.post(url, {"action": "discard"})
    editor.post(url, {"action": "apply"}, status=409)
    assert not run_job()
    assert all_segments() == BEFORE


def test_only_previewed_customers_are_changed_and_the_others_listed(editor: HtmlClient) -> None:
    """The customers are fixed by the preview; each is changed only if its effect on them still holds."""
    url = prepare(editor, "add", WINE, query="all_matching=yes&segment=membership:GOLD&without=interest:WINE")
    assert run_job()
    set_segments("c", GOLD)
    set_segments("a", [*GOLD, *SILVER])
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments() == BEFORE | {"a": [*GOLD, *SILVER, *WINE], "c": GOLD}


def test_customer_who_changed_after_the_preview_is_skipped_and_listed(editor: HtmlClient) -> None:
    url = prepare(editor, "replace", SILVER, "ab")
    assert run_job()
    set_segments("a", WINE)
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments() == BEFORE | {"a": WINE, "b": SILVER}
    page = editor.get(url)
    assert "Skipped (1)" in page.text
    assert "changed after the preview" in page.text


def test_removal_skips_customers_who_got_the_segment_after_the_preview(editor: HtmlClient) -> None:
    url = prepare(editor, "remove", [*GOLD, *WINE], "ab")
    assert run_job()
    set_segments("a", [*WINE, *GOLD])
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments() == BEFORE | {"a": [*WINE, *GOLD], "b": []}


def test_edit_of_several_batches_is_one_change_set(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_edits, "BATCH_SIZE", 1)
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    make(editor, "remove", GOLD, query="all_matching=yes")
    newest = select(ChangeSet.state, ChangeSet.changed).order_by(ChangeSet.id.desc()).limit(1)
    assert tuple(db.session.execute(newest).one()) == ("done", 2)
    assert all_segments() == {"a": [], "b": WINE, "c": SILVER, "d": []}


@pytest.mark.parametrize(
    ("verb", "segments", "ids", "query", "status"),
    [
        ("add", [], "a", "", 422),
        ("add", [{"type": "x", "value": ""}], "a", "", 422),
        ("add", [{"type": "x", "value": "v" * 1001}], "a", "", 422),
        ("add", GOLD, "", "", 400),
        ("nonsense", GOLD, "a", "", 400),
        ("add", GOLD, "", "all_matching=yes&segment=nonsense", 400),
    ],
)
def test_invalid_edits_are_refused(
    editor: HtmlClient, verb: str, segments: Any, ids: str, query: str, status: int
) -> None:
    prepare(editor, verb, segments, ids, query, status=status)
    assert not run_job()


def test_similar_segment_asks_for_confirmation(editor: HtmlClient) -> None:
    text = prepare(editor, "add", [{"type": "membership", "value": "gold"}], "d", status=422)
    assert "Did you mean membership: GOLD" in " ".join(text.split())
    row = [("type", "membership"), ("value", "gold"), ("original_index", "")]
    form = [*FORM, ("operation", "add"), ("document_id", "d"), *row]
    editor.post("/bulk-edits", [*form, ("confirmed", "yes")])
    assert run_job()


def test_rows_are_added_without_a_script(editor: HtmlClient) -> None:
    page = editor.get("/bulk-edits/new?all_matching=yes&segment=membership:GOLD")
    assert "Edit segments for 2 customers" in page.text
    form = [*FORM, ("operation", "remove"), ("type", "x"), ("value", "y"), ("original_index", ""), ("action", "add")]
    response = editor.post("/bulk-edits?all_matching=yes", form, status=200)
    assert response.text.count('name="type"') == 3  # and one in the template


def test_missing_customers_are_not_counted_as_unchanged(editor: HtmlClient) -> None:
    page = make(editor, "add", WINE, "abx")
    assert "1 customer updated" in page.text
    assert "(1 unchanged)" in page.text


def test_selected_customers_come_from_the_list(editor: HtmlClient) -> None:
    page = editor.get("/customers")
    assert [value for name, value in page.fields if name == "document_id"] == ["a", "b", "c", "d"]
    response = editor.post("/bulk-edits/new", [("document_id", "a"), ("document_id", "c")], status=200)
    assert "Edit segments for 2 customers" in " ".join(response.text.split())


def test_viewers_cannot_edit(viewer: HtmlClient) -> None:
    viewer.get("/bulk-edits/new?all_matching=yes", status=403)
    viewer.post("/bulk-edits?all_matching=yes", [*FORM, ("operation", "clear")], status=403)
    assert [value for name, value in viewer.get("/customers").fields if name == "document_id"] == []


def test_nothing_selected_is_reported_on_the_list(editor: HtmlClient) -> None:
    page = checked(editor.post("/bulk-edits/new?q=b", status=422))
    assert "Select at least one customer." in page.text
    assert page.links["b"] == "/customers/b"


def test_too_large_a_selection_is_reported_on_the_list(editor: HtmlClient) -> None:
    selected = [("document_id", f"customer-{number}") for number in range(1_001)]
    page = checked(editor.post("/bulk-edits/new?q=b", selected, status=422))
    assert "Select at most 1,000 customers, or all that match." in page.text
    assert page.links["b"] == "/customers/b"


def test_the_filter_is_on_the_preview_and_on_the_result(editor: HtmlClient) -> None:
    url = prepare(editor, "add", WINE, query="all_matching=yes&segment=membership:GOLD&has=any")
    for action in ("apply", ""):
        assert run_job()
        page = editor.get(url)
        assert "Filter: Has segment membership:GOLD Has any segment" in page.text
        if action:
            editor.post(url, {"action": action})


# Renaming and merging


def rename(editor: HtmlClient, old: dict[str, str], new: dict[str, str]) -> None:
    url = f"/segments/{old['type']}/{old['value']}/rename"
    editor.get(url)
    response = editor.post(url, {**new, "confirmed": "yes"})
    assert run_job()
    editor.post(response.headers["Location"], {"action": "apply"})
    assert run_job()
    assert recount(TESTER) == []


def test_renamed_segment_keeps_its_position(editor: HtmlClient) -> None:
    set_segments("b", [*WINE, *GOLD, *SILVER])
    rename(editor, GOLD[0], {"type": "membership", "value": "ORO"})
    oro = {"type": "membership", "value": "ORO"}
    assert all_segments() == BEFORE | {"a": [oro], "b": [*WINE, oro, *SILVER]}


def test_merged_spellings_can_be_undone(editor: HtmlClient) -> None:
    misspelt = {"type": "membership", "value": "Gold "}
    set_segments("c", [misspelt, *WINE])
    set_segments("d", [misspelt, *GOLD, misspelt])
    before = all_segments()
    rename(editor, misspelt, GOLD[0])
    assert all_segments() == BEFORE | {"c": [*GOLD, *WINE], "d": GOLD}
    editor.post("/changes/6/undo")
    assert all_segments() == before


def test_rename_to_the_same_name_is_422(editor: HtmlClient) -> None:
    editor.post("/segments/membership/GOLD/rename", GOLD[0], status=422)
    editor.post("/segments/membership/GOLD/rename", {"type": "membership", "value": ""}, status=422)


def test_long_texts_are_not_compared_letter_by_letter() -> None:
    assert within_one_edit("membership", "membershop")
    assert not within_one_edit("x" * 100 + "a", "x" * 100 + "b")


PAIR = st.builds(lambda type_, value: {"type": type_, "value": value}, st.sampled_from("tT"), st.sampled_from('12"é'))


@settings(max_examples=40, deadline=None, database=None)
@given(segments=st.lists(PAIR, max_size=5), names=st.lists(st.tuples(PAIR, PAIR), min_size=1, max_size=3))
@pytest.mark.usefixtures("app")
def test_rename_is_equal_on_both_databases(segments: Any, names: Any) -> None:
    renamed = {json.dumps(old): new for old, new in names if old not in [new for _old, new in names]}
    if not renamed:
        return
    set_segments("a", segments)
    edit = BulkEdit("rename", [part for old, new in renamed.items() for part in (json.loads(old), new)], Filter())
    query = db.select(dialects.json_text(edit.new_segments())).where(Customer.document_id == "a")
    db.session.rollback()
    origins: dict[str, str] = {}
    expected = []
    for segment in sorted(segments, key=lambda segment: json.dumps(segment) in renamed):
        old = json.dumps(segment)
        origins.setdefault(json.dumps(renamed.get(old, segment)), old)
    for segment in segments:
        new = renamed.get(json.dumps(segment), segment)
        expected += [new] if origins[json.dumps(new)] == json.dumps(segment) else []
    assert json.loads(db.session.scalar(query) or "") == expected
