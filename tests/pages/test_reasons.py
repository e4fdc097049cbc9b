"""Why something was changed: an optional field of every form that changes customers, kept with the change."""

import pytest
from sqlalchemy import select

from app.core.database import db
from app.core.limits import MAX_REASON_LENGTH
from app.core.models.change_sets import ChangeSet
from app.jobs import reverts
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments
from tests.support.editor_form import NEW_ROW, form_of, save, with_row
from tests.support.html_client import HtmlClient, HtmlPage
from tests.support.imports import ROLES, SPREADSHEET, apply, run_job, upload

ANA = "1232-2323"
REASON = "Requested by phone"


def last_note() -> str | None:
    db.session.rollback()
    return db.session.scalars(select(ChangeSet.note).order_by(ChangeSet.id.desc()).limit(1)).one()


def test_reason_of_an_edit_is_shown_in_the_history_and_with_the_change(editor: HtmlClient, ana: str) -> None:
    page = editor.get(f"/customers/{ana}")
    after = save(editor, ana, [*with_row(form_of(page), "interest", "WINE"), ("reason", f"  {REASON} ")])
    assert last_note() == REASON
    assert f"interest WINE {REASON}" in after.text, "in the history"
    assert REASON in editor.get("/changes/1").text
    assert REASON in editor.get("/changes").text


def test_no_reason_is_needed(editor: HtmlClient, ana: str) -> None:
    save(editor, ana, [*with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE"), ("reason", "  ")])
    assert last_note() is None


def test_reason_is_cut_and_cleaned(editor: HtmlClient, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    save(editor, ana, [*form, ("reason", "\0" + "x" * MAX_REASON_LENGTH)])
    assert last_note() == "\N{REPLACEMENT CHARACTER}" + "x" * (MAX_REASON_LENGTH - 1)


def test_reason_stays_in_a_form_that_is_shown_again(editor: HtmlClient, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "")
    for action, status in (("save", 422), ("add", 200)):
        response = editor.post(f"/customers/{ana}", [*form, ("reason", REASON), ("action", action)], status=status)
        assert HtmlPage(response.text).field("reason") == REASON


def test_reason_survives_an_edit_conflict(editor: HtmlClient, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "GOLD")
    set_segments(ana, SILVER)
    page = HtmlPage(editor.post(f"/customers/{ana}", [*form, ("reason", REASON), ("action", "save")], status=409).text)
    assert page.field("reason") == REASON
    save(editor, ana, [*form_of(page), ("reason", page.field("reason"))])
    assert last_note() == REASON


def test_reason_stays_when_both_changes_are_kept(editor: HtmlClient, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, SILVER)
    save(editor, ana, [*form, ("reason", REASON)])
    assert last_note() == REASON


@pytest.mark.parametrize(
    ("url", "form", "note"),
    [
        (f"/customer-profile/{ANA}", {"name": "Ana Díaz"}, REASON),
        ("/customer-new", {"document_id": "n-1", "name": "Eva"}, REASON),
        (f"/customer-rename/{ANA}", {"document_id": "n-1"}, REASON),
        (f"/changes/1/undo/{ANA}", {"version": "1"}, f"Reverts change #1 for this customer – {REASON}"),
        ("/changes/1/undo", {}, REASON),
    ],
)
def test_reason_of_other_forms(editor: HtmlClient, ana: str, url: str, form: dict[str, str], note: str) -> None:
    set_segments(ana, GOLD)
    assert "reason" in dict(editor.get(url).fields)
    editor.post(url, {**form, "reason": REASON})
    assert last_note() == note


@pytest.mark.parametrize(
    ("url", "target", "form"),
    [
        ("/bulk-edits/new?all_matching=yes", "/bulk-edits?all_matching=yes", [*NEW_ROW, ("operation", "add")]),
        ("/bulk-edits/new?all_matching=yes", "/bulk-edits?all_matching=yes", [*NEW_ROW, ("operation", "clear")]),
        ("/segments/membership/GOLD/rename", None, [("type", "membership"), ("value", "ORO")]),
    ],
)
def test_reason_of_a_change_that_is_previewed(
    editor: HtmlClient, ana: str, url: str, target: str | None, form: list[tuple[str, str]]
) -> None:
    set_segments(ana, GOLD)
    assert "reason" in dict(editor.get(url).fields)
    job_url = editor.post(target or url, [*form, ("reason", REASON)]).headers["Location"]
    assert run_job()
    assert REASON in editor.get(job_url).text
    editor.post(job_url, {"action": "apply"})
    assert run_job()
    assert last_note() == REASON


def test_reason_of_an_undo_in_the_background(editor: HtmlClient, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverts, "BATCH_SIZE", 1)
    add_customers("other")
    set_segments(ana, GOLD)
    editor.post("/changes/1/undo", {"reason": REASON})  # one entry: at once
    assert (last_note(), all_segments()[ana]) == (REASON, [])
    monkeypatch.setattr(reverts, "BATCH_SIZE", 0)
    assert "reason" in dict(editor.get("/changes/2/undo").fields)
    url = editor.post("/changes/2/undo", {"reason": "Again"}).headers["Location"]
    monkeypatch.setattr(reverts, "BATCH_SIZE", 1)
    assert run_job()
    assert "Again" in editor.get(url).text
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert (last_note(), all_segments()[ana]) == ("Again", GOLD)


def test_reason_of_an_import_follows_the_name_of_the_file(editor: HtmlClient) -> None:
    url = upload(editor, SPREADSHEET)
    assert "reason" in dict(editor.get(url).fields)
    roles = [("role", role) for role in ROLES]
    editor.post(url, [("action", "check"), ("create", "yes"), ("reason", REASON), *roles])
    assert run_job()
    assert REASON in editor.get(url).text
    apply(editor, url)
    assert last_note() == f"Import 1: spring.csv – {REASON}"
    page = editor.get("/customers/1", headers={"Accept-Language": "es"})
    assert f"Importación 1: spring.csv – {REASON}" in page.text
