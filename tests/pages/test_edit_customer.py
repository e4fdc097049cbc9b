"""/customers/<document_id> without JavaScript: the editor, edit conflicts, provenance, history and undo."""

import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from flask import Flask, url_for

from app.core.history.timeline import timeline
from tests.support.customers import GOLD, SILVER, WINE, add_customers, all_segments, set_segments
from tests.support.editor_form import edited, form_of, save, with_row
from tests.support.html_client import HtmlClient


def test_a_segment_is_added(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    page = editor.get(f"/customers/{ana}")
    assert "Ana Gómez" in page.title
    assert "Added just now by tester" in page.text
    after = save(editor, ana, with_row(form_of(page), "interest", "WINE"))
    assert "Saved." in after.text
    assert all_segments() == {ana: [*GOLD, *WINE]}
    assert "editor@example.com" in after.text
    assert timeline(ana, limit=1)[0].change_set.source == "page"


def test_row_buttons_change_the_form_without_saving(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *SILVER, *WINE])
    page = editor.get(f"/customers/{ana}")
    page = edited(editor, ana, form_of(page), "add")
    assert len([name for name, _ in page.fields if name == "type"]) == 4
    page = edited(editor, ana, form_of(page), "up-2")
    assert "Unsaved changes" in page.text
    page = edited(editor, ana, form_of(page), "remove-0")
    page = edited(editor, ana, form_of(page), "down-1")
    for nonsense in ("up-0", "down-99", "remove-x", "dance", "use-0-0", "remove-"):
        page = edited(editor, ana, form_of(page), nonsense)
    assert all_segments() == {ana: [*GOLD, *SILVER, *WINE]}
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: [*SILVER, *WINE]}, "the empty row is left out"


@pytest.mark.parametrize(("type_", "value"), [("", "GOLD"), ("membership", ""), ("t", "x" * 1001), ("t", "\0")])
def test_an_invalid_row_is_reported_and_nothing_is_saved(editor: HtmlClient, ana: str, type_: str, value: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), type_, value)
    page = edited(editor, ana, form, "save", status=422)
    assert "Not saved. Fix 1 row." in page.text
    assert all_segments() == {ana: []}


def test_untouched_segments_are_saved_unchanged(editor: HtmlClient, ana: str) -> None:
    odd = [{"type": "a\r\nb", "value": "\n"}, {"type": "", "value": ""}, {"type": "x", "value": ""}, *GOLD, *GOLD]
    set_segments(ana, odd)
    save(editor, ana, with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE"))
    assert all_segments() == {ana: [*odd, *WINE]}


def test_a_similar_spelling_must_be_confirmed(editor: HtmlClient, ana: str) -> None:
    add_customers("b", "c")
    for document_id in "bc":
        set_segments(document_id, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "Membership", "gold ")
    page = edited(editor, ana, form, "save", status=422)
    assert "Did you mean membership: GOLD (2 customers)?" in page.text
    assert all_segments()[ana] == []
    page = edited(editor, ana, form_of(page), "use-0-0")
    save(editor, ana, form_of(page))
    assert all_segments()[ana] == GOLD
    page = edited(editor, ana, with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "GOLDD"), "save", 422)
    save(editor, ana, form_of(page))  # confirmed
    assert all_segments()[ana] == [*GOLD, {"type": "membership", "value": "GOLDD"}]


