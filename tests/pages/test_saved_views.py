"""Saved views: named lists of customers, shared by the team."""

import pytest
from flask import Flask

from app.access.saved_views import create_view, disclose_from_views, list_views
from app.core.changes.erasure import disclose_customer, erase_customers
from app.core.limits import MAX_VIEW_NAME_LENGTH, MAX_VIEWS
from tests.support.customers import GOLD, TESTER, add_customers, set_segments
from tests.support.html_client import HtmlClient, HtmlPage, checked

LIST = "?segment=membership:GOLD&has=any&sort=name"


def saved() -> list[tuple[str, str]]:
    return [(view.name, view.query) for view in list_views()]


def test_a_saved_view_is_a_tab_for_everyone(editor: HtmlClient, ana: str) -> None:
    add_customers("2")
    set_segments(ana, GOLD)
    page = editor.submit(f"/customer-views{LIST}", {"view_name": "  Gold   ones "})
    assert "View “Gold ones” saved." in page.text
    assert 'aria-current="page">Gold ones<' in page.html
    page = editor.get(editor.get("/customers").links["Gold ones"])
    assert ana in page.links
    assert "2" not in page.links
    assert saved() == [("Gold ones", "has=any&segment=membership%3AGOLD&sort=name")]


def test_the_order_of_parameters_does_not_matter(editor: HtmlClient, ana: str) -> None:
    create_view("Any", "has=any&q=go")
    assert "Edit view" in editor.get("/customers?q=go&has=any").text
    assert "Save view" in editor.get("/customers?q=g&has=any").text
    assert "Save view" not in editor.get("/customers").text, "there is nothing to save"


def test_views_are_renamed_and_deleted(editor: HtmlClient, app: Flask) -> None:
    create_view("B", "q=b")
    create_view("a", "q=a")
    first, _second = list_views()
    assert first.name == "a", "case does not decide the order"
    editor.post(f"/customer-views/{first.id}/rename?q=a", {"view_name": "Z"})
    assert saved() == [("B", "q=b"), ("Z", "q=a")]
    page = editor.submit(f"/customer-views/{first.id}/delete?q=a")
    assert "View “Z” deleted." in page.text
    assert "Save view" in page.text, "the list is still there, and can be saved again"
    assert saved() == [("B", "q=b")]
    editor.post(f"/customer-views/{first.id}/delete", status=404)
    editor.post(f"/customer-views/{first.id}/rename", {"view_name": "Y"}, status=404)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (" ", "Enter a name."),
        ("x" * (MAX_VIEW_NAME_LENGTH + 1), "At most 60 characters."),
        ("B", "Another view has this name."),
        ("\0", "Contains an invalid character."),
    ],
)
def test_a_slip_is_reported_at_the_field_above_the_list(editor: HtmlClient, ana: str, name: str, message: str) -> None:
    create_view("B", "q=b")
    create_view("C", "q=gomez")
    for action in ("", "/2/rename"):
        page = checked(editor.post(f"/customer-views{action}?q=gomez", {"view_name": name}, status=422))
        assert message in page.text
        assert 'aria-describedby="view-name-error"' in page.html
        assert ana in page.links
    assert [name for name, _query in saved()] == ["B", "C"]


def test_there_are_as_many_views_as_fit(editor: HtmlClient, app: Flask) -> None:
    for number in range(MAX_VIEWS):
        create_view(str(number), f"q={number}")
    response = editor.post("/customer-views?q=x", {"view_name": "x"}, status=422)
    assert "At most 50 views can be saved." in response.text


def test_a_list_with_an_invalid_filter_is_not_saved(editor: HtmlClient, app: Flask) -> None:
    for query in ("segment=GOLD", "has=some", "sort=phone"):
        editor.post(f"/customer-views?{query}", {"view_name": "x"}, status=400)
    assert saved() == []


def test_a_viewer_opens_views_and_changes_none(viewer: HtmlClient, ana: str) -> None:
    create_view("Gómez", "q=gomez")
    page = viewer.get("/customers?q=gomez")
    assert page.links["Gómez"] == "/customers?q=gomez"
    assert "Edit view" not in page.text
    for path in ("", "/1/rename", "/1/delete"):
        viewer.post(f"/customer-views{path}?q=x", {"view_name": "x"}, status=403)
    assert HtmlPage(viewer.client.get("/search-hits?q=gome").text).links["Gómez"] == "/customers?q=gomez"


def test_changes_of_views_are_in_the_audit_log(editor: HtmlClient, admin: HtmlClient) -> None:
    editor.post("/customer-views?q=x", {"view_name": "First"})
    view_id = list_views()[0].id
    editor.post(f"/customer-views/{view_id}/rename?q=x", {"view_name": "Second"})
    editor.post(f"/customer-views/{view_id}/delete?q=x")
    log = admin.get("/audit-log").text
    for text in ("View saved", "View renamed", "View deleted"):
        assert text in log


def test_an_erased_customer_is_in_no_view(app: Flask, ana: str) -> None:
    for name, query in (("Ana", "q=ana%40example.com"), ("Ana Gómez", "has=any"), ("Others", "q=gomez")):
        create_view(name, query)
    disclosed = disclose_customer(ana, {"views": disclose_from_views})["views"]
    assert [view["name"] for view in disclosed] == ["Ana", "Ana Gómez"]
    erase_customers([ana], TESTER)
    assert saved() == [("Others", "q=gomez")]
