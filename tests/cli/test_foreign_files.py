"""Files as spreadsheets, shops and marketing tools write them: what is read, what is rejected and what is said."""

import csv
import io
from typing import Any

import pytest

from app.files.formats import detect_format
from tests.support.clients import Shell
from tests.support.customers import add_customers, all_segments, reset_database, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import all_profiles, preview, upload
from tests.support.rejected_rows import read_rejected


def imported(shell: Shell, content: bytes, *options: str, exit_code: int = 0) -> Any:
    return shell("customers", "import", shell.file("file.csv", content), *options, exit_code=exit_code)


def test_blank_rows_of_a_spreadsheet_are_skipped(shell: Shell) -> None:
    imported(shell, b"document_id,name,email\nB1,Ana,a@x.com\n,,\n, ,\nB2,Bea,b@x.com\n,,\n,,\n")
    assert set(all_profiles()) == {"B1", "B2"}


def test_empty_cells_at_the_end_of_a_row_may_be_missing_or_too_many(shell: Shell) -> None:
    imported(shell, b"document_id,name,email\nT1,Ana,a@x.com,\nT2,Bea,b@x.com,,\nS3,Cea\nS4\n")
    assert all_profiles() == {
        "T1": ("Ana", "a@x.com", None),
        "T2": ("Bea", "b@x.com", None),
        "S3": ("Cea", None, None),
        "S4": (None, None, None),
    }


def test_row_with_a_value_beyond_the_columns_is_rejected(shell: Shell) -> None:
    file = shell.file("file.csv", b"document_id,name\n1,Ana,x\n")
    shell("customers", "import", file, exit_code=1)
    assert read_rejected(file)[0]["error"] == "3 columns, expected 2."


def test_headers_and_byte_order_marks_of_joined_files_are_skipped(shell: Shell) -> None:
    bom = b"\xef\xbb\xbf"
    header = b"document_id,name\n"
    result = imported(shell, bom + header + b"K1,Ana\n" + bom + header + b"K2,Bea\n" + header + bom + b"K3,Cea\n")
    assert set(all_profiles()) == {"K1", "K2", "K3"}
    assert "2 lines with the header again skipped" in result.stderr


def test_spaces_and_invisible_characters_around_texts_are_removed_and_reported(shell: Shell) -> None:
    content = 'document_id,name,email\n W1 , Ana ," a@x.com "\nW2\u00a0,Bea,b@x.com\u00a0\nW3\u200b,Cea,c@x.com\n'
    result = imported(shell, content.encode())
    assert all_profiles() == {
        "W1": ("Ana", "a@x.com", None),
        "W2": ("Bea", "b@x.com", None),
        "W3": ("Cea", "c@x.com", None),
    }
    assert "6 cells with spaces or invisible characters" in result.stderr


@pytest.mark.parametrize("for_spreadsheets", [[], ["--for-spreadsheets"]])
@pytest.mark.parametrize("delimiter", ["comma", "semicolon"])
def test_own_export_is_imported_exactly(shell: Shell, for_spreadsheets: list[str], delimiter: str) -> None:
    texts = [" x ", "x\u00a0", "\u200bx", "'x", "''x", "'t Hooft", "'12", "00012", "1e5", "1-2", "a;=1", "a;'=1", "=1"]
    for text in texts:
        add_customers(text, name=text, phone=text)
        set_segments(text, [{"type": ";=t", "value": text}])
    before = all_profiles(), all_segments()
    exported = shell("customers", "export", *for_spreadsheets, "--delimiter", delimiter).stdout_bytes
    reset_database()
    imported(shell, exported)
    assert (all_profiles(), all_segments()) == before


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("id;name\r\n3;José Núñez\r\n4;Müller Ávila\r\n".encode("cp850"), "José Núñez"),
        ("id;name\r\n3;José Núñez\r\n4;Müller Ávila\r\n".encode("mac-roman"), "José Núñez"),
        ("id;name\r\n3;José Núñez\r\n4;Müller €\r\n".encode("cp1252"), "José Núñez"),
        ("id;name\r\n3;José Núñez\r\n".encode("utf-16-be"), "José Núñez"),
    ],
)
def test_encoding_is_detected(shell: Shell, content: bytes, name: str) -> None:
    imported(shell, content)
    assert all_profiles()["3"][0] == name


def test_bytes_that_the_encoding_does_not_have_reject_the_row_and_offer_others(shell: Shell) -> None:
    file = shell.file("file.csv", b"id;name\r\nE5;M\x81ller \x8d\x8f\x90\x9d Jos\xe9\r\nE6;Jos\xe9\r\n")
    shell("customers", "import", file, "--encoding", "cp1252", exit_code=1)
    assert all_profiles() == {"E6": ("José", None, None)}
    assert "choose another encoding" in read_rejected(file)[0]["error"]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        (b'"Last, First, Middle";id;email\n"Gomez, Ana, M";D1;a@x.com\n', ";"),
        (b'id;Nombre;Saldo, EUR, hoy, total\nD2;Ana;"1,50"\n', ";"),
        (b"\xef\xbb\xbfsep=\t\r\ndocument_id\tname\r\nD5\tAna\r\n", "\t"),
        (b"id,name\n1,a;b;c\n", ","),
        (b"id|name, first\n1|a, b\n2|c\n", "|"),
    ],
)
def test_delimiter_is_detected(content: bytes, delimiter: str) -> None:
    assert detect_format(content.removeprefix(b"\xef\xbb\xbf")).delimiter == delimiter


def test_declared_tab_separator_is_read(shell: Shell) -> None:
    imported(shell, b"\xef\xbb\xbfsep=\t\r\ndocument_id\tname\r\nD5\tAna\r\n")
    assert all_profiles() == {"D5": ("Ana", None, None)}