def test_a_removed_segment_stays_in_the_form_until_it_is_saved(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    page = edited(editor, ana, form_of(editor.get(f"/customers/{ana}")), "remove-0")
    assert [value for name, value in page.fields if name == "value"] == ["GOLD", "WINE"]
    assert "Unsaved changes: 1 removed" in page.text
    kept = edited(editor, ana, form_of(page), "keep-0")
    assert "Unsaved changes" not in kept.text
    page = edited(editor, ana, with_row(form_of(page), "store", "STORE_1"), "up-0")
    assert "Unsaved changes: 1 added, 1 removed" in page.text
    after = save(editor, ana, form_of(page))
    assert "Saved. 1 added, 1 removed." in after.text
    assert "Undo" in after.links
    assert all_segments() == {ana: [*WINE, {"type": "store", "value": "STORE_1"}]}


def test_a_removed_new_row_disappears(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    page = edited(editor, ana, form, "remove-1")
    assert [value for name, value in page.fields if name == "value"] == ["GOLD"]


def test_the_same_segment_twice_is_pointed_out(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *GOLD])
    hint = re.compile(r'class="editor-repeated [a-z-]+">')
    page = editor.get(f"/customers/{ana}")
    assert len(hint.findall(page.html)) == 1, "only the repetition"
    assert not hint.findall(edited(editor, ana, form_of(page), "remove-0").html)


def test_a_concurrent_change_is_reported_as_edit_conflict(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "PLATINUM")
    set_segments(ana, [*SILVER, *WINE])
    page = edited(editor, ana, form, "save", status=409)
    assert all_segments() == {ana: [*SILVER, *WINE]}
    for text in ("tester", "You both changed membership .", "Their version (saved)", "PLATINUM both changed", "SILVER"):
        assert text in page.text
    assert "WINE both changed" not in page.text
    assert page.html.count("btn-primary") == 0, "no choice is suggested"
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: [*GOLD, *WINE, {"type": "membership", "value": "PLATINUM"}]}


def test_concurrent_changes_of_different_types_are_both_kept(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "store", "STORE_1")
    set_segments(ana, [*WINE, *SILVER])
    page = save(editor, ana, form)
    assert all_segments() == {ana: [*WINE, *SILVER, {"type": "store", "value": "STORE_1"}]}
    assert "tester changed other segments of this customer meanwhile. Both changes were kept." in page.text


def test_a_concurrent_change_of_the_order_alone_is_a_conflict(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    page = edited(editor, ana, form_of(editor.get(f"/customers/{ana}")), "up-1")
    set_segments(ana, [*GOLD, *WINE, {"type": "store", "value": "STORE_1"}])
    edited(editor, ana, form_of(page), "save", status=409)


def test_a_conflict_can_be_saved_combined(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*GOLD, *WINE])
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "PLATINUM")
    set_segments(ana, [*WINE, *SILVER])
    page = edited(editor, ana, form, "save", status=409)
    assert "Save combined" in page.text
    *_, last = (n for n, (name, _) in enumerate(page.fields) if name == "base")
    save(editor, ana, form_of(page, last))
    assert all_segments() == {ana: [*WINE, *SILVER, {"type": "membership", "value": "PLATINUM"}]}


def test_a_combination_equal_to_one_version_is_not_offered(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, [*GOLD, *WINE, {"type": "interest", "value": "CHEESE"}])
    assert "Save combined" not in edited(editor, ana, form, "save", status=409).text


def test_two_replacements_of_the_same_segment_are_not_combined(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, [*SILVER, *WINE])
    page = edited(editor, ana, form_of(editor.get(f"/customers/{ana}")), "remove-0")
    form = with_row(form_of(page), "membership", "PLATINUM")
    set_segments(ana, [*GOLD, *WINE])
    page = edited(editor, ana, form, "save", status=409)
    assert "Overwrite with mine" in page.text
    assert "Save combined" not in page.text


def test_a_conflict_can_be_edited_and_conflict_again(editor: HtmlClient, ana: str) -> None:
    platinum = [{"type": "membership", "value": "PLATINUM"}]
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "membership", "PLATINUM")
    set_segments(ana, SILVER)
    page = edited(editor, ana, form, "save", status=409)
    again = edited(editor, ana, form_of(page), "edit")
    set_segments(ana, GOLD)
    page = edited(editor, ana, form_of(again), "save", status=409)
    assert all_segments() == {ana: GOLD}
    save(editor, ana, form_of(page))
    assert all_segments() == {ana: platinum}


def test_equal_concurrent_changes_do_not_conflict(editor: HtmlClient, ana: str) -> None:
    form = with_row(form_of(editor.get(f"/customers/{ana}")), "interest", "WINE")
    set_segments(ana, WINE)
    assert "No changes to save." in save(editor, ana, form).text


