"""/customers: search, filters, sort order, pages, counts and export, all of it in the URL."""

import csv
import io
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from flask import Flask

from app.core.models.segments import SegmentPair
from app.core.search.filters import Filter
from app.demo_data import fill_demo
from app.files.cells import escape_cell, unescape_cell
from app.pages import customers as customers_page
from app.pages.changes import ChangeListFilter
from app.pages.list_query import filter_parameters, parameter_name, parse_filter
from app.pages.segments import CatalogueFilter
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.html_client import HtmlClient, HtmlPage


def test_search_lists_matching_customers(viewer: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    page = viewer.get("/customers?q=gomez")
    assert "1 customer" in page.text
    assert page.links[ana] == f"/customers/{ana}"
    for text in ("Ana Gómez", "Ana@Example.com", "membership GOLD", "just now", "tester"):
        assert text in page.text


@pytest.mark.parametrize("query", ["has=none", "has=any", "sort=name&has=any"])
def test_an_exact_id_among_filters_is_a_list(viewer: HtmlClient, ana: str, query: str) -> None:
    assert viewer.client.get(f"/customers?q={ana}&{query}").status_code == 200


def test_an_exact_id_opens_the_customer(viewer: HtmlClient, ana: str) -> None:
    response = viewer.client.get("/customers", query_string={"q": f" {ana} "})
    assert response.headers["Location"] == f"/customers/{ana}"
    assert viewer.client.get(f"/customers?q={ana}", headers={"X-Fragment": "results"}).status_code == 200
    assert "No customers found" in viewer.get(f"/customers?q={ana}&has=any").text, "the filter is not ignored"


def test_filters_are_added_and_removed_one_by_one(viewer: HtmlClient, ana: str) -> None:
    add_customers("2", name="Ana Silver")
    set_segments(ana, GOLD)
    set_segments("2", SILVER)
    response = viewer.client.get("/customers?q=ana&add_segment=membership:GOLD&condition=segment&sort=name")
    page = viewer.get(response.headers["Location"])
    assert "1 customer" in page.text
    page = viewer.get(page.links["Remove filter: Has segment membership:GOLD"])
    assert "2 customers" in page.text
    page = viewer.get(page.links["Clear search “ana”"])
    assert "Clear filters" not in page.text
    response = viewer.client.get("/customers?add_segment=membership:GOLD&condition=without")
    assert "Ana Silver" in viewer.get(response.headers["Location"]).text
    assert "No customers found" in viewer.get("/customers?has=none").text


def test_the_list_is_paged_in_both_directions(viewer: HtmlClient, app: Flask) -> None:
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


def test_a_count_is_exact_or_a_lower_bound(viewer: HtmlClient, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_demo(600, lambda _done: None)
    monkeypatch.setattr(customers_page, "MAX_COUNTED", 60)
    assert "600 customers" in viewer.get("/customers").text
    page = viewer.get("/customers?without=membership:GOLD&has=any")
    assert "50+ customers" in page.text
    counted = viewer.get(page.links.get("Count all", "/customers?without=membership:GOLD&has=any&count=yes"))
    assert "60+ customers" in counted.text
    part = viewer.client.get("/customer-count?without=membership:GOLD&has=any").text
    assert part.strip() == "60+ customers"


def test_a_filter_matches_a_segment_by_its_value(viewer: HtmlClient, ana: str) -> None:
    set_segments(ana, GOLD)
    response = viewer.client.get("/customers?add_segment=gold")
    assert ana in viewer.get(response.headers["Location"]).links
    assert "No segment matches “BRONZE”." in viewer.get("/customers?add_segment=BRONZE", status=422).text
    set_segments(ana, [*GOLD, {"type": "tier", "value": "GOLD"}])
    page = viewer.get("/customers?add_segment=GOLD&condition=without&q=a", status=422)
    assert "Choose one of these segments: membership GOLD 1 tier GOLD 1" in page.text
    assert page.links["tier GOLD 1"] == "/customers?q=a&without=tier:GOLD"
    assert ana in page.links, "the list stays"


def test_the_picker_lists_all_segments_that_match_with_their_counts(viewer: HtmlClient, ana: str) -> None:
    add_customers("2")
    set_segments(ana, [{"type": "store", "value": f"S{n:03}"} for n in range(150)])
    set_segments("2", [{"type": "store", "value": "S149"}, {"type": "city", "value": "Bogotá"}])

    def options_for(query: str) -> HtmlPage:
        return HtmlPage(viewer.client.get(f"/segment-options?{query}").text)

    options = options_for("add_segment=s149&q=gomez&condition=without&has=any")
    assert options.text.strip() == "store S149 2 customers"
    assert list(options.links.values()) == ["/customers?q=gomez&has=any&without=store:S149"]
    assert options_for("add_segment=city:BOGOTA").text.strip() == "city Bogotá 1 customer"
    assert options_for("").text.strip().startswith("store S149 2 customers")
    assert options_for("add_segment=nothing").text.strip() == "No segments found"


def test_a_sent_form_leads_to_the_url_without_its_empty_fields(viewer: HtmlClient, ana: str) -> None:
    response = viewer.client.get("/customers?q=ana&has=&condition=segment&add_segment=&segment=a:b")
    assert response.headers["Location"] == "/customers?q=ana&segment=a:b"


@pytest.mark.parametrize("query", ["segment=GOLD", "has=some", "q=%00", f"q={'1' * 1001}"])
def test_an_invalid_filter_is_reported_on_the_list(viewer: HtmlClient, ana: str, query: str) -> None:
    page = viewer.get(f"/customers?{query}", status=422)
    assert 'role="alert"' in page.html
    assert ana not in page.links, "an invalid filter does not list all customers"


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ("sort=phone", "You can sort by ID, name or last update."),
        ("after=x", "That page of the list no longer exists."),
        ("sort=name&before=WyJhIl0", "That page of the list no longer exists."),
        ("add_segment=a:b&condition=c", "Choose a condition from the list."),
        ("sort=%00", "invalid characters"),
    ],
)
def test_an_invalid_parameter_is_a_notice_on_the_list(viewer: HtmlClient, ana: str, query: str, notice: str) -> None:
    page = viewer.follow(f"/customers?q=gomez&{query}")
    assert notice in page.text
    assert 'value="gomez"' in page.html, "the rest of the list stays"
    assert ana in page.html


