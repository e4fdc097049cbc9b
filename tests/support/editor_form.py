"""The form of a customer's segments, as a browser sends it."""

from itertools import takewhile
from typing import Any

from tests.support.html_client import HtmlClient, HtmlPage

NEW_ROW = [
    ("base", "[]"),
    ("version", ""),
    ("original_index", ""),
    ("removed", ""),
    ("type", "interest"),
    ("value", "WINE"),
]
"""The form of a customer without segments, with one row that was added."""

FIELDS = ("base", "version", "original_index", "removed", "type", "value", "confirmed")


def form_of(page: HtmlPage, start: int | None = None) -> list[tuple[str, str]]:
    """Return the editor's fields as a browser submits them: of the first form, or of the one that begins at `start`."""
    start = start or next(n for n, (name, _) in enumerate(page.fields) if name == "base")
    form = takewhile(lambda field: field[0] != "csrf_token", page.fields[start:])
    return [(name, value) for name, value in form if name in FIELDS]


def with_row(form: list[tuple[str, str]], type_: str, value: str) -> list[tuple[str, str]]:
    return [*form, ("original_index", ""), ("removed", ""), ("type", type_), ("value", value)]


def edited(editor: HtmlClient, document_id: str, form: Any, action: str, status: int = 200) -> HtmlPage:
    return HtmlPage(editor.post(f"/customers/{document_id}", [*form, ("action", action)], status=status).text)


def save(editor: HtmlClient, document_id: str, form: Any, **kwargs: Any) -> HtmlPage:
    return editor.submit(f"/customers/{document_id}", [*form, ("action", "save")], **kwargs)
