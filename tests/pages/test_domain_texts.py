"""Texts of the domain, written in English, on pages in another language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import force_locale, ngettext

from app.core.changes.replace_segments import replace_segments
from app.core.errors import DomainError
from app.files.formats import ENCODINGS
from app.files.notes import TEXTS as FILE_NOTES
from app.files.notes import describe_notes
from app.jobs.batches import SKIP_REASONS
from app.jobs.bulk_edits import ACTIONS, BulkEdit, describe
from app.pages.actor_texts import actor_label, actors_named
from app.pages.domain_texts import TEXTS, translate_domain_text, translate_note, translate_row_error
from app.pages.template_filters import number
from tests.support.customers import GOLD, TESTER, add_customers
from tests.support.html_client import HtmlClient
from tests.support.imports import preview, upload

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("core", "access", "files", "jobs", "serialization", "webhooks")
SPANISH = {"Accept-Language": "es"}

ONLY_IN_API_OR_SHELL = {
    "ChangeTooLarge",
    "CopyDiffers",
    "EndedMeanwhile",
    "IdempotencyMismatch",
    "InvalidBackup",
    "InvalidInput",
    "NoLongerRetained",
    "RevertConflict",
    "NotDistributable",
    "SourceChanging",
    "TargetInUse",
    "TypeForbidden",
}
"""Errors of requests and commands that no page makes."""


def all_errors(of: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in of.__subclasses__():
        yield error
        yield from all_errors(error)


def raised_texts() -> Iterator[tuple[str, str]]:
    """Yield (place, text) of each domain error that is raised with a text; `7` stands for what is inserted."""
    names = {error.__name__ for error in all_errors()} - ONLY_IN_API_OR_SHELL
    for package in PACKAGES:
        for path in sorted((ROOT / "app" / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or not node.exc.args:
                    continue
                function, argument = node.exc.func, node.exc.args[0]
                text = literal_text(argument)
                if isinstance(function, ast.Name) and function.id in names and text:
                    yield f"{path.name}:{node.lineno}", text


def literal_text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return None


def test_every_raised_text_can_be_translated(app: Flask) -> None:
    with force_locale("es"):
        untranslated = [(place, text) for place, text in raised_texts() if translate_domain_text(text) == text]
    assert untranslated == []


def test_every_listed_reason_can_be_translated(app: Flask) -> None:
    listed = {*SKIP_REASONS.values(), *(label for label in ENCODINGS.values() if "(" in label)}
    assert listed <= {*TEXTS}


def test_notes_say_the_same_on_pages_and_in_the_shell(app: Flask) -> None:
    for name in FILE_NOTES:
        for count in (1, 2, 1_000):
            on_page = describe_notes({name: count}, ngettext, number)
            assert on_page == describe_notes({name: count})


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("The file is empty. Nothing changed.", "El archivo está vacío. No se cambió nada."),
        (
            "The uncompressed file exceeds 8,000,000 bytes. Split it. Nothing was applied.",
            "El archivo descomprimido supera los 8.000.000 bytes. Divídalo. No se aplicó nada.",
        ),
        (
            "The server's disk is full. 10,000 customers were applied before.",
            "El disco del servidor está lleno. Antes se aplicaron 10.000 clientes.",
        ),
        ("Token 100%s is revoked. Nothing was changed.", "El token 100%s está revocado. No se cambió nada."),
        ("A text of no template.", "A text of no template."),
        ("", ""),
    ],
)
def test_text_is_translated_by_its_template(app: Flask, text: str, translated: str) -> None:
    with force_locale("es"):
        assert translate_domain_text(text) == translated
    with force_locale("en"):
        assert translate_domain_text(text) == text


@pytest.mark.parametrize(
    ("error", "translated"),
    [
        ("document_id is empty.", "document_id está vacío."),
        (
            "document_id: Not a valid string.; segments[0].type: Missing data for required field.",
            "document_id: No es un texto válido.; segments[0].type: Falta un dato obligatorio.",
        ),
        (
            "value: type and value go together; leave both empty for no segments.",
            "value: el tipo y el valor van juntos; deje ambos vacíos si no hay segmentos.",
        ),
    ],
)
def test_reasons_of_a_rejected_row_are_translated_one_by_one(app: Flask, error: str, translated: str) -> None:
    with force_locale("es"):
        assert translate_row_error(error) == translated


def test_rejected_rows_and_notes_are_shown_in_the_language_of_the_page(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,name,email\n1, Ana ,a\n,Luis,\n3,Eva,x,y\n")
    preview(editor, url, ["document_id", "name", "email"])
    page = editor.get(url, headers=SPANISH)
    assert "Línea 3: document_id está vacío." in page.text
    assert "Línea 4: 4 columnas; se esperaban 3." in page.text
    assert "1 celda con espacios" in page.text
    assert "Line 3: document_id is empty." in editor.get(url).text


def test_failed_import_says_why_in_the_language_of_the_page(editor: HtmlClient) -> None:
    url = upload(editor, "")
    assert "El archivo está vacío. No se cambió nada." in editor.get(url, headers=SPANISH).text
    assert "The file is empty. Nothing changed." in editor.get(url).text


def test_refused_step_is_explained_in_the_language_of_the_page(editor: HtmlClient) -> None:
    url = upload(editor, "document_id\n1\n")
    response = editor.post(url, {"action": "apply"}, status=409, headers=SPANISH)
    assert "Esto ya se inició, aplicó o descartó. No se cambió nada." in response.text


def test_columns_are_refused_in_the_language_of_the_page(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,x\n1,y\n")
    form = [("action", "check"), ("role", "document_id"), ("role", "type")]
    response = editor.post(url, form, status=422, headers=SPANISH)
    assert "Asigne tanto una columna de tipo como una de valor de segmento." in response.text


def test_note_of_the_service_is_translated_and_that_of_a_user_is_not(admin: HtmlClient) -> None:
    add_customers("1")
    for segments, note in ((GOLD, "Sample data"), ([], "Required.")):
        replace_segments({"1": segments}, TESTER, note=note)
    page = admin.get("/changes", headers=SPANISH).text
    assert "Datos de ejemplo" in page
    assert "Required." in page


def test_slip_at_a_field_is_explained_in_the_language_of_the_page(admin: HtmlClient) -> None:
    add_customers("1", "2")
    response = admin.post("/customer-rename/1", {"document_id": "2"}, status=422, headers=SPANISH)
    assert "Otro cliente tiene el ID 2. No se cambió nada." in response.text
    page = admin.get("/changes?customer=nobody", status=422, headers=SPANISH)
    assert "Ningún cliente tiene este ID." in page.text


def test_token_is_refused_in_the_language_of_the_page(admin: HtmlClient) -> None:
    form = {"name": "", "guard_percent": "many", "networks": "nowhere", "expires": "soon"}
    page = admin.post("/tokens", form, status=200, headers=SPANISH).text
    for text in (
        "Hay un problema",
        "Escriba un nombre.",
        "Seleccione al menos un permiso.",
        "No es un valor entero válido.",
        "nowhere no es una red como 203.0.113.0/24 o 2001:db8::/32.",
        "Opción inválida",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("note", "translated"),
    [
        ("Import of crm.csv", "Importación de crm.csv"),
        ("Import 7: crm.csv – after the call", "Importación 7: crm.csv – after the call"),
        (
            "Reverts change #7 for this customer – my mistake",
            "Revierte el cambio n.º\N{NO-BREAK SPACE}7 para este cliente – my mistake",
        ),
        ("Adds membership GOLD", "Añade membership GOLD"),
        ("Removes all segments", "Quita todos los segmentos"),
        ("Renames a b → a c, a d → a e and 3 more", "Renombra a b → a c, a d → a e y 3 más"),
        ("Called the customer", "Called the customer"),
    ],
)
def test_note_of_a_change_is_in_the_language_of_the_page(app: Flask, note: str, translated: str) -> None:
    with force_locale("es"):
        assert translate_note(note) == translated
    with force_locale("en"):
        assert translate_note(note) == note


@pytest.mark.parametrize("action", ACTIONS)
def test_every_note_of_a_bulk_edit_is_translated(app: Flask, action: str) -> None:
    pairs = [{"type": "t", "value": str(n)} for n in range(10 if action == "rename" else 1)]
    note = describe(BulkEdit(action, pairs))  # type: ignore[arg-type]
    with force_locale("es"):
        assert translate_note(note) != note


@pytest.mark.parametrize(
    ("actor", "label"),
    [
        ("operator ana@example.com", "ana@example.com"),
        ("token crm-nightly", "token crm-nightly"),
        ("command line root", "consola (root)"),
        ("system", "sistema"),
        ("demo", "demo"),
    ],
)
def test_who_changed_something_is_named_in_the_language_of_the_page(app: Flask, actor: str, label: str) -> None:
    with force_locale("es"):
        assert actor_label(actor) == label
        assert actor in actors_named(label) or actor == "system"
    assert actor in actors_named(actor.rsplit(" ", maxsplit=1)[-1])