def test_delimiter_encoding_and_columns_can_be_given(shell: Shell) -> None:
    content = "code;nivel;etiquetas\n1;ORO;a, b\n".encode("cp850")
    columns = "document_id,segment:nivel,tags:tag"
    imported(shell, content, "--delimiter", "semicolon", "--encoding", "cp850", "--columns", columns)
    values = {"nivel": ["ORO"], "tag": ["a", "b"]}
    assert all_segments() == {"1": [{"type": type_, "value": v} for type_, found in values.items() for v in found]}


@pytest.mark.parametrize("columns", ["document_id", "document_id,nonsense", "name,email"])
def test_columns_that_do_not_fit_exit_with_2(shell: Shell, columns: str) -> None:
    imported(shell, b"a,b\n1,2\n", "--columns", columns, exit_code=2)


HUBSPOT = (
    "Record ID - Contact,First Name,Last Name,Email,Phone Number,Contact owner,Lead Status\n"
    '"51","Ana","Gómez","ana@example.com","+57 300 1234567","","NEW"\n'
)
MAILCHIMP = (
    "Email Address,First Name,Last Name,Phone Number,MEMBER_RATING,LEID,EUID,TAGS\n"
    'ana@example.com,Ana,Gómez,+57 300 1234567,4,501230001,a1b2c3d4e5,"""VIP"",""Bogotá"""\n'
)
WOO = (
    "ID,customer_id,user_login,user_email,display_name,first_name,last_name,roles,billing_phone\n"
    '12,,ana,ana@example.com,"Ana Gómez",Ana,Gómez,customer,3001234567\n'
)
SHOPIFY = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Phone,Total Spent,Tags\n"
    "'7052836962417,Ana,Gómez,ana@example.com,yes,'+573001234567,0.00,\"vip, Bogotá\"\n"
)
SPANISH = "Cédula;Nombre;Apellidos;Correo\n51;Ana;Gómez;ana@example.com\n"


@pytest.mark.parametrize(
    ("content", "document_id", "phone"),
    [
        pytest.param(HUBSPOT, "51", "+57 300 1234567", id="HubSpot"),
        pytest.param(MAILCHIMP, "a1b2c3d4e5", "+57 300 1234567", id="Mailchimp"),
        pytest.param(WOO, "12", "3001234567", id="WooCommerce"),
        pytest.param(SHOPIFY, "7052836962417", "+573001234567", id="Shopify"),
        pytest.param(SPANISH, "51", None, id="Spanish"),
    ],
)
def test_exports_of_other_systems_are_recognised(shell: Shell, content: str, document_id: str, phone: str) -> None:
    imported(shell, content.encode())
    assert all_profiles() == {document_id: ("Ana Gómez", "ana@example.com", phone)}


def test_tags_are_split(shell: Shell) -> None:
    imported(shell, MAILCHIMP.encode(), "--columns", "email,first_name,last_name,phone,,,document_id,tags:tag")
    assert [pair["value"] for pair in all_segments()["a1b2c3d4e5"]] == ["VIP", "Bogotá"]


def test_apostrophe_of_a_name_is_kept(shell: Shell) -> None:
    imported(shell, b"document_id,name\n'1,'t Hooft\n")
    assert all_profiles() == {"1": ("'t Hooft", None, None)}


def test_lines_above_the_header_are_skipped_and_reported(shell: Shell) -> None:
    result = imported(shell, b"Customers of 2026;;\n\nPrinted today;;\nid;name;email\n1;Ana;\n")
    assert all_profiles() == {"1": ("Ana", None, None)}
    assert "2 lines above the header skipped" in result.stderr


def test_empty_cells_clear_fields_unless_they_are_kept(shell: Shell) -> None:
    add_customers("1", name="Ana", email="a@x.co")
    imported(shell, b"document_id,name,email\n1,,b@x.co\n", "--keep-empty")
    assert all_profiles() == {"1": ("Ana", "b@x.co", None)}
    assert "1 empty cell" in imported(shell, b"document_id,name\n1,\n").stderr
    assert all_profiles() == {"1": (None, "b@x.co", None)}


def test_words_for_nothing_and_invalid_emails_are_reported(shell: Shell) -> None:
    report = imported(shell, b"document_id,name,email\n1,NULL,not-an-email\n2,#N/A,a@x.co\n").stderr
    assert "2 cells with a word such as NULL or #N/A" in report
    assert "1 email that is not an email address" in report


def test_preview_names_similar_and_repeated_segments(editor: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", [{"type": "tier", "value": "T1"}])
    url = upload(editor, "document_id,type,value\nLV1,tier ,T1\nBULK,a,1\nBULK,a,1\nBULK,b,2\n")
    page = preview(editor, url, ["document_id", "type", "value"])
    assert "“tier : T1” is new, and similar to “tier: T1” (1 customer)" in page.text
    assert "1 customer with the same segment more than once" in page.text


def test_no_cell_becomes_a_formula_where_semicolons_or_tabs_separate(shell: Shell) -> None:
    cells = ["a;=1+1", "a;+1", "a; @x", "b\t=1", "=1", "a;'=1", "x\n-1"]
    for n, cell in enumerate(cells):
        add_customers(f"{n}", name=cell)
        set_segments(f"{n}", [{"type": "t", "value": cell}])
    exported = shell("customers", "export", "--for-spreadsheets").stdout
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(exported, newline=""), delimiter=delimiter):
            assert not [cell for cell in row if cell.lstrip(" ").startswith(("=", "+", "-", "@"))]
