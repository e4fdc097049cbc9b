"""Edits outlive their session: after the next sign-in the form is there, filled in and not sent."""

from typing import Any

import pytest
from flask import Flask

from app.access.operators import find_operator
from app.access.sessions import end_sessions
from tests.support.customers import GOLD, add_customers, all_segments, set_segments
from tests.support.editor_form import NEW_ROW
from tests.support.html_client import PASSWORD, HtmlClient, HtmlPage, signed_in
from tests.support.second_factor import code_at, set_up_app

FORM = [*NEW_ROW, ("action", "save")]


def end_session(operator: HtmlClient) -> None:
    """End the session as an admin does: the browser keeps its cookie."""
    operator.get("/")  # the cookie names its operator from the first page on
    end_sessions(find_operator(operator.email).id, operator.email)


def send(operator: HtmlClient, url: str, form: Any) -> HtmlPage:
    """Send a form whose session has ended; return the sign-in page that keeps it."""
    page = HtmlPage(operator.post(url, form, status=403).text)
    assert "Your edits are kept" in page.text
    operator.token = page.field("csrf_token")
    return page


def sign_in(operator: HtmlClient, page: HtmlPage, url: str = "/sign-in", **fields: str) -> HtmlPage:
    form = {"email": operator.email, "password": PASSWORD, "kept_form": page.field("kept_form"), **fields}
    after = HtmlPage(operator.post(url, form, status=200).text)
    operator.token = after.field("csrf_token")
    return after


def restore(operator: HtmlClient, url: str, page: HtmlPage, status: int = 200) -> HtmlPage:
    return HtmlPage(operator.post(url, {"kept_form": page.field("kept_form")}, status=status).text)


def test_edits_of_segments_are_there_after_the_next_sign_in(editor: HtmlClient, ana: str) -> None:
    url = f"/customers/{ana}"
    end_session(editor)
    page = send(editor, url, FORM)
    assert "WINE" not in page.html
    after = sign_in(editor, page)
    assert f'action="{url}"' in after.html
    restored = restore(editor, url, after)
    assert "Your edits are here, but not saved yet." in restored.text
    assert "Unsaved changes: 1 added" in restored.text
    assert (restored.field("type"), restored.field("value")) == ("interest", "WINE")
    assert all_segments() == {ana: []}
    editor.post(url, FORM)
    assert all_segments() == {ana: [{"type": "interest", "value": "WINE"}]}


def test_a_wrong_password_keeps_them(editor: HtmlClient, ana: str) -> None:
    end_session(editor)
    page = send(editor, f"/customers/{ana}", FORM)
    form = {"email": editor.email, "password": "wrong", "kept_form": page.field("kept_form")}
    refused = HtmlPage(editor.post("/sign-in", form, status=403).text)
    assert refused.field("kept_form") == page.field("kept_form")


def test_a_second_step_keeps_them(editor: HtmlClient, ana: str) -> None:
    totp, _ = set_up_app(editor)
    end_session(editor)
    second = sign_in(editor, send(editor, f"/customers/{ana}", FORM))
    after = sign_in(editor, second, "/sign-in/code", code=code_at(totp))
    assert restore(editor, f"/customers/{ana}", after).field("value") == "WINE"


@pytest.mark.parametrize(
    ("url", "form", "field"),
    [
        ("/customer-profile/1232-2323", {"name": "Ana Díaz", "email": "", "phone": ""}, "name"),
        ("/customer-new", {"document_id": "n-1", "name": "Ana Díaz"}, "name"),
        ("/bulk-edits?all_matching=yes", [*FORM, ("operation", "add")], "value"),
    ],
)
def test_other_forms_are_kept_and_not_sent(editor: HtmlClient, ana: str, url: str, form: Any, field: str) -> None:
    end_session(editor)
    after = sign_in(editor, send(editor, url, form))
    restored = restore(editor, url, after)
    assert restored.field(field) == dict(form)[field]
    assert "Ana Gómez" in editor.get(f"/customers/{ana}").title
    editor.get("/customers/n-1", status=404)


def test_another_operator_does_not_see_them(app: Flask, editor: HtmlClient, ana: str) -> None:
    other = signed_in(app.test_client(), "editor", "other@example.com")
    end_session(editor)
    page = send(editor, f"/customers/{ana}", FORM)
    form = {"email": other.email, "password": PASSWORD, "kept_form": page.field("kept_form")}
    editor.post("/sign-in", form, status=302)
    assert "belong to someone else" in editor.get("/").text
    other.post(f"/customers/{ana}", {"kept_form": page.field("kept_form")}, status=302)
    assert "belong to someone else" in other.get("/").text


def test_a_kept_form_opens_only_its_own_page(editor: HtmlClient, ana: str) -> None:
    add_customers("other")
    end_session(editor)
    after = sign_in(editor, send(editor, f"/customers/{ana}", FORM))
    restore(editor, "/customers/other", after, status=302)
    editor.post(f"/customers/{ana}", {"kept_form": "forged"}, status=302)


def test_a_sign_in_in_another_tab_keeps_them(editor: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    page = editor.get(f"/customers/{ana}")
    stale = editor.token
    end_session(editor)
    editor.sign_in()
    editor.token = stale
    response = editor.post(f"/customers/{ana}", [*FORM, ("operator", page.field("operator"))], status=200)
    after = HtmlPage(response.text)
    assert "Continue editing" in after.text
    editor.token = after.field("csrf_token")
    assert restore(editor, f"/customers/{ana}", after).field("value") == "WINE"
    assert all_segments() == {ana: GOLD}


def test_without_a_former_session_nothing_is_kept(app: Flask, ana: str) -> None:
    stranger = HtmlClient(app.test_client(), "stranger@example.com")
    response = stranger.post(f"/customers/{ana}", FORM)
    assert response.headers["Location"].startswith("/sign-in")