@pytest.mark.parametrize("query", ["segment=GOLD", "has=some", "q=%00"])
@pytest.mark.parametrize("url", ["/customer-export", "/bulk-edits/new?all_matching=yes"])
def test_an_invalid_filter_of_an_export_or_a_bulk_edit_is_reported_on_the_list(
    editor: HtmlClient, ana: str, url: str, query: str
) -> None:
    page = editor.follow(f"{url}{'&' if '?' in url else '?'}{query}", status=422)
    assert page.title.startswith("Customers")
    assert 'role="alert"' in page.html
    assert ana not in page.links


def test_an_unknown_format_of_an_export_is_a_notice_on_the_list(viewer: HtmlClient, ana: str) -> None:
    page = viewer.follow("/customer-export?format=pdf&has=none")
    assert "Choose CSV, Excel or JSON Lines." in page.text
    assert "Has no segments" in page.text


@pytest.mark.parametrize("query", ["segment=GOLD", "has=some", "q=%00", "sort=phone"])
def test_an_invalid_filter_never_widens_a_count(viewer: HtmlClient, query: str) -> None:
    fragment = viewer.client.get(f"/customer-count?{query}", headers={"X-Fragment": "true"})
    assert fragment.status_code == 400


@dataclass(frozen=True)
class ExtendedFilter(Filter):
    """A filter with one more field of each type."""

    city: str | None = None
    since: date | None = None
    except_segment: SegmentPair | None = None


