"""Contact details are edited on the page, and customers created."""

import pytest

from app.core.models.customers import get_customer
from tests.support.html_client import HtmlClient, HtmlPage


def test_contact_details_are_edited_and_can_be_undone(editor: HtmlClient, ana: str) -> None:
    page = editor.get(editor.get(f"/customers/{ana}").links["Edit contact details"])
    assert page.field("name") == "Ana Gómez"
    saved = editor.submit(f"/customer-profile/{ana}", {"name": " Ana Díaz ", "email": "", "phone": "+57 300"})
    assert "Saved." in saved.text
    found = get_customer(ana)
    assert (found.name, found.email, found.phone) == ("Ana Díaz", None, "+57 300")
    assert "before Name Ana Gómez" in editor.get("/changes/1").text
    editor.post("/changes/1/undo")


def test_unchanged_contact_details_are_no_change(editor: HtmlClient, ana: str) -> None:
    page = editor.get(f"/customer-profile/{ana}")
    fields = {name: page.field(name) for name in ("name", "email", "phone")}
    assert "No changes to save." in editor.submit(f"/customer-profile/{ana}", fields).text


@pytest.mark.parametrize("value", ["x" * 5_000, "a\0b"])
def test_an_invalid_field_is_reported_and_nothing_is_saved(editor: HtmlClient, ana: str, value: str) -> None:
    response = editor.post(f"/customer-profile/{ana}", {"name": value, "email": "new@example.com"}, status=422)
    assert 'aria-describedby="name-error"' in response.text
    assert get_customer(ana).email == "Ana@Example.com"


def test_a_customer_is_created(editor: HtmlClient, ana: str) -> None:
    editor.get("/customer-new")
    page = editor.submit("/customer-new", {"document_id": " 7/1 ", "name": "Eva"})
    assert "Customer created." in page.text
    assert "Eva" in page.title
    for document_id in ("", ana, "x" * 600):
        response = editor.post("/customer-new", {"document_id": document_id, "name": "Other"}, status=422)
        assert 'id="document_id-error"' in HtmlPage(response.text).html
    assert get_customer(ana).name == "Ana Gómez"


def test_viewers_cannot_edit_contact_details(viewer: HtmlClient, ana: str) -> None:
    for url in (f"/customer-profile/{ana}", "/customer-new"):
        viewer.get(url, status=403)
        viewer.post(url, {"name": "x"}, status=403)
    assert "Edit contact details" not in viewer.get(f"/customers/{ana}").links


def test_the_history_shows_changes_of_the_profile(editor: HtmlClient) -> None:
    editor.post("/customer-new", {"document_id": "n-1", "name": "Eva"})
    editor.post("/customer-profile/n-1", {"name": "Eva Díaz", "email": "", "phone": ""})
    editor.post("/customer-rename/n-1", {"document_id": "n-2"})
    text = editor.get("/customers/n-2").text
    for difference in ("before ID n-1", "after ID n-2", "before Name Eva", "after Name Eva Díaz", "created Eva"):
        assert difference in text
