"""Files of imports: recognised formats, matched columns, and what is refused."""

import csv
import gzip
import io

import pytest
from sqlalchemy import select

from app.core.database import db
from app.files import lines
from app.jobs import imports
from app.jobs.jobs import Job
from tests.support.html_client import HtmlClient
from tests.support.imports import (
    ROLES,
    SPREADSHEET,
    all_profiles,
    apply,
    preview,
    run_job,
    upload,
)


@pytest.mark.parametrize(
    ("content", "roles"),
    [
        pytest.param(SPREADSHEET.encode(), ROLES, id="UTF-8"),
        pytest.param(SPREADSHEET.encode("utf-8-sig"), ROLES, id="byte-order mark"),
        pytest.param(SPREADSHEET.encode("utf-16"), ROLES, id="UTF-16"),
        pytest.param(SPREADSHEET.encode("utf-16-le"), ROLES, id="UTF-16 without its mark"),
        pytest.param(b"sep=;\n\n" + SPREADSHEET.encode(), ROLES, id="separator said first, blank line"),
        pytest.param(SPREADSHEET.encode("cp1252"), ROLES, id="Windows"),
        pytest.param(SPREADSHEET.replace(";", "\t").encode(), ROLES, id="tabs"),
        pytest.param(SPREADSHEET.replace(";", "|").replace("\n", "\r\n").encode(), ROLES, id="bars"),
        pytest.param(gzip.compress(SPREADSHEET.encode()), ROLES, id="gzip"),
    ],
)
def test_formats_of_spreadsheets_are_detected(editor: HtmlClient, content: bytes, roles: list[str]) -> None:
    url = upload(editor, content)
    payload = db.session.scalars(select(Job.payload)).one()
    assert payload["roles"] == ["document_id", "name", "email", "", ""]
    preview(editor, url, roles)
    apply(editor, url)
    assert all_profiles() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}


def test_file_is_read_again_in_another_format(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,a;b\n1,x;y\n")
    editor.post(url, {"action": "reread", "delimiter": "semicolon", "encoding": "cp1252"})
    db.session.rollback()
    assert db.session.scalars(select(Job.payload)).one()["columns"] == ["document_id,a", "b"]
    editor.post(url, {"action": "reread", "delimiter": "nonsense", "encoding": "cp1252"}, status=400)


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        (["", "name"], "Choose which column is the ID"),
        (["document_id", "document_id"], "Two columns are matched to document_id"),
        (["document_id", "type"], "Match both a segment type and a segment value column"),
    ],
)
def test_invalid_column_roles_are_422(editor: HtmlClient, roles: list[str], problem: str) -> None:
    url = upload(editor, "document_id,x\n1,y\n")
    response = editor.post(url, [("action", "check"), *(("role", role) for role in roles)], status=422)
    assert problem in response.text
    assert not run_job()


def test_file_without_header_row(editor: HtmlClient) -> None:
    url = upload(editor, "1,Ana\n2,Luis,x\n")
    editor.post(url, {"action": "reread", "delimiter": "comma", "encoding": "utf-8", "header": "none"})
    preview(editor, url, ["document_id", "name"])
    assert "Line 2: " in apply(editor, url).text
    assert all_profiles() == {"1": ("Ana", None, None)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "The file is empty", id="empty"),
        pytest.param(b"\n\n", "The file is empty", id="blank"),
        pytest.param(b"\x1f\x8bnot gzip", "cannot be read", id="not gzip"),
        pytest.param(b"PK\x03\x04" + bytes(range(256)), "Save as › CSV UTF-8", id="workbook"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "a text file", id="picture"),
        pytest.param('{"document_id": "1"}'.encode("utf-16"), "JSON must be UTF-8", id="JSON in UTF-16"),
        pytest.param(b'{"customers": [' + b"[" * 100_000, "more than 500 levels", id="nested"),
        pytest.param(b"document_id" + b",x" * 500, "501 columns", id="too many columns"),
        pytest.param(b"document_id," + b"x" * 1001, "column name is longer", id="no name of a column"),
    ],
)
def test_unreadable_file_fails_with_the_reason(editor: HtmlClient, content: bytes, expected: str) -> None:
    page = editor.get(upload(editor, content))
    assert expected in page.text
    assert "Nothing changed" in page.text
    assert not run_job()


def test_unreadable_format_is_422_and_changes_nothing(editor: HtmlClient) -> None:
    url = upload(editor, f"document_id;{'x' * 600};{'y' * 600}\n")
    form = {"action": "reread", "delimiter": "comma", "encoding": "utf-8"}
    assert "With these settings" in editor.post(url, form, status=422).text


@pytest.mark.parametrize(
    ("limit", "content", "expected"),
    [
        (
            "MAX_UNCOMPRESSED_BYTES",
            gzip.compress(b"document_id\n" + b"1\n" * 50_000),
            "The uncompressed file exceeds",
        ),
        ("MAX_REJECTED_ROWS", b"document_id,name\n" + b",x\n" * 101, "More than 100 rows have errors"),
    ],
)
def test_file_above_a_limit_fails(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch, limit: str, content: bytes, expected: str
) -> None:
    url = upload(editor, content)
    monkeypatch.setattr(imports, limit, 100)
    roles = ["document_id", "name"] if limit == "MAX_REJECTED_ROWS" else ["document_id"]
    page = preview(editor, url, roles)
    assert expected in page.text
    assert "Nothing was applied" in page.text
    editor.post(url, {"action": "back"})
    assert "Match columns" in editor.get(url).text


def test_json_array_is_imported_and_its_rejected_elements_are_json(editor: HtmlClient) -> None:
    url = upload(editor, '[{"document_id": "1"},\n {"document_id": 2, "name": "Ana"}, [3]]', "x.json")
    preview(editor, url)
    download = editor.client.get(url + "/rejected").text.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(download)))
    assert [(row["line"], row["row"]) for row in rows] == [("2", '{"document_id": 2, "name": "Ana"}'), ("3", "[3]")]
    apply(editor, url)
    assert set(all_profiles()) == {"1"}


def test_overlong_line_is_one_rejected_row(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    url = upload(editor, "document_id,name\n1," + "a," * 1000 + "\n2,Luis\n,Eva\n")
    page = preview(editor, url, ["document_id", "name"])
    assert "Line 2: Longer than" in page.text
    assert "Line 4: document_id" in page.text
    apply(editor, url)
    assert set(all_profiles()) == {"2"}
