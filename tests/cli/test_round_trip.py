"""Export, wipe, import: nothing is lost, whatever stands in names and segments."""

import csv
import io
from typing import Any

import orjson
import pytest
from flask import Flask

from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, run_in_transaction
from app.core.models.customers import PROFILE_FIELD_NAMES, Customer
from tests.support.clients import Shell
from tests.support.customers import TESTER, reset_database
from tests.support.html_client import HtmlClient
from tests.support.imports import apply, preview, upload

TEXTS = [
    'a, "b"; c',
    "two\nlines",
    "\r\n",
    "😀",
    "שלום\u200f",
    "=1+1",
    "+57",
    "-1",
    "@x",
    "'=x",
    "''",
    "\tx",
    "\n=x",
    "＝1",
    "ñ",
    " x ",
    "a|b",
    "{",
]


def all_customers() -> Any:
    db.session.rollback()
    fields = (*PROFILE_FIELD_NAMES, "segments")
    return {row.document_id: [getattr(row, name) for name in fields] for row in db.session.query(Customer).all()}


@pytest.fixture
def filled(app: Flask) -> Any:
    rows = [{"document_id": f"{n}{text}", **dict.fromkeys(PROFILE_FIELD_NAMES, text)} for n, text in enumerate(TEXTS)]
    run_in_transaction(lambda session: upsert_customers(session, [*rows, {"document_id": "bare"}]))
    segments = {
        row["document_id"]: [{"type": row["name"], "value": value} for value in (TEXTS[n - 1], "")]
        for n, row in enumerate(rows)
    }
    replace_segments(segments, TESTER)
    return all_customers()


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_by_command(shell: Shell, filled: Any, format_: str) -> None:
    exported = shell("customers", "export", "--format", format_).stdout_bytes
    reset_database()
    shell("customers", "import", shell.file("all", exported))
    assert all_customers() == filled


@pytest.mark.parametrize("format_", ["csv", "xlsx", "jsonl"])
def test_by_page(editor: HtmlClient, app: Flask, filled: Any, format_: str) -> None:
    exported = editor.client.get(f"/customer-export?format={format_}").data
    run_in_transaction(lambda session: session.query(Customer).delete())
    url = upload(editor, exported, f"customers.{format_}")
    preview(editor, url, ["document_id", *PROFILE_FIELD_NAMES, "segments"] if format_ != "jsonl" else None)
    apply(editor, url)
    assert all_customers() == filled


def test_no_cell_of_the_csv_is_a_formula(editor: HtmlClient, filled: Any) -> None:
    text = editor.client.get("/customer-export").text.lstrip("\ufeff")
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝")) for cell in row)


def test_export_of_a_filtered_list_has_its_customers_only(editor: HtmlClient, filled: Any) -> None:
    found = editor.client.get("/customer-export?format=jsonl&has=none").data
    assert [orjson.loads(line)["document_id"] for line in found.splitlines()] == ["bare"]
    assert editor.client.get("/customer-export?format=pdf").headers["Location"] == "/customers"
