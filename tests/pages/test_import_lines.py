"""The history of a customer names the file of an import, and the lines that were about them."""

import pytest
from flask import Flask

from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import erase_customers
from app.jobs import batches
from tests.support.customers import TESTER, add_customers, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, preview, upload

FILE = "document_id;membership\na;GOLD\nb;GOLD\n\nc;SILVER\n"
ROLES = ["document_id", "segment:membership"]
ROW_PER_SEGMENT = "document_id,type,value\na,membership,GOLD\nb,interest,WINE\na,interest,WINE\n"


def apply_file(editor: HtmlClient, content: str, roles: list[str], name: str = "crm.csv") -> None:
    url = upload(editor, content, name)
    preview(editor, url, roles)
    apply(editor, url)


def test_history_names_the_line(editor: HtmlClient) -> None:
    apply_file(editor, FILE, ROLES)
    page = editor.get("/customers/c")
    assert "Added just now by editor@example.com · Import 1: crm.csv, line 5" in page.text, "the pair"
    assert page.text.count("Import 1: crm.csv, line 5") == 3, "the pair, the change of segments, the creation"
    assert "Import 1: crm.csv, line 3 " in editor.get("/customers/b").text


def test_history_names_all_lines_of_a_file_with_a_row_per_segment(editor: HtmlClient) -> None:
    apply_file(editor, ROW_PER_SEGMENT, ["document_id", "type", "value"])
    assert "Import 1: crm.csv, lines 2, 4" in editor.get("/customers/a").text
    assert "Import 1: crm.csv, line 3" in editor.get("/customers/b").text


def test_each_import_has_its_own_line(editor: HtmlClient) -> None:
    apply_file(editor, FILE, ROLES)
    apply_file(editor, "document_id;membership\nc;BRONZE\n", ROLES, "other.csv")
    page = editor.get("/customers/c")
    assert "Import 1: crm.csv, line 5" in page.text
    assert "Import 2: other.csv, line 2" in page.text


def test_line_is_found_after_the_customer_got_another_id(editor: HtmlClient) -> None:
    apply_file(editor, FILE, ROLES)
    rename_customer("c", "z", TESTER)
    assert "Import 1: crm.csv, line 5" in editor.get("/customers/z").text


def test_line_is_found_in_any_batch(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    apply_file(editor, FILE, ROLES)
    assert "Import 1: crm.csv, line 2" in editor.get("/customers/a").text
    assert "Import 1: crm.csv, line 5" in editor.get("/customers/c").text


def test_no_line_is_named_once_the_batches_are_deleted(editor: HtmlClient) -> None:
    apply_file(editor, FILE, ROLES)
    erase_customers(["a"], TESTER)
    page = editor.get("/customers/c")
    assert "Import 1: crm.csv" in page.text
    assert "line 5" not in page.text


def test_a_reason_that_looks_like_an_import_names_no_line(app: Flask, editor: HtmlClient) -> None:
    apply_file(editor, FILE, ROLES)
    add_customers("c")
    form = {"base": "[]", "version": "", "original_index": "", "removed": "", "action": "save"}
    add_customers("n")
    editor.post("/customers/n", {**form, "type": "t", "value": "v", "reason": "Import 1: crm.csv"})
    set_segments("n", [], TESTER)
    assert "line" not in editor.get("/customers/n").text.partition("Import 1: crm.csv")[2].partition("·")[0]