def example_of(hint: Any) -> str:
    """Return a parameter that is parsed as this type."""
    single = (get_args(hint) or (hint,))[0]
    return "2026-11-01" if single is date else get_args(single)[0] if get_origin(single) is Literal else "a:b"


@pytest.mark.parametrize("filter_class", [Filter, ChangeListFilter, CatalogueFilter, ExtendedFilter])
def test_every_field_of_a_filter_is_a_parameter_of_its_urls(app: Flask, filter_class: Any) -> None:
    types = get_type_hints(filter_class)
    query = {parameter_name(field): example_of(types[field.name]) for field in fields(filter_class)}
    with app.test_request_context("/customers", query_string=query):
        filter_ = parse_filter(filter_class)
        assert {name: value for name, (value,) in filter_parameters(filter_).items()} == query
        assert filter_ != filter_class()


def test_an_empty_list_suggests_what_to_do_next(viewer: HtmlClient) -> None:
    assert "No customers yet" in viewer.get("/customers").text
    add_customers("1")
    assert viewer.get("/customers?q=unknown").links["clear filters"] == "/customers"


def test_an_editor_of_an_empty_shop_can_import_a_file(editor: HtmlClient) -> None:
    assert editor.get("/customers").links["Import a file"] == "/imports"


def test_the_export_is_safe_in_a_spreadsheet_and_can_be_imported_again(
    viewer: HtmlClient, app: Flask, shell: Shell
) -> None:
    add_customers("=1+1", name='=HYPERLINK("http://x")', email="-a@b.c", phone="+57 300")
    add_customers("2", name="'quoted", email="@x")
    set_segments("=1+1", [*GOLD, {"type": "=t", "value": '@v,"\n😀'}])
    response = viewer.client.get("/customer-export?q=")
    rows = list(csv.reader(io.StringIO(response.text.removeprefix("\ufeff"), newline="")))
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    only = viewer.client.get("/customer-export?segment=membership:GOLD").text
    assert "quoted" not in only
    done = shell("customers", "import", shell.file("again.csv", response.data)).stdout
    assert "0 customers created, 0 updated, 2 unchanged; segments of 0 customers changed" in done


@pytest.mark.parametrize("cell", ["=x", "'", "'=x", "''", "x", "+", "\tx", "", "'x'"])
def test_unescaping_restores_an_escaped_cell(cell: str) -> None:
    assert unescape_cell(escape_cell(cell)) == cell


def test_the_command_exports_apostrophes_unchanged(app: Flask, shell: Shell) -> None:
    add_customers("1", name="'=x", email="'", phone="+57")
    exported = shell("customers", "export").stdout
    assert "+57" in exported.replace("'+57", "")
    assert "1 unchanged" in shell("customers", "import", shell.file("again.csv", exported)).stdout


@pytest.mark.parametrize("name", ["_scheme", "_external", "_anchor", "_method", "endpoint", "document_id", "segment[]"])
def test_unknown_url_parameters_are_not_carried_into_links(viewer: HtmlClient, ana: str, name: str) -> None:
    for url in ("/customers", "/changes", "/segments"):
        page = viewer.get(f"{url}?{name}=javascript&sort=name")
        assert not any("javascript" in link for link in page.links.values())


def test_a_full_page_is_small(editor: HtmlClient) -> None:
    """`get` checks the size of every page: here with 50 customers, and as many segments as are suggested."""
    segments = [{"type": f"type-{n}", "value": f"A_LONG_VALUE_{n}"} for n in range(100)]
    for n in range(51):
        id_ = f"{n:04}-{n:06}"
        profile = {
            "name": f"María Fernanda Gómez {n}",
            "email": f"maria.gomez{n}@example.com",
            "phone": f"+57 300{n:07}",
        }
        add_customers(id_, **profile)
        set_segments(id_, [segments[(n * 2 + k) % 100] for k in range(4)])
    page = editor.get("/customers")
    assert page.html.count("<tr>") == 51
    assert "\n    " not in page.html, "indentation is not sent"