FORGED: list[list[tuple[str, str]]] = [
    [],
    *(
        [("base", base), ("version", "")]
        for base in ("{", "1", "[1]", "{}", '[{"type": "a"}]', '[{"type": 1, "value": []}]', '["ab"]', "[null]")
    ),
    [("base", '[{"type": "a", "value": "b", "c": "d"}]'), ("version", "")],
    [("base", '[{"type": "a", "value": "\\u0000"}]'), ("version", "")],
    *([("base", "[]"), ("version", version)] for version in ("x", "-1", "1" * 30, "²")),
    [("base", "[]"), ("version", ""), ("type", "a"), ("type", "b"), ("value", "c"), ("original_index", "")],
]


@pytest.mark.parametrize("form", FORGED)
def test_a_forged_form_is_400(editor: HtmlClient, ana: str, form: list[tuple[str, str]]) -> None:
    set_segments(ana, GOLD)
    editor.post(f"/customers/{ana}", [*form, ("action", "save")], status=400)
    assert all_segments() == {ana: GOLD}


def test_a_forged_base_is_refused_without_assertions(tmp_path: Path) -> None:
    """`python -O` removes assertions: validation must not depend on them."""
    script = (
        "from werkzeug.datastructures import MultiDict\n"
        "from app.pages.editor import parse_editor\n"
        "parse_editor(MultiDict([('base', '[{\"type\": 1, \"value\": []}]'), ('version', '')]))\n"
    )
    done = subprocess.run([sys.executable, "-O", "-c", script], capture_output=True, text=True, check=False)
    assert "InvalidRequest" in done.stderr


def test_action_numbers_of_any_length_are_ignored(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    for action in ("remove-" + "9" * 5_000, "use-0-" + "9" * 5_000, "up-²", "remove-٣"):
        edited(editor, ana, form_of(editor.get(f"/customers/{ana}")), action)
    form = [("base", "[]"), ("version", ""), ("removed", ""), ("original_index", "9" * 5_000)]
    edited(editor, ana, [*form, ("type", "t"), ("value", "v")], "add")


def test_thousands_of_segments_can_be_edited(editor: HtmlClient, ana: str) -> None:
    many = [{"type": "interest", "value": f"NUMBER {n}"} for n in range(1500)]
    set_segments(ana, many)
    rows = [
        (name, value)
        for n, one in enumerate(many)
        for name, value in [("original_index", str(n)), ("removed", ""), *one.items()]
    ]
    form = [("base", orjson.dumps(many).decode()), ("version", "1"), *rows]
    save_raw = editor.post(f"/customers/{ana}", [*with_row(form, "interest", "WINE"), ("action", "save")])
    assert save_raw.status_code == 302
    assert all_segments() == {ana: [*many, *WINE]}


DOTTED_IDS = [".", "..", "a/../b", "./..", "%2E", "%2E%2E", "a/%2e/b", "%252E", "...", "%"]
"""Browsers resolve `.` and `..` in a path, also percent-encoded: a link must lead to the customer all the same."""


@pytest.mark.parametrize("document_id", DOTTED_IDS)
def test_a_link_survives_the_normalization_of_browsers(app: Flask, document_id: str) -> None:
    with app.test_request_context():
        url = url_for("pages.customer", document_id=document_id)
    parts = [part.replace("%2e", ".").replace("%2E", ".") for part in url.split("/")]
    assert not {".", ".."} & {*parts}


@pytest.mark.parametrize("document_id", ["a/b", "/a", "a//", "a b", "ä%2F", "?", "#", "a\nb", "..a", "😀", *DOTTED_IDS])
def test_any_id_has_a_page(editor: HtmlClient, document_id: str) -> None:
    add_customers(document_id)
    found = editor.get("/customers")
    url = next(url for url in found.links.values() if url.startswith("/customers/"))
    save(editor, url.removeprefix("/customers/"), with_row(form_of(editor.get(url)), "t", "v"))
    assert all_segments() == {document_id: [{"type": "t", "value": "v"}]}


def test_unknown_customer_is_404(editor: HtmlClient) -> None:
    assert "No customer has this document_id" in editor.get("/customers/unknown", status=404).text
