"""The history on a customer's page: undone for this customer, paged, deleted."""

import pytest

from app.core.database import db, now
from app.core.history.retention import prune
from tests.support.customers import GOLD, SILVER, WINE, all_segments, set_segments
from tests.support.html_client import HtmlClient, HtmlPage


def test_undo_for_one_customer_keeps_later_changes(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)  # 1
    set_segments(ana, [*SILVER, *WINE])  # 2
    set_segments(ana, [*SILVER, *WINE, {"type": "store", "value": "7"}])  # 3
    preview = editor.get(f"/changes/2/undo/{ana}")
    form = [("version", preview.field("version"))]
    assert "Undo for this customer" in preview.text
    assert all_segments()[ana][-1]["type"] == "store", "a preview changes nothing"
    editor.submit(f"/changes/2/undo/{ana}", form)
    assert all_segments() == {ana: [{"type": "store", "value": "7"}, *GOLD]}
    preview = editor.get(f"/changes/4/undo/{ana}")
    editor.submit(f"/changes/4/undo/{ana}", [("version", preview.field("version"))])
    assert all_segments() == {ana: [*SILVER, *WINE, {"type": "store", "value": "7"}]}, (
        "the latest change is undone exactly"
    )
    assert "Already undone by later changes." in editor.get(f"/changes/4/undo/{ana}").text


def test_undo_after_a_later_change_must_be_reviewed_again(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    version = editor.get(f"/changes/1/undo/{ana}").field("version")
    set_segments(ana, SILVER)
    page = HtmlPage(editor.post(f"/changes/1/undo/{ana}", {"version": version}, status=409).text)
    assert "This customer changed meanwhile. Nothing was undone." in page.text
    assert all_segments() == {ana: SILVER}


@pytest.mark.parametrize("change_set_id", ["99", "x", "-1", "9" * 30])
def test_undo_of_an_unknown_change_is_404(editor: HtmlClient, ana: str, change_set_id: str) -> None:
    editor.get(f"/changes/{change_set_id}/undo/{ana}", status=404)


def test_a_viewer_cannot_undo(viewer: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    viewer.post(f"/changes/1/undo/{ana}", {"version": "1"}, status=403)


def test_the_history_is_paged(editor: HtmlClient, ana: str) -> None:
    for n in range(30):
        set_segments(ana, [{"type": "n", "value": str(n)}])
    page = editor.get(f"/customers/{ana}")
    assert "Change #30" in page.links
    assert "Change #10" not in page.links
    older = editor.get(page.links["Older changes"])
    assert {"Change #10", "Change #1"} <= older.links.keys()


def test_deleted_history_is_reported(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    prune(now())
    db.session.rollback()
    page = editor.get(f"/customers/{ana}")
    assert "Older history has been deleted." in page.text
    assert "Added before history was kept" in page.text
