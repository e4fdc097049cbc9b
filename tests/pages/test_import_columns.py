"""How the columns of a file are found and matched: as in the last import, in the header line that is chosen."""

from typing import Any

import pytest

from tests.support.customers import all_segments
from tests.support.html_client import HtmlClient, HtmlPage
from tests.support.imports import apply, preview, upload

FILE = "Código;Nivel;Notas\na;GOLD;x\nb;;y\n"
ROLES = ["document_id", "segment:Nivel", ""]
MATCHED = "Matched as in your team's last file with this header: Import #1"
FORMAT = {"action": "reread", "encoding": "utf-8", "delimiter": "semicolon"}


def selected(page: HtmlPage) -> list[str]:
    """Return the selected role of each column."""
    columns = page.html.split('name="role"')[1:]
    return [column.partition(" selected")[0].rpartition('value="')[2].partition('"')[0] for column in columns]


def test_next_file_with_the_same_header_is_matched_as_the_last(editor: HtmlClient) -> None:
    first = upload(editor, FILE)
    assert MATCHED not in editor.get(first).text
    preview(editor, first, ROLES)
    page = editor.get(upload(editor, FILE.replace("GOLD", "SILVER")))
    assert selected(page) == ROLES
    assert MATCHED in page.text


@pytest.mark.parametrize("header", ["Código;Nivel", "Nivel;Código;Notas", "código;Nivel;Notas"])
def test_another_header_is_not_matched_as_the_last(editor: HtmlClient, header: str) -> None:
    preview(editor, upload(editor, FILE), ROLES)
    page = editor.get(upload(editor, f"{header}\na;GOLD\n"))
    assert MATCHED not in page.text


def test_columns_that_nobody_confirmed_are_not_taken(editor: HtmlClient) -> None:
    upload(editor, FILE)
    assert "Import #1" not in editor.get(upload(editor, FILE)).text


def test_columns_without_names_are_not_taken(editor: HtmlClient) -> None:
    url = upload(editor, "a;GOLD\nb;SILVER\n")
    editor.post(url, {**FORMAT, "header": "none"})
    preview(editor, url, ["document_id", "segment:column 2"])
    second = upload(editor, "Ana;a\nEva;b\n")
    editor.post(second, {**FORMAT, "header": "none"})
    assert "Import #1" not in editor.get(second).text


def test_header_line_is_chosen(editor: HtmlClient) -> None:
    url = upload(editor, "Cliente;Informe\n\nA;B\nNivel;Código\nGOLD;a\n")
    assert "Informe" in editor.get(url).text
    editor.post(url, {**FORMAT, "header": "4"})
    page = editor.get(url)
    assert "Informe" not in page.text
    assert 'value="4" selected' in page.html
    page = preview(editor, url, ["segment:Nivel", "document_id"])
    assert "2 lines above the header skipped" in page.text
    apply(editor, url)
    assert all_segments() == {"a": [{"type": "Nivel", "value": "GOLD"}]}


@pytest.mark.parametrize("header", ["99", "x", ""])
def test_another_header_line_is_found_automatically(editor: HtmlClient, header: str) -> None:
    url = upload(editor, FILE)
    editor.post(url, {**FORMAT, "header": header})
    assert "Nivel" in editor.get(url).text


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("VIP, Bogotá", ["VIP", "Bogotá"]),
        ("VIP; Bogotá", ["VIP", "Bogotá"]),
        ('"""VIP; oro"", Bogotá"', ["VIP; oro", "Bogotá"]),
        ("VIP;", ["VIP"]),
        (" ", []),
    ],
)
def test_several_tags_in_a_cell_are_split(editor: HtmlClient, cell: str, values: list[str]) -> None:
    url = upload(editor, f"document_id\tTags\na\t{cell}\n")
    preview(editor, url, ["document_id", "tags:Tags"])
    apply(editor, url)
    expected: Any = {"a": [{"type": "Tags", "value": value} for value in values]}
    assert all_segments() == expected
