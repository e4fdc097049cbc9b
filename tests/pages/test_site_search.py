"""GET /search-hits: customers, segments, pages and actions for the search in the header."""

import re

from tests.support.customers import add_customers, set_segments
from tests.support.html_client import HtmlClient


def hits(operator: HtmlClient, q: str) -> list[tuple[str, str]]:
    """Return (URL, text) of each hit."""
    response = operator.client.get("/search-hits", query_string={"q": q})
    assert response.status_code == 200
    options = re.findall(r'<a[^>]*role="option"[^>]*href="([^"]+)"[^>]*>(.*?)</a>', response.text, re.DOTALL)
    return [(url, " ".join(re.sub("<[^>]*>", " ", text).split())) for url, text in options]


def test_customers_and_segments_are_found_without_case_and_accents(viewer: HtmlClient) -> None:
    add_customers("1232-2323", name="Lucía Díaz")
    set_segments("1232-2323", [{"type": "región", "value": "DIAZ SUR"}])
    assert hits(viewer, "diaz") == [
        ("/customers/1232-2323", "Lucía Díaz 1232-2323"),
        ("/segments/regi%C3%B3n/DIAZ%20SUR", "región DIAZ SUR 1 customer"),
        ("/customers?q=diaz", "Search all customers for “diaz”"),
    ]


def test_a_segment_is_found_by_type_and_value(viewer: HtmlClient) -> None:
    add_customers("1232-2323", "222-133")
    set_segments("1232-2323", [{"type": "membership", "value": "GOLD"}, {"type": "store", "value": "GOLD"}])
    found = [url for url, _ in hits(viewer, "membership:gold")]
    assert found == ["/segments/membership/GOLD", "/customers?q=membership:gold"]


def test_without_a_query_the_pages_of_the_role_are_listed(viewer: HtmlClient) -> None:
    urls = [url for url, _ in hits(viewer, "")]
    assert urls[:3] == ["/", "/customers", "/segments"]
    assert "/tokens" not in urls


def test_an_admin_finds_pages_and_actions(admin: HtmlClient) -> None:
    assert ("/operators", "Invite a teammate") in hits(admin, "invite")


def test_five_customers_are_listed_at_most(viewer: HtmlClient) -> None:
    add_customers(*(f"N-{n}" for n in range(9)), name="Ana Gómez")
    assert len(hits(viewer, "gomez")) == 6
