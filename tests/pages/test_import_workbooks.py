"""Workbooks, and what the segments in a file do: add, replace all, remove."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date

import pytest

from app.core import limits
from app.files import workbooks
from tests.support.customers import GOLD, SILVER, Segments, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import all_profiles, apply, preview, run_job, upload
from tests.support.workbooks import Sheets, ods, xlsx

CUSTOMERS: Sheets = {
    "Empty": [],
    "Customers": [
        ["Report of May"],
        ["document_id", "name", "membership"],
        [7, "Ana", "GOLD"],
        ["007", "Luis", "GOLD"],
    ],
    "Others": [["document_id"], [8]],
}
ROLES = ["document_id", "name", "segment:membership"]


@pytest.mark.parametrize("write", [xlsx, ods])
def test_first_sheet_with_content_is_imported(editor: HtmlClient, write: Callable[[Sheets], bytes]) -> None:
    url = upload(editor, write(CUSTOMERS), "may.xlsx")
    preview(editor, url, ROLES)
    apply(editor, url)
    assert all_profiles() == {"7": ("Ana", None, None), "007": ("Luis", None, None)}
    assert all_segments() == {"7": GOLD, "007": GOLD}


def test_another_sheet_is_chosen(editor: HtmlClient) -> None:
    url = upload(editor, xlsx(CUSTOMERS), "may.xlsx")
    editor.post(url, {"action": "reread", "sheet": "Others"})
    preview(editor, url, ["document_id"])
    apply(editor, url)
    assert set(all_profiles()) == {"8"}


def test_cells_are_read_as_the_spreadsheet_shows_them(editor: HtmlClient) -> None:
    cells = [1234567890123, 1.5, True, date(2026, 5, 31), "1.10"]
    types = ["number", "fraction", "truth", "day", "text"]
    url = upload(editor, xlsx({"a": [["document_id", *types], ["1", *cells]]}), "types.xlsx")
    preview(editor, url, ["document_id", *(f"segment:{name}" for name in types)])
    apply(editor, url)
    values = [segment["value"] for segment in all_segments()["1"]]
    assert values == ["1234567890123", "1.5", "TRUE", "2026-05-31", "1.10"]


@pytest.mark.parametrize(
    "content",
    [xlsx({"a": [["document_id"], [12345678901234567]]}), b"document_id,name\n1.23E+12,x\n"],
    ids=["workbook", "csv"],
)
def test_rounded_number_is_pointed_out(editor: HtmlClient, content: bytes) -> None:
    url = upload(editor, content)
    assert "1 number that a spreadsheet may have rounded" in preview(editor, url, _roles(content)).text


def _roles(content: bytes) -> list[str]:
    return ["document_id", "name"] if content.startswith(b"document_id") else ["document_id"]


@pytest.mark.parametrize(
    "corrupt", [b"PK\x03\x04" + b"x" * 900, b"\xd0\xcf\x11\xe0" + b"\0" * 900, xlsx(CUSTOMERS)[:3000]]
)
def test_corrupt_workbook_is_unreadable(editor: HtmlClient, corrupt: bytes) -> None:
    page = editor.get(upload(editor, corrupt, "corrupt.xlsx"))
    assert "The workbook can't be read." in page.text
    assert "Nothing changed" in page.text


def test_workbook_of_unlimited_size_is_not_unpacked(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (limits.MAX_UNCOMPRESSED_WORKBOOK_BYTES + 1))
    assert "larger than 20 MB" in editor.get(upload(editor, bomb.getvalue(), "bomb.xlsx")).text
    monkeypatch.setattr(workbooks, "MAX_WORKBOOK_BYTES", 100)
    assert "larger than" in editor.get(upload(editor, xlsx(CUSTOMERS), "large.xlsx")).text


REGION: Segments = [{"type": "region", "value": "NORTH"}]


@pytest.mark.parametrize(
    ("mode", "expected", "consequence"),
    [
        ("add", [*SILVER, *REGION, *GOLD], "Nobody loses any."),
        ("replace", [*GOLD, *REGION], "1 segment will be lost."),
        ("remove", SILVER, "1 segment will be lost."),
    ],
)
def test_segments_are_added_replaced_or_removed(
    editor: HtmlClient, mode: str, expected: Segments, consequence: str
) -> None:
    add_customers("1")
    set_segments("1", [*SILVER, *REGION])
    url = upload(editor, "document_id,type,value\n1,membership,GOLD\n1,region,NORTH\n2,membership,GOLD\n")
    form = [("action", "check"), ("create", "yes"), ("mode", mode)]
    editor.post(url, form + [("role", role) for role in ("document_id", "type", "value")])
    assert consequence in apply_previewed(editor, url)
    assert all_segments() == {"1": expected} | ({} if mode == "remove" else {"2": GOLD})


def apply_previewed(editor: HtmlClient, url: str) -> str:
    """Return the preview's text, and apply it."""
    assert run_job()
    text = editor.get(url).text
    apply(editor, url)
    return text


def test_add_is_chosen_for_a_file_with_one_segment_per_row(editor: HtmlClient) -> None:
    assert chosen_mode(editor, "document_id,type,value\n1,a,b\n") == "add"
    assert chosen_mode(editor, "document_id,membership\n1,GOLD\n") == "replace"


def chosen_mode(editor: HtmlClient, content: str) -> str:
    """Return the mode that the page of the file proposes."""
    text = editor.client.get(upload(editor, content)).text
    return str(re.findall(r'value="(\w+)"\s+aria-describedby="mode-\w+-help"\s+checked', text)[0])


def test_column_named_like_a_type_that_customers_have_is_matched(editor: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    url = upload(editor, "document_id,membership,region\n1,SILVER,NORTH\n")
    selected = re.findall(r'<option value="([^"]*)"\s+selected', editor.client.get(url).text)
    assert selected[:3] == ["document_id", "segment:membership", ""]
    assert "Ignored columns: region" in preview(editor, url, ["document_id", "segment:membership", ""]).text
