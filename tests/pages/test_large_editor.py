"""The form of a customer with 2,000 new rows: it asks the database no more often than a form with two."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.search import similar_segments
from app.pages import editor as editor_form
from tests.support.customers import GOLD, add_customers, all_segments, set_segments
from tests.support.editor_form import form_of, with_row
from tests.support.html_client import HtmlClient
from tests.support.query_log import capture_queries

FEW, MANY = 2, 2_000
SIMILAR = "GOLDD"
CATALOGUE = 50


def submit_rows(editor: HtmlClient, document_id: str, count: int, action: str, **fields: str) -> tuple[int, list[str]]:
    """Submit a form with new rows, the first of which resembles a segment; return the status and the statements."""
    form = with_row(form_of(editor.get(f"/customers/{document_id}")), "membership", SIMILAR)
    for number in range(count - 1):
        form = with_row(form, f"interest {number % 7}", f"NEW {number}")
    data = {name: [value] for name, value in {**fields, "csrf_token": editor.token, "action": action}.items()}
    for name, value in form:
        data.setdefault(name, []).append(value)
    with capture_queries() as statements:
        response = editor.client.post(f"/customers/{document_id}", data=data)
    return response.status_code, statements


@pytest.fixture
def catalogue(ana: str) -> None:
    add_customers("other")
    values = [{"type": "interest 1", "value": f"OLD {number}"} for number in range(CATALOGUE)]
    set_segments("other", [*GOLD, *values])


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count how often spellings are worked out, and how often the catalogue is searched for similar ones."""
    counts = {"spelling_key": 0, "find_similar": 0}

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            counts[name] += 1
            return function(*args)

        return call

    monkeypatch.setattr(similar_segments, "spelling_key", counted("spelling_key", similar_segments.spelling_key))
    monkeypatch.setattr(editor_form, "find_similar", counted("find_similar", similar_segments.find_similar))
    return counts


@pytest.mark.parametrize(("action", "status"), [("save", 422), ("add", 200), ("remove-1", 200), ("use-0-0", 200)])
def test_statements_do_not_grow_with_the_rows(
    editor: HtmlClient, ana: str, catalogue: None, calls: dict[str, int], action: str, status: int
) -> None:
    few, many = (submit_rows(editor, ana, count, action) for count in (FEW, MANY))
    assert (few[0], many[0]) == (status, status)
    assert len(many[1]) == len(few[1]) <= 12, many[1]
    assert calls["find_similar"] <= 2, "once for each form"
    assert calls["spelling_key"] <= 2 * (FEW + MANY + 2 * CATALOGUE)


def test_a_form_with_many_rows_is_saved(editor: HtmlClient, ana: str, catalogue: None) -> None:
    saved = [submit_rows(editor, ana, FEW, "save", confirmed="yes")]
    set_segments(ana, [])
    saved.append(submit_rows(editor, ana, MANY, "save", confirmed="yes"))
    assert [status for status, _ in saved] == [302, 302]
    assert len(all_segments()[ana]) == MANY
    assert len(saved[1][1]) == len(saved[0][1]) <= 20, saved[1][1]
