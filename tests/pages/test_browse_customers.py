"""/customers: search, filters, order, pages, counts and export, all of it in the URL."""

import csv
import io

import pytest
from flask import Flask

from app.demo_data import fill_demo
from app.files.cells import escape_cell, unescape_cell
from app.pages import customers as page_of_customers
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.html_client import Operator


def test_it_works(viewer: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    page = viewer.get("/customers?q=gomez")
    assert "1 customer" in page.text
    assert page.links[ana] == f"/customers/{ana}"
    for text in ("Ana Gómez", "Ana@Example.com", "membership GOLD", "just now", "tester"):
        assert text in page.text


def test_exact_id_with_another_filter_is_a_list(viewer: Operator, ana: str) -> None:
    set_segments(ana, GOLD)
    page = viewer.get(f"/customers?q={ana}&has=none")  # not a redirect to the customer
    assert ana not in page.links
    viewer.get(f"/customers?q={'1' * 1001}", status=400)


def test_an_exact_id_opens_at_once(viewer: Operator, ana: str) -> None:
    answer = viewer.client.get("/customers", query_string={"q": f" {ana} "})
    assert answer.headers["Location"] == f"/customers/{ana}"
    assert viewer.client.get(f"/customers?q={ana}", headers={"X-Fragment": "results"}).status_code == 200


def test_filters_are_added_and_removed_by_links_that_keep_the_rest(viewer: Operator, ana: str) -> None:
    add_customers("2", name="Ana Silver")
    set_segments(ana, GOLD)
    set_segments("2", SILVER)
    answer = viewer.client.get("/customers?q=ana&pair=membership:GOLD&kind=segment&sort=name")
    page = viewer.get(answer.headers["Location"])
    assert "1 customer" in page.text
    page = viewer.get(page.links["Remove the filter has membership:GOLD"])
    assert "2 customers" in page.text
    page = viewer.get(page.links["Stop searching for ana"])
    assert "Clear all" not in page.text
    answer = viewer.client.get("/customers?pair=membership:GOLD&kind=without")
    assert "Ana Silver" in viewer.get(answer.headers["Location"]).text
    assert "No customer matches" in viewer.get("/customers?has=none").text


def test_pages_lead_on_and_back(viewer: Operator, app: Flask) -> None:
    fill_demo(170, lambda _done: None)
    seen: list[str] = []
    page = viewer.get("/customers?sort=name")
    while True:
        seen += [text for text, url in page.links.items() if url.startswith("/customers/")]
        if "Next →" not in page.links:
            break
        previous, page = page, viewer.get(page.links["Next →"])
        back = viewer.get(page.links["← Previous"])
        assert list(back.links)[:60] == list(previous.links)[:60] or "First page" in back.links
    assert len(seen) == len(set(seen)) == 170


def test_a_count_is_exact_or_says_more_than(viewer: Operator, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_demo(600, lambda _done: None)
    monkeypatch.setattr(page_of_customers, "MAX_COUNTED", 60)
    assert "600 customers" in viewer.get("/customers").text
    page = viewer.get("/customers?without=membership:GOLD&has=any")
    assert "50+ customers" in page.text
    counted = viewer.get(page.links.get("Count them", "/customers?without=membership:GOLD&has=any&count=yes"))
    assert "60+ customers" in counted.text
    part = viewer.client.get("/customer-count?without=membership:GOLD&has=any").text
    assert part.strip() == "60+ customers"


@pytest.mark.parametrize(
    "query",
    ["segment=GOLD", "pair=GOLD", "has=some", "sort=phone", "after=x", "before=WyJhIl0", "pair=a:b&kind=c", "q=%00"],
)
def test_what_is_not_understood_is_said(viewer: Operator, query: str) -> None:
    viewer.get(f"/customers?sort=name&{query}" if "before" in query else f"/customers?{query}", status=400)


def test_empty_lists_say_what_to_do_next(viewer: Operator) -> None:
    assert viewer.get("/customers").links["Load a file"] == "/imports"
    add_customers("1")
    assert "show all customers" in viewer.get("/customers?q=nobody").text


def test_the_export_is_the_whole_list_safe_in_a_spreadsheet_and_can_be_imported(
    viewer: Operator, app: Flask, shell: Shell
) -> None:
    add_customers("=1+1", name='=HYPERLINK("http://x")', email="-a@b.c", phone="+57 300")
    add_customers("2", name="'quoted", email="@x")
    set_segments("=1+1", [*GOLD, {"type": "=t", "value": '@v,"\n😀'}])
    answer = viewer.client.get("/customer-export?q=")
    assert answer.headers["Content-Disposition"] == "attachment; filename=customers.csv"
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    only = viewer.client.get("/customer-export?segment=membership:GOLD").text
    assert "quoted" not in only
    done = shell("customers", "import", shell.file("again.csv", answer.data)).stdout
    assert "0 customers created, 0 updated, 2 unchanged; segments of 0 customers changed" in done


@pytest.mark.parametrize("cell", ["=x", "'", "'=x", "''", "x", "+", "\tx", "", "'x'"])
def test_a_marked_cell_is_what_it_was(cell: str) -> None:
    assert unescape_cell(escape_cell(cell)) == cell


def test_the_commands_export_keeps_apostrophes_too(app: Flask, shell: Shell) -> None:
    add_customers("1", name="'=x", email="'", phone="+57")
    exported = shell("customers", "export").stdout
    assert "+57" in exported.replace("'+57", "")
    assert "1 unchanged" in shell("customers", "import", shell.file("again.csv", exported)).stdout


@pytest.mark.parametrize("name", ["_scheme", "_external", "_anchor", "_method", "endpoint", "document_id", "pair[]"])
def test_what_else_stands_in_the_url_gets_into_no_link(viewer: Operator, ana: str, name: str) -> None:
    for url in ("/customers", "/changes", "/segments"):
        page = viewer.get(f"{url}?{name}=javascript&sort=name")
        assert not any("javascript" in link for link in page.links.values())


def test_a_full_page_is_small(editor: Operator) -> None:
    """What `get` checks of every page, where it is hardest: 50 customers, and all segments that can be suggested."""
    segments = [{"type": f"type-{n}", "value": f"A_LONG_VALUE_{n}"} for n in range(100)]
    for n in range(51):
        id_ = f"{n:04}-{n:06}"
        facts = {"name": f"María Fernanda Gómez {n}", "email": f"maria.gomez{n}@example.com", "phone": f"+57 300{n:07}"}
        add_customers(id_, **facts)
        set_segments(id_, [segments[(n * 2 + k) % 100] for k in range(4)])
    page = editor.get("/customers")
    assert page.html.count("<tr>") == 51
    assert "\n    " not in page.html, "indentation is not sent"
