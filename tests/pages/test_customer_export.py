"""The customers of a list as a file: for a spreadsheet or other programs, and named after what it holds."""

import pytest

from app.pages.days import today
from tests.support.customers import GOLD, add_customers, set_segments
from tests.support.html_client import HtmlClient


@pytest.fixture(autouse=True)
def a_customer(ana: str) -> None:
    set_segments(ana, GOLD)
    add_customers("00012", name="=1+1")


@pytest.mark.parametrize(("language", "separator"), [("en", ","), ("es", ";"), ("pt-BR", ";")])
def test_spreadsheet_of_the_operators_language_opens_it_in_columns(
    viewer: HtmlClient, language: str, separator: str
) -> None:
    text = viewer.client.get("/customer-export", headers={"Accept-Language": language}).text
    assert text.startswith(
        "\N{BYTE ORDER MARK}" + separator.join(["document_id", "name", "email", "phone", "segments"])
    )
    assert "'00012" in text, "a spreadsheet would make 12 of it"


def test_other_programs_get_plain_csv(viewer: HtmlClient) -> None:
    response = viewer.client.get("/customer-export?format=plain", headers={"Accept-Language": "es"})
    assert response.text.startswith("document_id,name,email,phone,segments\r\n00012,")
    assert response.headers["Content-Disposition"].endswith(".csv")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "customers"),
        ("?segment=membership:GOLD&without=interest:WINE", "customers-gold-without-wine"),
        ("?segment=t:Bogotá/../x%0d%0a", "customers-bogota-x"),
        ("?q=ana@example.com", "customers-search"),
        ("?has=any", "customers-with-segments"),
        ("?has=none", "customers-without-segments"),
    ],
)
def test_file_is_named_after_what_it_holds(viewer: HtmlClient, query: str, name: str) -> None:
    header = viewer.client.get(f"/customer-export{query}").headers["Content-Disposition"]
    assert header == f"attachment; filename={name}-{today():%Y-%m-%d}.csv"
